"""When a picture of a network stream was taken, on this machine's clock. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

SPAN: Final = 5.0
"""Seconds of one bucket of arrivals."""
BUCKETS: Final = 6
"""Two clocks of a usual 50 ppm each part by 3 ms in the 30 s that are looked back on."""
BACK: Final = 1.0
"""Seconds by which a stamp falls back when the camera began to count anew; less is reordering."""


class StreamClock:
    """Places a stream's stamps on the clock of arrivals.

    Stamps are of the camera's clock; arrivals are on ours, and late by encoding, network and a busy board. The least
    that a picture of the last half minute was late is the best that is known: the lower envelope of arrival minus
    stamp. So a picture that waited somewhere keeps its moment. What even the fastest one took does not show here.
    """

    def __init__(self) -> None:
        self._least: deque[tuple[float, float]] = deque(maxlen=BUCKETS)
        self._last = float("-inf")

    def place(self, stamp: float, arrival: float) -> float:
        """Seconds of arrivals' clock for a picture stamped `stamp` s that came at `arrival`; never after it."""
        if stamp < self._last - BACK:
            self._least.clear()
        self._last = stamp
        offset = arrival - stamp
        if not self._least or arrival - self._least[-1][0] >= SPAN:
            self._least.append((arrival, offset))
        elif offset < self._least[-1][1]:
            self._least[-1] = self._least[-1][0], offset
        return stamp + min(least for _, least in self._least)
