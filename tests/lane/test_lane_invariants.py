"""Random lives of a lane, with a disk that fails now and then. `Rig` checks its rules after every step."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.access.keeper import Access
from controller.lane.model import CredentialKind, Direction, FaultKind, Liveness, Verdict
from controller.lane.states import trigger_of
from controller.lane.table import IGNORE, ILLEGAL, LEADS_TO, TRANSITIONS, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

DIRECTIONS = st.sampled_from(Direction)
FAULTS = st.sampled_from(FaultKind)


class LaneLife(RuleBasedStateMachine):
    """Everything that can happen to a lane, in any order."""

    def __init__(self, make_rig: MakeRig, someone: Callable[..., Assessment], changes: dict[str, Any]) -> None:
        super().__init__()
        self.rig: Rig = make_rig(**changes)
        self.someone = someone
        self.illegal = 0

    def feed(self, kind: type[ev.LaneEvent], **values: Any) -> None:
        """Feed an event, and compare what happened with what the table says."""
        before, illegal, lost = self.rig.state(), self.rig.lane.illegal_events, len(self.rig.lost)
        event = kind(now=self.rig.now, **values)
        cell = TRANSITIONS[before][trigger_of(event)]
        self.rig.disk_fails = self.disk_fails
        effects = self.rig.feed_event(event)
        after = self.rig.state()
        if self.rig.lane.illegal_events > illegal:
            self.illegal += 1
            assert cell is ILLEGAL
        if cell is ILLEGAL:
            assert (after, effects) == (before, ())
        elif cell is IGNORE:
            assert after is before
        elif len(self.rig.lost) == lost:
            assert after is before or after in LEADS_TO.get(cell, frozenset()), f"{cell} led to {after}"

    failing = False

    def disk_fails(self, _record: fx.Append) -> bool:
        return self.failing

    @rule(failing=st.booleans())
    def disk(self, failing: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        self.failing = failing

    @rule()
    def boot(self) -> None:
        self.feed(ev.Booted)

    @rule(fault=st.none() | FAULTS)
    def selftest(self, fault: FaultKind | None) -> None:
        if fault is None:
            self.feed(ev.SelfTestPassed)
        else:
            self.feed(ev.SelfTestFailed, fault=fault)

    @rule(presence=st.integers(0, 2))
    def approach(self, presence: int) -> None:
        self.feed(ev.Approached, presence=presence)

    @rule()
    def leave(self) -> None:
        self.feed(ev.Left)

    @rule(
        person=st.sampled_from(["p1", "p2", None]),
        verdict=st.sampled_from([Verdict.NORMAL, Verdict.NORMAL, *Verdict]),
        liveness=st.sampled_from([Liveness.LIVE, Liveness.LIVE, *Liveness]),
        faces=st.sampled_from([1, 1, 1, 2]),
        obedient=st.sampled_from([True, True, True, False]),
        second_factor=st.sampled_from([False, False, True]),
    )
    def assess(
        self,
        person: str | None,
        verdict: Verdict,
        liveness: Liveness,
        faces: int,
        obedient: bool,  # noqa: FBT001 - hypothesis passes by name
        second_factor: bool,  # noqa: FBT001
    ) -> None:
        found = self.someone(person, verdict, liveness=liveness, faces=faces)
        core = self.rig.lane._core
        claimed = core.expected.person if obedient else "p2"
        told: dict[str, Any] = {"presence": core.presence, "claimed": claimed, "second_factor": second_factor}
        self.feed(ev.Assessed, assessment=found, grant_id=self.rig.new_id(), **told)

    @rule(
        person=st.sampled_from(["p1", "p1", "p2", None]),
        kind=st.sampled_from([CredentialKind.CARD, CredentialKind.QR, CredentialKind.PIN]),
        flags=st.sets(st.sampled_from(["second_factor", "no_face", "locked"]), max_size=2),
    )
    def present(self, person: str | None, kind: CredentialKind, flags: set[str]) -> None:
        self.feed(ev.Presented, person=person, credential=kind, **dict.fromkeys(flags, True))

    @precondition(lambda self: self.rig.state() in (State.LOCKED, State.FREE_EXIT))
    @rule()
    def visit_by_card(self) -> None:
        self.feed(ev.Approached, presence=2)
        self.feed(ev.Presented, person="p1", credential=CredentialKind.CARD)
        found = self.someone(None if self.rig.settings.require == "card" else "p1")
        claimed = self.rig.lane._core.expected.person
        self.feed(ev.Assessed, assessment=found, grant_id=self.rig.new_id(), presence=2, claimed=claimed)

    @precondition(lambda self: self.rig.lane.facts.phase.value != "ready")
    @rule()
    def start(self) -> None:
        """Most of a lane's life comes after its start, so go there more often than chance would."""
        self.feed(ev.Booted)
        self.feed(ev.SelfTestPassed)

    @precondition(lambda self: self.rig.state() in (State.LOCKED, State.FREE_EXIT))
    @rule()
    def visit(self) -> None:
        self.feed(ev.Approached, presence=1)
        self.feed(ev.Assessed, assessment=self.someone(), grant_id=self.rig.new_id(), presence=1)

    @rule(direction=DIRECTIONS, active=st.booleans())
    def contact(self, direction: Direction, active: bool) -> None:  # noqa: FBT001
        if active == (direction in self.rig.lane._core.contacts):
            assert self.rig.feed(ev.PassContact, direction=direction, active=active) == ()
        else:
            self.feed(ev.PassContact, direction=direction, active=active)

    @rule(kind=st.sampled_from([ev.FireAlarm, ev.MechanicalKey, ev.Tamper, ev.Intrusion]), active=st.booleans())
    def line(self, kind: type[ev.FireAlarm | ev.MechanicalKey | ev.Tamper | ev.Intrusion], active: bool) -> None:  # noqa: FBT001
        self.feed(kind, active=active)

    @rule(ready=st.booleans())
    def home(self, ready: bool) -> None:  # noqa: FBT001
        self.feed(ev.Home, ready=ready)

    @rule(kind=st.sampled_from([ev.DeviceLost, ev.DeviceBack]), fault=FAULTS)
    def device(self, kind: type[ev.DeviceLost | ev.DeviceBack], fault: FaultKind) -> None:
        self.feed(kind, fault=fault)

    @rule(direction=DIRECTIONS, stands=st.booleans(), cause=st.sampled_from(["welded", "dead", None]))
    def relay(self, direction: Direction, stands: bool, cause: str | None) -> None:  # noqa: FBT001
        self.feed(ev.RelayMismatch, direction=direction, stands=stands, cause=cause)

    @rule(present=st.booleans())
    def mains(self, present: bool) -> None:  # noqa: FBT001
        self.feed(ev.Mains, present=present)

    @rule(grant_id=st.none() | st.sampled_from(["g0", "g1", "g2"]))
    def stray_journal_failure(self, grant_id: str | None) -> None:
        self.feed(ev.JournalFailed, grant_id=grant_id)

    @rule(direction=DIRECTIONS, reused=st.booleans(), temperature=st.sampled_from([None, None, 36.6, 38.5, math.nan]))
    def open_once(self, direction: Direction, reused: bool, temperature: float | None) -> None:  # noqa: FBT001
        grant_id = "g0" if reused else self.rig.new_id()
        self.feed(ev.OpenOnce, direction=direction, grant_id=grant_id, actor="guard", temperature=temperature)

    @rule(passed=st.booleans())
    def self_tested(self, passed: bool) -> None:  # noqa: FBT001
        self.feed(ev.SelfTested, passed=passed, detail={"slope": 1.0})

    @rule(entry=st.booleans(), exit_=st.booleans())
    def set_free(self, entry: bool, exit_: bool) -> None:  # noqa: FBT001
        self.feed(ev.SetFree, entry=entry, exit=exit_, actor="guard")

    @rule(kind=st.sampled_from([ev.Lockdown, ev.Maintenance]), active=st.booleans())
    def standing_order(self, kind: type[ev.Lockdown | ev.Maintenance], active: bool) -> None:  # noqa: FBT001
        self.feed(kind, active=active, actor="guard")

    @rule()
    def reset(self) -> None:
        self.feed(ev.ResetEmergency, actor="guard")

    @rule(name=st.sampled_from(["grant", "show", "screening"]), token=st.integers(10_000, 10_005))
    def stale_timer(self, name: str, token: int) -> None:
        before = self.rig.state()
        assert self.rig.feed(ev.TimerFired, name=name, token=token) == ()
        assert self.rig.state() is before

    @rule(seconds=st.sampled_from([0.1, 0.4, 1.0, 2.5, 6.0, 31.0]))
    def wait(self, seconds: float) -> None:
        illegal = self.rig.lane.illegal_events
        self.rig.disk_fails = self.disk_fails
        self.rig.advance(seconds)
        assert self.rig.lane.illegal_events == illegal, "a timer fired in a state that had not armed it"

    @invariant()
    def every_grant_ends_once(self) -> None:
        ended = Counter(record.grant_id for record in self.rig.written if record.kind is fx.RecordKind.PASSAGE)
        outstanding = {grant.grant_id for grant in self.rig.lane.grants.values()}
        for record in self.rig.written:
            if record.kind is fx.RecordKind.GRANT:
                assert ended[record.grant_id] == (0 if record.grant_id in outstanding else 1)

    @invariant()
    def nobody_enters_unrecorded(self) -> None:
        if not self.rig.settings.on_journal_failure_deny:
            return
        granted = {record.grant_id for record in self.rig.records(fx.RecordKind.GRANT)}
        for direction in self.rig.unlocked:
            assert direction in self.rig.lane.grants
            assert self.rig.lane.grants[direction].grant_id in granted
        if Direction.ENTRY in self.rig.held and not self.rig.lane.facts.emergency:
            orders = [record for record in self.rig.records(fx.RecordKind.COMMAND) if record.detail.get("entry")]
            assert orders

    def teardown(self) -> None:
        """In the end every grant has run out, and nobody is left reserved."""
        self.rig.disk_fails = lambda _: False
        for direction in Direction:
            if direction in self.rig.lane._core.contacts:
                self.rig.feed(ev.PassContact, direction=direction, active=False)
        self.rig.advance(60.0)
        assert not self.rig.lane._core.access.whereabouts._reserved
        assert not self.rig.lane.grants


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"anti_passback": 20.0},
        {"on_journal_failure_deny": False},
        {"warm_up": 0.5, "unseen_grants": 1},
        {"require": "face"},
        {"require": "card", "anti_passback": 20.0},
        {"require": "face_and_card"},
        {"on_thermal_lost": "manual"},
        {"on_camera_lost": "cards"},
        {"on_camera_lost": "cards", "on_thermal_lost": "manual", "require": "face"},
    ],
    ids=["default", "anti_passback", "degraded", "short", "face", "card", "both", "manual", "cards", "manual-cards"],
)
def test_rules_hold_in_any_order_of_events(
    make_rig: MakeRig, someone: Callable[..., Assessment], changes: dict[str, Any]
) -> None:
    budget = settings(max_examples=100, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck))

    class Life(LaneLife):
        def __init__(self) -> None:
            super().__init__(make_rig, someone, changes)

    run_state_machine_as_test(Life, settings=budget)


def test_two_lanes_share_their_anti_passback(make_rig: MakeRig, someone: Callable[..., Assessment]) -> None:
    bank = Access.of_lane(60.0)
    first, second = make_rig(bank).boot(), make_rig(bank).boot()
    first.admit("p1")
    second.approach()
    second.assess(someone("p1"))
    assert second.prompt == (fx.Prompt.DENIED, "anti_passback")
    first.advance(5.0)
    second.advance(2.0)
    second.assess(someone("p1"))
    assert second.lane.state is State.GRANTED
