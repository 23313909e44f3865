"""Contact debounce as a pure state machine: levels and times in, settled changes out."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settled:
    """A level that has been stable for long enough to count."""

    active: bool
    since: float
    """Seconds of the first edge that led to it."""


class Debouncer:
    """One input line.

    A level counts once it has been stable for `interval` seconds; it then counts from its first edge on, so bounce
    delays the report but not its timestamp. Anything that came back before is a glitch.

    Args:
        active: level when watching begins; it counts at once.
        interval: seconds a level must stay.
    """

    __slots__ = ("_interval", "_last", "_raw", "_since", "_stable", "glitches")

    def __init__(self, interval: float, *, active: bool) -> None:
        self._interval = interval
        self._stable = self._raw = active
        self._since: float | None = None
        self._last = -math.inf
        self.glitches = 0
        """Changes that did not last."""

    @property
    def active(self) -> bool:
        """The level that counts."""
        return self._stable

    @property
    def raw(self) -> bool:
        """The level seen last."""
        return self._raw

    @property
    def deadline(self) -> float:
        """When `settle` will have something to say; infinity while nothing moves."""
        return math.inf if self._since is None else self._last + self._interval

    def feed(self, now: float, *, active: bool) -> Settled | None:
        """Take a level seen at `now`; returns what settled before it, between the two edges."""
        settled = self.settle(now)
        if active != self._raw:
            self._raw, self._last = active, now
            if self._since is None:
                self._since = now
        return settled

    def settle(self, now: float) -> Settled | None:
        """The change that has settled by `now`, if any."""
        if self._since is None or now < self.deadline:
            return None
        since, self._since = self._since, None
        if self._raw == self._stable:
            self.glitches += 1
            return None
        self._stable = self._raw
        return Settled(self._stable, since)
