"""Random lives of a door and a barrier, with a disk that fails now and then. `Rig` checks its rules at every step."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from controller.lane import arm, barrier, door
from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.kind_settings import BarrierTimes, DoorTimes
from controller.lane.kinds import MECHANICS
from controller.lane.machine import Lane
from controller.lane.model import CredentialKind, Direction, FaultKind
from controller.lane.sensed import LowerRefused, Reading, Sensed, Sensor
from controller.lane.states import trigger_of
from controller.lane.table import ILLEGAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from controller.lane.model import Assessment
    from controller.lane.sensed import AnyEvent
    from tests.lane.conftest import MakeRig, Rig

DOOR_SENSORS = (Sensor.DOOR, Sensor.REX, Sensor.SECURE)
BARRIER_SENSORS = tuple(sensor for sensor in Sensor if sensor not in DOOR_SENSORS)
LIKELY = (Reading.OFF, Reading.OFF, Reading.ON, Reading.ON, Reading.LOST)
PLACES: dict[str, Mapping[Any, frozenset[Any]]] = {"door": door.LEAF_LEADS_TO, "barrier": barrier.ARM_LEADS_TO}


class KindLife(RuleBasedStateMachine):
    """Everything that can happen to a door or a barrier, in any order."""

    sensors: tuple[Sensor, ...] = ()

    def __init__(self, rig: Rig, someone: Callable[..., Assessment]) -> None:
        super().__init__()
        self.rig = rig
        self.someone = someone
        self.mechanics = MECHANICS[rig.settings.kind]
        self.failing = False

    def feed(self, event: AnyEvent) -> None:
        """Feed an event, and compare what happened with what the tables say."""
        lane = self.rig.lane
        state, place, lost, illegal = lane.state, lane.place, len(self.rig.lost), lane.illegal_events
        assert place is not None
        trigger = self.mechanics.trigger_of(event)
        cell = self._cell(event)
        self.rig.disk_fails = lambda _: self.failing
        effects = self.rig.feed_event(event)
        if lane.illegal_events > illegal:
            assert cell is ILLEGAL
            assert (lane.state, lane.place, effects) == (state, place, ())
        if trigger is None or len(self.rig.lost) > lost:
            return
        sent = any(isinstance(effect, fx.Unlock | fx.Hold) for effect in effects)
        allowed = PLACES[self.rig.settings.kind].get(cell, frozenset())
        assert lane.place is place or lane.place in allowed or sent, f"{cell} led to {lane.place}"

    def _cell(self, event: AnyEvent) -> object:
        place = self.rig.lane.place
        assert place is not None
        trigger = self.mechanics.trigger_of(event)
        if trigger is not None:
            return self.mechanics.table[place][trigger]
        if isinstance(event, Sensed | LowerRefused):
            return ILLEGAL
        return self.mechanics.visit[self.rig.lane.state][trigger_of(event)]

    @rule(failing=st.sampled_from([False, False, True]))
    def disk(self, failing: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        self.failing = failing

    @rule(passed=st.sampled_from([True, True, True, False]))
    def start(self, passed: bool) -> None:  # noqa: FBT001
        now = self.rig.now
        self.feed(ev.Booted(now=now))
        if passed:
            self.feed(ev.SelfTestPassed(now=now))
        else:
            self.feed(ev.SelfTestFailed(now=now, fault=FaultKind.CAMERA))

    @rule(data=st.data(), found=st.sampled_from([False, False, False, True]))
    def sense(self, data: st.DataObject, found: bool) -> None:  # noqa: FBT001
        sensor, reading = data.draw(st.sampled_from(self.sensors)), data.draw(st.sampled_from(LIKELY))
        self.feed(Sensed(now=self.rig.now, sensor=sensor, reading=reading, found=found))

    @precondition(lambda self: Sensor.ARM_UP in self.sensors)
    @rule(up=st.booleans())
    def arm_arrives(self, up: bool) -> None:  # noqa: FBT001
        left, reached = (Sensor.ARM_DOWN, Sensor.ARM_UP) if up else (Sensor.ARM_UP, Sensor.ARM_DOWN)
        self._tell({left: Reading.OFF, reached: Reading.ON})

    @precondition(lambda self: Sensor.ARM_UP in self.sensors)
    @rule(seconds=st.sampled_from([0.5, 7.5]))
    def be_let_down(self, seconds: float) -> None:
        """What leads to an arm on its way down, or nearly so: in a random life that would be rare."""
        now = self.rig.now
        self._tell(dict.fromkeys((Sensor.POWER_FAIL, Sensor.LOOP_EXIT, *arm.SAFETY), Reading.OFF))
        self.line(ev.FireAlarm, active=False)
        self.line(ev.MechanicalKey, active=False)
        self.disk(failing=False)
        self.start(passed=True)
        for order in (ev.Maintenance, ev.Lockdown):
            self.stand(order, active=False)
        self.feed(ev.ResetEmergency(now=now, actor="guard"))
        self.set_free(entry=False, exit_=False)
        self.open_once(Direction.ENTRY)
        self.arm_arrives(up=True)
        self.wait(seconds)

    def _tell(self, told: dict[Sensor, Reading]) -> None:
        for sensor, reading in told.items():
            self.feed(Sensed(now=self.rig.now, sensor=sensor, reading=reading))

    @initialize(running=st.sampled_from([True, True, True, False]))
    def begin(self, running: bool) -> None:  # noqa: FBT001
        if running:
            self.start(passed=True)

    @rule(faces=st.sampled_from([1, 1, 2]), seen=st.booleans())
    def visit(self, faces: int, seen: bool) -> None:  # noqa: FBT001
        if not seen:
            self.feed(ev.Left(now=self.rig.now))
            return
        core = self.rig.lane._core
        self.feed(ev.Approached(now=self.rig.now, presence=1))
        found, claimed = self.someone(faces=faces), core.expected.person
        self.feed(
            ev.Assessed(now=self.rig.now, assessment=found, grant_id=self.rig.new_id(), presence=1, claimed=claimed)
        )

    @rule(kind=st.sampled_from([CredentialKind.CARD, CredentialKind.PLATE]))
    def present(self, kind: CredentialKind) -> None:
        self.feed(ev.Presented(now=self.rig.now, person="p1", credential=kind))

    @rule(direction=st.sampled_from(Direction))
    def open_once(self, direction: Direction) -> None:
        self.feed(ev.OpenOnce(now=self.rig.now, direction=direction, grant_id=self.rig.new_id(), actor="guard"))

    @rule(entry=st.booleans(), exit_=st.booleans())
    def set_free(self, entry: bool, exit_: bool) -> None:  # noqa: FBT001
        self.feed(ev.SetFree(now=self.rig.now, entry=entry, exit=exit_, actor="guard"))

    @rule(kind=st.sampled_from([ev.Lockdown, ev.Maintenance]), active=st.booleans())
    def stand(self, kind: type[ev.Lockdown | ev.Maintenance], active: bool) -> None:  # noqa: FBT001
        self.feed(kind(now=self.rig.now, active=active, actor="guard"))

    @rule(kind=st.sampled_from([ev.FireAlarm, ev.MechanicalKey]), active=st.booleans())
    def line(self, kind: type[ev.FireAlarm | ev.MechanicalKey], active: bool) -> None:  # noqa: FBT001
        self.feed(kind(now=self.rig.now, active=active))

    @rule(what=st.sampled_from(["reset", "relay", "refused", "stray", "lost", "back"]))
    def happen(self, what: str) -> None:
        now = self.rig.now
        events: dict[str, AnyEvent] = {
            "reset": ev.ResetEmergency(now=now, actor="guard"),
            "relay": ev.RelayMismatch(now=now, direction=Direction.ENTRY),
            "refused": LowerRefused(now=now),
            "stray": ev.JournalFailed(now=now, grant_id="g0"),
            "lost": ev.DeviceLost(now=now, fault=FaultKind.CAMERA),
            "back": ev.DeviceBack(now=now, fault=FaultKind.CAMERA),
        }
        self.feed(events[what])

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.1, 3.0, 9.0, 31.0, 130.0]))
    def wait(self, seconds: float) -> None:
        illegal = self.rig.lane.illegal_events
        self.rig.disk_fails = lambda _: self.failing
        self.rig.advance(seconds)
        assert self.rig.lane.illegal_events == illegal, "a timer fired where nothing had armed it"

    @invariant()
    def every_grant_ends_once(self) -> None:
        ended = Counter(record.grant_id for record in self.rig.written if record.kind is fx.RecordKind.PASSAGE)
        outstanding = {grant.grant_id for grant in self.rig.lane.grants.values()}
        for record in self.rig.written:
            if record.kind is fx.RecordKind.GRANT:
                assert ended[record.grant_id] == (0 if record.grant_id in outstanding else 1)

    @invariant()
    def who_asks_may_leave(self) -> None:
        if self.rig.lane.facts.asked or self.rig.lane.facts.emergency:
            assert Direction.EXIT in self.rig.held

    @invariant()
    def nobody_enters_unrecorded(self) -> None:
        if not self.rig.settings.on_journal_failure_deny:
            return
        granted = {record.grant_id for record in self.rig.records(fx.RecordKind.GRANT)}
        for direction in self.rig.unlocked:
            assert self.rig.lane.grants[direction].grant_id in granted

    def teardown(self) -> None:
        """In the end every grant has run out, whatever is left open or occupied."""
        self.rig.disk_fails = lambda _: False
        for sensor in (Sensor.DOOR, Sensor.LOOP_ARM, Sensor.PHOTOCELL):
            if sensor in self.sensors:
                self.rig.sense(sensor, Reading.OFF)
        self.rig.advance(200.0)
        assert not self.rig.lane.grants


CASES: list[tuple[str, tuple[Sensor, ...], dict[str, Any]]] = [
    ("door", DOOR_SENSORS, {}),
    ("door", DOOR_SENSORS, {"door": DoorTimes(relock="open", on_rex_stuck="lock")}),
    ("barrier", BARRIER_SENSORS, {}),
    ("barrier", BARRIER_SENSORS, {"barrier": BarrierTimes(needs_vehicle=False, passengers="guard", clear_for=0.2)}),
    ("barrier", BARRIER_SENSORS, {"on_journal_failure_deny": False, "barrier": BarrierTimes(needs_vehicle=False)}),
]


@pytest.mark.parametrize(
    ("kind", "sensors", "changes"), CASES, ids=["door", "relock_on_open", "barrier", "guard", "degraded"]
)
def test_rules_hold_in_any_order_of_events(
    make_rig: MakeRig,
    someone: Callable[..., Assessment],
    kind: str,
    sensors: tuple[Sensor, ...],
    changes: dict[str, Any],
) -> None:
    budget = settings(max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck))
    watched = sensors
    lowered = Counter[str]()

    class Life(KindLife):
        sensors = watched

        def __init__(self) -> None:
            super().__init__(make_rig(kind=kind, **changes), someone)

        def teardown(self) -> None:
            super().teardown()
            lowered.update(type(move).__name__ for move in self.rig.arm_moves)

    run_state_machine_as_test(Life, settings=budget)
    # The lives are not so wild that the rule about the arm is never put to the test.
    assert kind == "door" or lowered["Lower"] >= 10


class RashLane(Lane):
    """A lane that lets its arm down at every timer."""

    def feed(self, event: AnyEvent) -> tuple[fx.Effect, ...]:
        effects = super().feed(event)
        return (fx.Lower(), *effects) if isinstance(event, ev.TimerFired) else effects


@pytest.mark.parametrize("safety", arm.SAFETY)
def test_the_rig_notices_an_arm_that_comes_down_on_something(make_rig: MakeRig, safety: Sensor) -> None:
    rig = make_rig(kind="barrier")
    rig.lane = RashLane(rig.settings)
    rig.boot()
    for sensor in arm.SAFETY:
        rig.sense(sensor, Reading.ON if sensor is safety else Reading.OFF)
    rig.approach()
    with pytest.raises(AssertionError, match="closed on"):
        rig.advance(30.0)
