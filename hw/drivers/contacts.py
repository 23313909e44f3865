"""The gate's input contacts: raw edges of the pins become debounced changes; edges that got lost are found again."""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from hw.drivers.debounce import Debouncer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hw.clock import Clock
    from hw.drivers.debounce import Settled

AUDIT: Final = 0.5
"""Seconds between comparisons of every line with what its edges said; a difference seen twice is a lost edge."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contact:
    """One wired input."""

    device: Any
    """A gpiozero `DigitalInputDevice` without bounce time."""
    normally_closed: bool
    debounce: float
    """Seconds it must keep its level before it counts."""

    def level(self) -> bool:
        """The line at this moment: True when the signal is active."""
        return bool(self.device.is_active) != self.normally_closed


class Contacts:
    """All inputs of a gate, by their name in the settings.

    Pins call in from whatever thread sees their edges and only leave a note; `service`, on a thread of the gate, does
    the rest and tells `on_change`. `wake` is called after each note; `section` of gate.toml is for messages.
    """

    def __init__(
        self,
        contacts: Mapping[str, Contact],
        clock: Clock,
        on_change: Callable[[str, Settled], None],
        wake: Callable[[], None],
        *,
        section: str,
    ) -> None:
        self._section = section
        self._clock = clock
        self._contacts = dict(contacts)
        self._on_change = on_change
        self._wake = wake
        self._notes: deque[tuple[str, bool, float]] = deque()
        self._debouncers = {name: Debouncer(c.debounce, active=c.level()) for name, c in self._contacts.items()}
        self._suspects: set[str] = set()
        self._next_audit = clock.monotonic() + AUDIT
        self.lost = 0
        """Edges the pins never reported, found by comparison."""
        self.failed_callbacks = 0
        for name, contact in self._contacts.items():
            contact.device.when_activated = partial(self._note, name, not contact.normally_closed)
            contact.device.when_deactivated = partial(self._note, name, contact.normally_closed)

    def read(self, name: str) -> bool | None:
        """The debounced level; None where it is not wired."""
        debouncer = self._debouncers.get(name)
        return None if debouncer is None else debouncer.active

    def glitches(self) -> dict[str, int]:
        """Changes that did not last, by input."""
        return {name: debouncer.glitches for name, debouncer in self._debouncers.items()}

    def service(self, now: float) -> float:
        """Report what has settled by `now`; returns when to be called again."""
        while self._notes:
            name, active, at = self._notes.popleft()
            self._report(name, self._debouncers[name].feed(at, active=active))
        if now >= self._next_audit:
            self._next_audit = now + AUDIT
            self._audit(now)
        for name, debouncer in self._debouncers.items():
            self._report(name, debouncer.settle(now))
        if not self._contacts:
            return math.inf
        return min(self._next_audit, *(debouncer.deadline for debouncer in self._debouncers.values()))

    def _note(self, name: str, active: bool) -> None:  # noqa: FBT001 - bound by partial, for a callback
        self._notes.append((name, active, self._clock.monotonic()))
        self._wake()

    def _audit(self, now: float) -> None:
        for name, contact in self._contacts.items():
            level = contact.level()
            if level == self._debouncers[name].raw:
                self._suspects.discard(name)
            elif name in self._suspects:
                self._suspects.discard(name)
                self.lost += 1
                _log.warning("[%s] an edge of %s was lost; the line is now %s", self._section, name, level)
                self._report(name, self._debouncers[name].feed(now, active=level))
            else:
                self._suspects.add(name)

    def _report(self, name: str, settled: Settled | None) -> None:
        if settled is None:
            return
        try:
            self._on_change(name, settled)
        except Exception:  # noqa: BLE001 - whatever a callback does, the next edge is still reported
            self.failed_callbacks += 1
            _log.exception("[%s] the callback for %s failed", self._section, name)
