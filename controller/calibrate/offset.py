"""The gate's own offset against a clinical thermometer, from afebrile people. Slope 1: shrinking would lose fevers."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.calibrate.refusal import CalibrationError, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

LEAST: Final = 10
"""People that an offset needs."""
WISHED: Final = 20
FEBRILE: Final = 37.5
"""Oral temperature, °C, from which a person is left out: among the healthy an offset is the same for all, in a fever
skin and core part."""
CLINICAL: Final = (33.0, 43.0)
GATE: Final = (25.0, 45.0)
"""Readings outside, °C, are another unit or a slip of the pen."""
OUTLIER: Final = 3.5
"""Robust standard deviations from the median beyond which a pair is an outlier (Iglewicz and Hoaglin, 1993)."""
OUTLIERS: Final = 0.2
"""Largest share of outliers that is no sign of something else."""
SCATTER_FLOOR: Final = 0.15
"""Standard deviation of a clinical thermometer and a gate at their best, K: nobody within this times OUTLIER is out."""
NORMAL_MAD: Final = 1.4826
LIMIT: Final = 5.0
"""What [perception.screening] offset may be, K, either way."""
_T: Final = {
    8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110,
    18: 2.101, 19: 2.093, 20: 2.086, 22: 2.074, 24: 2.064, 26: 2.056, 28: 2.048, 30: 2.042, 35: 2.030, 40: 2.021,
    50: 2.009, 60: 2.000, 80: 1.990, 100: 1.984, 200: 1.972,
}  # fmt: skip
"""Student's t, two-sided 95 %, by degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One person, measured by both within a few minutes."""

    name: str
    """What the person is called in messages: a line of the file, or a number."""
    gate: float
    """The gate's estimate, °C, oral-equivalent, with the offset that it had then."""
    clinical: float
    """The clinical thermometer's, oral, °C."""

    @property
    def difference(self) -> float:
        """Clinical less gate, K."""
        return self.clinical - self.gate


@dataclass(frozen=True, slots=True)
class Offset:
    """The offset that takes the mean difference out."""

    value: float
    """To be written, K: the present one and the mean difference."""
    change: float
    """The mean difference, K."""
    low: float
    high: float
    """95 % confidence interval of `value`, K."""
    scatter: float
    """Standard deviation of one person's difference, K."""
    error: float
    """Standard uncertainty of `value`, K."""
    used: tuple[Pair, ...]
    febrile: tuple[Pair, ...]
    """Left out: oral temperature from FEBRILE."""
    outliers: tuple[Pair, ...]
    """Left out: their difference is unlike all others'."""


def find_offset(pairs: Sequence[Pair], present: float) -> Offset:
    """The offset by the people that may be used; `present` is the gate's own while they were measured, K.

    Raises `CalibrationError`: TOO_FEW, CONTRADICTION, IMPOSSIBLE.
    """
    febrile = tuple(pair for pair in pairs if pair.clinical >= FEBRILE)
    afebrile = [pair for pair in pairs if pair.clinical < FEBRILE]
    if len(afebrile) < LEAST:
        left_out = f", {len(febrile)} left out with {FEBRILE:g} °C or more: {_names(febrile)}" if febrile else ""
        raise CalibrationError(
            Refusal.TOO_FEW,
            f"{LEAST} people without fever are needed (better {WISHED}), there are {len(afebrile)}{left_out}",
        )
    differences = np.array([pair.difference for pair in afebrile])
    middle = float(np.median(differences))
    spread = max(NORMAL_MAD * float(np.median(np.abs(differences - middle))), SCATTER_FLOOR)
    agree = np.abs(differences - middle) <= OUTLIER * spread
    outliers = tuple(pair for pair, fine in zip(afebrile, agree, strict=True) if not fine)
    used = tuple(pair for pair, fine in zip(afebrile, agree, strict=True) if fine)
    if len(outliers) > OUTLIERS * len(afebrile):
        raise CalibrationError(
            Refusal.CONTRADICTION,
            f"{len(outliers)} of {len(afebrile)} people are unlike the others ({_names(outliers)}): did they come "
            "from the cold, were two columns or two people swapped?",
        )
    if len(used) < LEAST:
        raise CalibrationError(
            Refusal.TOO_FEW,
            f"{LEAST} people are needed; without the outliers ({_names(outliers)}) there are {len(used)}",
        )
    kept = differences[agree]
    change, scatter = float(kept.mean()), float(kept.std(ddof=1))
    error = scatter / math.sqrt(len(kept))
    half = student(len(kept) - 1) * error
    value = present + change
    if abs(value) > LIMIT:
        raise CalibrationError(
            Refusal.IMPOSSIBLE,
            f"the offset came out as {value:+.2f} K; more than {LIMIT:g} K is a sensor that is broken, a wrong "
            "emissivity or a wrong column",
        )
    return Offset(
        round(value, 3), change, value - half, value + half, scatter, round(error, 3), used, febrile, outliers
    )


