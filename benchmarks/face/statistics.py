"""Rates of people: the same person's pictures are not independent, so intervals count or draw people, not pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.statistics import Interval, interval, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Places = NDArray[np.intp]

CHUNK = 200
"""Bootstrap samples drawn at once."""


@dataclass(frozen=True, slots=True)
class Share:
    """A rate over attempts of people."""

    hits: int
    trials: int
    people: int
    """Distinct people who made them."""
    wilson: tuple[float, float]
    """95 %, with as many trials as there are people: nobody counts twice."""
    bootstrap: tuple[float, float]
    """Middle 95 % over drawn people."""

    @property
    def value(self) -> float:
        """NaN without trials."""
        return self.hits / self.trials if self.trials else math.nan

    def __str__(self) -> str:
        """Hits, trials, people, and both intervals, in percent."""
        if not self.trials:
            return "–"
        low, high = (100 * end for end in self.wilson)
        below, above = (100 * end for end in self.bootstrap)
        return f"{100 * self.value:.2f} % ({low:.2f}-{high:.2f}; bootstrap {below:.2f}-{above:.2f})"


def share(hit: Flags, person: Places, *, times: int, seed: int) -> Share:
    """The rate of `hit` [n], made by `person` [n] (any whole numbers)."""
    if not hit.size:
        return Share(0, 0, 0, (0.0, 1.0), (math.nan, math.nan))
    _, place = np.unique(person, return_inverse=True)
    trials = np.bincount(place).astype(float)
    hits = np.bincount(place, weights=hit.astype(float))
    rate, people = hits.sum() / trials.sum(), trials.size
    drawn = draw(people, times, seed)
    ratios = (drawn @ hits) / (drawn @ trials)
    spread = interval(rate, ratios)
    return Share(int(hits.sum()), hit.size, people, wilson(rate * people, people), (spread.low, spread.high))


def draw(people: int, times: int, seed: int) -> NDArray[np.float64]:
    """[times, people] how often each is drawn in samples with replacement."""
    random = np.random.default_rng(seed)
    each = np.full(people, 1 / people)
    parts = [
        random.multinomial(people, each, size=min(CHUNK, times - begun)).astype(np.float64)
        for begun in range(0, times, CHUNK)
    ]
    return np.concatenate(parts)


def resolvable(rate: float, trials: int) -> bool:
    """Whether so many trials can show a rate at all: one of them has to be less."""
    return rate * trials >= 1 - 1e-9


def limit(scores: Values, rate: float) -> float:
    """The least score that at most this share of `scores` reaches; minus infinity where none needs to be refused.

    Scores of minus infinity reach nothing.
    """
    if not scores.size:
        return -math.inf
    allowed = math.floor(round(rate * scores.size, 9))
    ordered = np.sort(scores)[::-1]
    if allowed >= ordered.size or not math.isfinite(ordered[allowed]):
        return -math.inf
    return float(np.nextafter(ordered[allowed], math.inf))


def percentiles(seconds: list[float]) -> tuple[float, float, float]:
    """p50, p95 and p99 of durations, by nearest rank; NaN of none."""
    if not seconds:
        return math.nan, math.nan, math.nan
    ordered = sorted(seconds)
    first, second, third = (ordered[math.ceil(p * len(ordered)) - 1] for p in (0.5, 0.95, 0.99))
    return first, second, third


__all__ = ["Interval", "Share", "draw", "interval", "limit", "percentiles", "resolvable", "share", "wilson"]
