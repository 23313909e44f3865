"""Fire, the key, and orders from the guard or the campus."""

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


def fire(rig: Rig, *, active: bool = True) -> None:
    rig.feed(ev.FireAlarm, active=active)


def key(rig: Rig, *, active: bool = True) -> None:
    rig.feed(ev.MechanicalKey, active=active)


def lock_down(rig: Rig, *, active: bool = True) -> None:
    rig.feed(ev.Lockdown, active=active, actor="campus")


def maintain(rig: Rig, *, active: bool = True) -> None:
    rig.feed(ev.Maintenance, active=active, actor="technician")


def reset(rig: Rig) -> None:
    rig.feed(ev.ResetEmergency, actor="fire officer")


def refusal(rig: Rig) -> object:
    return rig.records(RecordKind.COMMAND)[-1].detail.get("refused")


# Fire


def test_fire_opens_both_ways_before_anything_is_written(rig: Rig) -> None:
    lock_down(rig)
    fire(rig)
    assert rig.last[:3] == (fx.Hold(ENTRY, on=True), fx.Hold(EXIT, on=True), fx.BlockEntry(on=False))
    assert len(rig.moves()) == 3
    assert rig.state() is State.EMERGENCY_OPEN
    assert rig.shown() == (Prompt.EMERGENCY, None)
    assert RecordKind.EMERGENCY in rig.kinds()


def test_fire_opens_with_a_dead_disk(rig: Rig) -> None:
    rig.disk_fails = lambda _: True
    fire(rig)
    assert rig.held == {ENTRY, EXIT}
    assert rig.shown() == (Prompt.EMERGENCY, None)


def test_the_opening_is_latched_until_someone_resets_it(rig: Rig) -> None:
    fire(rig)
    reset(rig)
    assert refusal(rig) == "fire_line"
    fire(rig, active=False)
    rig.advance(3600.0)
    assert rig.state() is State.EMERGENCY_OPEN
    assert rig.held == {ENTRY, EXIT}
    reset(rig)
    assert rig.state() is State.LOCKED
    assert rig.moves() == [fx.Hold(ENTRY, on=False), fx.Hold(EXIT, on=False)]
    order = rig.records(RecordKind.COMMAND)[-1]
    assert (order.detail["actor"], order.detail["accepted"]) == ("fire officer", True)


def test_a_fire_alarm_repeated_opens_again_and_is_recorded_once(rig: Rig) -> None:
    fire(rig)
    fire(rig)
    assert rig.moves() == [fx.Hold(ENTRY, on=True), fx.Hold(EXIT, on=True), fx.BlockEntry(on=False)]
    assert len(rig.records(RecordKind.EMERGENCY)) == 1


def test_a_fire_line_reported_quiet_is_nothing(rig: Rig) -> None:
    assert rig.feed(ev.FireAlarm, active=False) == ()


@pytest.mark.parametrize("passing", [False, True])
def test_fire_ends_a_grant_without_locking_anyone_in(rig: Rig, passing: bool) -> None:  # noqa: FBT001
    grant_id = rig.admit("p1")
    if passing:
        rig.contact(ENTRY, active=True)
    fire(rig)
    assert not any(isinstance(effect, fx.Relock) for effect in rig.last)
    assert rig.outcomes(grant_id) == ["revoked"]
    assert rig.records(RecordKind.PASSAGE)[-1].detail["cause"] == "emergency_open"
    if passing:
        rig.contact(ENTRY, active=False)
        assert rig.records(RecordKind.PASSAGE)[-1].detail["cause"] == "emergency"


def test_people_who_pass_in_an_emergency_are_counted(rig: Rig) -> None:
    fire(rig)
    rig.pass_through(EXIT)
    rig.pass_through(ENTRY)
    assert [record.detail["cause"] for record in rig.records(RecordKind.PASSAGE)] == ["emergency", "emergency"]
    assert rig.records(RecordKind.INTRUSION) == []


def test_nothing_outranks_fire(rig: Rig) -> None:
    fire(rig)
    for kind, values in (
        (ev.Tamper, {"active": True}),
        (ev.MechanicalKey, {"active": True}),
        (ev.Lockdown, {"active": True, "actor": "campus"}),
        (ev.Maintenance, {"active": True, "actor": "technician"}),
        (ev.SetFree, {"entry": False, "exit": False, "actor": "guard"}),
        (ev.RelayMismatch, {"direction": Direction.ENTRY}),
        (ev.DeviceLost, {"fault": FaultKind.SENSOR_THERMAL}),
    ):
        rig.feed(kind, **values)
        assert rig.state() is State.EMERGENCY_OPEN
        assert rig.shown() == (Prompt.EMERGENCY, None)
    rig.open_once()
    assert refusal(rig) == "emergency_open"


