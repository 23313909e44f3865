"""The event loop measures its own lateness: whatever blocks it shows here, whoever it was."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from controller.observe.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

RECENT = 10.0
"""Seconds over which `least_of_late` looks back."""

log = get_logger("loop")


class LatenessMonitor:
    """Sets itself an alarm and looks how late it goes off.

    Args:
        observe: told of each lateness in seconds.
        interval: seconds between alarms.
        warn_after: lateness in seconds that is worth a log line.
    """

    def __init__(self, observe: Callable[[float], None], *, interval: float = 0.25, warn_after: float = 0.1) -> None:
        self._observe = observe
        self._interval = interval
        self._warn_after = warn_after
        self.worst = 0.0
        """The greatest lateness so far, seconds."""
        self._recent: deque[float] = deque(maxlen=max(1, round(RECENT / interval)))

    @property
    def least_of_late(self) -> float:
        """The least lateness of the last `RECENT` seconds; 0 before so long has been measured."""
        return min(self._recent) if len(self._recent) == self._recent.maxlen else 0.0

    async def run(self) -> None:
        """Measure for ever, by the loop's own clock."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval
            await asyncio.sleep(self._interval)
            late = max(0.0, loop.time() - due)
            self.worst = max(self.worst, late)
            self._recent.append(late)
            self._observe(late)
            if late > self._warn_after:
                log.warning("event loop was late", seconds=round(late, 3))
