"""The barrier's driver over the simulated barrier: it comes down on nothing, whatever it is told."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from hw.drivers.barrier import GpioBarrier
from hw.errors import DeviceClosed
from hw.gate_settings import LineSettings
from hw.kind_settings import BarrierSettings
from hw.ports import Edge, Lamp, Side, Signal
from hw.sim.barrier import ArmCommand, SimulatedBarrier, VehiclePassage
from hw.sim.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

LINES: dict[str, Any] = {
    "loop_front": 12,
    "loop_exit": 16,
    "loop_fault": 20,
    "photocell_fault": 21,
    "power_fail": 24,
    "fire": 25,
}
A, B = Side.A, Side.B


@dataclass
class Rig:
    clock: ManualClock
    settings: BarrierSettings
    mechanics: SimulatedBarrier
    gate: GpioBarrier
    edges: list[Edge] = field(default_factory=list)

    @property
    def barrier(self) -> SimulatedBarrier:
        return self.mechanics

    def told(self, signal: Signal) -> list[bool]:
        return [edge.active for edge in self.edges if edge.signal is signal]

    def commands(self) -> list[tuple[str, bool]]:
        return [(move.line, move.active) for move in self.barrier.moves if isinstance(move, ArmCommand)]

    def raised(self) -> Rig:
        """With the arm up."""
        self.gate.unlock(A, 0.3)
        self.clock.advance(3.0)
        assert self.barrier.is_up
        return self


@pytest.fixture
def build(keep: Callable[..., Rig]) -> Callable[..., Rig]:
    """Make a barrier and its driver; keyword arguments go to the settings, `sim` to the simulated barrier."""

    def make(
        *,
        opened: bool = True,
        sim: dict[str, Any] | None = None,
        driver: type[GpioBarrier] = GpioBarrier,
        **changes: Any,
    ) -> Rig:
        clock = ManualClock(start=100.0)
        settings = BarrierSettings(**(LINES | changes))
        barrier = SimulatedBarrier(settings, clock, **(sim or {}))
        return keep(Rig(clock, settings, barrier, driver(settings, barrier.pin_factory, clock)), opened=opened)

    return make


BOTH_MODES = pytest.mark.parametrize("mode", ["impulse", "held"])


@BOTH_MODES
@pytest.mark.parametrize("up", [False, True])
def test_neither_start_nor_end_moves_the_arm(build: Callable[..., Rig], mode: str, up: bool) -> None:  # noqa: FBT001
    rig = build(mode=mode, sim={"up": up})
    rig.clock.advance(5.0)
    rig.gate.close()
    rig.clock.advance(5.0)
    rig.gate.open(rig.edges.append)
    rig.clock.advance(5.0)
    assert (rig.barrier.angle, rig.commands()) == (90.0 if up else 0.0, [])


@BOTH_MODES
def test_the_arm_goes_up_and_comes_down(build: Callable[..., Rig], mode: str) -> None:
    rig = build(mode=mode).raised()
    assert rig.told(Signal.ARM_UP) == [True]
    assert rig.told(Signal.ARM_DOWN) == [False]
    assert rig.gate.lower()
    rig.clock.advance(4.0)
    assert rig.barrier.angle < 2.0
    assert rig.told(Signal.ARM_DOWN) == [False, True]
    assert not rig.barrier.active("close"), "nothing is held longer than it moves"


def test_in_held_mode_the_arm_stops_where_it_is_when_the_program_goes(build: Callable[..., Rig]) -> None:
    rig = build(mode="held").raised()
    rig.gate.lower()
    rig.clock.advance(1.0)
    rig.gate.close()
    angle = rig.barrier.angle
    assert 20.0 < angle < 75.0
    rig.clock.advance(10.0)
    assert abs(rig.barrier.angle - angle) < 1.0


@BOTH_MODES
def test_a_car_under_the_arm_is_not_closed_on_whatever_is_told(build: Callable[..., Rig], mode: str) -> None:
    rig = build(mode=mode)
    car = rig.barrier.arrive()
    rig.clock.advance(6.0)
    rig.raised()
    rig.barrier.drive(car, 1.0)
    rig.clock.advance(3.0)
    for _ in range(20):
        assert not rig.gate.lower()
        rig.clock.advance(0.5)
    assert rig.barrier.angle == 90.0
    rig.barrier.drive(car)
    rig.clock.advance(10.0)
    assert rig.gate.lower()


@BOTH_MODES
@pytest.mark.parametrize("what", ["car", "person", "detector", "photocell"])
def test_an_arm_on_its_way_down_goes_up_without_the_program(build: Callable[..., Rig], mode: str, what: str) -> None:
    """The callback never returns to a program that would help: it only notes."""
    rig = build(mode=mode).raised()
    rig.gate.lower()
    rig.clock.advance(0.8)
    assert 40.0 < rig.barrier.angle < 75.0
    if what == "car":
        car = rig.barrier.arrive()
        car.nose = -1.5
        rig.barrier.drive(car, 0.5, heeds=False)
    elif what == "person":
        rig.barrier.walk_under(5.0)
    else:
        rig.barrier.break_detector(Signal.LOOP_FAULT if what == "detector" else Signal.PHOTOCELL_FAULT, True)
    rig.clock.advance(3.0)
    assert rig.barrier.angle == 90.0
    assert rig.barrier.hits == []
    assert rig.gate.reversals == 1


def test_a_program_that_hangs_in_its_callback_hinders_no_reversal(build: Callable[..., Rig]) -> None:
    rig = build(opened=False)
    lifted: list[bool] = []
    rig.gate.open(lambda edge: lifted.append(rig.barrier.active("open")) if edge.signal is Signal.PHOTOCELL else None)
    rig.clock.advance(0.5)
    rig.raised()
    rig.gate.lower()
    rig.clock.advance(0.8)
    rig.barrier.walk_under(5.0)
    rig.clock.advance(0.2)
    assert lifted == [True], "the line had moved before the program was told"


def test_a_line_that_is_occupied_and_not_debounced_yet_is_not_clear(build: Callable[..., Rig]) -> None:
    rig = build().raised()
    rig.barrier.pin_factory.pin(rig.settings.photocell).set_contact(True)
    assert rig.gate.read(Signal.PHOTOCELL) is False
    assert not rig.gate.lower()


@pytest.mark.parametrize("line", ["loop_arm", "photocell"])
def test_a_cut_wire_reads_as_occupied(build: Callable[..., Rig], line: str) -> None:
    rig = build().raised()
    rig.barrier.pin_factory.pin(getattr(rig.settings, line)).set_contact(True)
    rig.clock.advance(1.0)
    assert rig.gate.read(Signal(line)) is True
    assert not rig.gate.lower()


def test_lines_that_cannot_be_read_are_not_clear_and_are_told_as_broken(build: Callable[..., Rig]) -> None:
    rig = build().raised()
    rig.gate.lower()
    rig.clock.advance(0.5)
    contact = rig.gate._lines._inputs["loop_arm"]

    class Dead:
        @property
        def is_active(self) -> bool:
            raise OSError("gone")

    alive = contact.device
    object.__setattr__(contact, "device", Dead())
    rig.clock.advance(2.0)
    assert rig.told(Signal.LOOP_FAULT) == [True]
    assert not rig.gate.lower()
    rig.clock.advance(3.0)
    assert rig.barrier.angle == 90.0
    object.__setattr__(contact, "device", alive)
    rig.clock.advance(2.0)
    assert rig.told(Signal.LOOP_FAULT) == [True, False]
    assert rig.gate.lower()


def test_a_held_arm_is_not_let_down(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.gate.hold(A, on=True)
    rig.gate.hold(B, on=True)
    rig.clock.advance(3.0)
    assert not rig.gate.lower()
    rig.gate.hold(A, on=False)
    assert not rig.gate.lower()
    rig.gate.relock(B)
    assert rig.barrier.is_up
    assert rig.gate.lower()


def test_cars_come_over_their_loops_and_through_the_beam(build: Callable[..., Rig]) -> None:
    rig = build()
    car = rig.barrier.arrive()
    rig.clock.advance(6.0)
    assert rig.told(Signal.LOOP_FRONT) == [True]
    rig.barrier.drive(car)
    rig.clock.advance(5.0)
    assert rig.told(Signal.LOOP_ARM) == [], "a driver waits for the arm"
    rig.gate.unlock(A, 0.3)
    rig.clock.advance(12.0)
    for signal in (Signal.LOOP_FRONT, Signal.LOOP_ARM, Signal.PHOTOCELL, Signal.LOOP_EXIT):
        assert rig.told(signal) == [True, False], signal
    (passed,) = [move for move in rig.barrier.moves if isinstance(move, VehiclePassage)]
    assert passed.inward


def test_a_car_from_inside_comes_over_the_loops_the_other_way(build: Callable[..., Rig]) -> None:
    rig = build().raised()
    car = rig.barrier.arrive(inward=False)
    rig.clock.advance(6.0)
    rig.barrier.drive(car)
    rig.clock.advance(12.0)
    order = [edge.signal for edge in rig.edges if edge.active and edge.signal.value.startswith("loop")]
    assert order == [Signal.LOOP_EXIT, Signal.LOOP_ARM, Signal.LOOP_FRONT]


@pytest.mark.parametrize("counterweight", [False, True])
def test_without_mains_the_arm_stays_or_rises(build: Callable[..., Rig], counterweight: bool) -> None:  # noqa: FBT001
    rig = build(sim={"counterweight": counterweight})
    rig.barrier.cut_power(True)
    rig.clock.advance(5.0)
    assert rig.barrier.angle == (90.0 if counterweight else 0.0)
    rig.barrier.cut_power(False)
    rig.clock.advance(5.0)
    assert rig.barrier.angle == (90.0 if counterweight else 0.0)
    assert rig.told(Signal.POWER_FAIL) == [True, False]


@BOTH_MODES
@pytest.mark.parametrize("seed", range(6))
def test_a_mad_program_never_gets_the_arm_down_on_anything(build: Callable[..., Rig], mode: str, seed: int) -> None:
    """Commands at random while cars and people come and go, some without a look at the arm."""
    rig, dice = build(mode=mode), random.Random(seed)
    commands: tuple[Callable[[], object], ...] = (
        rig.gate.lower,
        rig.gate.lower,
        rig.gate.lower,
        rig.gate.lift,
        lambda: rig.gate.unlock(A, 0.3),
        lambda: rig.gate.relock(A),
        lambda: rig.barrier.walk_under(dice.uniform(0.3, 3.0)),
    )
    lowered = 0
    for _ in range(250):
        if not rig.barrier.vehicles and dice.random() < 0.2:
            rig.barrier.arrive(inward=dice.random() < 0.7)
        for car in rig.barrier.vehicles:
            if dice.random() < 0.3:
                rig.barrier.drive(car, dice.uniform(-1.0, 8.0), heeds=dice.random() < 0.8)
            elif car.nose > 4.0 + car.length:
                rig.barrier.leave(car)
        lowered += dice.choice(commands)() is True
        rig.clock.advance(dice.uniform(0.05, 1.2))
    assert rig.barrier.hits == []
    assert lowered > 10


class RashBarrier(GpioBarrier):
    """A driver without its look and its reflex."""

    def _clear(self) -> bool:
        return True

    def _reverse(self, cause: str) -> None:
        """Go on."""


def test_a_driver_without_its_rule_does_hit_them(build: Callable[..., Rig]) -> None:
    """The simulation can tell."""
    rig = build(driver=RashBarrier).raised()
    rig.barrier.walk_under(10.0)
    rig.clock.advance(0.5)
    assert rig.gate.lower()
    rig.clock.advance(4.0)
    assert len(rig.barrier.hits) == 1


def test_a_closed_barrier_does_nothing_more(build: Callable[..., Rig]) -> None:
    rig = build()
    rig.gate.close()
    rig.gate.close()
    calls: tuple[Callable[[], object], ...] = (
        rig.gate.lower,
        rig.gate.lift,
        lambda: rig.gate.unlock(A, 1.0),
        lambda: rig.gate.read(Signal.LOOP_ARM),
        lambda: rig.gate.indicate(Lamp.GO),
        lambda: rig.gate.stop(on=True),
    )
    for call in calls:
        with pytest.raises(DeviceClosed):
            call()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"normally_closed": ("photocell",)}, "must name loop_arm"),
        ({"loop_front": 5}, "given twice: as loop_front and as loop_arm"),
        ({"close": 17}, "given twice: as open and as close"),
    ],
)
def test_wiring_that_cannot_work_is_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        BarrierSettings(**values)


# Lines of their own, and the relays


def test_each_line_may_be_wired_in_its_own_way(build: Callable[..., Rig]) -> None:
    own = {
        "open": LineSettings(active_low=True),
        "photocell": LineSettings(active_low=False),
        "arm_up": LineSettings(pull="none"),
    }
    rig = build(line=own).raised()
    assert rig.told(Signal.ARM_UP) == [True]
    assert rig.gate.read(Signal.PHOTOCELL) is False
    assert [rig.barrier.pin_factory.pin(line).pull for line in (6, 13, 19)] == ["down", "floating", "up"]
    rig.barrier.walk_under(1.0)
    rig.clock.advance(0.5)
    assert not rig.gate.lower()
    assert rig.told(Signal.PHOTOCELL) == [True]


def test_relays_that_obey_are_nothing_and_one_that_does_not_is_told(build: Callable[..., Rig]) -> None:
    rig = build(readback_open=18, readback_close=23, lamp_stop=None).raised()
    assert rig.gate.lower()
    rig.clock.advance(4.0)
    relays = [edge for edge in rig.edges if edge.signal in (Signal.RELAY_A, Signal.RELAY_B)]
    assert relays == []
    rig.barrier.stick_relay("open", False)
    rig.gate.lift()
    rig.clock.advance(0.3)
    rig.barrier.stick_relay("close", True)
    rig.clock.advance(0.3)
    told = [(edge.signal, edge.cause) for edge in rig.edges if edge.signal in (Signal.RELAY_A, Signal.RELAY_B)]
    assert told[0] == (Signal.RELAY_A, "dead")
    assert (Signal.RELAY_B, "welded") in told
