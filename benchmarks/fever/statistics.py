"""ROC, sensitivity at a specificity, and intervals by bootstrap over people. `values` in °C and `febrile` are [n]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Statistic = Callable[[Values, Flags], float]

SPECIFICITY = 0.95


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a bootstrap draws."""

    times: int
    seed: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Three decimals."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def auc(values: Values, febrile: Flags) -> float:
    """Chance that a febrile reads higher than an afebrile, ties counted half (Mann-Whitney); NaN without either."""
    positive, negative = int(febrile.sum()), int((~febrile).sum())
    if positive == 0 or negative == 0:
        return math.nan
    order = np.sort(values[~febrile])
    below = np.searchsorted(order, values[febrile], side="left")
    upto = np.searchsorted(order, values[febrile], side="right")
    return float((below + upto).sum() / (2 * positive * negative))


def threshold(afebrile: Values, specificity: float = SPECIFICITY) -> float:
    """The highest afebrile value that may not alarm; NaN without anybody.

    Whoever reads *above* it is flagged: of the afebrile at most 1 − specificity.
    """
    if afebrile.size == 0:
        return math.nan
    # Rounded, or 0.05 · 60 would be 3.0000000000000027 people and 0.05 · 20 one less.
    may_alarm = math.floor(round((1 - specificity) * afebrile.size, 9))
    return float(np.sort(afebrile)[afebrile.size - 1 - may_alarm])


def sensitivity(values: Values, febrile: Flags) -> float:
    """Share of the febrile above the in-sample threshold of SPECIFICITY."""
    if not febrile.any():
        return math.nan
    return float((values[febrile] > threshold(values[~febrile])).mean())


def roc(values: Values, febrile: Flags) -> tuple[Values, Values]:
    """(false alarms, sensitivity) as the threshold falls, from (0, 0) to (1, 1)."""
    steps = np.unique(values)[::-1]
    alarms = [(values[group] >= steps[:, None]).mean(axis=1) for group in (~febrile, febrile)]
    return np.concatenate(([0.0], alarms[0])), np.concatenate(([0.0], alarms[1]))


def resamples(febrile: Flags, sampling: Sampling) -> NDArray[np.intp]:
    """[times, n] people drawn with replacement, the febrile and the afebrile each for themselves (their n stay)."""
    random = np.random.default_rng(sampling.seed)
    groups = [np.flatnonzero(febrile), np.flatnonzero(~febrile)]
    return np.concatenate(
        [random.choice(group, (sampling.times, group.size)) for group in groups if group.size], axis=1
    )


def over_columns(statistic: Statistic, values: Values, febrile: Flags) -> float:
    """Mean of a statistic over the columns of values [n, k], each over the people who have a value there."""
    found = []
    for column in values.T:
        there = np.isfinite(column)
        found.append(statistic(column[there], febrile[there]))
    return float(np.mean(found))


def bootstrap(statistic: Statistic, values: Values, febrile: Flags, draws: NDArray[np.intp]) -> NDArray[np.float64]:
    """A statistic of values [n, k] for each of the drawn sets of people."""
    return np.array([over_columns(statistic, values[draw], febrile[draw]) for draw in draws])


def interval(value: float, draws: Values) -> Interval:
    """The middle 95 % of the draws about a value."""
    finite = draws[np.isfinite(draws)]
    if finite.size == 0:
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(finite, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def wilson(hits: float, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % Wilson score interval of a rate."""
    if trials == 0:
        return 0.0, 1.0
    rate, square = hits / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def rate(hits: int, trials: int) -> Interval:
    """A rate with its Wilson interval."""
    low, high = wilson(hits, trials)
    return Interval(hits / trials if trials else math.nan, low, high)
