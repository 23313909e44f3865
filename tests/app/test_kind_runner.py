"""The runner before a door and a barrier: who asks to leave does not wait, and an arm may refuse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.arm import Arm
from controller.lane.machine import Lane
from controller.lane.model import LaneSettings
from controller.lane.sensed import LowerRefused, Reading, Sensed, Sensor
from controller.record.entry import Entry, Stored
from controller.runner import Runner
from controller.sensing import Sensing
from controller.watch import Step, Watch
from hw.ports import Edge, Lamp, Side, Signal
from hw.sim.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


class RecordingGate:
    """Notes what it is told, as a gate and as an arm."""

    def __init__(self, *, clear: bool = True) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.clear = clear

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        del on_edge

    def read(self, signal: Signal) -> bool | None:
        del signal
        return None

    def unlock(self, side: Side, seconds: float) -> None:
        self.told.append(("unlock", side, seconds))

    def hold(self, side: Side, *, on: bool) -> None:
        self.told.append(("hold", side, on))

    def relock(self, side: Side) -> None:
        self.told.append(("relock", side))

    def stop(self, *, on: bool) -> None:
        self.told.append(("stop", on))

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        del lamp, silent

    def mute(self, *, on: bool) -> None:
        del on

    def lower(self) -> bool:
        self.told.append(("lower", self.clear))
        return self.clear

    def lift(self) -> None:
        self.told.append(("lift",))

    def close(self) -> None:
        """Nothing is open."""


class Memory:
    """A journal that never fails."""

    def __init__(self) -> None:
        self.rows: list[Stored] = []

    async def append(self, entry: Entry, *, timeout: float) -> Stored:  # noqa: ASYNC109 - as the port has it
        del timeout
        self.rows.append(Stored(1, len(self.rows) + 1, "boot", entry))
        return self.rows[-1]


class Seen(Watch):
    def __init__(self) -> None:
        self.events: list[object] = []

    def on_step(self, step: Step) -> None:
        self.events.append(step.event)


class Bench:
    def __init__(self, kind: Any, **gate: Any) -> None:
        self.clock = ManualClock(start=100.0)
        self.gate = RecordingGate(**gate)
        self.seen = Seen()
        self.runner = Runner(
            Lane(LaneSettings(kind=kind)),
            self.gate,
            entry_side=Side.A,
            journal=Memory(),
            append_timeout=1.0,
            degraded_without_disk=False,
            latching=False,
            clock=self.clock,
            clock_state=lambda: "synced",
            on_reassess=lambda _: None,
            watches=(self.seen,),
            arm=self.gate if kind == "barrier" else None,
        )

    def play(self, scene: Callable[[Bench], Any]) -> list[tuple[Any, ...]]:
        async def main() -> None:
            self.runner.attach(asyncio.get_running_loop())
            for event in (ev.Booted(now=100.0), ev.SelfTestPassed(now=100.0)):
                await self.runner.step(event)
            await scene(self)
            await self.settle()
            self.runner.close()

        asyncio.run(main())
        return self.gate.told

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            await self.runner.drain()


def edge(signal: Signal, *, active: bool = True) -> Edge:
    return Edge(signal, active=active, timestamp=100.0)


def test_who_asks_to_leave_has_the_lock_released_before_the_lane_hears_of_it() -> None:
    async def scene(bench: Bench) -> None:
        bench.runner.on_edge(edge(Signal.REX))
        assert bench.gate.told == [("hold", Side.B, True)]
        assert not bench.runner.lane.facts.asked

    bench = Bench("door")
    bench.play(scene)
    assert bench.runner.lane.facts.asked


def test_what_was_decided_before_does_not_lock_it_again() -> None:
    async def scene(bench: Bench) -> None:
        bench.runner.on_edge(edge(Signal.REX))
        bench.runner.on_edge(edge(Signal.REX, active=False))
        await bench.settle()
        # The end of that request is in the queue when the button is pressed once more.
        token = bench.runner.lane._core._timers
        name, number = next((timer, token[timer]) for timer in token if timer.value == "rex_over")
        bench.runner.on_edge(edge(Signal.REX))
        await bench.runner.step(ev.TimerFired(now=100.0, name=name.value, token=number))
        assert ("hold", Side.B, False) not in bench.gate.told
        await bench.settle()
        assert bench.gate.told[-1] == ("hold", Side.B, True)

    Bench("door").play(scene)


def test_a_button_that_was_found_pressed_releases_nothing() -> None:
    async def scene(bench: Bench) -> None:
        bench.runner.on_level(Signal.REX, 100.0, active=True)
        await bench.settle()

    bench = Bench("door")
    assert bench.play(scene) == []
    assert any(isinstance(event, Sensed) and event.found for event in bench.seen.events)


async def let_down(bench: Bench) -> None:
    for sensor in (Signal.LOOP_ARM, Signal.PHOTOCELL):
        bench.runner.on_level(sensor, 100.0, active=False)
    bench.runner.on_level(Signal.ARM_UP, 100.0, active=True)
    await bench.settle()
    core = bench.runner.lane._core
    core.body.lowers = True
    await bench.runner.step(ev.Left(now=100.0))
    name, number = next((timer, core._timers[timer]) for timer in core._timers if timer.value == "arm_clear")
    await bench.runner.step(ev.TimerFired(now=101.0, name=name.value, token=number))


def test_an_arm_that_is_clear_is_let_down() -> None:
    bench = Bench("barrier")
    assert bench.play(let_down) == [("lower", True)]
    assert bench.runner.lane.place is Arm.CLOSING


def test_an_arm_that_refuses_is_told_to_the_lane_which_sends_it_up() -> None:
    bench = Bench("barrier", clear=False)
    assert bench.play(let_down) == [("lower", False), ("lift",)]
    assert any(isinstance(event, LowerRefused) for event in bench.seen.events)
    assert bench.runner.lane.place is Arm.UP


def test_in_a_fire_no_arm_is_let_down() -> None:
    async def scene(bench: Bench) -> None:
        bench.runner.on_edge(edge(Signal.FIRE))
        bench.runner._perform(fx.Lower())

    bench = Bench("barrier")
    bench.play(scene)
    assert ("lower", True) not in bench.gate.told
    assert bench.gate.told[:3] == [("stop", False), ("hold", Side.A, True), ("hold", Side.B, True)]


def test_a_level_counts_again_only_when_its_detector_works() -> None:
    sensing = Sensing()

    def told(signal: Signal, *, active: bool) -> tuple[Sensor, Reading]:
        event = sensing.event(edge(signal, active=active))
        return event.sensor, event.reading

    assert told(Signal.LOOP_ARM, active=False) == (Sensor.LOOP_ARM, Reading.OFF)
    assert told(Signal.LOOP_FAULT, active=True) == (Sensor.LOOP_ARM, Reading.LOST)
    assert told(Signal.LOOP_ARM, active=True) == (Sensor.LOOP_ARM, Reading.LOST)
    assert told(Signal.LOOP_ARM, active=False) == (Sensor.LOOP_ARM, Reading.LOST)
    assert told(Signal.LOOP_FAULT, active=False) == (Sensor.LOOP_ARM, Reading.OFF)


def test_a_detector_that_works_again_and_never_told_a_level_says_nothing_of_clear() -> None:
    event = Sensing().event(edge(Signal.PHOTOCELL_FAULT, active=False))
    assert event.reading is Reading.LOST
