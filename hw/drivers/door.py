"""A door on GPIO lines: one lock that two directions release, its contacts in.

Nothing here releases the lock by itself. A strike's line is energised to release; a magnet's is energised to hold, so
that without power or program the door is free. Both end a release by the thread that ends a turnstile's pulses.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hw.drivers.relay import RelayGuard
from hw.drivers.wired import WiredGate
from hw.ports import Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.drivers.relay import OutputLine
    from hw.kind_settings import DoorSettings


class Lock:
    """One lock, released while any of its directions asks for it. Called under the relay guard's lock.

    Args:
        line: its output.
        holds: energised, it holds (a magnet); else energised, it releases (a strike).
        on_command: told each level that the line was driven to; must return at once.
    """

    def __init__(
        self, line: OutputLine, *, holds: bool, on_command: Callable[[bool], None] = lambda _energised: None
    ) -> None:
        self._line = line
        self._holds = holds
        self._on_command = on_command
        self._asking: set[Side] = set()

    def ask(self, side: Side, *, released: bool) -> None:
        """Release for `side`, or no longer."""
        asking = self._asking | {side} if released else self._asking - {side}
        energised = bool(asking) != self._holds
        (self._line.on if energised else self._line.off)()
        self._asking = asking
        self._on_command(energised)


class _SideOfLock:
    """What the relay guard takes for the relay of one direction."""

    def __init__(self, lock: Lock, side: Side) -> None:
        self._lock, self._side = lock, side

    def on(self) -> None:
        self._lock.ask(self._side, released=True)

    def off(self) -> None:
        self._lock.ask(self._side, released=False)


class GpioDoor(WiredGate):
    """`hw.ports.Gate` of a door: one lock for both directions. A release is at most `release_cap`.

    Args:
        settings: which line is what.
        pin_factory: a gpiozero factory; the real one comes from `hw.linux.gpio`, mock pins from a simulated door.
        clock: whose time releases, debounce and lamps live in.
    """

    def __init__(self, settings: DoorSettings, pin_factory: Any, clock: Clock) -> None:
        self._holds = settings.lock == "magnet"
        locked = frozenset({"lock_line"}) if self._holds else frozenset[str]()
        super().__init__(settings, pin_factory, clock, locked)
        self._cap = settings.release_cap

    def _make_relays(self) -> RelayGuard:
        line, commanded = self._lines.outputs["lock_line"], partial(self._lines.commanded, Side.A)
        lock = Lock(line, holds=self._holds, on_command=commanded)
        sides = {side: _SideOfLock(lock, side) for side in Side}
        return RelayGuard(sides, self._cap, self._clock, names=dict.fromkeys(Side, "[door] lock_line"))
