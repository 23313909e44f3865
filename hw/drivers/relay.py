"""The unlock relays: pulses that end by themselves, on a thread that needs nothing else to work.

`RelayState` says what the relay must be; `RelayGuard` makes it so in time. The guard's thread does nothing but end
pulses, so neither a hanging event loop nor a slow input callback can keep a lock open.
"""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING, Final, Protocol

from hw.errors import DeviceClosed, DeviceError, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hw.clock import Clock
    from hw.ports import Side

RETRY: Final = 0.02
"""Seconds between attempts to de-energise a relay whose line refuses the write."""

_log = logging.getLogger(__name__)


class OutputLine(Protocol):
    """What a relay needs of an output: gpiozero's `DigitalOutputDevice` has it."""

    def on(self) -> None:
        """Drive the line to its active level."""
        ...

    def off(self) -> None:
        """Drive the line to its inactive level."""
        ...


class RelayState:
    """One relay as it should be: locked, in a pulse, or held."""

    __slots__ = ("_cap", "_started", "deadline", "held")

    def __init__(self, cap: float) -> None:
        self._cap = cap
        self._started = 0.0
        self.deadline: float | None = None
        """When the pulse ends; None: no pulse."""
        self.held = False

    @property
    def energised(self) -> bool:
        """What the line should be."""
        return self.held or self.deadline is not None

    def pulse(self, now: float, seconds: float) -> None:
        """Begin a pulse, or prolong the one that runs, but never past the cap counted from its beginning."""
        if self.held:
            return
        if self.deadline is None:
            self._started = self.deadline = now
        self.deadline = max(self.deadline, min(now + seconds, self._started + self._cap))

    def hold(self, *, on: bool) -> None:
        """Hold the relay, ending any pulse, or end the hold."""
        if on:
            self.deadline = None
        self.held = on

    def relock(self) -> None:
        """End whatever is on."""
        self.deadline, self.held = None, False

    def expire(self, now: float) -> bool:
        """End a pulse that is due; True when one ended."""
        if self.deadline is None or now < self.deadline:
            return False
        self.deadline = None
        return True


class RelayGuard:
    """Drives the relays of a gate. Calls may come from any thread; `start` before the first.

    Args:
        lines: the output of each side that is wired, already claimed at its inactive level.
        cap: longest pulse, seconds.
        clock: whose time a pulse is measured in.
        on_command: told each level that a line was driven to; must return at once.
        names: what messages call each line, whether or not it is wired.
    """

    def __init__(
        self,
        lines: Mapping[Side, OutputLine],
        cap: float,
        clock: Clock,
        on_command: Callable[[Side, bool], None] = lambda _side, _on: None,
        *,
        names: Mapping[Side, str],
    ) -> None:
        self._lines = dict(lines)
        self._names = dict(names)
        self._cap = cap
        self._clock = clock
        self._on_command = on_command
        self._states = {side: RelayState(cap) for side in lines}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._running = False

    def start(self) -> None:
        """Start the thread that ends pulses."""
        self._running = True
        self._thread = self._clock.spawn(self._watch, "gate-relays")

    def unlock(self, side: Side, seconds: float) -> None:
        """Energise `side` for `seconds`. Raises ValueError beyond the cap, DeviceMissing where it is not wired."""
        if not 0 < seconds <= self._cap:
            raise ValueError(f"an unlock of {seconds} s: it must be over 0 and at most {self._cap} s")
        if side not in self._states:
            raise DeviceMissing(f"{self._names[side]} is not wired, so side {side.name} cannot be unlocked")
        with self._lock:
            self._check_guarded()
            # The end is noted before the line moves: there is no moment at which an unlock has no end.
            self._states[side].pulse(self._clock.monotonic(), seconds)
            self._apply(side)
        self._wake.set()

    def hold(self, side: Side, *, on: bool) -> None:
        """Hold `side` free, or end that. A side that is not wired is left to the turnstile's own mechanics."""
        if side not in self._states:
            return
        with self._lock:
            if on:
                self._check_guarded()
            self._states[side].hold(on=on)
            self._apply(side)

    def relock(self, side: Side) -> None:
        """End a pulse or hold of `side` at once."""
        if side in self._states:
            with self._lock:
                self._states[side].relock()
                self._apply(side)

    def close(self) -> None:
        """De-energise everything and end the thread."""
        self._abandon()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _check_guarded(self) -> None:
        if not self._running:
            raise DeviceClosed("the gate is closed")
        if self._thread is None or not self._thread.is_alive():
            raise DeviceError("the thread that ends unlock pulses is gone; unlocking is refused")

    def _apply(self, side: Side) -> None:
        """Make the line what the state says. Raises DeviceError, with the state locked, when the line refuses."""
        state, line = self._states[side], self._lines[side]
        try:
            line.on() if state.energised else line.off()
        except Exception as error:
            state.relock()
            self._release(side)
            raise DeviceError(f"{self._names[side]}: the line can't be driven: {error}") from error
        self._on_command(side, state.energised)

    def _release(self, side: Side) -> None:
        """Drive the line inactive; if even that fails, have the thread try again until it works."""
        try:
            self._lines[side].off()
        except Exception:  # noqa: BLE001 - a lock must close, whatever the line says
            _log.exception("%s can't be de-energised; trying again", self._names[side])
            if self._running:
                self._states[side].deadline = self._clock.monotonic() + RETRY
                self._wake.set()
        else:
            self._on_command(side, False)

    def _watch(self) -> None:
        try:
            while self._running:
                self._clock.wait(self._wake, self._remaining())
                self._wake.clear()
                with self._lock:
                    now = self._clock.monotonic()
                    for side, state in self._states.items():
                        if state.expire(now):
                            self._release(side)
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Whatever ended the thread, no relay stays on behind it."""
        with self._lock:
            self._running = False
            for side, state in self._states.items():
                state.relock()
                self._release(side)

    def _remaining(self) -> float:
        with self._lock:
            due = min((state.deadline for state in self._states.values() if state.deadline is not None), default=None)
            return math.inf if due is None else due - self._clock.monotonic()
