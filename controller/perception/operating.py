"""What a school gets for an alarm threshold: fevers found and missed, healthy people stopped, each with its interval.

Rates come from the shipped evaluation: people of public data, counted by thresholds, with the sensor's noise added. A
day's numbers come from 20,000 simulated days: each draws the rates from what the evaluation knows of them (Jeffreys'
posterior, a beta distribution) and then the day's people (binomial), so the interval of a day holds both doubts. The
seed is fixed: the same question has the same answer. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from controller.errors import EvaluationError
from controller.perception.evaluation import Counts
from controller.perception.variance import CONFIDENCE, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.perception.evaluation import Evaluated

Stages = Literal["one", "two"]

DAYS = 20_000
"""Simulated days: the ends of an interval of a count of 100 are then good to about 0.3."""
SEED = 20_260_901
LEAST = 1.0
"""Healthy people of the evaluation that a threshold must flag to be offered."""
BORDER = 1e-9
"""Thresholds and counts closer than this are equal."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who passes on one day. Raises ValueError naming what cannot be."""

    people: int
    prevalence: float
    """Chance that one of them has a fever, 0..1, on one visit."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 1 <= self.people <= 10_000_000:
            raise ValueError(f"people must be 1 to 10,000,000, not {self.people}")
        if not 0 < self.prevalence < 1:
            raise ValueError(f"prevalence must be over 0 and below 1, not {self.prevalence:g}")


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold and what it brings. Intervals hold 95 %."""

    alarm: float
    """°C: at or above it at the deciding look somebody goes to the doctor."""
    again_from: float
    """°C: at or above it at the first look somebody is measured again; equal to `alarm` with one stage."""
    sensitivity: Interval
    """Part of the fevers that go to the doctor (Wilson)."""
    specificity: Interval
    """Part of the healthy that do not (Wilson)."""
    ppv: Interval
    """Of those who go to the doctor, the part with a fever."""
    npv: Interval
    """Of those who pass, the part without."""
    again: Interval
    """People a day who are measured again."""
    doctor: Interval
    """People a day who go to the doctor."""
    found: Interval
    """Fevers a day among these."""
    missed: Interval
    """Fevers a day that pass."""


