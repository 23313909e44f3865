"""A person's visit up to the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import (
    Direction,
    FaultKind,
    Liveness,
    LivenessReason,
    Match,
    Screening,
    Uncertainty,
    Verdict,
)
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

    Someone = Callable[..., Assessment]


def reassessments(rig: Rig) -> list[float]:
    return [effect.hold_off for effect in rig.last if isinstance(effect, fx.Reassess)]


def test_boot_moves_no_relay(make_rig: MakeRig) -> None:
    rig = make_rig()
    for kind in (ev.Booted, ev.SelfTestPassed):
        rig.feed(kind)
        assert rig.moves() == []
    assert rig.state() is State.LOCKED
    assert rig.shown() == (Prompt.IDLE, None)


def test_whoever_comes_is_asked_to_look(rig: Rig) -> None:
    rig.approach()
    assert rig.state() is State.SCREENING
    assert rig.shown() == (Prompt.LOOK_HERE, None)
    rig.feed(ev.Left)
    assert rig.state() is State.LOCKED
    assert rig.shown() == (Prompt.IDLE, None)
    assert rig.timers == {}


def test_screening_that_finds_nothing_begins_again(rig: Rig) -> None:
    rig.approach()
    rig.advance(rig.settings.screening_timeout)
    assert rig.state() is State.SCREENING
    assert reassessments(rig) == [0.0]
    assert rig.timers["screening"][0] == rig.now + rig.settings.screening_timeout


def test_a_grant_is_recorded_before_the_lock_moves(rig: Rig) -> None:
    rig.approach()
    grant_id = rig.assess()
    kinds = [type(effect) for effect in rig.last]
    assert kinds == [fx.CancelTimer, fx.Append, fx.Unlock, fx.Indicate, fx.ArmTimer]
    assert rig.unlocked == {Direction.ENTRY}
    assert rig.lane.grant is not None
    assert rig.lane.grant.grant_id == grant_id
    assert rig.lane.grant.deadline - rig.lane.grant.granted_at == rig.settings.passage_wait
    unlock = next(effect for effect in rig.last if isinstance(effect, fx.Unlock))
    assert (unlock.seconds, unlock.window) == (rig.settings.unlock_pulse, rig.settings.passage_wait)


def test_the_record_of_a_grant_tells_everything_about_it(rig: Rig) -> None:
    rig.admit("p1")
    (record,) = rig.records(RecordKind.GRANT)
    assert record.person == "p1"
    told = {"direction": "entry", "credential": "face", "score": 0.82, "margin": 0.4, "temperature": 36.6}
    assert told.items() <= dict(record.detail).items()
    assert {
        "verdict": "normal",
        "uncertainty": 0.2,
        "liveness": "live",
        "quality": 0.8,
    }.items() <= record.detail.items()


def test_a_gallery_of_one_has_no_margin_in_the_record(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone(match=Match("p1", 0.8, float("inf"))))
    assert rig.records(RecordKind.GRANT)[0].detail["margin"] is None


@pytest.mark.parametrize(
    ("verdict", "prompt", "reason"),
    [
        (Verdict.ELEVATED, Prompt.SEE_DOCTOR, "elevated_temperature"),
        (Verdict.RECHECK, Prompt.WAIT, "recheck_temperature"),
        (Verdict.TOO_COLD, Prompt.WARM_UP, "too_cold"),
        (Verdict.TOO_HOT, Prompt.COOL_DOWN, "too_hot"),
        (Verdict.UNSTABLE, Prompt.WAIT, "no_temperature"),
        (Verdict.SENSOR_UNFIT, Prompt.WAIT, "no_temperature"),
    ],
)
def test_a_denial_is_shown_and_recorded(
    rig: Rig, someone: Someone, verdict: Verdict, prompt: Prompt, reason: str
) -> None:
    rig.approach()
    rig.assess(someone("p1", verdict))
    assert rig.state() is State.DENIED
    assert rig.shown() == (prompt, reason)
    assert rig.moves() == []
    (record,) = rig.records(RecordKind.DENY)
    assert (record.person, record.detail["reason"], record.detail["verdict"]) == ("p1", reason, verdict.value)


def test_the_record_of_a_stranger_holds_no_temperature(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone(None, Verdict.ELEVATED))
    (record,) = rig.records(RecordKind.DENY)
    assert record.person is None
    told = {"verdict", "temperature", "uncertainty", "surface", "risk", "personal", "remarks", "correction"}
    assert not told & set(record.detail)


def test_a_photograph_is_not_recorded_as_the_person(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", liveness=Liveness.SPOOF))
    assert rig.shown() == (Prompt.DENIED, "spoof_suspected")
    assert rig.records(RecordKind.DENY)[0].person is None


def test_who_stays_after_a_denial_is_looked_at_again(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", Verdict.UNSTABLE))
    rig.advance(rig.settings.deny_show - 0.01)
    assert rig.state() is State.DENIED
    rig.advance(0.01)
    assert rig.state() is State.SCREENING
    assert reassessments(rig) == [0.0]
    rig.assess(someone("p1", attempt=2))
    assert rig.state() is State.GRANTED


def test_who_leaves_after_a_denial_leaves_the_lane_locked(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone(None))
    rig.feed(ev.Left)
    assert rig.state() is State.DENIED
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.LOCKED
    assert rig.shown() == (Prompt.IDLE, None)


def test_who_comes_while_a_denial_is_shown_is_looked_at_next(rig: Rig, someone: Someone) -> None:
    rig.approach(presence=1)
    rig.assess(someone(None), presence=1)
    rig.feed(ev.Left)
    rig.approach(presence=2)
    rig.assess(presence=2)
    assert rig.state() is State.DENIED
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.SCREENING


def test_the_cold_are_given_time_and_hold_up_nobody(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", Verdict.TOO_COLD))
    rig.advance(rig.settings.deny_show + 0.1)
    assert rig.shown() == (Prompt.WARM_UP, "too_cold")
    rig.advance(rig.settings.warm_up)
    assert rig.state() is State.SCREENING
    rig.assess(someone("p1", Verdict.TOO_COLD))
    rig.feed(ev.Left)
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.LOCKED


def test_leaving_does_not_prolong_a_denial(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", Verdict.TOO_COLD))
    rig.advance(rig.settings.warm_up - 0.5)
    rig.feed(ev.Left)
    rig.advance(0.5)
    assert rig.state() is State.LOCKED


def test_two_people_are_asked_to_come_one_at_a_time(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", faces=2))
    assert rig.state() is State.LANE_OCCUPIED
    assert rig.shown() == (Prompt.ONE_AT_A_TIME, "lane_occupied")
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.SCREENING


def test_the_fifth_failure_in_a_row_calls_the_guard(rig: Rig, someone: Someone) -> None:
    rig.approach()
    for attempt in range(1, 10):
        rig.assess(someone(None, attempt=attempt))
        assert (rig.shown()[0] is Prompt.ALARM) == (attempt == 5)
        rig.advance(rig.settings.alarm_show)
        assert rig.shown() == (Prompt.LOOK_HERE, None)
    (warning,) = rig.records(RecordKind.WARNING)
    assert warning.detail == {"reason": "repeated_failures", "attempts": 5, "alarm": "repeated_failures"}


def test_whoever_comes_next_starts_without_failures(rig: Rig, someone: Someone) -> None:
    for _ in range(2):
        rig.approach()
        for _ in range(4):
            rig.assess(someone(quality=0.0))
            rig.advance(rig.settings.deny_show)
        rig.feed(ev.Left)
    assert rig.records(RecordKind.WARNING) == []


def test_an_admission_ends_a_row_of_failures(rig: Rig, someone: Someone) -> None:
    rig.approach()
    for person in (None, None, None, None, "p1", None, None, None, None):
        rig.assess(someone(person))
        rig.advance(rig.settings.passage_wait + rig.settings.deny_show)
    assert rig.records(RecordKind.WARNING) == []


def test_someone_elses_assessment_admits_nobody(rig: Rig) -> None:
    rig.approach(presence=1)
    rig.feed(ev.Left)
    rig.assess(presence=1)
    assert rig.state() is State.LOCKED
    rig.approach(presence=2)
    rig.assess(presence=1)
    assert rig.state() is State.SCREENING
    rig.assess(presence=2)
    assert rig.state() is State.GRANTED


def test_a_grant_id_serves_once(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.pass_through()
    rig.feed(ev.Left)
    rig.advance(2.0)
    rig.approach()
    rig.assess(grant_id=grant_id)
    assert rig.state() is State.SCREENING
    rig.open_once(grant_id=grant_id)
    assert rig.state() is State.SCREENING
    assert rig.records(RecordKind.COMMAND)[-1].detail["refused"] == "repeated"
    assert rig.outcomes(grant_id) == ["completed"]


def test_anti_passback_is_committed_by_passing(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(anti_passback=60.0).boot()
    rig.admit("p1")
    rig.pass_through()
    rig.feed(ev.Left)
    rig.advance(5.0)
    rig.approach()
    rig.assess(someone("p1"))
    assert rig.shown() == (Prompt.DENIED, "anti_passback")
    rig.advance(60.0)
    rig.assess(someone("p1"))
    assert rig.state() is State.GRANTED


def test_anti_passback_is_released_by_walking_away(make_rig: MakeRig) -> None:
    rig = make_rig(anti_passback=60.0).boot()
    rig.admit("p1")
    rig.feed(ev.Left)
    rig.advance(rig.settings.passage_wait + rig.settings.deny_show)
    rig.admit("p1")


def test_the_guard_lets_someone_in(rig: Rig) -> None:
    grant_id = rig.open_once()
    assert rig.state() is State.GRANTED
    order, grant = rig.journal[-2:]
    assert (order.kind, order.detail["actor"], order.detail["accepted"]) == (RecordKind.COMMAND, "guard", True)
    assert (grant.kind, grant.grant_id, grant.detail["credential"]) == (RecordKind.GRANT, grant_id, "remote")
    rig.pass_through()
    assert rig.outcomes(grant_id) == ["completed"]


def test_a_second_order_while_one_is_outstanding_is_refused(rig: Rig) -> None:
    first = rig.open_once()
    second = rig.open_once()
    assert rig.lane.grant is not None
    assert rig.lane.grant.grant_id == first
    assert rig.records(RecordKind.COMMAND)[-1].detail["refused"] == "granted"
    assert [record.grant_id for record in rig.records(RecordKind.GRANT)] == [first]
    assert rig.outcomes(second) == []


def test_the_guard_decides_while_someone_is_screened(rig: Rig) -> None:
    rig.approach()
    rig.open_once()
    assert rig.state() is State.GRANTED
    rig.assess()
    assert len(rig.records(RecordKind.GRANT)) == 1


def test_a_second_look_follows_at_once(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", Verdict.RECHECK))
    assert rig.shown() == (Prompt.WAIT, "recheck_temperature")
    assert rig.records(RecordKind.TICKET) == []
    rig.advance(rig.settings.recheck_show)
    assert rig.state() is State.SCREENING
    assert reassessments(rig) == [0.0]


def test_a_fever_becomes_a_ticket_for_the_doctor(rig: Rig, someone: Someone) -> None:
    rig.approach()
    parts = Uncertainty(noise=0.1, reference=0.12, region=0.4, compensation=0.3)
    screening = Screening(Verdict.ELEVATED, 38.4, parts.combined, 36.2, 24, parts=parts, risk=0.03, looks=2)
    rig.assess(someone("p1", screening=screening))
    (ticket,) = rig.records(RecordKind.TICKET)
    (denial,) = rig.records(RecordKind.DENY)
    assert (ticket.person, denial.person) == ("p1", "p1")
    assert ticket.grant_id is not None
    told = {"temperature": 38.4, "risk": 0.03, "looks": 2, "u_noise": 0.1, "u_region": 0.4}
    assert told.items() <= ticket.detail.items()


def test_a_strangers_fever_is_no_ticket(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone(None, Verdict.ELEVATED))
    assert rig.records(RecordKind.TICKET) == []


class TestTheSensorIsUnfit:
    """Identity goes on; the temperature is taken by hand."""

    @pytest.fixture(autouse=True)
    def _unfit(self, rig: Rig) -> None:
        rig.feed(ev.DeviceLost, fault=FaultKind.SCREENING, cause="reference_drift")

    def ask(self, rig: Rig, someone: Someone, person: str | None = "p1") -> None:
        rig.approach()
        rig.assess(someone(person, Verdict.SENSOR_UNFIT))

    def measure(self, rig: Rig, temperature: float) -> str:
        name = rig.new_id()
        entry = Direction.ENTRY
        rig.feed(ev.OpenOnce, actor="guard", direction=entry, grant_id=name, temperature=temperature)
        return name

    def test_the_campus_is_told_why(self, rig: Rig) -> None:
        (record,) = rig.records(RecordKind.FAULT)
        assert record.detail == {"fault": "screening", "cause": "reference_drift"}
        assert rig.state() is State.LOCKED

    def test_somebody_identified_is_sent_to_the_guard_and_no_lock_moves(self, rig: Rig, someone: Someone) -> None:
        self.ask(rig, someone)
        assert rig.shown() == (Prompt.SEE_GUARD, "manual_temperature")
        assert rig.moves() == []

    def test_even_a_normal_reading_of_an_unfit_sensor_lets_nobody_in(self, rig: Rig, someone: Someone) -> None:
        rig.approach()
        rig.assess(someone("p1", Verdict.NORMAL))
        assert rig.moves() == []
        assert rig.shown() == (Prompt.SEE_GUARD, "manual_temperature")

    def test_a_normal_temperature_by_hand_lets_in_by_name(self, rig: Rig, someone: Someone) -> None:
        self.ask(rig, someone)
        grant = self.measure(rig, 36.7)
        (record,) = rig.records(RecordKind.GRANT)
        assert (record.person, record.grant_id) == ("p1", grant)
        assert {"credential": "face", "manual_temperature": 36.7, "actor": "guard"}.items() <= record.detail.items()
        assert rig.unlocked == {Direction.ENTRY}

    def test_a_fever_by_hand_goes_to_the_doctor(self, rig: Rig, someone: Someone) -> None:
        self.ask(rig, someone)
        self.measure(rig, rig.settings.manual_alarm)
        assert rig.moves() == []
        assert rig.shown() == (Prompt.SEE_DOCTOR, "elevated_temperature")
        (ticket,) = rig.records(RecordKind.TICKET)
        assert (ticket.person, ticket.detail["manual_temperature"]) == ("p1", rig.settings.manual_alarm)
        self.measure(rig, 36.5)
        assert rig.records(RecordKind.GRANT) == []

    @pytest.mark.parametrize("temperature", [29.9, 45.1, float("nan"), float("inf")])
    def test_a_mistyped_temperature_moves_nothing(self, rig: Rig, someone: Someone, temperature: float) -> None:
        self.ask(rig, someone)
        self.measure(rig, temperature)
        assert rig.moves() == []
        (record,) = rig.records(RecordKind.COMMAND)
        assert record.detail["refused"] == "no_temperature"

    def test_a_temperature_for_somebody_who_left_moves_nothing(self, rig: Rig, someone: Someone) -> None:
        self.ask(rig, someone)
        rig.feed(ev.Left)
        rig.approach()
        self.measure(rig, 36.6)
        assert rig.moves() == []
        assert rig.records(RecordKind.COMMAND)[0].detail["refused"] == "nobody_waits"

    def test_a_stranger_is_asked_for_no_temperature(self, rig: Rig, someone: Someone) -> None:
        self.ask(rig, someone, None)
        assert rig.shown() == (Prompt.DENIED, "unknown_person")
        self.measure(rig, 36.6)
        assert rig.moves() == []

    def test_a_fit_sensor_screens_again(self, rig: Rig) -> None:
        rig.feed(ev.DeviceBack, fault=FaultKind.SCREENING)
        rig.admit("p1")
        assert [record.detail["fault"] for record in rig.records(RecordKind.FAULT_CLEARED)] == ["screening"]


def test_a_self_test_is_recorded_in_any_state(rig: Rig) -> None:
    rig.feed(ev.SelfTested, passed=True, detail={"slope": 1.01, "worst": 0.05})
    rig.feed(ev.Lockdown, actor="guard", active=True)
    rig.feed(ev.SelfTested, passed=False, detail={"slope": 1.2})
    assert [dict(record.detail) for record in rig.records(RecordKind.SELF_TEST)] == [
        {"passed": True, "slope": 1.01, "worst": 0.05},
        {"passed": False, "slope": 1.2},
    ]


HOT: dict[str, Any] = {"liveness": Liveness.UNKNOWN, "liveness_reasons": (LivenessReason.HOT_ROOM,)}


def test_why_heat_cannot_tell_is_shown_and_recorded(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", **HOT))
    assert rig.shown() == (Prompt.ASK_GUARD, "liveness_unknown/hot_room")
    assert rig.records(RecordKind.DENY)[0].detail["liveness_reasons"] == "hot_room"


def test_what_would_teach_an_attacker_is_recorded_and_not_shown(rig: Rig, someone: Someone) -> None:
    rig.approach()
    found = someone("p1", liveness=Liveness.UNKNOWN, liveness_reasons=(LivenessReason.COOLING, LivenessReason.EVEN))
    rig.assess(found)
    assert rig.shown() == (Prompt.LOOK_HERE, "liveness_unknown")
    assert rig.records(RecordKind.DENY)[0].detail["liveness_reasons"] == "cooling even"


def test_on_a_hot_day_the_guard_lets_in_by_name_whom_heat_cannot_judge(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(liveness_wait=20.0).boot()
    rig.approach()
    rig.assess(someone("p1", **HOT))
    rig.advance(19.0)
    assert rig.state() is State.DENIED
    rig.open_once()
    (grant,) = rig.records(RecordKind.GRANT)
    assert (rig.state(), grant.person, grant.detail["credential"]) == (State.GRANTED, "p1", "face")


@pytest.mark.parametrize("verdict", [Verdict.ELEVATED, Verdict.TOO_COLD, Verdict.UNSTABLE])
def test_the_guards_word_on_life_is_none_on_the_temperature(
    make_rig: MakeRig, someone: Someone, verdict: Verdict
) -> None:
    """Without a temperature of its own such an order opens for somebody without a name, as it always did."""
    rig = make_rig(liveness_wait=20.0).boot()
    rig.approach()
    rig.assess(someone("p1", verdict, **HOT))
    rig.open_once()
    assert rig.records(RecordKind.GRANT)[0].person is None


def test_a_temperature_by_hand_lets_in_by_name_whom_heat_cannot_judge(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(liveness_wait=20.0).boot()
    rig.approach()
    rig.assess(someone("p1", Verdict.TOO_COLD, **HOT))
    rig.feed(ev.OpenOnce, direction=Direction.ENTRY, grant_id="g-hand", actor="guard", temperature=36.4)
    (grant,) = rig.records(RecordKind.GRANT)
    assert (grant.person, grant.detail["manual_temperature"]) == ("p1", 36.4)


def test_who_left_does_not_wait_for_the_guard(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(liveness_wait=20.0).boot()
    rig.approach()
    rig.assess(someone("p1", **HOT))
    rig.feed(ev.Left)
    rig.open_once()
    assert all(grant.person is None for grant in rig.records(RecordKind.GRANT))


def test_unless_configured_nobody_waits_for_the_guards_word_on_life(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", **HOT))
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.SCREENING
