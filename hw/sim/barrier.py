"""A simulated barrier below the driver: an arm with a motor, vehicles that roll over loops and through a beam, people.

The barrier's own control is as plain as such a thing can be: an impulse, or a held line, moves the arm, and nothing
under it stops it. What keeps it off cars and people is the program alone; whom it came down on stands in `hits`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.ports import Signal
from hw.sim.fixture import Fixture

if TYPE_CHECKING:
    from hw.clock import Clock
    from hw.kind_settings import BarrierSettings

STEP: Final = 0.02
"""Seconds between two looks at what moves."""
RISES, FALLS = 1.6, 2.2
"""Seconds of the arm's way up and down."""
TURNS_ROUND: Final = 0.1
"""Seconds that a motor takes to stop and turn round."""
UP_AT, DOWN_AT, FREE_AT = 88.0, 2.0, 75.0
"""Degrees at which the contacts close, and from which drivers drive."""
HITS_BELOW: Final = 35.0
"""Degrees below which an arm 3 m long, hung at 0.9 m, is lower than a person or a car in its middle."""
SHORTEST_IMPULSE: Final = 0.1
IN_THE_WAY: Final = 0.3
"""Seconds that somebody has been under an arm which then comes down on them. Who is there for less ran into it: nothing
turns a motor round in less than a debounce (0.03), an impulse (0.1) and `TURNS_ROUND`."""
STOP_LINE: Final = -1.6
"""Where a driver stops before an arm that is not up; the arm and its beam are at 0, metres."""
LOOPS: Final = {Signal.LOOP_FRONT: (-6.0, -1.5), Signal.LOOP_ARM: (-1.2, 1.4)}
"""From, to, in metres along an entry; the exit's loop lies as the front one does, on the other side."""


@dataclass(slots=True, eq=False)
class Vehicle:
    """A vehicle on its way through the lane."""

    length: float
    inward: bool
    nose: float
    """Metres past the arm, in its own direction."""
    goes_to: float
    speed: float = 2.5
    heeds: bool = True
    """Its driver stops before an arm that is not up."""

    def span(self) -> tuple[float, float]:
        """From, to, in metres along an entry."""
        rear = self.nose - self.length
        return (rear, self.nose) if self.inward else (-self.nose, -rear)


@dataclass(frozen=True, slots=True)
class ArmCommand:
    """The relay of one of the arm's lines moved, as a rule because the program drove it."""

    timestamp: float
    line: str
    active: bool


@dataclass(frozen=True, slots=True)
class VehiclePassage:
    """A vehicle's nose came under the arm."""

    timestamp: float
    inward: bool


