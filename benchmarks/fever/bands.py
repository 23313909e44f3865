"""The headline by room temperature and by hour."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.comparison import at_threshold
from benchmarks.fever.statistics import Interval, Sampling, auc, bootstrap, interval, resamples, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.fever.comparison import Part
    from benchmarks.fever.values import Judged

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

ROOMS = (22.0, 24.0, 26.0)
HOURS = (11.0, 13.0, 15.0)
FEWEST = 2
"""Of the febrile and of the afebrile, so that there is something to rank."""


@dataclass(frozen=True, slots=True)
class Band:
    """People of one room temperature or hour, one shot, at the whole part's in-sample threshold."""

    name: str
    febrile_n: int
    afebrile_n: int
    auc: Interval | None
    """None with fewer than FEWEST of either."""
    sensitivity: Interval
    specificity: Interval
    gain: Interval | None
    """Paired: sensitivity less the plain face maximum's at its own threshold of the part; None without fevers."""


def bands(
    judged: Judged, febrile: Flags, part: Part, *, by: Values, cuts: tuple[float, ...], sampling: Sampling
) -> list[Band]:
    """The part in bands of `by` [n], cut at `cuts`; a band without anybody is left out."""
    ours, plain, sick = judged.crowd[part.people], judged.baseline[part.people], febrile[part.people]
    value = by[part.people]
    there = np.isfinite(ours)
    limits = (threshold(ours[there & ~sick]), threshold(plain[there & ~sick]))
    found = []
    for low, high in itertools.pairwise((-math.inf, *cuts, math.inf)):
        inside = there & (value >= low) & (value < high)
        if inside.any():
            found.append(_band(_name(low, high), (ours[inside], plain[inside]), sick[inside], limits, sampling))
    return found


def _name(low: float, high: float) -> str:
    if math.isinf(low):
        return f"below {high:g}"
    return f"from {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def _band(
    name: str, values: tuple[Values, Values], sick: Flags, limits: tuple[float, float], sampling: Sampling
) -> Band:
    ours, plain = values
    _, caught, spared = at_threshold(ours, sick, limits[0])
    area = gain = None
    if min(sick.sum(), (~sick).sum()) >= FEWEST:
        area = interval(auc(ours, sick), bootstrap(auc, ours[:, None], sick, resamples(sick, sampling)))
    if sick.any():
        difference = (ours > limits[0])[sick].astype(float) - (plain > limits[1])[sick]
        random = np.random.default_rng(sampling.seed)
        again = random.choice(difference, (sampling.times, difference.size)).mean(axis=1)
        gain = interval(float(difference.mean()), again)
    return Band(name, int(sick.sum()), int((~sick).sum()), area, caught, spared, gain)
