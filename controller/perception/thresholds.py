"""Which score lets somebody in: the threshold for a wanted false-accept rate and so many enrolled, from measurements.

`thermogate eval face --write-thresholds FILE` writes the table; it ships as `controller/face_evaluation.json`. The
more people a stranger is compared with, the likelier one of them is near: the threshold has to rise with the gallery.
Between measured sizes it is taken in proportion to log N, between measured rates in proportion to their logarithm;
above the largest size the line is drawn on and the result says so, and far above it a face alone lets nobody in; rates
outside the measured ones are refused. Pure.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from controller.errors import EvaluationError

SHIPPED_FILE = Path(__file__).parents[1] / "face_evaluation.json"
FALSE_ACCEPT = 0.002
"""The part of strangers' attempts that may end in somebody's name, unless asked for otherwise."""
VERIFY_FALSE_ACCEPT = 0.001
"""The part of other people's attempts that may pass with somebody's card, unless asked for otherwise."""
FARTHEST = 10.0
"""Times the largest measured gallery up to which the line is drawn on."""


class Sized(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a gallery of one size needs."""

    people: int
    """Enrolled."""
    thresholds: list[float]
    """Score for each of the table's rates."""


class EngineTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One engine's measurements."""

    engine: str
    template_model: str
    strangers: int
    """People who tried each gallery without being in it."""
    support: float
    """Score from which one picture speaks for a person, beside others of the same face."""
    sizes: list[Sized]
    """By rising number of people."""
    verify: list[float]
    """Score of a 1:1 comparison for each of the table's 1:1 rates."""
    verify_people: int
    """People whose cards and faces were tried against each other."""


class FaceEvaluation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    source: str
    """The pictures."""
    command: str
    """What wrote this file."""
    method: str
    """How a threshold was found."""
    false_accepts: list[float]
    """Falling: the part of strangers' attempts that may end in somebody's name (FPIR, ISO/IEC 19795-1)."""
    verify_false_accepts: list[float]
    """Falling: the part of other people's attempts that may pass with somebody's card (FMR, ISO/IEC 19795-1)."""
    engines: list[EngineTable]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score and how it is known."""

    score: float
    """Least cosine of a match."""
    support: float
    """Least cosine from which one picture speaks for a person; at most `score`."""
    extrapolated: bool = False
    """The gallery is larger than any that was measured."""
    by_face_alone: bool = True
    """False: so much larger that the score says nothing of strangers. A face is compared with one person's alone."""


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """One engine's threshold as a function of the number enrolled."""

    sizes: tuple[int, ...]
    scores: tuple[float, ...]
    """At the wanted rate, one for each of `sizes`."""
    support: float

    def at(self, people: int) -> Threshold:
        """For so many enrolled; below the smallest measured gallery as there.

        Above FARTHEST times the largest nobody is let in by face alone. To refuse the gallery for that would be worse:
        one person too many, and no card opens any more, and whoever is removed stays.
        """
        largest = self.sizes[-1]
        known = people <= FARTHEST * largest
        where = math.log(max(people if known else FARTHEST * largest, 1))
        logs = [math.log(size) for size in self.sizes]
        score = float(np.interp(where, logs, self.scores))
        if people > largest and len(logs) > 1:
            slope = (self.scores[-1] - self.scores[0]) / (logs[-1] - logs[0])
            score = self.scores[-1] + max(slope, 0.0) * (where - logs[-1])
        score = min(score, 1.0)
        return Threshold(score, min(self.support, score), extrapolated=people > largest, by_face_alone=known)


def rule(found: FaceEvaluation, engine: str, template_model: str, false_accept: float) -> ThresholdRule | None:
    """The rule for a wanted false-accept rate; None where this engine with this model was not measured.

    Raises `EvaluationError` for a rate outside the measured ones.
    """
    table = _table(found, engine, template_model)
    if table is None:
        return None
    rates = found.false_accepts
    _check_rate(rates, "false_accept", "threshold", false_accept)
    scores = [_between(rates, sized.thresholds, false_accept) for sized in table.sizes]
    return ThresholdRule(tuple(sized.people for sized in table.sizes), tuple(scores), table.support)


def verify_score(found: FaceEvaluation, engine: str, template_model: str, false_accept: float) -> float | None:
    """The score of a 1:1 comparison for a wanted rate; None where this engine with this model was not measured.

    Raises `EvaluationError` for a rate outside the measured ones.
    """
    table = _table(found, engine, template_model)
    if table is None:
        return None
    _check_rate(found.verify_false_accepts, "verify_false_accept", "verify_threshold", false_accept)
    return _between(found.verify_false_accepts, table.verify, false_accept)


def _table(found: FaceEvaluation, engine: str, template_model: str) -> EngineTable | None:
    return next(
        (each for each in found.engines if (each.engine, each.template_model) == (engine, template_model)), None
    )


def _check_rate(rates: list[float], key: str, instead: str, wanted: float) -> None:
    if not rates[-1] * (1 - 1e-9) <= wanted <= rates[0] * (1 + 1e-9):
        raise EvaluationError(
            f"[perception] {key} {wanted:g} was not measured: thresholds are known from {rates[-1]:g} to {rates[0]:g}; "
            f"set [perception] {instead} instead"
        )


def _between(rates: list[float], scores: list[float], wanted: float) -> float:
    """The score at a rate between measured ones."""
    return float(np.interp(math.log(wanted), np.log(rates[::-1]), scores[::-1]))


@functools.lru_cache(maxsize=1)
def shipped() -> FaceEvaluation:
    """The table that ships. Raises `EvaluationError` where it is missing or damaged."""
    return load(SHIPPED_FILE)


def load(path: Path) -> FaceEvaluation:
    """Read a table. Raises `EvaluationError` that names the file where it is missing, damaged or contradicts itself."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=FaceEvaluation)
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise EvaluationError(f"{path}: {error}") from error
    _check(found, path)
    return found


def _check(found: FaceEvaluation, path: Path) -> None:
    for name in ("false_accepts", "verify_false_accepts"):
        rates = getattr(found, name)
        if not rates or not _strictly(rates[::-1]) or not 0 < rates[-1] <= rates[0] < 1:
            raise EvaluationError(f"{path}: {name} must fall, within 0 to 1")
    for table in found.engines:
        where = f"{path}: {table.engine}"
        if not table.sizes or not _strictly([sized.people for sized in table.sizes]) or table.sizes[0].people < 1:
            raise EvaluationError(f"{where}: sizes must rise from 1")
        if not -1 <= table.support <= 1:
            raise EvaluationError(f"{where}: support must be within -1 to 1")
        _check_scores(table.verify, found.verify_false_accepts, f"{where}: verify")
        for sized in table.sizes:
            _check_scores(sized.thresholds, found.false_accepts, f"{where}: {sized.people} people")


def _check_scores(scores: list[float], rates: list[float], where: str) -> None:
    if len(scores) != len(rates) or scores != sorted(scores) or not -1 <= scores[0] <= scores[-1] <= 1:
        raise EvaluationError(f"{where}: thresholds must rise as the rates fall")


def _strictly(values: list[int] | list[float]) -> bool:
    """Whether they rise strictly."""
    return all(low < high for low, high in itertools.pairwise(values))
