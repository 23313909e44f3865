"""What the entry contact says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction, FaultKind
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

    Someone = Callable[..., Assessment]

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def test_a_passage_is_completed(rig: Rig) -> None:
    grant_id = rig.admit("p1")
    rig.advance(1.0)
    rig.contact(ENTRY, active=True)
    assert rig.state() is State.PASSING
    assert rig.unlocked == set()
    rig.advance(0.5)
    rig.contact(ENTRY, active=False)
    assert rig.state() is State.COMPLETE
    assert rig.lane.grant is None
    assert not any(isinstance(effect, fx.Indicate) for effect in rig.last), "nothing new to show"
    (record,) = rig.records(RecordKind.PASSAGE)
    assert (record.grant_id, record.person) == (grant_id, "p1")
    assert record.detail == {
        "direction": "entry",
        "outcome": "completed",
        "seconds": 1.5,
        "waited": 1.0,
        "passing": 0.5,
    }
    rig.feed(ev.Left)
    rig.advance(rig.settings.complete_show)
    assert rig.state() is State.LOCKED
    assert rig.timers == {}


def test_the_next_in_line_is_looked_at_at_once(rig: Rig) -> None:
    rig.admit("p1")
    rig.feed(ev.Left)
    rig.contact(ENTRY, active=True)
    rig.approach(presence=2)
    rig.advance(0.4)
    rig.contact(ENTRY, active=False)
    rig.advance(rig.settings.complete_show)
    assert rig.state() is State.SCREENING
    assert fx.Reassess(0.0) in rig.last


def test_whoever_has_not_left_the_picture_yet_is_given_time_to(rig: Rig) -> None:
    rig.admit("p1")
    rig.pass_through()
    rig.advance(rig.settings.complete_show)
    assert rig.state() is State.SCREENING
    assert fx.Reassess(rig.settings.tailgate_window) in rig.last


def test_a_grant_that_nobody_uses_expires(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.feed(ev.Left)
    rig.advance(rig.settings.passage_wait - 0.01)
    assert rig.state() is State.GRANTED
    rig.advance(0.01)
    assert rig.state() is State.GRANT_EXPIRED
    assert rig.moves() == [fx.Relock(ENTRY)]
    assert rig.outcomes(grant_id) == ["expired"]
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.LOCKED


def test_five_unseen_passages_point_to_a_broken_wire(rig: Rig) -> None:
    for _ in range(7):
        rig.admit()
        rig.feed(ev.Left)
        rig.advance(rig.settings.passage_wait + rig.settings.deny_show)
    (warning,) = rig.records(RecordKind.WARNING)
    assert warning.detail == {"reason": "pass_never_seen", "grants": 5}
    assert rig.state() is State.LOCKED


def test_a_passage_that_is_seen_starts_the_count_anew(rig: Rig) -> None:
    for used in (False, False, False, False, True, False, False, False, False):
        rig.admit()
        rig.feed(ev.Left)
        if used:
            rig.pass_through()
        rig.advance(rig.settings.passage_wait + rig.settings.deny_show)
    assert rig.records(RecordKind.WARNING) == []


def test_an_intruder_shows_that_the_wire_is_whole(rig: Rig) -> None:
    for round_ in range(8):
        rig.admit()
        rig.feed(ev.Left)
        rig.advance(rig.settings.passage_wait + rig.settings.deny_show)
        if round_ == 3:
            rig.pass_through()
    assert rig.records(RecordKind.WARNING) == []


def test_a_passage_without_a_grant_is_an_intrusion(rig: Rig) -> None:
    rig.contact(ENTRY, active=True)
    assert rig.state() is State.LOCKED
    assert rig.shown() == (Prompt.ALARM, "intrusion")
    (record,) = rig.records(RecordKind.INTRUSION)
    assert record.detail == {"direction": "entry", "state": "locked", "alarm": "intrusion"}
    rig.advance(0.4)
    rig.contact(ENTRY, active=False)
    assert rig.records(RecordKind.PASSAGE) == []
    rig.advance(rig.settings.alarm_show)
    assert rig.shown() == (Prompt.IDLE, None)


def test_an_expired_grant_covers_nobody(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.advance(rig.settings.passage_wait)
    rig.pass_through()
    assert rig.records(RecordKind.INTRUSION)[0].detail["state"] == "grant_expired"
    assert rig.outcomes(grant_id) == ["expired"]


@pytest.mark.parametrize("after", [0.1, 0.4, 1.4])
def test_a_second_passage_on_one_grant_is_a_tailgater(rig: Rig, after: float) -> None:
    grant_id = rig.admit("p1")
    rig.feed(ev.Left)
    rig.pass_through()
    rig.advance(after)
    rig.contact(ENTRY, active=True)
    assert rig.shown() == (Prompt.ALARM, "tailgate")
    (record,) = rig.records(RecordKind.TAILGATE)
    assert record.grant_id == grant_id
    assert record.person is None
    assert record.detail["after"] == pytest.approx(after)
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.records(RecordKind.INTRUSION) == []


def test_who_comes_long_after_is_an_intruder(rig: Rig) -> None:
    rig.admit()
    rig.feed(ev.Left)
    rig.pass_through()
    rig.advance(rig.settings.tailgate_window + 0.1)
    rig.contact(ENTRY, active=True)
    assert rig.records(RecordKind.TAILGATE) == []
    assert len(rig.records(RecordKind.INTRUSION)) == 1


def test_the_alarm_gives_way_to_what_people_must_know(rig: Rig) -> None:
    rig.pass_through()
    assert rig.shown()[0] is Prompt.ALARM
    rig.approach()
    assert rig.shown()[0] is Prompt.ALARM
    rig.assess()
    assert rig.shown() == (Prompt.PASS, None)
    assert "alarm" not in rig.timers
    rig.contact(ENTRY, active=True)
    assert rig.shown() == (Prompt.WAIT, None)


def test_the_arm_turned_outwards_ends_the_grant(make_rig: MakeRig) -> None:
    rig = make_rig(anti_passback=60.0).boot()
    grant_id = rig.admit("p1")
    rig.contact(EXIT, active=True)
    assert rig.outcomes(grant_id) == ["reversed"]
    (record,) = rig.records(RecordKind.REVERSE)
    assert record.detail == {"granted": "entry", "turned": "exit"}
    assert rig.unlocked == set()
    assert rig.state() is State.SCREENING
    rig.contact(EXIT, active=False)
    assert rig.journal[-1].detail["cause"] == "egress"
    assert rig.shown()[0] is not Prompt.ALARM
    rig.assess()
    assert rig.state() is State.GRANTED, "the reservation was released"


def test_who_turns_back_half_way_has_not_entered(rig: Rig) -> None:
    grant_id = rig.admit("p1")
    rig.contact(ENTRY, active=True)
    rig.contact(EXIT, active=True)
    assert rig.outcomes(grant_id) == ["reversed"]
    rig.contact(ENTRY, active=False)
    rig.contact(EXIT, active=False)
    assert len(rig.records(RecordKind.PASSAGE)) == 1
    assert rig.state() is State.SCREENING


def test_someone_allowed_to_leave_turns_nobody_back(rig: Rig) -> None:
    rig.set_free(exit_=True)
    grant_id = rig.admit("p1")
    rig.contact(EXIT, active=True)
    assert rig.state() is State.GRANTED
    rig.contact(ENTRY, active=True)
    rig.contact(EXIT, active=False)
    rig.contact(EXIT, active=True)
    assert rig.state() is State.PASSING
    rig.contact(ENTRY, active=False)
    rig.contact(EXIT, active=False)
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.records(RecordKind.REVERSE) == []
    left = [record for record in rig.records(RecordKind.PASSAGE) if record.detail["direction"] == "exit"]
    assert len(left) == 2


def test_a_slow_passage_is_noted_and_not_hurried(rig: Rig) -> None:
    grant_id = rig.admit("p1")
    rig.contact(ENTRY, active=True)
    rig.advance(rig.settings.passage_time)
    assert rig.state() is State.PASSING
    (warning,) = rig.records(RecordKind.WARNING)
    assert (warning.detail["reason"], warning.grant_id) == ("slow_passage", grant_id)
    rig.advance(5.0)
    rig.contact(ENTRY, active=False)
    assert rig.outcomes(grant_id) == ["completed"]


def test_a_contact_stuck_in_a_passage_completes_it(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.feed(ev.Left)
    rig.contact(ENTRY, active=True)
    rig.advance(rig.settings.pass_stuck)
    assert rig.lane.faults == {FaultKind.PASS_STUCK}
    (fault,) = rig.records(RecordKind.FAULT)
    assert fault.detail == {"fault": "pass_stuck", "direction": "entry", "degraded": True}
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.records(RecordKind.PASSAGE)[0].detail["presumed"] is True
    rig.advance(1.0)
    assert rig.state() is State.LOCKED, "degraded, not out of service"


def test_behind_a_stuck_contact_unlocks_end_by_time(rig: Rig) -> None:
    rig.contact(ENTRY, active=True)
    rig.advance(rig.settings.pass_stuck)
    grant_id = rig.admit()
    rig.advance(rig.settings.passage_wait)
    assert rig.moves() == [fx.Relock(ENTRY)]
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.records(RecordKind.PASSAGE)[0].detail["presumed"] is True
    assert rig.records(RecordKind.WARNING) == []


def test_behind_a_stuck_contact_anti_passback_only_notes(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(anti_passback=600.0).boot()
    rig.contact(ENTRY, active=True)
    rig.advance(rig.settings.pass_stuck)
    rig.admit("p1")
    rig.feed(ev.Left)
    rig.advance(10.0)
    rig.approach()
    rig.assess(someone("p1"))
    assert rig.state() is State.GRANTED
    assert rig.records(RecordKind.GRANT)[-1].detail["noted"] == "anti_passback"


def test_a_contact_that_moves_again_is_trusted_again(rig: Rig) -> None:
    rig.contact(ENTRY, active=True)
    rig.advance(rig.settings.pass_stuck)
    rig.contact(ENTRY, active=False)
    assert rig.moves() == []
    assert rig.lane.faults == frozenset()
    assert rig.journal[-1].kind is RecordKind.FAULT_CLEARED
    grant_id = rig.admit()
    rig.pass_through()
    assert "presumed" not in rig.records(RecordKind.PASSAGE)[-1].detail
    assert rig.outcomes(grant_id) == ["completed"]


def test_a_contact_active_from_the_start_is_stuck(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.feed(ev.Booted)
    rig.contact(ENTRY, active=True)
    rig.feed(ev.SelfTestPassed)
    assert rig.state() is State.LOCKED
    assert rig.lane.faults == {FaultKind.PASS_STUCK}
    assert rig.records(RecordKind.INTRUSION) == []
    assert "stuck_entry" not in rig.timers


def test_a_level_reported_twice_is_no_edge(rig: Rig) -> None:
    rig.admit()
    rig.contact(ENTRY, active=True)
    assert rig.feed(ev.PassContact, direction=ENTRY, active=True) == ()
    assert rig.state() is State.PASSING
    assert rig.lane.illegal_events == 0


def test_entries_through_a_free_lane_are_counted(rig: Rig) -> None:
    rig.set_free(entry=True)
    rig.pass_through(seconds=0.5)
    (record,) = rig.records(RecordKind.PASSAGE)
    assert record.grant_id is None
    assert record.detail == {"direction": "entry", "outcome": "completed", "cause": "free", "passing": 0.5}
    assert rig.records(RecordKind.INTRUSION) == []


def test_a_free_entry_that_sticks_is_counted_once(rig: Rig) -> None:
    rig.set_free(entry=True)
    rig.contact(ENTRY, active=True)
    rig.advance(rig.settings.pass_stuck)
    rig.contact(ENTRY, active=False)
    (record,) = rig.records(RecordKind.PASSAGE)
    assert record.detail["presumed"] is True