def student(freedom: int) -> float:
    """Student's t for a two-sided 95 % interval, from a table; between its rows the smaller freedom's."""
    known = [number for number in _T if number <= freedom]
    return _T[max(known)] if known else 2.37


def read_pairs(path: Path) -> list[Pair]:
    """Pairs from a CSV file with the columns `gate` and `clinical` and optionally `name`; lines with # are remarks.

    Comma or semicolon separate; with semicolons a decimal comma is understood. Raises `CalibrationError` (WRONG_INPUT)
    that names the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CalibrationError(Refusal.WRONG_INPUT, f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CalibrationError(Refusal.WRONG_INPUT, f"{path}: is not UTF-8 text (byte {error.start})") from error
    lines = [
        (number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line.strip()[0] != "#"
    ]
    if not lines:
        raise CalibrationError(Refusal.WRONG_INPUT, f"{path}: is empty")
    separator = ";" if ";" in lines[0][1] else ","
    reader = csv.DictReader((line for _, line in lines), delimiter=separator, skipinitialspace=True)
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    for name in ("gate", "clinical"):
        if name not in columns:
            found = ", ".join(columns)
            raise CalibrationError(
                Refusal.WRONG_INPUT, f"{path}, line {lines[0][0]}: there is no column `{name}`; there are: {found}"
            )
    numbers = [number for number, _ in lines[1:]]
    return list(_pairs(path, zip(numbers, reader, strict=False)))


def _pairs(path: Path, rows: Iterable[tuple[int, Mapping[str, str | None]]]) -> Iterable[Pair]:
    for number, row in rows:
        where = f"{path}, line {number}"
        gate = reading(row["gate"], GATE, f"{where}, gate")
        clinical = reading(row["clinical"], CLINICAL, f"{where}, clinical")
        yield Pair((row.get("name") or "").strip() or f"line {number}", gate, clinical)


def reading(text: str | None, limits: tuple[float, float], where: str) -> float:
    """A temperature in °C as somebody wrote it. Raises `CalibrationError` (WRONG_INPUT) that begins with `where`."""
    written = (text or "").strip().removesuffix("C").removesuffix("°").strip()
    try:
        value = float(written.replace(",", "."))
    except ValueError:
        value = math.nan
    if not limits[0] <= value <= limits[1]:
        fahrenheit = " (that is Fahrenheit)" if 90 <= value <= 110 else ""
        raise CalibrationError(
            Refusal.WRONG_INPUT,
            f"{where}: {text!r} is no temperature from {limits[0]:g} to {limits[1]:g} °C{fahrenheit}",
        )
    return value


def _names(pairs: Iterable[Pair]) -> str:
    return ", ".join(f"{pair.name} ({pair.gate:.1f}, {pair.clinical:.1f})" for pair in pairs)