class SimulatedBarrier(Fixture):
    """An arm over one lane.

    Args:
        settings: the wiring, as the driver has it.
        clock: whose time it lives in.
        up: the arm stands up at the start.
        counterweight: without mains the arm rises; else it stays.
        seed: of the contacts' bounce.
    """

    def __init__(
        self, settings: BarrierSettings, clock: Clock, *, up: bool = False, counterweight: bool = False, seed: int = 0
    ) -> None:
        super().__init__(settings, clock, seed)
        self.moves: list[ArmCommand | VehiclePassage] = []
        self.hits: list[float] = []
        """When the arm came down on something."""
        self.closed_on: list[float] = []
        """When the program sent the arm down although the loop or the beam under it was occupied."""
        self.jammed = False
        """The motor runs and the arm does not move."""
        self.vehicles: list[Vehicle] = []
        self._impulse = settings.mode == "impulse"
        self._counterweight = counterweight
        self._angle = 90.0 if up else 0.0
        self._way = 0
        self._turning_until = -math.inf
        self._powered = True
        self._pressed: dict[str, float] = {}
        self._walker_until = -math.inf
        self._since: float | None = None
        """Since when something has been under the arm."""
        self._last = clock.monotonic()
        for signal in (Signal.POWER_FAIL, Signal.LOOP_FAULT, Signal.PHOTOCELL_FAULT, Signal.FIRE, Signal.TAMPER):
            self.signal(signal, active=False)
        self.signal(Signal.KEY, active=False)
        self._tell(clock.monotonic())
        self.start()

    # What people do

    def arrive(
        self, *, inward: bool = True, length: float = 4.5, behind: Vehicle | None = None, gap: float = 1.0
    ) -> Vehicle:
        """A vehicle rolls up to the stop line, or to `gap` metres behind another one."""
        with self._lock:
            stop = STOP_LINE if behind is None else behind.nose - behind.length - gap
            vehicle = Vehicle(length, inward, min(-12.0, stop - 3.0), stop)
            self.vehicles.append(vehicle)
            self._begin()
            return vehicle

    def drive(self, vehicle: Vehicle, to: float = 15.0, *, heeds: bool = True) -> None:
        """Drive on until the nose is `to` metres past the arm; who `heeds` stops before an arm that is not up."""
        with self._lock:
            vehicle.goes_to, vehicle.heeds = to, heeds
            self._begin()

    def leave(self, vehicle: Vehicle) -> None:
        """Turn off the lane: it is gone."""
        with self._lock:
            self.vehicles.remove(vehicle)
            self._begin()

    def walk_under(self, seconds: float = 1.2) -> None:
        """Somebody walks through under the arm."""
        with self._lock:
            self._walker_until = self._clock.monotonic() + seconds
            self._begin()

    def push_arm(self, degrees: float) -> None:
        """Move the arm by hand."""
        with self._lock:
            self._angle = degrees
            self._begin()

    def cut_power(self, on: bool) -> None:  # noqa: FBT001 - reads well: cut_power(True)
        """Take the barrier's mains away, or bring them back."""
        with self._lock:
            self._powered = not on
            self._way = 0
            self.signal(Signal.POWER_FAIL, active=on)
            self._begin()

    def press_fire(self, on: bool) -> None:  # noqa: FBT001
        """The fire panel's contact."""
        self._set(Signal.FIRE, active=on)

    def break_detector(self, signal: Signal, on: bool) -> None:  # noqa: FBT001
        """A detector says that it is broken (`LOOP_FAULT`, `PHOTOCELL_FAULT`), or works again."""
        self._set(signal, active=on)

    # What can be seen

    @property
    def angle(self) -> float:
        """Degrees of the arm: 0 is down, 90 up."""
        return self._angle

    @property
    def is_up(self) -> bool:
        """Whether a driver would drive."""
        return self._angle >= FREE_AT

    # The motor

    def output_changed(self, key: str, *, active: bool) -> None:
        """See `Fixture`."""
        if key not in ("open", "close"):
            return
        now = self._clock.monotonic()
        self.moves.append(ArmCommand(now, key, active))
        if active and key == "close" and (self._under() or self._over(*LOOPS[Signal.LOOP_ARM])):
            self.closed_on.append(now)
        if active:
            self._pressed[key] = now
            if self._impulse:
                self.at(now + SHORTEST_IMPULSE, lambda: self._obey(key, now))
        if not self._impulse:
            self._move(int(self.relay_closed("open")) - int(self.relay_closed("close")))

    def _obey(self, key: str, since: float) -> None:
        """An impulse counts once it has lasted, and goes on by itself then."""
        with self._lock:
            if self.relay_closed(key) and self._pressed[key] == since:
                self._move(1 if key == "open" else -1)

    def _move(self, way: int) -> None:
        if way == self._way:
            return
        if way and self._way and way != self._way:
            self._turning_until = self._clock.monotonic() + TURNS_ROUND
        self._way = way
        self._begin()

    # What moves

    def step(self, now: float) -> float:
        """See `Fixture`."""
        dt, self._last = now - self._last, now
        before = [vehicle.nose for vehicle in self.vehicles]
        angle = self._angle
        self._since = (now if self._since is None else self._since) if self._under() else None
        self._swing(dt, now)
        for vehicle in self.vehicles:
            self._roll(vehicle, dt, now)
        there = self._since is not None and now - self._since >= IN_THE_WAY
        if there and self._angle < HITS_BELOW <= angle:
            self.hits.append(now)
        self._tell(now)
        moved = self._angle != angle or before != [vehicle.nose for vehicle in self.vehicles]
        waits = self._walker_until > now or any(vehicle.nose < vehicle.goes_to for vehicle in self.vehicles)
        return now + STEP if moved or waits or self._turning_until > now or self._way else math.inf

    def _begin(self) -> None:
        """Something is about to move: time until now was rest."""
        self._last = self._clock.monotonic()
        self._wake.set()

    def _swing(self, dt: float, now: float) -> None:
        if not self._powered:
            self._angle = min(90.0, self._angle + 90.0 * dt / 3.0) if self._counterweight else self._angle
            return
        if self.jammed or not self._way:
            return
        way = -self._way if now < self._turning_until else self._way
        self._angle = min(90.0, max(0.0, self._angle + way * 90.0 * dt / (RISES if way > 0 else FALLS)))
        arrived = self._angle >= 90.0 if self._way > 0 else self._angle <= 0.0
        if arrived and now >= self._turning_until and self._impulse:
            self._way = 0

    def _roll(self, vehicle: Vehicle, dt: float, now: float) -> None:
        ahead = min(vehicle.goes_to, vehicle.nose + vehicle.speed * dt)
        if vehicle.heeds and not self.is_up and vehicle.nose <= STOP_LINE < ahead:
            ahead = STOP_LINE
        if vehicle.nose < 0 <= ahead:
            self.moves.append(VehiclePassage(now, vehicle.inward))
        vehicle.nose = max(vehicle.nose, ahead)

    # What is where

    def _under(self) -> bool:
        """Whether a vehicle or somebody is in the arm's way."""
        return self._walker_until > self._clock.monotonic() or self._over(0.0, 0.0)

    def _over(self, begin: float, end: float) -> bool:
        return any(rear < end + 1e-9 and nose > begin - 1e-9 for rear, nose in (v.span() for v in self.vehicles))

    def _tell(self, now: float) -> None:
        del now
        begin, end = LOOPS[Signal.LOOP_FRONT]
        levels = {
            Signal.LOOP_FRONT: self._over(begin, end),
            Signal.LOOP_ARM: self._over(*LOOPS[Signal.LOOP_ARM]),
            Signal.LOOP_EXIT: self._over(-end, -begin),
            Signal.PHOTOCELL: self._under(),
            Signal.ARM_UP: self._angle >= UP_AT,
            Signal.ARM_DOWN: self._angle <= DOWN_AT,
        }
        for signal, active in levels.items():
            if self._signals.get(signal) is not active:
                self.signal(signal, active=active)

    def _set(self, signal: Signal, *, active: bool) -> None:
        with self._lock:
            self.signal(signal, active=active)
