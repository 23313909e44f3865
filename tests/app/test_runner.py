"""The runner performs the lane's effects in order, and nothing after a record that is not on disk."""

from __future__ import annotations

import asyncio
import threading
from random import Random
from typing import TYPE_CHECKING

import pytest

from controller.errors import StoreError
from controller.health.device import Health
from controller.health.followed import Followed
from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.machine import Lane
from controller.lane.model import Assessment, Direction, FaultKind, LaneSettings, Liveness, Match, Screening, Verdict
from controller.lane.states import State
from controller.record.entry import Entry, Stored
from controller.runner import MEMORY_RECORDS, Runner
from controller.watch import Step, Watch
from hw.errors import DeviceError
from hw.ports import Edge, Lamp, Side, Signal
from hw.sim.clock import VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from controller.health.device import Report


class FakeGate:
    """Writes down what it is told, in one list with the journal."""

    def __init__(self, told: list[tuple[object, ...]]) -> None:
        self.told = told
        self.broken = False

    def open(self, on_edge: Callable[[Edge], None]) -> None:
        self.on_edge = on_edge

    def read(self, signal: Signal) -> bool | None:
        del signal
        return False

    def unlock(self, side: Side, seconds: float) -> None:
        if self.broken:
            raise DeviceError("the line is gone")
        self.told.append(("unlock", side, seconds))

    def hold(self, side: Side, *, on: bool) -> None:
        self.told.append(("hold", side, on))

    def relock(self, side: Side) -> None:
        self.told.append(("relock", side))

    def stop(self, *, on: bool) -> None:
        self.told.append(("stop", on))

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        self.told.append(("silent lamp" if silent else "lamp", lamp))

    def mute(self, *, on: bool) -> None:
        self.told.append(("mute", on))

    def close(self) -> None:
        self.told.append(("close",))


class FakeJournal:
    """Fails as told; otherwise takes `delay` seconds."""

    def __init__(self, told: list[tuple[object, ...]]) -> None:
        self.told = told
        self.failures = 0
        self.delay = 0.01
        self.seq = 0
        self.keep: list[Entry] = []

    async def append(self, entry: Entry, *, timeout: float) -> Stored:  # noqa: ASYNC109 - the journal's
        await asyncio.sleep(min(self.delay, timeout))
        if self.failures or self.delay > timeout:
            self.failures = max(0, self.failures - 1)
            raise StoreError("the disk is full")
        self.seq += 1
        self.told.append(("journal", entry.kind))
        self.keep.append(entry)
        return Stored(1, self.seq, "boot", entry)


class StepLog(Watch):
    def __init__(self) -> None:
        self.steps: list[Step] = []

    def on_step(self, step: Step) -> None:
        self.steps.append(step)


class Bench:
    """A real lane behind a runner, with a fake gate and journal, on a virtual clock."""

    def __init__(self, *, deny: bool = True, latching: bool = True, entry: Side = Side.A) -> None:
        self.clock = VirtualClock()
        self.told: list[tuple[object, ...]] = []
        self.gate = FakeGate(self.told)
        self.journal = FakeJournal(self.told)
        self.watch = StepLog()
        self.reassessed: list[float] = []
        self.health: list[Report] = []
        self.lane = Lane(LaneSettings(on_journal_failure_deny=deny))
        self.runner = Runner(
            self.lane,
            self.gate,
            entry_side=entry,
            journal=self.journal,
            append_timeout=2.0,
            degraded_without_disk=not deny,
            latching=latching,
            clock=self.clock,
            clock_state=lambda: "unknown",
            on_reassess=self.reassessed.append,
            watches=(self.watch,),
            disk=Followed("journal", self.clock, Random(1), lambda _name, report: self.health.append(report)),
        )

    def play(self, scene: Callable[[Bench], Coroutine[None, None, None]]) -> None:
        async def main() -> None:
            self.runner.attach(asyncio.get_running_loop())
            running = asyncio.ensure_future(self.runner.run())
            await self.feed(ev.Booted(now=0.0), ev.SelfTestPassed(now=0.0))
            self.told.clear()
            await scene(self)
            running.cancel()
            self.runner.close()

        run(main(), self.clock)

    async def feed(self, *events: ev.LaneEvent) -> None:
        for event in events:
            self.runner.post(event)
        await asyncio.sleep(0.1)

    async def recognise(self, grant_id: str = "g1") -> None:
        now = self.clock.monotonic()
        await self.feed(
            ev.Approached(now=now, presence=1),
            ev.Assessed(now=now, assessment=registered(), grant_id=grant_id, presence=1),
        )

    def disk(self) -> Health:
        return self.health[-1].health

    def sign(self) -> fx.Prompt:
        return self.runner.prompt

    def relay(self) -> list[tuple[object, ...]]:
        return [item for item in self.told if item[0] in ("unlock", "hold", "relock", "stop")]


