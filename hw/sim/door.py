"""A simulated door below the driver: a leaf with a closer, a lock, contacts, and people who open, wedge or force it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.ports import Side, Signal
from hw.sim.fixture import Fixture

if TYPE_CHECKING:
    from hw.clock import Clock
    from hw.kind_settings import DoorSettings

SWING: Final = 1.5
"""Seconds that a closer takes to shut the leaf."""
LATCHES: Final = 0.15
"""Seconds from a shut leaf to a bolt that is thrown, or a magnet that holds."""
REBOUND: Final = (0.06, 0.2)
"""Seconds from a slam to the leaf off its latch, and back."""


class OpenedBy(enum.Enum):
    """What let the leaf open."""

    LOCK = "released lock"
    HANDLE = "handle"
    """From inside, at a strike: the handle draws the latch, whatever the lock does."""
    FORCE = "force"


@dataclass(frozen=True, slots=True)
class LockMove:
    """The lock was released or locked, by the program or for want of power."""

    timestamp: float
    released: bool


@dataclass(frozen=True, slots=True)
class LeafMove:
    """The leaf opened, or shut (`by` None)."""

    timestamp: float
    side: Side | None
    """Which way somebody went; None for a leaf that shut."""
    by: OpenedBy | None


@dataclass(frozen=True, slots=True)
class Walk:
    """Somebody walked through."""

    timestamp: float
    side: Side


class SimulatedDoor(Fixture):
    """A leaf, its closer and its lock.

    Args:
        settings: the wiring, as the driver has it.
        clock: whose time it lives in.
        entry: the direction that leads in.
        handle_asks: the inner handle has a switch on `rex`, as handles of escape doors do.
        seed: of the contacts' bounce.
    """

    def __init__(
        self, settings: DoorSettings, clock: Clock, *, entry: Side = Side.A, handle_asks: bool = True, seed: int = 0
    ) -> None:
        super().__init__(settings, clock, seed)
        self.moves: list[LockMove | LeafMove | Walk] = []
        """What the lock and the leaf did and who walked through, in order."""
        self.slams = False
        """The closer is set too strong: the leaf bounces off its latch."""
        self.asked: list[float] = []
        """When somebody inside asked for the door, by its button or its handle."""
        self._weak = False
        self._magnet = settings.lock == "magnet"
        self._entry = entry
        self._handle_asks = handle_asks
        self._powered = True
        self._fire = False
        self._open = False
        self._held_until = 0.0
        self._wedged = False
        self._released = self._is_released()
        for signal in (Signal.DOOR, Signal.REX, Signal.FIRE, Signal.TAMPER, Signal.KEY):
            self.signal(signal, active=False)
        self.signal(Signal.SECURE, active=not self._released)
        self.start()

    # What people do

    def pull(self, side: Side, *, hold: float = 1.0) -> bool:
        """Try to go through towards `side` and keep the leaf open for `hold` seconds; False where it is locked."""
        with self._lock:
            if self._open:
                self._keep_open(hold)
            elif self._released:
                self._swing_open(side, OpenedBy.LOCK, hold)
            elif side is not self._entry and not self._magnet:
                self._turn_handle(hold)
            else:
                return False
            self.moves.append(Walk(self._clock.monotonic(), side))
            return True

    def force(self, *, hold: float = 3.0) -> None:
        """Break it open."""
        with self._lock:
            self._swing_open(self._entry, OpenedBy.FORCE, hold)

    def press_rex(self, seconds: float = 0.4) -> None:
        """Press the button inside."""
        with self._lock:
            self.asked.append(self._clock.monotonic())
            self.signal(Signal.REX, active=True)
            self.at(self._clock.monotonic() + seconds, lambda: self._set(Signal.REX, active=False))

    def wedge(self, on: bool) -> None:  # noqa: FBT001 - reads well: wedge(True)
        """Put something in the door, or take it away."""
        with self._lock:
            self._wedged = on
            if not on and self._open:
                self._keep_open(0.0)

    def press_fire(self, on: bool) -> None:  # noqa: FBT001
        """The fire panel: it cuts the lock's own supply, and tells the board."""
        with self._lock:
            self._fire = on
            self._lock_moved()
            self.signal(Signal.FIRE, active=on)

    def weaken(self, on: bool) -> None:  # noqa: FBT001
        """The lock does not hold what it ought to (a worn keeper, a weak magnet), or somebody has mended it."""
        with self._lock:
            self._weak = on
            self._tell_lock()

    def cut_power(self, on: bool) -> None:  # noqa: FBT001
        """The lock has no supply."""
        with self._lock:
            self._powered = not on
            self._lock_moved()

    # What can be seen

    @property
    def open(self) -> bool:
        """Whether the leaf is off its frame."""
        return self._open

    @property
    def released(self) -> bool:
        """Whether the lock lets the leaf go."""
        return self._released

    # The lock

    def output_changed(self, key: str, *, active: bool) -> None:
        """See `Fixture`."""
        del active
        if key == "lock_line":
            self._lock_moved()

    def _is_released(self) -> bool:
        energised = self.relay_closed("lock_line") and self._powered and not (self._magnet and self._fire)
        return energised != self._magnet or (self._fire and not self._magnet)

    def _lock_moved(self) -> None:
        released = self._is_released()
        if released != self._released:
            self._released = released
            self.moves.append(LockMove(self._clock.monotonic(), released))
            self.at(self._clock.monotonic() + LATCHES, self._tell_lock)

    def _tell_lock(self) -> None:
        with self._lock:
            self.signal(Signal.SECURE, active=not self._open and not self._released and not self._weak)

    # The leaf

    def _turn_handle(self, hold: float) -> None:
        if self._handle_asks:
            self.press_rex()
        # The switch is at the start of the handle's way, the latch at its end.
        self.at(self._clock.monotonic() + 0.25, lambda: self._open_late(hold))

    def _open_late(self, hold: float) -> None:
        with self._lock:
            if not self._open:
                self._swing_open(Side.B if self._entry is Side.A else Side.A, OpenedBy.HANDLE, hold)

    def _swing_open(self, side: Side, by: OpenedBy, hold: float) -> None:
        self._open = True
        self.moves.append(LeafMove(self._clock.monotonic(), side, by))
        self.signal(Signal.DOOR, active=True)
        self._tell_lock()
        self._keep_open(hold)

    def _keep_open(self, hold: float) -> None:
        until = self._clock.monotonic() + hold + SWING
        self._held_until = max(self._held_until, until)
        self.at(until, self._shut)

    def _shut(self) -> None:
        with self._lock:
            if not self._open or self._wedged or self._clock.monotonic() < self._held_until:
                return
            now = self._clock.monotonic()
            self._open = False
            self.moves.append(LeafMove(now, None, None))
            self.signal(Signal.DOOR, active=False)
            if self.slams:
                self.at(now + REBOUND[0], lambda: self._set(Signal.DOOR, active=True))
                self.at(now + REBOUND[1], lambda: self._set(Signal.DOOR, active=False))
            self.at(now + LATCHES, self._tell_lock)

    def _set(self, signal: Signal, *, active: bool) -> None:
        with self._lock:
            self.signal(signal, active=active)
