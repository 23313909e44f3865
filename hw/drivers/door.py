"""A door on GPIO lines: one lock that two directions release, its contacts in.

Nothing here releases the lock by itself. A strike's line is energised to release; a magnet's is energised to hold, so
that without power or program the door is free. Both end a release by the thread that ends a turnstile's pulses.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from hw.drivers.relay import RelayGuard
from hw.drivers.wired import WiredLines
from hw.errors import DeviceClosed
from hw.kind_settings import DOOR_INPUTS, DOOR_OUTPUTS
from hw.ports import Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock
    from hw.drivers.relay import OutputLine
    from hw.kind_settings import DoorSettings
    from hw.ports import Edge, Lamp, Signal


class Lock:
    """One lock, released while any of its directions asks for it. Called under the relay guard's lock.

    Args:
        line: its output.
        holds: energised, it holds (a magnet); else energised, it releases (a strike).
    """

    def __init__(self, line: OutputLine, *, holds: bool) -> None:
        self._line = line
        self._holds = holds
        self._asking: set[Side] = set()

    def ask(self, side: Side, *, released: bool) -> None:
        """Release for `side`, or no longer."""
        asking = self._asking | {side} if released else self._asking - {side}
        (self._line.on if bool(asking) != self._holds else self._line.off)()
        self._asking = asking


class _SideOfLock:
    """What the relay guard takes for the relay of one direction."""

    def __init__(self, lock: Lock, side: Side) -> None:
        self._lock, self._side = lock, side

    def on(self) -> None:
        self._lock.ask(self._side, released=True)

    def off(self) -> None:
        self._lock.ask(self._side, released=False)


class GpioDoor:
    """`hw.ports.Gate` of a door.

    Args:
        settings: which line is what.
        pin_factory: a gpiozero factory; the real one comes from `hw.linux.gpio`, mock pins from a simulated door.
        clock: whose time releases, debounce and lamps live in.
    """

    def __init__(self, settings: DoorSettings, pin_factory: Any, clock: Clock) -> None:
        holds = settings.lock == "magnet"
        locked = frozenset({"lock_line"}) if holds else frozenset[str]()
        self._lines = WiredLines(
            "door", settings, pin_factory, clock, outputs=DOOR_OUTPUTS, inputs=DOOR_INPUTS, energised=locked
        )
        self._settings = settings
        self._clock = clock
        self._holds = holds
        self._relays: RelayGuard | None = None
        self._state = threading.Lock()

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        """Claim all lines, the lock locked in the same step. The levels found are no edges; `read` tells them."""
        with self._state:
            self._lines.open(on_edge)
            lock = Lock(self._lines.outputs["lock_line"], holds=self._holds)
            sides = {side: _SideOfLock(lock, side) for side in Side}
            names = dict.fromkeys(Side, "[door] lock_line")
            self._relays = RelayGuard(sides, self._settings.release_cap, self._clock, names=names)
            self._relays.start()
            self._lines.watch()

    def read(self, signal: Signal) -> bool | None:
        """The debounced level of an input; None where it is not wired."""
        return self._lines.read(signal)

    def unlock(self, side: Side, seconds: float) -> None:
        """Release the lock for `seconds`, at most `release_cap`."""
        self._opened().unlock(side, seconds)

    def hold(self, side: Side, *, on: bool) -> None:
        """Hold the lock released for `side`, or end that."""
        self._opened().hold(side, on=on)

    def relock(self, side: Side) -> None:
        """End a release for `side`; the lock locks when none is left."""
        self._opened().relock(side)

    def stop(self, *, on: bool) -> None:
        """A door has no STOP: who is not let in finds it locked."""
        del on
        self._opened()

    def indicate(self, lamp: Lamp) -> None:
        """Show `lamp`."""
        self._lines.indicate(lamp)

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        self._lines.mute(on=on)

    def close(self) -> None:
        """De-energise everything: a strike locks, a magnet lets go. Harmless when closed."""
        with self._state:
            relays, self._relays = self._relays, None
        if relays is None:
            return
        relays.close()
        self._lines.stop()
        self._lines.release()

    def _opened(self) -> RelayGuard:
        if self._relays is None:
            raise DeviceClosed("the door is closed")
        return self._relays
