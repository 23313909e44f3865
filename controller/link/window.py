"""Which events are on their way: a sliding window with go-back-N, in the manner of data link protocols.

No clock, no I/O. Two rules. What was sent and not acknowledged is bounded by `size`. When an acknowledgement does not
come in time, or the campus asks for what comes after its mark, sending starts over at the acknowledged mark.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.record.entry import Place

HINT_GRACE = 2.0
"""Seconds without progress after which a repeated acknowledgement is taken as a request to send again: events that were
on their way when the campus spoke get the time to arrive."""


class SendWindow:
    """The window of one connection.

    Args:
        size: events that may be on their way.
        timeout: seconds without progress after which everything is sent again; doubles with each time, up to
        timeout_max: seconds.
    """

    def __init__(self, size: int, timeout: float, timeout_max: float) -> None:
        self.last: Place | None = None
        """The newest place sent; None: start at the acknowledged mark."""
        self.starts = 0
        """How often sending started over; a batch that was read before is void after it."""
        self._size = size
        self._first_timeout = timeout
        self._timeout = timeout
        self._timeout_max = timeout_max
        self._waiting: deque[Place] = deque()
        self._progress = 0.0
        self._hinted = False

    @property
    def room(self) -> int:
        """How many more may be sent now."""
        return max(0, self._size - len(self._waiting))

    @property
    def deadline(self) -> float | None:
        """When sending starts over unless something is heard, in the caller's seconds; None: nothing is on its way."""
        if not self._waiting:
            return None
        return self._progress + (min(HINT_GRACE, self._timeout) if self._hinted else self._timeout)

    def sent(self, places: Sequence[Place], now: float) -> None:
        """These were sent, in this order."""
        if not self._waiting:
            self._progress = now
        self._waiting.extend(places)
        self.last = places[-1]

    def acknowledged(self, place: Place, now: float) -> None:
        """The campus has everything of an epoch up to `place`: progress."""
        self._waiting = deque(
            waiting for waiting in self._waiting if waiting.epoch != place.epoch or waiting.seq > place.seq
        )
        self._progress = now
        self._timeout = self._first_timeout
        self._hinted = False

    def hint(self) -> None:
        """The campus repeats an acknowledgement: it is there, and has nothing newer."""
        self._hinted = bool(self._waiting)

    def start_over(self) -> None:
        """Begin again at the acknowledged mark."""
        self._waiting.clear()
        self._hinted = False
        self.last = None
        self.starts += 1

    def expire(self, now: float) -> bool:
        """Start over if the deadline has passed; whether it had."""
        if self.deadline is None or now < self.deadline:
            return False
        if not self._hinted:  # nobody answers: ask less and less often
            self._timeout = min(self._timeout * 2, self._timeout_max)
        self.start_over()
        return True
