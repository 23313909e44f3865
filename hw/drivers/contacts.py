"""The gate's input contacts: raw edges of the pins become debounced `Edge`s; edges that got lost are found again."""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hw.drivers.debounce import Debouncer
from hw.ports import Edge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hw.clock import Clock
    from hw.drivers.debounce import Settled
    from hw.ports import Signal

AUDIT: Final = 0.5
"""Seconds between comparisons of every line with what its edges said; a difference seen twice is a lost edge."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contact:
    """One wired input."""

    device: Any
    """A gpiozero `DigitalInputDevice` without bounce time."""
    normally_closed: bool

    def level(self) -> bool:
        """The line at this moment: True when the signal is active."""
        return bool(self.device.is_active) != self.normally_closed


class Contacts:
    """All inputs of a gate.

    Pins call in from whatever thread sees their edges and only leave a note; `service`, on a thread of the gate, does
    the rest. `wake` is called after each note.
    """

    def __init__(
        self,
        contacts: Mapping[Signal, Contact],
        debounce: float,
        clock: Clock,
        on_edge: Callable[[Edge], None],
        wake: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._contacts = dict(contacts)
        self._on_edge = on_edge
        self._wake = wake
        self._notes: deque[tuple[Signal, bool, float]] = deque()
        self._debouncers = {signal: Debouncer(debounce, active=c.level()) for signal, c in self._contacts.items()}
        self._suspects: set[Signal] = set()
        self._next_audit = clock.monotonic() + AUDIT
        self.lost = 0
        """Edges the pins never reported, found by comparison."""
        self.failed_callbacks = 0
        for signal, contact in self._contacts.items():
            contact.device.when_activated = partial(self._note, signal, not contact.normally_closed)
            contact.device.when_deactivated = partial(self._note, signal, contact.normally_closed)

    def read(self, signal: Signal) -> bool | None:
        """The debounced level; None where it is not wired."""
        debouncer = self._debouncers.get(signal)
        return None if debouncer is None else debouncer.active

    def glitches(self) -> dict[Signal, int]:
        """Changes that did not last, by input."""
        return {signal: debouncer.glitches for signal, debouncer in self._debouncers.items()}

    def service(self, now: float) -> float:
        """Report what has settled by `now`; returns when to be called again."""
        while self._notes:
            signal, active, at = self._notes.popleft()
            self._report(signal, self._debouncers[signal].feed(at, active=active))
        if now >= self._next_audit:
            self._next_audit = now + AUDIT
            self._audit(now)
        for signal, debouncer in self._debouncers.items():
            self._report(signal, debouncer.settle(now))
        if not self._contacts:
            return math.inf
        return min(self._next_audit, *(debouncer.deadline for debouncer in self._debouncers.values()))

    def _note(self, signal: Signal, active: bool) -> None:  # noqa: FBT001 - bound by partial, for a callback
        self._notes.append((signal, active, self._clock.monotonic()))
        self._wake()

    def _audit(self, now: float) -> None:
        for signal, contact in self._contacts.items():
            level = contact.level()
            if level == self._debouncers[signal].raw:
                self._suspects.discard(signal)
            elif signal in self._suspects:
                self._suspects.discard(signal)
                self.lost += 1
                _log.warning("[gate] an edge of %s was lost; the line is now %s", signal.value, level)
                self._report(signal, self._debouncers[signal].feed(now, active=level))
            else:
                self._suspects.add(signal)

    def _report(self, signal: Signal, settled: Settled | None) -> None:
        if settled is None:
            return
        try:
            self._on_edge(Edge(signal, settled.active, settled.since))
        except Exception:  # noqa: BLE001 - whatever a callback does, the next edge is still reported
            self.failed_callbacks += 1
            _log.exception("[gate] the callback for %s failed", signal.value)