def registered() -> Assessment:
    return Assessment(
        match=Match("p1", 0.8, 0.5),
        ambiguous=False,
        liveness=Liveness.LIVE,
        screening=Screening(Verdict.NORMAL, 36.6, 0.2, 35.4, 12),
        quality=0.9,
        faces=1,
        attempt=1,
    )


def test_the_grant_is_on_disk_before_the_relay_moves() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        await bench.recognise()
        kinds = [item[:2] for item in bench.told]
        assert kinds.index(("journal", "grant")) < kinds.index(("unlock", Side.A))
        assert ("unlock", Side.A, 0.3) in bench.told

    bench.play(scene)


@pytest.mark.parametrize(("latching", "seconds"), [(True, 0.3), (False, 5.0)])
def test_a_line_in_potential_mode_is_held_until_the_grant_expires(latching: bool, seconds: float) -> None:  # noqa: FBT001
    bench = Bench(latching=latching)

    async def scene(bench: Bench) -> None:
        await bench.recognise()
        assert bench.relay() == [("unlock", Side.A, seconds)]

    bench.play(scene)


def test_the_entry_may_be_side_b() -> None:
    bench = Bench(entry=Side.B)

    async def scene(bench: Bench) -> None:
        await bench.recognise()
        bench.runner.on_edge(Edge(Signal.PASS_B, active=True, timestamp=bench.clock.monotonic()))
        await asyncio.sleep(0.1)
        assert bench.lane.state is State.PASSING

    bench.play(scene)


def test_without_a_record_no_relay_moves_and_the_grant_is_revoked() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 1
        await bench.recognise()
        assert [item for item in bench.relay() if item[0] == "unlock"] == []
        assert bench.lane.state is State.DENIED
        assert bench.runner.reason == "journal_failed"
        outcomes = [item for item in bench.told if item == ("journal", "passage")]
        assert len(outcomes) == 1

    bench.play(scene)


def test_a_disk_that_is_too_slow_denies() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.delay = 30.0
        await bench.recognise()
        await asyncio.sleep(10.0)
        assert [item for item in bench.relay() if item[0] == "unlock"] == []

    bench.play(scene)


def test_a_dead_disk_does_not_keep_the_lane_busy_for_ever() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 10**9
        await bench.recognise("g1")
        await asyncio.sleep(60.0)
        assert len(bench.watch.steps) < 20
        bench.journal.failures = 0
        await bench.feed(ev.Left(now=bench.clock.monotonic()))
        await asyncio.sleep(10.0)
        await bench.recognise("g2")
        assert ("unlock", Side.A, 0.3) in bench.told

    bench.play(scene)


def test_a_dead_disk_puts_the_lane_out_of_service_until_it_lives_again() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 10**9
        await bench.recognise("g1")
        await asyncio.sleep(1.0)
        assert bench.lane.state is State.FAULT
        assert bench.sign() is fx.Prompt.OUT_OF_SERVICE, "nobody is called to a lane that lets nobody in"
        assert bench.lane.faults == {FaultKind.JOURNAL}
        assert [report.health for report in bench.health[:2]] == [Health.OK, Health.LOST]
        assert bench.health[-1].reason == "the disk is full"
        await asyncio.sleep(60.0)
        assert bench.disk() is Health.FAILED, "somebody has to look"
        bench.journal.failures = 0
        await asyncio.sleep(6.0)
        assert bench.lane.faults == frozenset()
        assert bench.disk() is Health.OK
        await bench.feed(ev.Left(now=bench.clock.monotonic()))
        assert bench.sign() is fx.Prompt.IDLE
        assert bench.told.count(("journal", "warning")) == 1, "when it was lost, and for how long, is on the disk"
        await bench.recognise("g2")
        assert ("unlock", Side.A, 0.3) in bench.told

    bench.play(scene)


def test_one_record_that_failed_is_no_dead_disk() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 1
        await bench.recognise()
        await asyncio.sleep(1.0)
        assert bench.lane.state is State.DENIED
        assert bench.lane.faults == frozenset()
        assert [report.health for report in bench.health] == [Health.OK, Health.LOST, Health.OK]

    bench.play(scene)


def test_a_disk_that_is_slow_again_and_again_is_degraded() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.delay = 1.5
        for _ in range(40):
            await bench.feed(ev.Tamper(now=bench.clock.monotonic(), active=True))
            await asyncio.sleep(2.0)
        assert bench.disk() is Health.DEGRADED
        assert "of its jobs are bad: a record took 1.5 s" in bench.health[-1].reason
        assert bench.lane.faults == frozenset()

    bench.play(scene)


def test_where_policy_says_to_go_on_the_lane_stays_in_service() -> None:
    bench = Bench(deny=False)

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 10**9
        await bench.recognise()
        await asyncio.sleep(20.0)
        assert bench.lane.state is not State.FAULT
        bench.journal.failures = 0
        await asyncio.sleep(6.0)
        assert not bench.runner.unrecorded, "nobody has to come for that"
        assert bench.lane.faults == frozenset()

    bench.play(scene)


