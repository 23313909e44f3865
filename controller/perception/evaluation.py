"""The evaluation that ships with the program: how many febrile and afebrile people which thresholds flag.

`thermogate eval fever --data FILE --write-operating PATH` writes it; `thermogate screening plan` reads it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from controller.errors import EvaluationError

SHIPPED_FILE = Path(__file__).parents[1] / "screening_evaluation.json"


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People flagged by each pair of thresholds, for one added sensor noise.

    Counts are means over seeded draws of the noise, so they may be fractional; without noise they are whole.
    """

    noise: float
    """Standard deviation added to each reading, K, independent from round to round."""
    febrile_first: list[float]
    """[t1] of the febrile whose first reading is at or above t1."""
    afebrile_first: list[float]
    """[t1] of the afebrile, as above."""
    febrile: list[list[float]]
    """[t1][t2] of the febrile whose first reading is at or above t1 and whose second is at or above t2."""
    afebrile: list[list[float]]
    """[t1][t2] of the afebrile, as above."""


class Evaluated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set of people."""

    name: str
    """"test part" (after the period of the fit) or "whole file, out of fold"."""
    camera: str
    """Its name, and what its pixels were made to see, as "FLIR, 12 mm spots"."""
    febrile_n: int
    """People with both readings and an oral temperature of at least `febrile_from`."""
    afebrile_n: int
    counts: list[Counts]
    """By rising noise, from 0."""
    spot: float = 0.0
    """Width of what was read of a face, m; 0: the camera's own pixels, about 1 mm."""

    def at(self, noise: float) -> Counts:
        """The counts of this noise, K.

        Raises:
            EvaluationError: there are none.
        """
        for each in self.counts:
            if abs(each.noise - noise) < 1e-9:
                return each
        known = ", ".join(f"{each.noise:g}" for each in self.counts)
        raise EvaluationError(f"no counts for a noise of {noise:g} K (there are: {known})")


class ScreeningEvaluation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    source: str
    """DOI of the data."""
    command: str
    """What wrote this file."""
    model: str
    """Name of the frozen fit."""
    febrile_from: float
    """Oral temperature, °C, from which somebody counts as febrile."""
    first: str
    """What t1 is compared with."""
    second: str
    """What t2 is compared with."""
    thresholds: list[float]
    """°C, rising; both t1 and t2."""
    sets: list[Evaluated]

    def named(self, name: str, *, coarse: bool = False) -> Evaluated:
        """The set of this name, at the camera's resolution or as a coarse array sees a face.

        Raises:
            EvaluationError: there is none.
        """
        for each in self.sets:
            if each.name == name and (each.spot > 0) == coarse:
                return each
        known = ", ".join(f"{each.name}, {each.camera}" for each in self.sets)
        raise EvaluationError(f"no {'coarse ' if coarse else ''}set {name!r} (there are: {known})")


def load(path: Path = SHIPPED_FILE) -> ScreeningEvaluation:
    """Read an evaluation file.

    Raises:
        EvaluationError: it is missing, damaged or of another shape; the message names it.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=ScreeningEvaluation)
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise EvaluationError(f"{path}: {error}") from error
    _check(found, path)
    return found


def _check(found: ScreeningEvaluation, path: Path) -> None:
    size = len(found.thresholds)
    if size == 0 or sorted(set(found.thresholds)) != found.thresholds:
        raise EvaluationError(f"{path}: thresholds must rise")
    for each in found.sets:
        for at, counts in enumerate(each.counts):
            where = f"{path}: sets {each.name!r}, counts[{at}]"
            for name, limit in (("febrile", each.febrile_n), ("afebrile", each.afebrile_n)):
                first: list[float] = getattr(counts, f"{name}_first")
                grid: list[list[float]] = getattr(counts, name)
                if len(first) != size or len(grid) != size or any(len(row) != size for row in grid):
                    raise EvaluationError(f"{where}: {name} does not fit the {size} thresholds")
                if any(not 0 <= value <= limit for row in (first, *grid) for value in row):
                    raise EvaluationError(f"{where}: {name} has a count outside 0 to {limit}")
