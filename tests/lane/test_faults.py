"""Devices that fail, relays that don't obey, a barrier that isn't home, and a journal that can't be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction, FaultKind, LaneSettings
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

    Someone = Callable[..., Assessment]

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
DEVICES = [FaultKind.SENSOR_THERMAL, FaultKind.CAMERA]


def only(*kinds: RecordKind) -> Callable[[fx.Append], bool]:
    return lambda record: record.kind in kinds


@pytest.mark.parametrize("fault", DEVICES)
def test_without_a_sensor_nobody_is_admitted(rig: Rig, someone: Someone, fault: FaultKind) -> None:
    rig.approach()
    rig.feed(ev.DeviceLost, fault=fault)
    assert rig.state() is State.FAULT
    assert rig.lane.faults == {fault}
    assert rig.shown() == (Prompt.OUT_OF_SERVICE, "lane_fault")
    assert rig.moves() == []
    rig.assess(someone("p1"))
    assert rig.records(RecordKind.DENY)[0].detail["reason"] == "lane_fault"
    assert rig.records(RecordKind.FAULT)[0].detail == {"fault": fault.value}


def test_a_device_that_returns_moves_no_relay(rig: Rig) -> None:
    rig.feed(ev.DeviceLost, fault=FaultKind.CAMERA)
    rig.approach()
    rig.feed(ev.DeviceBack, fault=FaultKind.CAMERA)
    assert rig.moves() == []
    assert rig.state() is State.SCREENING
    assert fx.Reassess(0.0) in rig.last
    assert rig.records(RecordKind.FAULT_CLEARED)[0].detail == {"fault": "camera"}


def test_one_device_that_returns_does_not_stand_for_both(rig: Rig) -> None:
    for fault in DEVICES:
        rig.feed(ev.DeviceLost, fault=fault)
    rig.feed(ev.DeviceBack, fault=FaultKind.CAMERA)
    assert rig.state() is State.FAULT
    rig.feed(ev.DeviceBack, fault=FaultKind.SENSOR_THERMAL)
    assert rig.state() is State.LOCKED


def test_a_device_reported_twice_is_recorded_once(rig: Rig) -> None:
    rig.feed(ev.DeviceLost, fault=FaultKind.CAMERA)
    assert rig.feed(ev.DeviceLost, fault=FaultKind.CAMERA) == ()
    rig.feed(ev.DeviceBack, fault=FaultKind.CAMERA)
    assert rig.feed(ev.DeviceBack, fault=FaultKind.CAMERA) == ()


@pytest.mark.parametrize("passing", [False, True])
def test_whoever_is_granted_may_pass_though_a_sensor_fails(rig: Rig, passing: bool) -> None:  # noqa: FBT001
    grant_id = rig.admit()
    if passing:
        rig.contact(ENTRY, active=True)
    rig.feed(ev.DeviceLost, fault=FaultKind.SENSOR_THERMAL)
    if not passing:
        rig.contact(ENTRY, active=True)
    rig.contact(ENTRY, active=False)
    assert rig.state() is State.FAULT
    assert rig.outcomes(grant_id) == ["completed"]


def test_the_guard_may_let_people_in_while_a_sensor_is_broken(rig: Rig) -> None:
    rig.feed(ev.DeviceLost, fault=FaultKind.SENSOR_THERMAL)
    grant_id = rig.open_once()
    assert rig.state() is State.GRANTED
    rig.pass_through()
    assert rig.state() is State.FAULT
    assert rig.outcomes(grant_id) == ["completed"]
    rig.set_free(entry=True)
    assert rig.state() is State.FREE_ENTRY


def test_a_welded_relay_takes_the_entry_out_of_service_until_a_reset(rig: Rig) -> None:
    rig.feed(ev.RelayMismatch, direction=ENTRY)
    assert rig.state() is State.FAULT
    assert rig.last[0] == fx.BlockEntry(on=True)
    rig.open_once()
    assert rig.records(RecordKind.COMMAND)[-1].detail["refused"] == "fault"
    rig.feed(ev.DeviceBack, fault=FaultKind.RELAY)
    assert rig.is_stopped()
    rig.feed(ev.ResetEmergency, actor="technician")
    assert rig.records(RecordKind.COMMAND)[-1].detail["refused"] == "relay_disobeys"
    assert rig.is_stopped(), "the cause stands"
    rig.feed(ev.RelayMismatch, direction=ENTRY, stands=False)
    assert rig.state() is State.FAULT, "a contact that stuck once may stick again"
    rig.feed(ev.ResetEmergency, actor="technician")
    assert rig.state() is State.LOCKED
    assert not rig.is_stopped()
    assert rig.records(RecordKind.FAULT_CLEARED)[0].detail == {"fault": "relay", "actor": "technician"}
    rig.feed(ev.RelayMismatch, direction=EXIT, cause="dead")
    assert rig.is_stopped()
    assert rig.records(RecordKind.FAULT)[-1].detail == {"fault": "relay", "cause": "exit_relay_dead"}


@pytest.mark.parametrize("first", Direction)
def test_of_two_relays_that_disobey_both_have_to_obey_before_a_reset(rig: Rig, first: Direction) -> None:
    for direction in Direction:
        rig.feed(ev.RelayMismatch, direction=direction, cause="welded")
    rig.feed(ev.RelayMismatch, direction=first, stands=False)
    rig.feed(ev.ResetEmergency, actor="technician")
    assert rig.is_stopped()
    for direction in Direction:
        rig.feed(ev.RelayMismatch, direction=direction, stands=False)
    rig.feed(ev.ResetEmergency, actor="technician")
    assert not rig.is_stopped()


def test_the_emergency_may_be_reset_while_a_relay_disobeys_and_its_fault_stays(rig: Rig) -> None:
    rig.feed(ev.FireAlarm, active=True)
    rig.feed(ev.RelayMismatch, direction=ENTRY, cause="dead")
    assert not rig.is_stopped(), "nothing opposes the way out"
    rig.feed(ev.FireAlarm, active=False)
    rig.feed(ev.ResetEmergency, actor="technician")
    assert rig.state() is State.FAULT
    assert rig.is_stopped()


def test_without_mains_the_lane_works_on_and_everybody_knows(rig: Rig) -> None:
    rig.feed(ev.Mains, present=False)
    assert rig.lane.faults == {FaultKind.MAINS}
    assert rig.records(RecordKind.FAULT)[0].detail == {"fault": "mains", "cause": "on_battery"}
    rig.admit()
    rig.pass_through()
    rig.feed(ev.Mains, present=True)
    assert rig.lane.faults == frozenset()
    assert rig.records(RecordKind.FAULT_CLEARED)[0].detail == {"fault": "mains"}


def test_the_turnstiles_own_sensor_raises_the_alarm(rig: Rig) -> None:
    rig.feed(ev.Intrusion, active=True)
    assert rig.shown() == (Prompt.ALARM, "intrusion")
    assert rig.moves() == []
    rig.feed(ev.Intrusion, active=False)
    (record,) = rig.records(RecordKind.INTRUSION)
    assert record.detail == {"source": "sensor", "state": "locked", "alarm": "intrusion"}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ev.FireAlarm, {"active": True}),
        (ev.MechanicalKey, {"active": True}),
        (ev.Maintenance, {"active": True, "actor": "technician"}),
        (ev.SetFree, {"entry": True, "exit": True, "actor": "guard"}),
    ],
)
def test_the_sensor_alarms_nobody_where_the_way_is_free_to_all(
    rig: Rig, kind: type[ev.LaneEvent], values: dict[str, Any]
) -> None:
    rig.feed(kind, **values)
    shown = rig.shown()
    rig.feed(ev.Intrusion, active=True)
    assert rig.shown() == shown
    assert len(rig.records(RecordKind.INTRUSION)) == 1


def test_a_welded_relay_takes_back_a_grant_and_ends_free(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.set_free(entry=True)
    rig.feed(ev.RelayMismatch, direction=ENTRY)
    assert rig.outcomes(grant_id) == ["revoked"]
    assert rig.held == set()
    rig.feed(ev.RelayMismatch, direction=ENTRY, stands=False)
    rig.feed(ev.ResetEmergency, actor="technician")
    assert rig.held == set()


def test_a_relay_that_disobeys_in_an_emergency_is_told_again_to_open(rig: Rig) -> None:
    rig.feed(ev.FireAlarm, active=True)
    rig.feed(ev.RelayMismatch, direction=ENTRY)
    assert rig.moves() == [fx.Hold(ENTRY, on=True), fx.Hold(EXIT, on=True), fx.BlockEntry(on=False)]
    rig.feed(ev.DeviceLost, fault=FaultKind.RELAY)
    assert rig.moves() == []


def test_a_failed_self_test_keeps_the_entry_shut(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.feed(ev.Booted)
    rig.feed(ev.SelfTestFailed, fault=FaultKind.SELF_TEST)
    assert rig.state() is State.FAULT
    assert rig.moves() == []
    rig.open_once()
    assert rig.state() is State.FAULT
    rig.feed(ev.SelfTestPassed)
    assert rig.state() is State.LOCKED
    assert rig.lane.faults == frozenset()


def test_a_self_test_that_misses_a_sensor_waits_for_it(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.feed(ev.Booted)
    rig.feed(ev.SelfTestFailed, fault=FaultKind.SENSOR_THERMAL)
    rig.feed(ev.SelfTestFailed, fault=FaultKind.CAMERA)
    assert rig.lane.faults == set(DEVICES)
    for fault in DEVICES:
        rig.feed(ev.DeviceBack, fault=fault)
    assert rig.state() is State.LOCKED


def test_a_self_test_result_before_the_start_only_notes_the_fault(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.feed(ev.FireAlarm, active=True)
    rig.feed(ev.SelfTestFailed, fault=FaultKind.CAMERA)
    rig.feed(ev.FireAlarm, active=False)
    rig.feed(ev.ResetEmergency, actor="guard")
    assert rig.state() is State.BOOT
    assert rig.lane.faults == {FaultKind.CAMERA}


def test_a_barrier_that_is_not_home_admits_nobody(rig: Rig) -> None:
    rig.feed(ev.Home, ready=False)
    rig.advance(rig.settings.not_home - 1.0)
    rig.feed(ev.Home, ready=False)
    rig.advance(1.0)
    assert rig.state() is State.FAULT
    assert rig.lane.faults == {FaultKind.NOT_HOME}
    rig.feed(ev.Home, ready=True)
    assert rig.state() is State.LOCKED
    assert rig.moves() == []


def test_a_barrier_that_comes_home_in_time_is_nothing(rig: Rig) -> None:
    rig.feed(ev.Home, ready=False)
    rig.advance(1.0)
    rig.feed(ev.Home, ready=True)
    rig.advance(60.0)
    assert rig.state() is State.LOCKED
    assert rig.records(RecordKind.FAULT) == []
    rig.feed(ev.Home, ready=False)
    rig.advance(rig.settings.not_home)
    assert rig.state() is State.FAULT


def test_contacts_that_cannot_be_read_at_all(rig: Rig) -> None:
    rig.contact(EXIT, active=True)
    rig.advance(rig.settings.pass_stuck)
    rig.feed(ev.DeviceLost, fault=FaultKind.PASS_STUCK)
    assert rig.state() is State.LOCKED
    assert len(rig.records(RecordKind.FAULT)) == 2
    rig.feed(ev.DeviceBack, fault=FaultKind.PASS_STUCK)
    assert rig.lane.faults == frozenset()


# The journal


def test_a_grant_that_does_not_reach_the_disk_opens_nothing(rig: Rig) -> None:
    rig.disk_fails = only(RecordKind.GRANT)
    rig.approach()
    grant_id = rig.assess()
    assert rig.state() is State.DENIED
    assert rig.shown() == (Prompt.DENIED, "journal_failed")
    assert rig.unlocked == set()
    assert rig.outcomes(grant_id) == ["revoked"]
    assert rig.records(RecordKind.DENY)[0].detail == {"reason": "journal_failed"}
    rig.disk_fails = lambda _: False
    rig.advance(rig.settings.deny_show)
    rig.assess()
    assert rig.state() is State.GRANTED


def test_a_dead_disk_ends_in_a_denial_and_not_in_a_loop(rig: Rig) -> None:
    rig.disk_fails = lambda _: True
    rig.approach()
    rig.assess()
    assert rig.state() is State.DENIED
    assert rig.unlocked == set()
    assert len(rig.lost) == 2
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.SCREENING


def test_a_revoked_grant_frees_the_persons_reservation(make_rig: MakeRig) -> None:
    rig = make_rig(anti_passback=60.0).boot()
    rig.disk_fails = only(RecordKind.GRANT)
    rig.approach()
    rig.assess()
    rig.disk_fails = lambda _: False
    rig.advance(rig.settings.deny_show)
    rig.assess()
    assert rig.state() is State.GRANTED


@pytest.mark.parametrize("kind", [RecordKind.COMMAND, RecordKind.GRANT])
@pytest.mark.parametrize("direction", Direction)
def test_an_order_that_does_not_reach_the_disk_opens_nothing(rig: Rig, direction: Direction, kind: RecordKind) -> None:
    rig.disk_fails = only(kind)
    grant_id = rig.open_once(direction)
    assert rig.unlocked == set()
    assert not rig.lane.grants
    assert rig.outcomes(grant_id) == ["revoked"]
    assert rig.timers.keys() <= {"show"}


def test_a_passage_under_way_is_not_undone_by_a_late_failure(rig: Rig) -> None:
    leave, enter = rig.open_once(EXIT), rig.admit()
    rig.contact(EXIT, active=True)
    rig.contact(ENTRY, active=True)
    for grant_id in (leave, enter):
        assert rig.feed(ev.JournalFailed, grant_id=grant_id) == ()
    assert rig.state() is State.PASSING
    rig.contact(ENTRY, active=False)
    rig.contact(EXIT, active=False)
    assert rig.outcomes(leave) == rig.outcomes(enter) == ["completed"]


def test_a_failure_of_some_other_record_takes_back_nothing(rig: Rig) -> None:
    rig.admit()
    assert rig.feed(ev.JournalFailed, grant_id=None) == ()
    assert rig.feed(ev.JournalFailed, grant_id="another") == ()
    assert rig.state() is State.GRANTED


def test_freeing_the_entry_without_a_record_is_taken_back(rig: Rig) -> None:
    rig.disk_fails = only(RecordKind.COMMAND)
    rig.set_free(entry=True, exit_=True)
    assert rig.state() is State.FREE_EXIT
    assert rig.held == {EXIT}, "the way out doesn't wait for the disk"


def test_lifting_a_lockdown_without_a_record_is_taken_back(rig: Rig) -> None:
    rig.feed(ev.Lockdown, active=True, actor="campus")
    rig.disk_fails = lambda _: True
    rig.feed(ev.Lockdown, active=False, actor="campus")
    assert rig.state() is State.LOCKDOWN
    assert rig.is_stopped()


def test_a_reset_without_a_record_is_taken_back(rig: Rig) -> None:
    rig.feed(ev.RelayMismatch, direction=ENTRY)
    rig.feed(ev.RelayMismatch, direction=ENTRY, stands=False)
    rig.disk_fails = lambda _: True
    rig.feed(ev.ResetEmergency, actor="technician")
    assert rig.lane.faults == {FaultKind.RELAY}
    assert rig.is_stopped()


def test_a_lockdown_without_a_record_stands(rig: Rig) -> None:
    rig.disk_fails = lambda _: True
    rig.feed(ev.Lockdown, active=True, actor="campus")
    assert rig.state() is State.LOCKDOWN
    assert rig.is_stopped()


def test_an_order_is_taken_back_only_right_after_it(rig: Rig) -> None:
    rig.set_free(entry=True)
    rig.feed(ev.Tamper, active=False)
    rig.feed(ev.JournalFailed, grant_id=None)
    assert rig.state() is State.FREE_ENTRY


def test_a_lost_journal_admits_nobody(rig: Rig) -> None:
    rig.feed(ev.DeviceLost, fault=FaultKind.JOURNAL)
    assert rig.state() is State.FAULT
    rig.feed(ev.DeviceBack, fault=FaultKind.JOURNAL)
    assert rig.state() is State.LOCKED


def test_where_policy_says_so_the_lane_goes_on_without_its_journal(make_rig: MakeRig) -> None:
    rig = make_rig(on_journal_failure_deny=False).boot()
    rig.disk_fails = lambda _: True
    rig.admit()
    assert rig.unlocked == {ENTRY}
    grant_id = rig.lane.grant and rig.lane.grant.grant_id
    rig.feed(ev.JournalFailed, grant_id=grant_id)
    assert rig.state() is State.GRANTED
    assert rig.lane.faults == {FaultKind.JOURNAL}
    assert rig.lost[-1].detail == {"fault": "journal", "degraded": True}
    assert rig.feed(ev.JournalFailed, grant_id=grant_id) == ()
    rig.pass_through()
    rig.feed(ev.Left)
    rig.advance(5.0)
    assert rig.state() is State.LOCKED
    rig.disk_fails = lambda _: False
    rig.feed(ev.DeviceBack, fault=FaultKind.JOURNAL)
    assert rig.lane.faults == frozenset()


def test_settings_are_those_of_the_field() -> None:
    settings = LaneSettings()
    assert 0.1 <= settings.unlock_pulse <= 1.0
    assert settings.failed_attempts <= 5
    assert settings.pass_stuck == settings.not_home == 30.0
