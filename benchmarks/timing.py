"""Interleaved timing of contenders, and what may be said of their medians, their single calls and their ratios."""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Call = Callable[[], object]

CONFIDENCE = 0.95
NEGLIGIBLE_CLOCK = 1e-3
"""Of a call's time: where the clock takes less, calls are only clocked one by one."""
ENOUGH_FOR_TAILS = 50
"""Single calls, below which the 2nd and 98th percentile would be hardly more than the extremes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the distribution-free interval that covers the true one with 95 % confidence."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of single calls, in seconds, the clock's own cost included; without tails where there were too few calls."""

    n: int
    p2: float | None
    p50: float
    p98: float | None


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender's calls, in seconds, and how many times as long as the reference contender's they are."""

    name: str
    n: int
    seconds: Interval
    """Of the rounds' means."""
    fastest: float
    ratio: Interval
    """Of the same round's means: contender / reference."""
    calls: Percentiles


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: up to `rounds`, fewer where they would take more than `seconds` in all."""

    rounds: int
    sample_seconds: float
    seconds: float = math.inf
    fewest: int = 8


def median_interval(samples: NDArray[np.float64]) -> Interval:
    """Median of at least one sample, and its interval from order statistics (binomial, so no shape is assumed).

    Under six samples the interval is the range, which then covers less than 95 %.
    """
    ordered, n = np.sort(samples), samples.size
    tail, outside = 0.0, 0
    while outside < n // 2:
        tail += math.comb(n, outside) / 2**n
        if 2 * tail > 1 - CONFIDENCE:
            break
        outside += 1
    low = max(outside - 1, 0)
    return Interval(float(np.median(ordered)), float(ordered[low]), float(ordered[n - 1 - low]))


def percentiles(latencies: NDArray[np.float64]) -> Percentiles:
    """Of at least one call: observed values, none made up in between."""
    low, middle, high = (float(each) for each in np.percentile(latencies, [2, 50, 98], method="nearest"))
    tails = latencies.size >= ENOUGH_FOR_TAILS
    return Percentiles(latencies.size, low if tails else None, middle, high if tails else None)


def clock_cost(readings: int = 20_000) -> float:
    """Seconds that a single call's time contains too much: two readings with nothing in between (median)."""
    spent = np.empty(readings)
    _clock_each(itertools.repeat(int), np.empty(100))
    clock = time.perf_counter
    for at in range(readings):
        start = clock()
        spent[at] = clock() - start
    return float(np.median(spent))


def _clock_each(calls: Iterator[Call], latencies: NDArray[np.float64]) -> None:
    clock = time.perf_counter
    for at in range(latencies.size):
        call = next(calls)
        start = clock()
        call()
        latencies[at] = clock() - start


def _mean_of(calls: Iterator[Call], count: int) -> float:
    start = time.perf_counter()
    for call in itertools.islice(calls, count):
        call()
    return (time.perf_counter() - start) / count


class _Track:
    """One contender's turns: its calls go round and round, from one turn into the next."""

    def __init__(self, calls: Sequence[Call], sample_seconds: float, clock: float) -> None:
        self._calls = itertools.cycle(calls)
        _mean_of(self._calls, 1)
        once = max(_mean_of(self._calls, 1), 1e-9)
        once = max(_mean_of(self._calls, max(1, min(len(calls), math.ceil(sample_seconds / once)))), 1e-9)
        self.batch = max(1, math.ceil(sample_seconds / once))
        self._one_by_one = clock < NEGLIGIBLE_CLOCK * once
        self.turn_seconds = self.batch * once * (1 if self._one_by_one else 2)
        self.means: list[float] = []
        self.latencies: list[NDArray[np.float64]] = []

    def take_turn(self) -> None:
        """A batch clocked as a whole (unless the clock hardly matters), and a batch clocked call by call."""
        latencies = np.empty(self.batch)
        mean = None if self._one_by_one else _mean_of(self._calls, self.batch)
        _clock_each(self._calls, latencies)
        self.means.append(float(latencies.mean()) if mean is None else mean)
        self.latencies.append(latencies)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def compare(contenders: Mapping[str, Sequence[Call]], effort: Effort, seed: int = 0) -> list[Timing]:
    """Time every contender once a round, in an order drawn anew, so that a drifting machine drifts for all of them.

    A contender is a list of calls with different inputs, so that no branch predictor and no cache learns one of them
    by heart. In its turn it makes as many calls as fill `sample_seconds`, twice: clocked as a whole, whose mean is the
    round's sample, and clocked one by one, for the percentiles. The first contender is the reference of the ratios.
    """
    rng, names, clock = np.random.default_rng(seed), list(contenders), clock_cost(1000)
    with _no_garbage_collection():
        tracks = {name: _Track(calls, effort.sample_seconds, clock) for name, calls in contenders.items()}
        affordable = effort.seconds / sum(track.turn_seconds for track in tracks.values())
        rounds = min(effort.rounds, max(effort.fewest, int(min(affordable, effort.rounds))))
        for _ in range(rounds):
            for index in rng.permutation(len(names)):
                tracks[names[index]].take_turn()
    reference = np.array(tracks[names[0]].means)
    return [_timing(name, track, reference) for name, track in tracks.items()]


def _timing(name: str, track: _Track, reference: NDArray[np.float64]) -> Timing:
    means = np.array(track.means)
    return Timing(
        name,
        means.size,
        median_interval(means),
        float(means.min()),
        median_interval(means / reference),
        percentiles(np.concatenate(track.latencies)),
    )
