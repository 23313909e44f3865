"""Fits the offset from face surface to oral temperature on public data: `python -m benchmarks.fever_offset FOLDER`.

FOLDER holds the FLIR file of "Facial and oral temperature data from a large set of human subject volunteers"
(PhysioNet, doi 10.13026/3bhc-9065). One round stands for one measurement at a gate. Slope 1; fitted on afebrile
readings only, since a fit for least squares over all would draw fevers towards the mean.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "FLIR_before_2018-02.csv"
HEADER_ROWS = 3
FEBRILE = 37.5
"""Oral temperature from which a subject counts as febrile, °C (Wang et al., Sensors 2022, 22, 215)."""
REFERENCE_AMBIENT = 24.0
SPECIFICITY = 0.95


def main(argv: list[str] | None = None) -> int:
    """Print the fit and what it gives, with n and intervals."""
    parser = argparse.ArgumentParser(description="Fit the offset from face surface to oral temperature.")
    parser.add_argument("folder", type=Path, help=f"folder with {FILE}")
    parser.add_argument("--round", type=int, choices=(1, 2, 3), default=1, help="which round of readings (default: 1)")
    arguments = parser.parse_args(argv)
    surface, oral, ambient = read(arguments.folder / FILE, arguments.round)
    afebrile = oral < FEBRILE
    gap = (oral - surface)[afebrile]
    slope, offset = np.polyfit(ambient[afebrile] - REFERENCE_AMBIENT, gap, 1)
    estimate = surface + offset + slope * (ambient - REFERENCE_AMBIENT)
    scatter = float(np.std((oral - estimate)[afebrile], ddof=2))
    alarm = float(np.quantile(estimate[afebrile], SPECIFICITY))
    caught, fevers = int((estimate[~afebrile] >= alarm).sum()), int((~afebrile).sum())
    low, high = wilson(caught, fevers)
    room = f"room {ambient.min():.1f} to {ambient.max():.1f} °C"
    print(f"subjects: {len(oral)} ({fevers} with oral >= {FEBRILE} °C), {room}")
    print(f"oral - face maximum at {REFERENCE_AMBIENT:g} °C: {offset:.2f} K, {slope:+.3f} K/K, scatter {scatter:.2f} K")
    print(f"afebrile oral: {oral[afebrile].mean():.2f} ± {oral[afebrile].std(ddof=1):.2f} °C")
    print(f"alarm at {SPECIFICITY:.0%} specificity: {alarm:.2f} °C; sensitivity {caught / fevers:.2f}", end=" ")
    print(f"(95 % interval {low:.2f} to {high:.2f}, n = {fevers})")
    return 0


def read(path: Path, which: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(face maximum, oral reference, room) in °C, float64[n] each, of subjects with all three."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    names = rows[HEADER_ROWS - 1]
    columns = [names.index(name) for name in (f"T_Max{which}", "aveOralM", "T_atm")]
    values = [[_number(row[column]) for column in columns] for row in rows[HEADER_ROWS:]]
    table = np.array([row for row in values if all(math.isfinite(value) for value in row)])
    return table[:, 0], table[:, 1], table[:, 2]


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % Wilson score interval of a rate."""
    if trials == 0:
        return 0.0, 1.0
    rate, square = hits / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


if __name__ == "__main__":
    raise SystemExit(main())