def test_what_was_ordered_meanwhile_holds_after_the_reset(rig: Rig) -> None:
    fire(rig)
    lock_down(rig)
    fire(rig, active=False)
    reset(rig)
    assert rig.state() is State.LOCKDOWN
    assert rig.is_stopped()


def test_free_does_not_outlive_an_emergency(rig: Rig) -> None:
    rig.set_free(entry=True, exit_=True)
    fire(rig)
    fire(rig, active=False)
    reset(rig)
    assert rig.state() is State.LOCKED
    assert rig.held == set()


def test_fire_before_the_program_has_begun(make_rig: MakeRig) -> None:
    rig = make_rig()
    fire(rig)
    assert rig.held == {ENTRY, EXIT}
    rig.boot()
    rig.feed(ev.Booted)
    assert rig.state() is State.EMERGENCY_OPEN
    fire(rig, active=False)
    reset(rig)
    assert rig.state() is State.LOCKED


def test_an_emergency_reset_in_mid_start_goes_on_with_it(make_rig: MakeRig) -> None:
    rig = make_rig()
    fire(rig)
    rig.feed(ev.SelfTestPassed)
    fire(rig, active=False)
    reset(rig)
    assert rig.state() is State.BOOT
    rig.feed(ev.Booted)
    assert rig.state() is State.SELFTEST


def test_a_reset_without_a_cause_is_refused(rig: Rig) -> None:
    reset(rig)
    assert refusal(rig) == "nothing_to_reset"
    assert rig.moves() == []


# The guard's key


def test_the_key_gives_the_lane_to_the_guard(rig: Rig) -> None:
    rig.approach()
    key(rig)
    assert rig.state() is State.KEY_OVERRIDE
    assert rig.moves() == []
    rig.pass_through(ENTRY)
    assert rig.records(RecordKind.PASSAGE)[-1].detail["cause"] == "mechanical_key"
    assert rig.records(RecordKind.INTRUSION) == []
    key(rig, active=False)
    assert rig.state() is State.SCREENING
    switches = [record.detail["active"] for record in rig.records(RecordKind.COMMAND)]
    assert switches == [True, False]


def test_the_key_outranks_a_lockdown(rig: Rig) -> None:
    lock_down(rig)
    key(rig)
    assert rig.state() is State.KEY_OVERRIDE
    assert not rig.is_stopped()
    key(rig, active=False)
    assert rig.state() is State.LOCKDOWN
    assert rig.is_stopped()


def test_the_key_needs_no_disk(rig: Rig) -> None:
    lock_down(rig)
    rig.disk_fails = lambda _: True
    key(rig)
    assert rig.state() is State.KEY_OVERRIDE
    assert not rig.is_stopped()


def test_the_key_takes_back_a_grant_but_not_a_passage(rig: Rig) -> None:
    first = rig.admit()
    key(rig)
    assert rig.outcomes(first) == ["revoked"]
    assert rig.unlocked == set()
    key(rig, active=False)
    second = rig.assess()
    rig.contact(ENTRY, active=True)
    key(rig)
    assert rig.state() is State.PASSING
    rig.contact(ENTRY, active=False)
    assert rig.state() is State.KEY_OVERRIDE
    assert rig.outcomes(second) == ["completed"]


def test_a_key_reported_twice_is_recorded_once(rig: Rig) -> None:
    key(rig)
    assert rig.feed(ev.MechanicalKey, active=True) == ()


def test_the_key_works_before_the_program_does(make_rig: MakeRig) -> None:
    rig = make_rig()
    key(rig)
    rig.boot()
    assert rig.state() is State.KEY_OVERRIDE
    key(rig, active=False)
    assert rig.state() is State.LOCKED


# Lockdown and maintenance


