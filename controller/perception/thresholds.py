"""Which score lets somebody in: the threshold for a wanted false-accept rate and so many enrolled, from measurements.

`thermogate eval face --write-thresholds FILE` writes the table; it ships as `controller/face_evaluation.json`. The
more people a stranger is compared with, the likelier one of them is near: the threshold has to rise with the gallery.
Between measured sizes it is taken in proportion to log N, between measured rates in proportion to their logarithm;
above the largest size the line is drawn on and the result says so; rates outside the measured ones are refused. Pure.
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


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """One engine's threshold as a function of the number enrolled."""

    sizes: tuple[int, ...]
    scores: tuple[float, ...]
    """At the wanted rate, one for each of `sizes`."""
    support: float

    def at(self, people: int) -> Threshold:
        """For so many enrolled; below the smallest measured gallery as there.

        Raises `EvaluationError` above FARTHEST times the largest.
        """
        largest = self.sizes[-1]
        if people > FARTHEST * largest:
            raise EvaluationError(
                f"{people} people are enrolled; thresholds were measured for up to {largest} and say nothing of so "
                "many: set [perception] threshold, or measure with `thermogate eval face`"
            )
        where = math.log(max(people, 1))
        logs = [math.log(size) for size in self.sizes]
        score = float(np.interp(where, logs, self.scores))
        if people > largest and len(logs) > 1:
            slope = (self.scores[-1] - self.scores[0]) / (logs[-1] - logs[0])
            score = self.scores[-1] + max(slope, 0.0) * (where - logs[-1])
        return Threshold(min(score, 1.0), min(self.support, score), extrapolated=people > largest)


def rule(found: FaceEvaluation, engine: str, template_model: str, false_accept: float) -> ThresholdRule | None:
    """The rule for a wanted false-accept rate; None where this engine with this model was not measured.

    Raises `EvaluationError` for a rate outside the measured ones.
    """
    table = next(
        (each for each in found.engines if (each.engine, each.template_model) == (engine, template_model)), None
    )
    if table is None:
        return None
    rates = found.false_accepts
    if not rates[-1] * (1 - 1e-9) <= false_accept <= rates[0] * (1 + 1e-9):
        raise EvaluationError(
            f"[perception] false_accept {false_accept:g} was not measured: thresholds are known from {rates[-1]:g} to "
            f"{rates[0]:g}; set [perception] threshold instead"
        )
    logs = np.log(rates[::-1])
    scores = [float(np.interp(math.log(false_accept), logs, sized.thresholds[::-1])) for sized in table.sizes]
    return ThresholdRule(tuple(sized.people for sized in table.sizes), tuple(scores), table.support)


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
    rates = found.false_accepts
    if not rates or not _strictly(rates[::-1]) or not 0 < rates[-1] <= rates[0] < 1:
        raise EvaluationError(f"{path}: false_accepts must fall, within 0 to 1")
    for table in found.engines:
        where = f"{path}: {table.engine}"
        if not table.sizes or not _strictly([sized.people for sized in table.sizes]) or table.sizes[0].people < 1:
            raise EvaluationError(f"{where}: sizes must rise from 1")
        if not -1 <= table.support <= 1:
            raise EvaluationError(f"{where}: support must be within -1 to 1")
        for sized in table.sizes:
            scores = sized.thresholds
            if len(scores) != len(rates) or scores != sorted(scores) or not -1 <= scores[0] <= scores[-1] <= 1:
                raise EvaluationError(f"{where}: {sized.people} people: thresholds must rise as the rates fall")


def _strictly(values: list[int] | list[float]) -> bool:
    """Whether they rise strictly."""
    return all(low < high for low, high in itertools.pairwise(values))
