"""How fast this machine reads memory: no search that reads every byte of its templates can be faster."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from _fastcore import match

BUFFER = 256 << 20
"""Bytes; many times the last-level cache of a gate's or a developer's processor."""
READER = getattr(match, "read_bytes", None)


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes a second of one thread, as a median and the fastest of n passes, and by what means."""

    median: float
    fastest: float
    n: int
    means: str


def measure(passes: int = 15, size: int = BUFFER) -> Bandwidth:
    """Read a large buffer so many times."""
    numbers = np.ones(size // 4, dtype=np.float32)
    spent = []
    for _ in range(passes + 1):
        start = time.perf_counter()
        if READER is None:
            np.dot(numbers, numbers)
        else:
            READER(numbers)
        spent.append(time.perf_counter() - start)
    rates = numbers.nbytes / np.array(spent[1:])  # the first pass warms up
    means = "BLAS dot product" if READER is None else "the kernel's reader"
    return Bandwidth(float(np.median(rates)), float(rates.max()), passes, means)