def wilson(hits: float, trials: int) -> tuple[float, float]:
    """95 % Wilson score interval of a rate; `hits` may be a mean of counts. Without trials nothing is known: (0, 1)."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    rate, square = hits / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials)) / (1 + square)
    # At none and at all the formula gives 0 and 1 but for rounding.
    return max(0.0, middle - half) if hits > 0 else 0.0, min(1.0, middle + half) if hits < trials else 1.0


def at_noise(people: Evaluated, noise: float) -> Counts:
    """The counts for an added noise in K, in proportion between the two levels that were counted.

    Raises `EvaluationError` beyond the levels: how many are found there was never counted.
    """
    levels = [counts.noise for counts in people.counts]
    if not levels or not levels[0] - BORDER <= noise <= levels[-1] + BORDER:
        known = f"{levels[0]:g} to {levels[-1]:g} K" if levels else "nothing"
        raise EvaluationError(f"a noise of {noise:g} K is beyond what was evaluated ({known})")
    above = min(int(np.searchsorted(levels, noise - BORDER)), len(levels) - 1)
    below = max(above - 1, 0)
    gap = levels[above] - levels[below]
    part = (noise - levels[below]) / gap if gap > 0 else 0.0
    low, high = people.counts[below], people.counts[above]

    def between(name: str) -> list[float]:
        mixed = (1 - part) * np.array(getattr(low, name)) + part * np.array(getattr(high, name))
        found: list[float] = mixed.tolist()
        return found

    names = ("febrile_first", "afebrile_first", "febrile", "afebrile")
    # msgspec's constructor takes what the names say; a matrix's tolist is nested.
    return Counts(noise=noise, **{name: between(name) for name in names})  # type: ignore[arg-type]


def points(
    people: Evaluated, thresholds: Sequence[float], noise: float, crowd: Crowd, *, stages: Stages, band: float
) -> list[Point]:
    """Every threshold as an alarm.

    `band` is how far below the alarm a first reading is measured again, K, to the nearest step of the thresholds; those
    whose band would begin below the lowest threshold are left out. It means nothing with one stage. Left out as well
    are thresholds that fewer than LEAST healthy people reach, or stay below: how few that is, so many people cannot
    tell. Raises `EvaluationError` for a noise that was not evaluated, or where only one kind of people was.
    """
    if not (people.febrile_n and people.afebrile_n):
        raise EvaluationError(f"{people.name!r} has {people.febrile_n} febrile and {people.afebrile_n} afebrile people")
    counts = at_noise(people, noise)
    step = thresholds[1] - thresholds[0] if len(thresholds) > 1 else 1.0
    back = round(band / step) if stages == "two" else 0
    found = []
    for at in range(back, len(thresholds)):
        first = counts.febrile_first[at - back], counts.afebrile_first[at - back]
        last = (counts.febrile[at - back][at], counts.afebrile[at - back][at]) if stages == "two" else first
        sizes = people.febrile_n, people.afebrile_n
        if not LEAST <= last[1] <= people.afebrile_n - LEAST:
            continue
        found.append(_point((thresholds[at], thresholds[at - back]), first, last, sizes, crowd))
    return found


def recommend(choice: Sequence[Point], *, alarms: float | None = None, misses: float | None = None) -> Point | None:
    """The point for a school's wish, by the estimates; None where none fulfils it.

    `alarms`: at most so many people a day to the doctor; of these the lowest threshold, which finds most. `misses`: at
    most this part of the fevers passes, 0..1; of these the highest threshold, which stops fewest. With both, a
    threshold must keep both, and the lowest is taken.
    """
    kept = [
        point
        for point in choice
        if (alarms is None or point.doctor.value <= alarms + BORDER)
        and (misses is None or 1 - point.sensitivity.value <= misses + BORDER)
    ]
    if not kept or (alarms is None and misses is None):
        return None
    return kept[-1] if alarms is None else kept[0]


def _point(
    marks: tuple[float, float],
    first: tuple[float, float],
    last: tuple[float, float],
    sizes: tuple[int, int],
    crowd: Crowd,
) -> Point:
    """`first` and `last`: (febrile, afebrile) counts of the first and of the deciding look."""
    random = np.random.default_rng(SEED)
    febrile = random.binomial(crowd.people, crowd.prevalence, DAYS)
    healthy = crowd.people - febrile
    nested = [_nested(random, *counts) for counts in zip(first, last, sizes, strict=True)]
    (again_f, found_f), (again_h, found_h) = nested
    share_f, share_h = crowd.prevalence, 1 - crowd.prevalence
    rate_f, rate_h = last[0] / sizes[0], last[1] / sizes[1]
    stopped, passed = share_f * rate_f + share_h * rate_h, share_f * (1 - rate_f) + share_h * (1 - rate_h)
    people = crowd.people
    again_mean = people * (share_f * first[0] / sizes[0] + share_h * first[1] / sizes[1])
    again_f_day, again_h_day = random.binomial(febrile, again_f), random.binomial(healthy, again_h)
    # Who goes to the doctor was measured again before: the second draw is among those of the first.
    found_day = random.binomial(again_f_day, _part(found_f, again_f))
    false_day = random.binomial(again_h_day, _part(found_h, again_h))
    low_h, high_h = wilson(last[1], sizes[1])
    return Point(
        alarm=marks[0],
        again_from=marks[1],
        sensitivity=Interval(rate_f, *wilson(last[0], sizes[0])),
        specificity=Interval(1 - rate_h, 1 - high_h, 1 - low_h),
        ppv=_interval(share_f * rate_f / stopped, _ratio(found_f, found_h, crowd)),
        npv=_interval(share_h * (1 - rate_h) / passed, _ratio(1 - found_h, 1 - found_f, crowd, healthy=True)),
        again=_interval(again_mean, again_f_day + again_h_day),
        doctor=_interval(people * stopped, found_day + false_day),
        found=_interval(people * share_f * rate_f, found_day),
        missed=_interval(people * share_f * (1 - rate_f), febrile - found_day),
    )


def _nested(
    random: np.random.Generator, first: float, last: float, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What may be true of the rates at the first and at the deciding look, float64[DAYS] each, first >= last.

    Jeffreys' prior, split as a Dirichlet distribution splits, so that each of both rates has Jeffreys' posterior.
    """
    between = max(first - last, 0.0)
    final = random.beta(last + 0.5, size - last + 0.5, DAYS)
    if between < BORDER:
        return final, final
    rest = random.beta(between, max(size - first, 0.0) + 0.5, DAYS)
    return final + (1 - final) * rest, final


def _part(smaller: NDArray[np.float64], larger: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(smaller / np.maximum(larger, BORDER), 1.0)


def _ratio(
    wanted: NDArray[np.float64], other: NDArray[np.float64], crowd: Crowd, *, healthy: bool = False
) -> NDArray[np.float64]:
    """Of the people selected at these rates, the part that is febrile (or healthy)."""
    share = 1 - crowd.prevalence if healthy else crowd.prevalence
    return share * wanted / np.maximum(share * wanted + (1 - share) * other, np.finfo(float).tiny)


def _interval(value: float, drawn: NDArray[np.float64] | NDArray[np.int64]) -> Interval:
    """A figure with the middle 95 % of what was drawn."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