def test_a_lockdown_stops_the_entry_at_once(rig: Rig, someone: Someone) -> None:
    rig.approach()
    lock_down(rig)
    assert rig.state() is State.LOCKDOWN
    assert rig.last[0] == fx.BlockEntry(on=True)
    assert rig.shown() == (Prompt.DENIED, "lockdown")
    rig.assess(someone("p1"))
    (record,) = rig.records(RecordKind.DENY)
    assert (record.person, record.detail["reason"]) == ("p1", "lockdown")
    rig.open_once()
    assert refusal(rig) == "lockdown"
    rig.contact(ENTRY, active=True)
    assert len(rig.records(RecordKind.INTRUSION)) == 1


def test_a_lockdown_takes_back_a_grant(rig: Rig) -> None:
    grant_id = rig.admit()
    lock_down(rig)
    assert rig.state() is State.LOCKDOWN
    assert rig.moves() == [fx.Relock(ENTRY), fx.BlockEntry(on=True)]
    assert rig.outcomes(grant_id) == ["revoked"]


def test_a_lockdown_never_stops_the_arms_on_a_person(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.contact(ENTRY, active=True)
    lock_down(rig)
    assert rig.state() is State.PASSING
    assert not rig.is_stopped()
    rig.contact(ENTRY, active=False)
    assert rig.state() is State.LOCKDOWN
    assert rig.is_stopped()
    assert rig.outcomes(grant_id) == ["completed"]


def test_lifting_a_lockdown_serves_who_waits(rig: Rig) -> None:
    lock_down(rig)
    rig.approach()
    lock_down(rig, active=False)
    assert rig.state() is State.SCREENING
    assert not rig.is_stopped()
    kinds = [type(effect) for effect in rig.last]
    assert kinds.index(fx.Append) < kinds.index(fx.BlockEntry)


def test_lifting_a_lockdown_swings_nothing_open(rig: Rig) -> None:
    rig.set_free(entry=True, exit_=True)
    lock_down(rig)
    assert rig.held == {EXIT}
    lock_down(rig, active=False)
    assert rig.state() is State.FREE_EXIT
    assert rig.held == {EXIT}


def test_maintenance_refuses_everyone_and_needs_no_siren(rig: Rig, someone: Someone) -> None:
    maintain(rig)
    assert rig.shown() == (Prompt.OUT_OF_SERVICE, "maintenance")
    rig.approach()
    rig.assess(someone("p1"))
    assert rig.records(RecordKind.DENY)[0].detail["reason"] == "maintenance"
    rig.pass_through()
    rig.feed(ev.Tamper, active=True)
    assert {RecordKind.INTRUSION, RecordKind.TAMPER} <= set(rig.kinds())
    assert rig.shown()[0] is Prompt.OUT_OF_SERVICE
    maintain(rig, active=False)
    assert rig.state() is State.SCREENING


def test_maintenance_waits_for_a_grant_to_end(rig: Rig) -> None:
    grant_id = rig.admit()
    maintain(rig)
    assert rig.state() is State.GRANTED
    rig.advance(rig.settings.passage_wait)
    assert rig.state() is State.MAINTENANCE
    assert rig.outcomes(grant_id) == ["expired"]


def test_a_housing_that_is_opened_raises_the_alarm(rig: Rig) -> None:
    rig.feed(ev.Tamper, active=True)
    assert rig.shown() == (Prompt.ALARM, "tamper")
    rig.advance(rig.settings.alarm_show)
    rig.feed(ev.Tamper, active=False)
    assert rig.shown() == (Prompt.IDLE, None)
    assert [record.detail["active"] for record in rig.records(RecordKind.TAMPER)] == [True, False]


@pytest.mark.parametrize(("kind", "command"), [(ev.Lockdown, "lockdown"), (ev.Maintenance, "maintenance")])
def test_standing_orders_are_recorded_with_who_gave_them(
    rig: Rig, kind: type[ev.Lockdown | ev.Maintenance], command: str
) -> None:
    for active in (True, False):
        rig.feed(kind, active=active, actor="campus")
        order = rig.records(RecordKind.COMMAND)[-1]
        assert order.detail == {"command": command, "actor": "campus", "active": active, "accepted": True}


def test_changes_of_what_stands_are_recorded_and_visits_are_not(rig: Rig) -> None:
    rig.admit()
    rig.feed(ev.Left)
    rig.pass_through()
    rig.advance(2.0)
    lock_down(rig)
    lock_down(rig, active=False)
    steps = [(record.detail["from"], record.detail["to"]) for record in rig.records(RecordKind.STATE)]
    assert steps == [("boot", "selftest"), ("selftest", "locked"), ("locked", "lockdown"), ("lockdown", "locked")]