def test_degraded_goes_on_and_writes_down_later() -> None:
    bench = Bench(deny=False)

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 10**9
        await bench.recognise()
        assert ("unlock", Side.A, 0.3) in bench.told
        assert [entry.kind for entry in bench.runner.unrecorded].count("grant") == 1
        bench.journal.failures = 0
        now = bench.clock.monotonic()
        await bench.feed(
            ev.PassContact(now=now, direction=Direction.ENTRY, active=True),
            ev.PassContact(now=now + 0.3, direction=Direction.ENTRY, active=False),
        )
        written = [item[1] for item in bench.told if item[0] == "journal"]
        assert written.index("grant") < written.index("passage")
        assert not bench.runner.unrecorded

    bench.play(scene)


def test_fire_frees_both_ways_on_the_gates_thread_whatever_the_disk_does() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.journal.delay = 1.9
        bench.runner.post(ev.Approached(now=0.0, presence=1))
        bench.runner.post(ev.Assessed(now=0.0, assessment=registered(), grant_id="g1", presence=1))
        await asyncio.sleep(0.01)
        done = threading.Event()

        def gate_thread() -> None:
            bench.runner.on_edge(Edge(Signal.FIRE, active=True, timestamp=0.0))
            done.set()

        threading.Thread(target=gate_thread).start()
        assert done.wait(5)
        assert ("hold", Side.A, True) in bench.told
        assert ("hold", Side.B, True) in bench.told
        await asyncio.sleep(20.0)
        assert bench.lane.state is State.EMERGENCY_OPEN
        assert ("hold", Side.A, False) not in bench.told

    bench.play(scene)


def test_nothing_closes_a_way_while_the_fire_is_in_the_queue() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        await bench.recognise()
        bench.journal.delay = 1.5
        now = bench.clock.monotonic()
        # A lockdown takes back the grant and asserts STOP; its record is slow, and the fire comes meanwhile.
        bench.runner.post(ev.Tamper(now=now, active=True))
        bench.runner.post(ev.Lockdown(now=now, active=True, actor="guard"))
        await asyncio.sleep(0.1)
        bench.told.clear()
        bench.runner.on_edge(Edge(Signal.FIRE, active=True, timestamp=now))
        await asyncio.sleep(20.0)
        assert bench.lane.state is State.EMERGENCY_OPEN
        closing = [item for item in bench.relay() if item[0] == "relock" or item[-1] is not (item[0] == "hold")]
        assert closing == []

    bench.play(scene)


def test_timers_fire_on_the_boards_clock_and_an_unused_grant_expires() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        await bench.recognise()
        await asyncio.sleep(4.0)
        states = [bench.lane.state]
        await asyncio.sleep(1.1)
        states.append(bench.lane.state)
        assert states == [State.GRANTED, State.GRANT_EXPIRED]
        assert ("journal", "passage") in bench.told

    bench.play(scene)


def test_a_line_that_fails_puts_the_lane_out_of_service() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        bench.gate.broken = True
        await bench.recognise()
        await asyncio.sleep(20.0)
        assert bench.lane.state is State.FAULT

    bench.play(scene)


def test_every_step_is_told_with_its_records() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        await bench.recognise()

    bench.play(scene)
    granted = next(step for step in bench.watch.steps if step.after is State.GRANTED)
    assert granted.before is State.SCREENING
    assert "grant" in [stored.entry.kind for stored in granted.stored]
    appended = [effect.kind.value for effect in granted.effects if isinstance(effect, fx.Append)]
    assert [stored.entry.kind for stored in granted.stored] == appended
    assert granted.ended >= granted.begun + bench.journal.delay


def test_an_edge_after_the_loop_has_gone_is_harmless() -> None:
    bench = Bench()

    async def scene(bench: Bench) -> None:
        await asyncio.sleep(0)

    bench.play(scene)
    bench.runner.on_edge(Edge(Signal.PASS_A, active=True, timestamp=0.0))


def test_records_kept_in_memory_are_bounded_and_those_that_went_are_told_of() -> None:
    bench = Bench(deny=False)
    written: list[Entry] = []

    async def scene(bench: Bench) -> None:
        bench.journal.failures = 10**9
        for number in range(MEMORY_RECORDS + 30):
            await bench.feed(ev.Tamper(now=bench.clock.monotonic(), active=number % 2 == 0))
        assert len(bench.runner.unrecorded) == MEMORY_RECORDS
        failed, kept = bench.runner.failed_records, list(bench.runner.unrecorded)
        bench.journal.failures = 0
        bench.journal.keep = written
        await bench.feed(ev.Tamper(now=bench.clock.monotonic(), active=True))
        await asyncio.sleep(20.0)
        rows = [entry for entry in written if entry.detail.get("reason") != "journal_lost"]
        assert rows[:MEMORY_RECORDS] == kept
        assert [(entry.kind, dict(entry.detail)) for entry in rows[MEMORY_RECORDS : MEMORY_RECORDS + 2]] == [
            ("warning", {"reason": "records_lost", "count": failed - MEMORY_RECORDS}),
            ("tamper", {"active": True}),
        ]

    bench.play(scene)
