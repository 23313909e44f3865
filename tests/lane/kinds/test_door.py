"""A door: let in and shut behind, let out by the button, forced, held open, bounced, a lock that does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.door import Leaf
from controller.lane.model import Direction, FaultKind
from controller.lane.sensed import Reading, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lane.conftest import MakeRig, Rig

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def go_through(rig: Rig, seconds: float = 2.0) -> None:
    rig.sense(Sensor.DOOR, Reading.ON)
    rig.advance(seconds)
    rig.sense(Sensor.DOOR, Reading.OFF)
    rig.advance(1.0)


def warnings(rig: Rig) -> list[object]:
    return [record.detail["reason"] for record in rig.records(fx.RecordKind.WARNING)]


# In


def test_somebody_let_in_opens_and_the_lock_waits_for_the_door_to_shut(door: Rig) -> None:
    grant = door.admit()
    door.advance(1.0)
    door.sense(Sensor.DOOR, Reading.ON)
    assert (door.state(), door.place()) == (State.PASSING, Leaf.OPEN)
    assert ENTRY in door.unlocked
    door.advance(2.0)
    door.sense(Sensor.DOOR, Reading.OFF)
    assert ENTRY not in door.unlocked
    assert door.place() is Leaf.SETTLING
    door.advance(0.6)
    assert (door.state(), door.place()) == (State.COMPLETE, Leaf.CLOSED)
    assert door.outcomes(grant) == ["completed"]


def test_relock_on_open_locks_as_the_leaf_leaves_its_frame(make_door: MakeRig) -> None:
    rig = make_door({"relock": "open"})
    grant = rig.admit()
    rig.sense(Sensor.DOOR, Reading.ON)
    assert ENTRY not in rig.unlocked
    rig.sense(Sensor.DOOR, Reading.OFF)
    rig.advance(1.0)
    assert rig.outcomes(grant) == ["completed"]


def test_a_grant_that_nobody_uses_runs_out_and_locks(door: Rig) -> None:
    grant = door.admit()
    door.advance(6.0)
    assert door.outcomes(grant) == ["expired"]
    assert not door.unlocked


def test_a_leaf_that_bounces_off_its_latch_is_one_passage(door: Rig) -> None:
    grant = door.admit()
    door.sense(Sensor.DOOR, Reading.ON)
    door.advance(2.0)
    for level in (Reading.OFF, Reading.ON, Reading.OFF):
        door.sense(Sensor.DOOR, level)
        door.advance(0.2)
    door.advance(1.0)
    assert door.outcomes(grant) == ["completed"]
    assert warnings(door) == ["door_rebound"]
    assert fx.RecordKind.INTRUSION not in door.kinds()
    assert fx.RecordKind.TAILGATE not in door.kinds()


def test_who_pulls_the_door_open_behind_a_granted_one_is_a_tailgater(door: Rig) -> None:
    door.admit()
    go_through(door)
    door.sense(Sensor.DOOR, Reading.ON)
    assert len(door.records(fx.RecordKind.TAILGATE)) == 1
    assert door.place() is Leaf.FORCED


def test_a_grant_while_the_door_stands_open_behind_a_leaver_counts_as_used(
    door: Rig, someone: Callable[..., object]
) -> None:
    door.sense(Sensor.REX, Reading.ON)
    door.sense(Sensor.REX, Reading.OFF)
    door.sense(Sensor.DOOR, Reading.ON)
    grant = door.admit()
    door.advance(1.0)
    door.sense(Sensor.DOOR, Reading.OFF)
    door.advance(1.0)
    assert door.outcomes(grant) == ["completed"]
    ends = [record.detail["direction"] for record in door.records(fx.RecordKind.PASSAGE)]
    assert ends == ["exit", "entry"]


def test_so_does_one_that_runs_out_while_it_stands_open(door: Rig) -> None:
    door.sense(Sensor.REX, Reading.ON)
    door.sense(Sensor.REX, Reading.OFF)
    door.sense(Sensor.DOOR, Reading.ON)
    grant = door.admit()
    door.advance(6.0)
    assert door.outcomes(grant) == ["completed"]
    assert door.records(fx.RecordKind.PASSAGE)[-1].detail["presumed"] is True


# Out


ANYWHERE: list[tuple[type[ev.LaneEvent], dict[str, Any]]] = [
    (ev.Lockdown, {"active": True, "actor": "guard"}),
    (ev.Maintenance, {"active": True, "actor": "guard"}),
    (ev.DeviceLost, {"fault": FaultKind.CAMERA}),
    (ev.RelayMismatch, {"direction": ENTRY}),
    (ev.Tamper, {"active": True}),
]


@pytest.mark.parametrize(("kind", "values"), ANYWHERE, ids=lambda value: getattr(value, "__name__", ""))
def test_the_button_releases_at_once_whatever_stands(door: Rig, kind: type[ev.LaneEvent], values: Any) -> None:
    door.feed(kind, **values)
    effects = door.sense(Sensor.REX, Reading.ON)
    assert effects[0] == fx.Hold(EXIT, on=True)
    door.disk_fails = lambda _: True
    door.sense(Sensor.REX, Reading.OFF)
    assert EXIT in door.held
    go_through(door)
    assert not door.held


def test_the_button_releases_before_the_self_test_is_over(make_rig: MakeRig) -> None:
    rig = make_rig(kind="door")
    rig.feed(ev.Booted)
    rig.sense(Sensor.REX, Reading.ON)
    assert EXIT in rig.held


def test_a_button_found_pressed_at_the_start_moves_no_lock(make_rig: MakeRig) -> None:
    rig = make_rig(kind="door")
    rig.sense(Sensor.REX, Reading.ON, found=True)
    rig.boot()
    assert not rig.held
    rig.advance(31.0)
    assert rig.told_faults() == ["rex_stuck"]
    assert not rig.held


def test_who_leaves_by_the_button_raises_no_alarm(door: Rig) -> None:
    door.sense(Sensor.REX, Reading.ON)
    door.advance(0.3)
    door.sense(Sensor.REX, Reading.OFF)
    door.advance(1.0)
    go_through(door)
    (ended,) = door.records(fx.RecordKind.PASSAGE)
    assert (ended.detail["direction"], ended.detail["cause"]) == ("exit", "egress")
    assert fx.RecordKind.INTRUSION not in door.kinds()
    assert door.lane.faults == frozenset()


def test_a_request_that_is_not_used_runs_out(door: Rig) -> None:
    door.sense(Sensor.REX, Reading.ON)
    door.sense(Sensor.REX, Reading.OFF)
    door.advance(5.1)
    assert not door.held
    door.sense(Sensor.DOOR, Reading.ON)
    assert door.place() is Leaf.FORCED


def test_a_lockdown_takes_back_the_grant_and_not_the_way_out(door: Rig) -> None:
    grant = door.admit()
    door.sense(Sensor.REX, Reading.ON)
    door.feed(ev.Lockdown, active=True, actor="guard")
    assert door.outcomes(grant) == ["revoked"]
    assert (door.unlocked, door.held) == (set(), {EXIT})


def test_relock_on_open_ends_a_request_as_well(make_door: MakeRig) -> None:
    rig = make_door({"relock": "open"})
    rig.sense(Sensor.REX, Reading.ON)
    rig.sense(Sensor.REX, Reading.OFF)
    rig.sense(Sensor.DOOR, Reading.ON)
    assert not rig.held


# Forced, held open


def test_a_door_opened_by_nobody_is_forced(door: Rig) -> None:
    door.sense(Sensor.DOOR, Reading.ON)
    assert door.place() is Leaf.FORCED
    assert door.shown() == (fx.Prompt.ALARM, "intrusion")
    assert door.told_faults() == ["door_forced"]
    door.sense(Sensor.DOOR, Reading.OFF)
    door.advance(1.0)
    assert door.told_faults(fx.RecordKind.FAULT_CLEARED) == ["door_forced"]
    assert door.place() is Leaf.CLOSED
    assert fx.RecordKind.PASSAGE not in door.kinds()


@pytest.mark.parametrize("order", ["free", "fire", "key", "maintenance"])
def test_an_order_that_opens_makes_no_forced_door(door: Rig, order: str) -> None:
    if order == "free":
        door.set_free(entry=True)
    elif order == "fire":
        door.feed(ev.FireAlarm, active=True)
    elif order == "key":
        door.feed(ev.MechanicalKey, active=True)
    else:
        door.feed(ev.Maintenance, active=True, actor="guard")
    door.sense(Sensor.DOOR, Reading.ON)
    assert door.place() is Leaf.OPEN
    door.advance(100.0)
    assert door.place() is Leaf.OPEN
    assert FaultKind.DOOR_HELD_OPEN not in door.lane.faults


def test_a_door_held_open_asks_first_and_alarms_then_and_again(door: Rig) -> None:
    door.admit()
    door.sense(Sensor.DOOR, Reading.ON)
    door.advance(20.1)
    assert (door.place(), door.shown()) == (Leaf.OPEN_LONG, (fx.Prompt.CLOSE_DOOR, "door_open_long"))
    assert warnings(door) == ["door_open_long"]
    door.advance(10.1)
    assert (door.place(), door.shown()) == (Leaf.HELD_OPEN, (fx.Prompt.ALARM, "door_held_open"))
    door.advance(10.0)
    assert door.shown()[0] is not fx.Prompt.ALARM
    door.advance(20.1)
    assert door.shown() == (fx.Prompt.ALARM, "door_held_open")
    door.sense(Sensor.DOOR, Reading.OFF)
    assert door.told_faults(fx.RecordKind.FAULT_CLEARED) == ["door_held_open"]


def test_a_door_found_open_at_the_start_is_not_forced(make_rig: MakeRig) -> None:
    rig = make_rig(kind="door")
    rig.sense(Sensor.DOOR, Reading.ON, found=True)
    rig.boot()
    assert rig.place() is Leaf.OPEN
    rig.advance(31.0)
    assert rig.lane.faults == {FaultKind.DOOR_HELD_OPEN}


def test_a_lost_contact_reads_as_an_open_door(door: Rig) -> None:
    door.sense(Sensor.DOOR, Reading.LOST)
    assert door.place() is Leaf.FORCED


# What breaks


@pytest.mark.parametrize(("policy", "held"), [("release", {EXIT}), ("lock", set())])
def test_a_stuck_button(make_door: MakeRig, policy: str, held: set[Direction]) -> None:
    rig = make_door({"on_rex_stuck": policy})
    rig.sense(Sensor.REX, Reading.ON)
    rig.advance(29.0)
    assert rig.held == {EXIT}
    rig.advance(2.0)
    assert rig.lane.faults == {FaultKind.REX_STUCK}
    assert rig.held == held
    # Who opens it from inside leaves: nobody can tell otherwise, and no siren rings all day.
    go_through(rig)
    assert fx.RecordKind.INTRUSION not in rig.kinds()
    assert rig.held == held
    rig.sense(Sensor.REX, Reading.OFF)
    rig.advance(6.0)
    assert (rig.lane.faults, rig.held) == (frozenset(), set())


def test_a_lock_that_does_not_hold_is_reported_and_one_that_does_ends_it(door: Rig) -> None:
    door.sense(Sensor.SECURE, Reading.ON, found=True)
    door.admit()
    door.sense(Sensor.SECURE, Reading.OFF)
    go_through(door)
    assert not door.lane.faults
    door.advance(3.0)
    assert door.lane.faults == {FaultKind.LOCK_NOT_SECURE}
    door.sense(Sensor.SECURE, Reading.ON)
    assert not door.lane.faults


def test_a_lock_need_not_hold_while_it_is_released(door: Rig) -> None:
    door.sense(Sensor.SECURE, Reading.ON, found=True)
    door.set_free(entry=True)
    door.sense(Sensor.SECURE, Reading.OFF)
    door.advance(60.0)
    assert not door.lane.faults
    door.set_free()
    door.advance(3.1)
    assert door.lane.faults == {FaultKind.LOCK_NOT_SECURE}


def test_fire_releases_and_stays_so_until_its_reset(door: Rig) -> None:
    door.feed(ev.FireAlarm, active=True)
    assert door.held == {ENTRY, EXIT}
    go_through(door)
    assert door.held == {ENTRY, EXIT}
    door.feed(ev.FireAlarm, active=False)
    assert door.held == {ENTRY, EXIT}
    door.feed(ev.ResetEmergency, actor="guard")
    assert not door.held


def test_a_grant_that_is_not_on_disk_opens_nothing(door: Rig) -> None:
    door.disk_fails = lambda _: True
    door.approach()
    door.assess()
    assert door.state() is State.DENIED
    assert not door.unlocked


def test_grants_that_no_door_ever_opens_for_point_to_a_broken_contact(door: Rig) -> None:
    for _ in range(5):
        door.open_once()
        door.advance(10.0)
    assert warnings(door) == ["pass_never_seen"]


def test_a_turnstiles_contact_is_no_event_of_a_door(door: Rig) -> None:
    door.feed(ev.Home, ready=False)
    assert door.lane.illegal_events == 1


def test_a_doors_contact_is_no_event_of_a_turnstile(rig: Rig) -> None:
    rig.sense(Sensor.DOOR, Reading.ON)
    assert (rig.lane.illegal_events, rig.place()) == (1, None)


def test_a_lock_whose_relay_does_not_obey_admits_nobody_and_lets_everybody_out(door: Rig) -> None:
    door.feed(ev.RelayMismatch, direction=ENTRY, cause="welded")
    assert door.state() is State.FAULT
    (record,) = door.records(fx.RecordKind.FAULT)
    assert (record.detail["fault"], record.detail["cause"]) == ("relay", "lock_relay_welded")
    door.sense(Sensor.REX, Reading.ON)
    assert EXIT in door.held
