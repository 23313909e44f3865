"""How much people differ from each other, and one person from day to day, from a gate's own readings.

One person's mean of one day is y = μ + b + w + e: b between people, w within a person from day to day, e the sensor's
noise with a variance that is known. Unweighted sums of squares are set equal to their expectations (Henderson's first
method for unequal numbers of days; Searle, Casella, McCulloch, Variance Components, 1992, chapter 5), which needs no
distribution; the intervals leave out one person after the other and go over the logarithm (the jackknife of Arvesen and
Schmitz, Biometrics 1970, 26, 677). Pure: no clock, no input or output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

READING = np.dtype([("day", "<i4"), ("deviation", "<f4"), ("noise", "<f4"), ("flagged", "?")])
"""One reading: the day as an ordinal of the local date (`datetime.date.toordinal`), the oral-equivalent estimate less
what was expected of anybody then (K), its standard uncertainty by noise (K), and whether it was an alarm."""
PUBLISHED_BETWEEN, PUBLISHED_WITHIN = 0.26, 0.40
"""Standard deviations of oral temperature between people and within a person, K, as published for adults; used where a
gate has not measured its own. Nothing informs on them."""
CONFIDENCE = 0.95
ENOUGH_DAYS = 2
"""Days from which a person tells something about days."""


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """One person's days that count, oldest first."""

    day: NDArray[np.int64]
    """int64[days], ordinals of dates."""
    mean: NDArray[np.float64]
    """float64[days], K."""
    variance: NDArray[np.float64]
    """float64[days], K²: of `mean`, by noise."""
    readings: int
    """How many readings are in it."""


@dataclass(frozen=True, slots=True)
class Components:
    """The variances of a gate's readings, as standard deviations in K."""

    source: Literal["measured", "published"]
    people: int
    """With readings on two days or more."""
    person_days: int
    readings: int
    mean: float
    """Of all people's deviations, K."""
    between: Interval
    """Between people."""
    within: Interval
    """Of one person from day to day, without the noise; what the crowd's value does not explain of a day is in it."""
    noise: float
    """Root mean square of a day's noise."""
    share: Interval
    """The part of a day's variance that is between people, 0..1 (intraclass correlation)."""


def readings(rows: Iterable[tuple[int, float, float, bool]]) -> NDArray[np.void]:
    """READING[n] of (day, deviation, noise, flagged)."""
    return np.array(list(rows), dtype=READING)


def days_of(rows: NDArray[np.void], *, episode: int, before: int | None = None) -> Days:
    """A person's days that count, from READING[n]: without every day within `episode` days of a flagged reading.

    `before`: only days before this one; flags on and after it still count as flags.

    Leaving out what was high cuts a tail off: of somebody always near the alarm the spread comes out too small. That
    can only ask for more second looks.
    """
    day = rows["day"].astype(np.int64)
    ill = np.unique(day[rows["flagged"]])
    kept = np.ones(len(day), dtype=bool) if not ill.size else _distance(day, ill) > episode
    if before is not None:
        kept &= day < before
    number, place, count = np.unique(day[kept], return_inverse=True, return_counts=True)
    mean = np.bincount(place, rows["deviation"][kept], len(number)) / np.maximum(count, 1)
    variance = np.bincount(place, rows["noise"][kept].astype(float) ** 2, len(number)) / np.maximum(count, 1) ** 2
    return Days(number, mean, variance, int(kept.sum()))


def components(people: Iterable[Days], *, least: int) -> Components:
    """The variances of everybody's days; the published ones below `least` people with two days or more."""
    everybody = [person for person in people if person.day.size]
    several = sum(person.day.size >= ENOUGH_DAYS for person in everybody)
    noise = math.sqrt(float(np.mean(np.concatenate([p.variance for p in everybody])))) if everybody else 0.0
    person_days, number = sum(p.day.size for p in everybody), sum(p.readings for p in everybody)
    if several < least:
        mean = float(np.mean([p.mean.mean() for p in everybody])) if everybody else 0.0
        between, within = PUBLISHED_BETWEEN, PUBLISHED_WITHIN
        share = between**2 / (between**2 + within**2 + noise**2)
        known = (Interval(value, value, value) for value in (between, within, share))
        one, two, three = known
        return Components("published", several, person_days, number, mean, one, two, noise, three)
    sums = _Sums.of(everybody)
    total = sums.total()
    found = total.solve()
    wide = _jackknife(sums, total)
    mean = _weighted_mean(everybody, float(found.between), float(found.within))
    return Components(
        "measured",
        several,
        person_days,
        number,
        mean,
        _root(float(found.between), *wide.between),
        _root(float(found.within), *wide.within),
        noise,
        Interval(max(float(found.share), 0.0), *wide.share),
    )


