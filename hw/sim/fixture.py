"""What a simulated door and barrier have in common: lines with contacts that bounce, and a thread for what comes later.

Pins move on the fixture's own thread. Of the drivers it knows nothing but the wiring's keys.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import threading
from typing import TYPE_CHECKING, Any, Final

from hw.sim.lines import WiredFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.gate_settings import LaneLines
    from hw.ports import Signal

BOUNCE = 0.0015
"""Longest flutter of a contact, seconds."""
RELAY_OPERATES: Final = 0.008
"""Seconds from a coil's command to its auxiliary contact."""


class Fixture:
    """Lines of a lane and something behind them. Every method may be called from any thread.

    Args:
        settings: the wiring, as the driver has it.
        clock: whose time it lives in.
        seed: of the contacts' bounce.
    """

    def __init__(self, settings: LaneLines, clock: Clock, seed: int) -> None:
        self.pin_factory = WiredFactory(self._output_changed)
        self._settings = settings
        self._clock = clock
        self._random = random.Random(seed)
        self._keys = {line: key for key in settings.OUTPUTS if (line := settings.number(key)) is not None}
        self._active = dict.fromkeys(settings.OUTPUTS, False)
        self._signals: dict[Signal, bool] = {}
        self._stuck: dict[Signal, bool] = {}
        self._relay_sticks: dict[str, bool] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: Any = None

    def start(self) -> None:
        """Begin to live; the levels of all contacts are set by now."""
        for name, output in self._settings.READBACKS.items():
            self._drive_input(name, active=self.relay_closed(output))
        self._thread = self._clock.spawn(self._run, self._settings.SECTION)

    def active(self, output: str) -> bool:
        """Whether the program holds this output at its active level."""
        return self._active[output]

    def stick(self, signal: Signal, level: bool | None) -> None:  # noqa: FBT001 - three-valued
        """A contact sticks at a level whatever is behind it (True: active), or is mended (None)."""
        with self._lock:
            before = self._effective(signal)
            if level is None:
                self._stuck.pop(signal, None)
            else:
                self._stuck[signal] = level
            self._flutter(signal, before)

    def relay_closed(self, output: str) -> bool:
        """Whether the contact of this output's relay is closed, its faults included."""
        return self._relay_sticks.get(output, self._active[output])

    def stick_relay(self, output: str, closed: bool | None) -> None:  # noqa: FBT001 - three-valued
        """The relay's contact welds (True), its coil breaks (False), or it is mended (None)."""
        with self._lock:
            before = self.relay_closed(output)
            if closed is None:
                self._relay_sticks.pop(output, None)
            else:
                self._relay_sticks[output] = closed
            self._relay_moved(output, before)

    def close(self) -> None:
        """End the thread; harmless when closed."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    # For what is behind the lines; the caller holds the lock

    def output_changed(self, key: str, *, active: bool) -> None:
        """The relay of an output moved: the program drove it to another level or let it go, or something broke."""
        raise NotImplementedError

    def step(self, now: float) -> float:
        """Move what moves; returns when to be called again."""
        del now
        return math.inf

    def signal(self, signal: Signal, *, active: bool) -> None:
        """Move a contact, with its bounce."""
        if signal not in self._signals:
            self._signals[signal] = active
            self._drive(signal, active=active)
            return
        before = self._effective(signal)
        self._signals[signal] = active
        self._flutter(signal, before)

    def at(self, at: float, action: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._agenda, (at, next(self._order), action))
        self._wake.set()

    # Lines

    def _output_changed(self, line: int, level: bool | None) -> None:  # noqa: FBT001 - an electrical level
        """A line let go floats to inactive, by the pull on the relay board."""
        key = self._keys.get(line)
        if key is None:
            return
        with self._lock:
            before = self.relay_closed(key)
            self._active[key] = level is not None and level != self._settings.active_low(key)
            self._relay_moved(key, before)

    def _relay_moved(self, key: str, before: bool) -> None:  # noqa: FBT001 - a level
        """Let what hangs on a relay feel that it moved; its auxiliary contact, where there is one, a little later."""
        closed = self.relay_closed(key)
        if closed == before:
            return
        name = next((name for name, relay in self._settings.READBACKS.items() if relay == key), None)
        if name is not None:
            at = self._clock.monotonic() + RELAY_OPERATES
            self.at(at, lambda: self._drive_input(name, active=self.relay_closed(key)))
        self.output_changed(key, active=closed)
        self._wake.set()

    def _effective(self, signal: Signal) -> bool:
        return self._stuck.get(signal, self._signals.get(signal, False))

    def _flutter(self, signal: Signal, before: bool) -> None:  # noqa: FBT001 - a level
        after = self._effective(signal)
        if after == before:
            return
        at = self._clock.monotonic()
        for _ in range(2):
            for level in (after, before):
                self.at(at, lambda level=level: self._drive(signal, active=level))  # type: ignore[misc]
                at += self._random.uniform(0.2, 1.0) * BOUNCE
        self.at(at, lambda: self._drive(signal, active=self._effective(signal)))

    def _drive(self, signal: Signal, *, active: bool) -> None:
        self._drive_input(signal.value, active=active)

    def _drive_input(self, name: str, *, active: bool) -> None:
        line = self._settings.number(name)
        if line is not None:
            inverted = self._settings.active_low(name) != (name in self._settings.normally_closed)
            self.pin_factory.pin(line).set_contact(active != inverted)

    # The thread

    def _run(self) -> None:
        while not self._closed:
            self._clock.wait(self._wake, self._remaining())
            self._wake.clear()
            while (action := self._due()) is not None:
                action()

    def _due(self) -> Callable[[], None] | None:
        with self._lock:
            if self._agenda and self._agenda[0][0] <= self._clock.monotonic():
                return heapq.heappop(self._agenda)[2]
            return None

    def _remaining(self) -> float:
        with self._lock:
            now = self._clock.monotonic()
            moved = self.step(now)
            due = self._agenda[0][0] if self._agenda else math.inf
            return min(due, moved) - now
