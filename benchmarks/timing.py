"""Interleaved timing of contenders, and what may be said of their medians and ratios."""

from __future__ import annotations

import gc
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Call = Callable[[], object]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A median and the distribution-free interval that covers the true one with 95 % confidence."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender's calls, in seconds, and how many times as long as the reference contender's they are."""

    name: str
    n: int
    seconds: Interval
    fastest: float
    ratio: Interval
    """Of the same round's samples: contender / reference."""


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


def _seconds(call: Call, loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        call()
    return (time.perf_counter() - start) / loops


def _loops_for(call: Call, sample_seconds: float) -> int:
    call()
    once = max(_seconds(call, 1), 1e-9)
    loops = max(1, math.ceil(sample_seconds / once))
    return max(1, math.ceil(sample_seconds / max(_seconds(call, loops), 1e-9)))


def compare(contenders: Mapping[str, Call], rounds: int, sample_seconds: float, seed: int = 0) -> list[Timing]:
    """Time every contender once a round, in an order drawn anew, so that a drifting machine drifts for all of them.

    A sample is the mean of as many calls as fill `sample_seconds`. The first contender is the reference of the ratios.
    """
    rng, names = np.random.default_rng(seed), list(contenders)
    loops = {name: _loops_for(call, sample_seconds) for name, call in contenders.items()}
    samples = {name: np.empty(rounds) for name in names}
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for at in range(rounds):
            for index in rng.permutation(len(names)):
                name = names[index]
                samples[name][at] = _seconds(contenders[name], loops[name])
    finally:
        if was_enabled:
            gc.enable()
    reference = samples[names[0]]
    return [
        Timing(name, rounds, median_interval(each), float(each.min()), median_interval(each / reference))
        for name, each in samples.items()
    ]