class _Found(NamedTuple):
    """The solved equations, for one set of people or float64[people] sets."""

    between: NDArray[np.float64]
    within: NDArray[np.float64]
    share: NDArray[np.float64]
    squares_between: NDArray[np.float64]
    """Mean square between people."""
    squares_within: NDArray[np.float64]
    ratio: NDArray[np.float64]
    """1 + (effective days) x between / (within + noise): the F ratio where all have the same noise."""
    effective: NDArray[np.float64]
    """Days of a person, so averaged that the equations hold."""
    noise: NDArray[np.float64]
    """Variance by noise in the mean square within people."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """All that the equations need, as sums over people: so leaving one out is a subtraction."""

    parts: NDArray[np.float64]
    """float64[9] or float64[9, people]: people, days, days², Σ own squares, degrees, noise in own squares, Σ days x
    mean, Σ days x mean², noise."""

    @classmethod
    def of(cls, people: list[Days]) -> _Sums:
        """One column a person."""
        columns = []
        for person in people:
            n, mean = person.day.size, person.mean.mean()
            own = float(((person.mean - mean) ** 2).sum())
            noise = float(person.variance.sum())
            columns.append((1.0, n, n * n, own, n - 1, (1 - 1 / n) * noise, n * mean, n * mean**2, noise))
        return cls(np.array(columns, dtype=np.float64).T)

    def total(self) -> _Sums:
        """Over everybody."""
        return _Sums(self.parts.sum(axis=1))

    def without_each(self, total: _Sums) -> _Sums:
        """Everybody but one, for each."""
        return _Sums(total.parts[:, None] - self.parts)

    def solve(self) -> _Found:
        """Sums of squares set equal to what is expected of them."""
        people, days, squared, own, degrees, own_noise, first, second, noise = self.parts
        squares_within = own / degrees
        within_noise = own_noise / degrees
        within = squares_within - within_noise
        effective = (days - squared / days) / (people - 1)
        squares_between = (second - first**2 / days) / (people - 1)
        # A person's mean has the noise V / n², V the sum over n days; it enters with the weight n - n² / N.
        mean_noise = (noise - own_noise - noise / days) / (people - 1)
        between = (squares_between - within - mean_noise) / effective
        single = np.maximum(within + noise / days, 1e-12)
        ratio = 1 + effective * between / single
        share = between / (between + single)
        return _Found(between, within, share, squares_between, squares_within, ratio, effective, within_noise)


class _Wide(NamedTuple):
    """Ends of the 95 % intervals, as variances (K²) and as a share."""

    between: tuple[float, float]
    within: tuple[float, float]
    share: tuple[float, float]


def _jackknife(sums: _Sums, total: _Sums) -> _Wide:
    """Intervals by leaving out each person, over the logarithm of mean squares and of their ratio."""
    all_in, one_out = total.solve(), sums.without_each(total).solve()
    low, high = _ends(all_in.squares_between, one_out.squares_between)
    between = [
        (end - float(all_in.squares_between) + float(all_in.effective) * float(all_in.between)) for end in (low, high)
    ]
    low_within, high_within = _ends(all_in.squares_within, one_out.squares_within)
    within = low_within - float(all_in.noise), high_within - float(all_in.noise)
    low_ratio, high_ratio = _ends(all_in.ratio, one_out.ratio)
    effective = float(all_in.effective)
    share = [max(end - 1, 0.0) / (max(end - 1, 0.0) + effective) for end in (low_ratio, high_ratio)]
    return _Wide((between[0] / effective, between[1] / effective), within, (share[0], share[1]))


def _ends(value: NDArray[np.float64], one_out: NDArray[np.float64]) -> tuple[float, float]:
    """The jackknife's interval of a positive figure from its values without each person."""
    count = len(one_out)
    tiny = np.finfo(float).tiny
    whole = float(np.log(np.maximum(value, tiny)))
    pseudo = count * whole - (count - 1) * np.log(np.maximum(one_out, tiny))
    middle, spread = float(pseudo.mean()), float(pseudo.std(ddof=1)) / math.sqrt(count)
    half = _student(count - 1) * spread
    return math.exp(middle - half), math.exp(middle + half)


def _student(freedom: int) -> float:
    """Student's t for a two-sided 95 % interval (Cornish-Fisher; within 0.001 from 10 degrees of freedom on)."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2


def _root(variance: float, low: float, high: float) -> Interval:
    """A variance and its ends as standard deviations; a negative estimate is none at all."""
    value, bottom, top = (math.sqrt(max(one, 0.0)) for one in (variance, low, high))
    return Interval(value, min(bottom, value), max(top, value))


def _weighted_mean(people: list[Days], between: float, within: float) -> float:
    """The mean over people, each weighted by how well their own mean is known."""
    between, within = max(between, 0.0), max(within, 0.0)
    spread = [between + within / p.day.size + float(p.variance.sum()) / p.day.size**2 for p in people]
    weights = 1 / np.maximum(spread, 1e-9)
    return float(np.average([p.mean.mean() for p in people], weights=weights))


def _distance(day: NDArray[np.int64], ill: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days to the nearest day of `ill`, int64[n]; `ill` is sorted."""
    after = np.searchsorted(ill, day)
    before = np.abs(day - ill[np.maximum(after - 1, 0)])
    nearest: NDArray[np.int64] = np.minimum(before, np.abs(day - ill[np.minimum(after, len(ill) - 1)]))
    return nearest
