"""Latencies and readings come from the right traces of the right person."""

from __future__ import annotations

import pytest

from controller.drill.diary import Sign, Stay, Try, VisitLog
from controller.drill.evidence import RelayMove
from controller.drill.measure import first_readings, latencies, throughput, witnessed
from controller.drill.scenario import Kind, Visit
from controller.drill.witness import Sighting, WitnessedGate
from controller.lane.effects import Prompt
from controller.lane.events import Approached, Assessed
from controller.lane.model import Assessment, Direction, Liveness, Screening, Verdict
from controller.lane.states import State
from controller.record.entry import Entry, Stored
from controller.watch import Step
from hw.ports import Edge, Lamp, Side, Signal
from hw.sim.clock import ManualClock

WAYS = {Side.A: Direction.ENTRY, Side.B: Direction.EXIT}


def log_of(number: int, begin: float, *, admitted: bool = True, kind: Kind = Kind.ENROLLED) -> VisitLog:
    visit = Visit(number, kind, number, None, 36.9, 0.0, 0.5, 0.0, 0.5)
    sign = Sign(Prompt.PASS if admitted else Prompt.DENIED, None if admitted else "unknown_person", begin + 1.5)
    looks = (Try(1, begin + 0.5, stepped=True, answer=sign),)
    return VisitLog(visit, visit.expected, (Stay(begin, begin + 2, None),), looks, (), None, begin, begin + 5.0)


def step(event: Approached | Assessed) -> Step:
    return Step(event, State.LOCKED, State.SCREENING, (), (), event.now, event.now)


def assessed(at: float, verdict: Verdict = Verdict.NORMAL) -> Step:
    screening = Screening(verdict, 36.8, 0.2, 35.6, 12)
    found = Assessment(None, False, Liveness.LIVE, screening, 0.8, 1, 1)
    return step(Assessed(now=at, assessment=found, grant_id="g", presence=1))


def grant(at: float) -> Stored:
    return Stored(1, 1, "b", Entry("grant", at, 0.0, "unknown", "g", "p", {}))


def test_a_latency_is_split_where_the_work_changes_hands() -> None:
    steps = [step(Approached(now=10.6)), assessed(11.2)]
    relay = [RelayMove(11.3, Direction.ENTRY, active=True, grants_on_disk=1)]
    (found,) = latencies([log_of(1, 10.0)], steps, [grant(11.25)], relay)
    parts = (found.seen, found.evidence, found.decision, found.commit, found.total)
    assert parts == pytest.approx((0.1, 0.6, 0.05, 0.05, 0.8))


def test_traces_of_others_do_not_count() -> None:
    steps = [step(Approached(now=9.0)), assessed(9.5), step(Approached(now=10.6)), assessed(11.2), assessed(12.5)]
    relay = [
        RelayMove(9.6, Direction.ENTRY, active=True, grants_on_disk=1),
        RelayMove(11.3, Direction.ENTRY, active=True, grants_on_disk=1),
    ]
    (found,) = latencies([log_of(1, 10.0)], steps, [grant(9.55), grant(11.25)], relay)
    assert found.total == pytest.approx(0.8)
    assert latencies([log_of(1, 10.0, admitted=False)], steps, [grant(11.25)], relay) == ()
    assert latencies([log_of(1, 10.0)], steps[:2], [grant(11.25)], relay) == ()


def test_the_first_reading_of_a_visit_is_the_one_that_counts() -> None:
    steps = [assessed(5.0, Verdict.TOO_HOT), assessed(11.0, Verdict.RECHECK), assessed(13.0), assessed(21.0)]
    logs = [log_of(1, 10.0), log_of(2, 20.0, kind=Kind.PHOTOGRAPH), log_of(3, 30.0)]
    found = list(first_readings(logs, steps, lambda *_: (35.6, {Verdict.NORMAL: 1.0})))
    assert [(reading.visit, reading.verdict) for reading in found] == [(1, Verdict.RECHECK)]


def test_throughput_counts_people_over_the_whole_morning() -> None:
    assert throughput([log_of(1, 0.0), log_of(2, 10.0)]) == pytest.approx(8.0)
    assert throughput([log_of(1, 0.0)]) is None


def test_a_move_is_matched_to_the_order_before_it_and_each_order_once() -> None:
    orders = [Sighting(1.0, Side.A, 1), Sighting(2.0, Side.B, 2)]
    moves = [(1.01, Side.A, True), (1.3, Side.A, False), (1.05, Side.A, True), (2.0, Side.B, True), (9.0, Side.A, True)]
    found = witnessed(moves, orders, WAYS)
    assert [move.grants_on_disk for move in found] == [1, 0, 0, 2, 0]
    assert [move.direction for move in found] == [WAYS[side] for _, side, _ in moves]


class Gate:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def open(self, on_edge: object) -> None:
        self.calls.append(("open", on_edge))

    def read(self, signal: Signal) -> bool | None:
        return signal is Signal.READY

    def unlock(self, side: Side, seconds: float) -> None:
        self.calls.append(("unlock", side, seconds))

    def hold(self, side: Side, *, on: bool) -> None:
        self.calls.append(("hold", side, on))

    def relock(self, side: Side) -> None:
        self.calls.append(("relock", side))

    def stop(self, *, on: bool) -> None:
        self.calls.append(("stop", on))

    def indicate(self, lamp: Lamp, *, silent: bool = False) -> None:
        del silent
        self.calls.append(("indicate", lamp))

    def mute(self, *, on: bool) -> None:
        self.calls.append(("mute", on))

    def close(self) -> None:
        self.calls.append("close")


def test_the_witness_passes_everything_on_and_looks_before_it_opens() -> None:
    clock, inner, counts = ManualClock(5.0), Gate(), iter([3, 4])
    calls_when_counted: list[int] = []

    def count() -> int:
        calls_when_counted.append(len(inner.calls))
        return next(counts)

    gate = WitnessedGate(inner, clock)
    gate.watch(count)

    def on_edge(edge: Edge) -> None:
        raise AssertionError(edge)

    gate.open(on_edge)
    gate.unlock(Side.A, 0.3)
    gate.hold(Side.B, on=True)
    gate.hold(Side.B, on=False)
    gate.relock(Side.A)
    gate.stop(on=True)
    gate.indicate(Lamp.GO)
    gate.mute(on=True)
    gate.close()
    assert gate.read(Signal.READY) is True
    assert gate.sightings == [Sighting(5.0, Side.A, 3), Sighting(5.0, Side.B, 4, unlocks=False)]
    assert calls_when_counted == [1, 2]
    assert inner.calls == [
        ("open", on_edge),
        ("unlock", Side.A, 0.3),
        ("hold", Side.B, True),
        ("hold", Side.B, False),
        ("relock", Side.A),
        ("stop", True),
        ("indicate", Lamp.GO),
        ("mute", True),
        "close",
    ]
