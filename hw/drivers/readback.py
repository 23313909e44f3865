"""Does a relay do what it is told? Its auxiliary contact is compared with the command.

A contact welded shut and a coil that pulls nothing look the same from the program's side; only a read-back tells them,
and only after the time a relay takes.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.gate_settings import READBACK_LIMIT
from hw.ports import RELAY_FAULTS, Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hw.clock import Clock
    from hw.ports import Side

WELDED: Final = "welded"
"""Closed though nothing is commanded: the lock is open."""
DEAD: Final = "dead"
"""Open though it is commanded: a broken coil, a wire off, no supply."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A relay's read-back has come to disagree with the command, or to agree again."""

    disagrees: bool
    since: float
    """Monotonic seconds from when on."""
    cause: str | None
    """WELDED or DEAD; None where it agrees."""


class Readback:
    """One relay, as a pure state machine: commands, contact levels and times in, verdicts out.

    Args:
        closed: level of the contact when watching begins.
        commanded: what the relay is told then.
        limit: seconds for which the two may differ.
    """

    __slots__ = ("_closed", "_commanded", "_limit", "_since", "_told")

    def __init__(self, now: float, *, closed: bool, commanded: bool = False, limit: float = READBACK_LIMIT) -> None:
        self._commanded = commanded
        self._closed = closed
        self._limit = limit
        self._since = now if closed is not commanded else math.inf
        self._told = False

    @property
    def disagrees(self) -> bool:
        """Whether it has been told that they differ."""
        return self._told

    @property
    def deadline(self) -> float:
        """When a difference will have lasted too long; infinity while there is none, or it has been told."""
        return math.inf if self._told else self._since + self._limit

    def command(self, now: float, *, on: bool) -> None:
        """Note what was commanded."""
        self._commanded = on
        self._compare(now)

    def contact(self, now: float, *, closed: bool) -> None:
        """Note what the contact says, from `now` on."""
        self._closed = closed
        self._compare(now)

    def judge(self, now: float) -> Verdict | None:
        """Return what there is to tell by `now`, once."""
        differs = self._commanded is not self._closed
        if self._told and not differs:
            self._told = False
            return Verdict(disagrees=False, since=now, cause=None)
        if self._told or not differs or now < self.deadline:
            return None
        self._told = True
        return Verdict(disagrees=True, since=self._since, cause=WELDED if self._closed else DEAD)

    def _compare(self, now: float) -> None:
        if self._commanded is self._closed:
            self._since = math.inf
        elif math.isinf(self._since):
            self._since = now


class Readbacks:
    """All relays of a gate that have a read-back.

    `commanded` may be called from any thread and only leaves a note; the rest is for the thread of the inputs.

    Args:
        contacts: the level of each auxiliary contact at this moment, True when closed.
        clock: whose time it is.
        on_edge: told of a relay that disagrees, and that agrees again.
        wake: called after each note.
        names: what messages call each relay.
        energised: relays that are commanded when watching begins.
    """

    def __init__(
        self,
        contacts: Mapping[Side, Callable[[], bool]],
        clock: Clock,
        on_edge: Callable[[Edge], None],
        wake: Callable[[], None],
        *,
        names: Mapping[Side, str],
        energised: frozenset[Side] = frozenset(),
    ) -> None:
        self._names = dict(names)
        self._levels = dict(contacts)
        self._clock = clock
        self._on_edge = on_edge
        self._wake = wake
        self._notes: deque[tuple[Side, bool, float]] = deque()
        now = clock.monotonic()
        self._relays = {
            side: Readback(now, closed=level(), commanded=side in energised) for side, level in self._levels.items()
        }

    def commanded(self, side: Side, on: bool) -> None:  # noqa: FBT001 - a callback of the relays
        """Note what a relay was just told."""
        if side in self._relays:
            self._notes.append((side, on, self._clock.monotonic()))
            self._wake()

    def contact(self, side: Side, since: float, *, closed: bool) -> None:
        """Take a debounced change of an auxiliary contact."""
        self._relays[side].contact(since, closed=closed)

    def read(self, side: Side) -> bool | None:
        """Whether the relay of `side` disagrees; None: it has no read-back."""
        relay = self._relays.get(side)
        return None if relay is None else relay.disagrees

    def service(self, now: float) -> float:
        """Report what there is to tell by `now`; returns when to be called again."""
        while self._notes:
            side, on, at = self._notes.popleft()
            self._relays[side].command(at, on=on)
        for side, relay in self._relays.items():
            if now >= relay.deadline:
                # Looked at once more: an edge of the contact may have been lost.
                relay.contact(now, closed=self._levels[side]())
            verdict = relay.judge(now)
            if verdict is not None:
                self._report(side, verdict)
        return min((relay.deadline for relay in self._relays.values()), default=math.inf)

    def _report(self, side: Side, verdict: Verdict) -> None:
        if verdict.disagrees:
            _log.error("%s: the relay is %s, says its read-back", self._names[side], verdict.cause)
        signal = RELAY_FAULTS[side]
        try:
            self._on_edge(Edge(signal, verdict.disagrees, verdict.since, cause=verdict.cause))
        except Exception:  # noqa: BLE001 - whatever a callback does, the next edge is still reported
            _log.exception("%s: the callback for %s failed", self._names[side], signal.value)
