"""A barrier: up for a grant, down when all is clear, never on anything; tailgaters, leavers, stuck arms and loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.arm import Arm
from controller.lane.kind_settings import BarrierTimes
from controller.lane.model import CredentialKind, Direction, FaultKind
from controller.lane.sensed import LowerRefused, Reading, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
OFF, ON, LOST = Reading.OFF, Reading.ON, Reading.LOST
LOWER, LIFT = fx.Lower(), fx.Lift()


def barrier_of(make_rig: MakeRig, times: dict[str, Any] | None = None, *, up: bool = False, **settings: Any) -> Rig:
    rig = make_rig(kind="barrier", barrier=BarrierTimes(**(times or {})), passage_wait=15.0, **settings)
    for sensor in (Sensor.LOOP_FRONT, Sensor.LOOP_ARM, Sensor.LOOP_EXIT, Sensor.PHOTOCELL, Sensor.POWER_FAIL):
        rig.sense(sensor, OFF, found=True)
    rig.sense(Sensor.ARM_UP, ON if up else OFF, found=True)
    rig.sense(Sensor.ARM_DOWN, OFF if up else ON, found=True)
    return rig.boot()


@pytest.fixture
def barrier(make_rig: MakeRig) -> Rig:
    """A barrier in service, its arm down."""
    return barrier_of(make_rig)


def drive_up(rig: Rig) -> None:
    rig.sense(Sensor.LOOP_FRONT, ON)


def goes_up(rig: Rig) -> None:
    """The arm does what it was told."""
    rig.sense(Sensor.ARM_DOWN, OFF)
    rig.advance(2.0)
    rig.sense(Sensor.ARM_UP, ON)


def comes_down(rig: Rig) -> None:
    rig.sense(Sensor.ARM_UP, OFF)
    rig.advance(2.0)
    rig.sense(Sensor.ARM_DOWN, ON)


def drive_under(rig: Rig) -> None:
    rig.sense(Sensor.LOOP_ARM, ON)
    rig.sense(Sensor.PHOTOCELL, ON)
    rig.sense(Sensor.LOOP_FRONT, OFF)


def drive_off(rig: Rig) -> None:
    rig.sense(Sensor.PHOTOCELL, OFF)
    rig.sense(Sensor.LOOP_ARM, OFF)


def let_in(rig: Rig) -> str:
    drive_up(rig)
    grant = rig.admit()
    goes_up(rig)
    return grant


def faults(rig: Rig, kind: fx.RecordKind = fx.RecordKind.FAULT) -> list[object]:
    return [record.detail["fault"] for record in rig.records(kind)]


# In and out


def test_a_car_is_let_in_and_the_arm_comes_down_behind_it(barrier: Rig) -> None:
    grant = let_in(barrier)
    assert barrier.place() is Arm.UP
    drive_under(barrier)
    assert barrier.state() is State.PASSING
    barrier.advance(3.0)
    drive_off(barrier)
    assert barrier.outcomes(grant) == ["completed"]
    barrier.advance(0.9)
    assert barrier.arm_moves == []
    barrier.advance(0.2)
    assert (barrier.arm_moves, barrier.place()) == ([LOWER], Arm.CLOSING)
    comes_down(barrier)
    assert barrier.place() is Arm.DOWN
    assert barrier.lane.faults == frozenset()


def test_a_grant_nobody_drives_in_by_brings_the_arm_down_again(barrier: Rig) -> None:
    grant = let_in(barrier)
    barrier.advance(20.0)
    assert barrier.outcomes(grant) == ["expired"]
    assert barrier.arm_moves == [LOWER]


def test_a_car_that_creeps_under_before_the_arm_is_up_is_no_intruder(barrier: Rig) -> None:
    drive_up(barrier)
    barrier.sense(Sensor.LOOP_ARM, ON)
    grant = barrier.admit()
    assert barrier.place() is Arm.OPENING
    assert barrier.state() is State.GRANTED
    goes_up(barrier)
    assert barrier.state() is State.PASSING
    barrier.sense(Sensor.LOOP_ARM, OFF)
    assert barrier.outcomes(grant) == ["completed"]
    assert fx.RecordKind.INTRUSION not in barrier.kinds()


def test_a_car_inside_opens_the_arm_by_its_loop_in_a_lockdown_too(barrier: Rig) -> None:
    barrier.feed(ev.Lockdown, active=True, actor="guard")
    effects = barrier.sense(Sensor.LOOP_EXIT, ON)
    assert effects[0] == fx.Hold(EXIT, on=True)
    goes_up(barrier)
    barrier.sense(Sensor.LOOP_ARM, ON)
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.sense(Sensor.LOOP_ARM, OFF)
    (ended,) = barrier.records(fx.RecordKind.PASSAGE)
    assert (ended.detail["direction"], ended.detail["cause"]) == ("exit", "egress")
    assert not barrier.held
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_a_car_inside_that_rolls_back_lets_the_arm_down_in_time(barrier: Rig) -> None:
    barrier.sense(Sensor.LOOP_EXIT, ON)
    goes_up(barrier)
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.advance(9.0)
    assert barrier.held == {EXIT}
    barrier.advance(2.1)
    assert (barrier.held, barrier.arm_moves) == (set(), [LOWER])


def test_a_loop_inside_that_is_stuck_does_not_keep_the_arm_up(barrier: Rig) -> None:
    barrier.sense(Sensor.LOOP_EXIT, ON)
    goes_up(barrier)
    barrier.advance(122.0)
    assert barrier.lane.faults == {FaultKind.LOOP_EXIT}
    assert (barrier.held, barrier.arm_moves) == (set(), [LOWER])
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    assert barrier.lane.faults == frozenset()


def test_a_car_that_comes_in_over_the_loop_inside_does_not_ask_to_leave(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    barrier.sense(Sensor.LOOP_EXIT, ON)
    drive_off(barrier)
    assert not barrier.held
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]
    comes_down(barrier)
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.advance(20.0)
    assert not barrier.held


def test_one_that_waits_inside_while_another_comes_in_is_let_out_after_it(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    barrier.sense(Sensor.LOOP_EXIT, ON)
    drive_off(barrier)
    barrier.advance(10.1)
    assert barrier.held == {EXIT}


def test_a_car_that_stops_under_the_arm_with_its_nose_on_that_loop_does_not_ask_either(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    barrier.sense(Sensor.LOOP_EXIT, ON)
    barrier.advance(60.0)
    assert not barrier.held
    drive_off(barrier)
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_the_guard_lets_a_car_out(barrier: Rig) -> None:
    grant = barrier.open_once(EXIT)
    goes_up(barrier)
    barrier.sense(Sensor.LOOP_ARM, ON)
    barrier.sense(Sensor.LOOP_ARM, OFF)
    assert barrier.outcomes(grant) == ["completed"]


# Never on anything


@pytest.mark.parametrize("sensor", [Sensor.LOOP_ARM, Sensor.PHOTOCELL])
@pytest.mark.parametrize("reading", [ON, LOST])
def test_an_arm_that_comes_down_goes_up_again_before_anything_else(
    barrier: Rig, sensor: Sensor, reading: Reading
) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    barrier.sense(Sensor.ARM_UP, OFF)
    assert barrier.place() is Arm.CLOSING
    barrier.disk_fails = lambda _: True
    effects = barrier.sense(sensor, reading)
    assert effects[0] == LIFT
    assert barrier.place() is Arm.OPENING


@pytest.mark.parametrize("sensor", [Sensor.LOOP_ARM, Sensor.PHOTOCELL])
@pytest.mark.parametrize("reading", [ON, LOST])
def test_nothing_is_closed_on_a_reading_that_does_not_say_clear(barrier: Rig, sensor: Sensor, reading: Reading) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(0.5)
    barrier.sense(sensor, reading)
    barrier.advance(60.0)
    assert barrier.arm_moves == []
    barrier.sense(sensor, OFF)
    barrier.advance(0.9)
    assert barrier.arm_moves == []
    barrier.advance(0.2)
    assert barrier.arm_moves == [LOWER]


def test_sensors_that_never_said_anything_say_not_that_it_is_clear(make_rig: MakeRig) -> None:
    rig = make_rig(kind="barrier").boot()
    rig.sense(Sensor.ARM_UP, ON)
    rig.open_once()
    rig.advance(60.0)
    assert rig.arm_moves == []


def test_a_refused_lowering_is_tried_again_later(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    barrier.feed_event(LowerRefused(now=barrier.now))
    assert barrier.place() is Arm.UP
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER, LIFT, LOWER]


@pytest.mark.parametrize("order", [ev.Maintenance, ev.MechanicalKey])
def test_nobody_works_under_an_arm_that_moves(barrier: Rig, order: type[ev.Maintenance | ev.MechanicalKey]) -> None:
    let_in(barrier)
    actor = {"actor": "guard"} if order is ev.Maintenance else {}
    barrier.feed(order, active=True, **actor)
    barrier.advance(60.0)
    assert barrier.arm_moves == []


def test_a_car_that_stays_under_the_arm_is_reported_and_never_hit(barrier: Rig) -> None:
    grant = let_in(barrier)
    drive_under(barrier)
    barrier.advance(121.0)
    assert barrier.lane.faults == {FaultKind.LOOP, FaultKind.PHOTOCELL}
    assert barrier.outcomes(grant) == ["completed"]
    barrier.advance(1000.0)
    assert barrier.arm_moves == []
    assert fx.RecordKind.INTRUSION not in barrier.kinds()
    drive_off(barrier)
    assert barrier.lane.faults == frozenset()
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


# Cars behind cars


def test_a_car_behind_a_granted_one_is_a_tailgater_and_the_close_was_tried_between(barrier: Rig) -> None:
    grant = let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.5)
    barrier.sense(Sensor.ARM_UP, OFF)
    effects = barrier.sense(Sensor.LOOP_ARM, ON)
    assert effects[0] == LIFT
    (record,) = barrier.records(fx.RecordKind.TAILGATE)
    assert record.grant_id == grant
    assert barrier.shown() == (fx.Prompt.ALARM, "tailgate")
    barrier.advance(1.0)
    barrier.sense(Sensor.ARM_UP, ON)
    barrier.sense(Sensor.LOOP_ARM, OFF)
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER, LIFT, LOWER]
    assert fx.RecordKind.INTRUSION not in barrier.kinds()


def test_a_tailgater_may_be_slow_as_long_as_the_arm_is_not_down(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.sense(Sensor.PHOTOCELL, ON)
    barrier.advance(60.0)
    barrier.sense(Sensor.LOOP_ARM, ON)
    assert len(barrier.records(fx.RecordKind.TAILGATE)) == 1


def test_a_car_under_an_arm_that_was_broken_off_is_an_intruder(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    comes_down(barrier)
    barrier.sense(Sensor.ARM_DOWN, OFF)
    assert barrier.place() is Arm.ADRIFT
    barrier.sense(Sensor.LOOP_ARM, ON)
    assert len(barrier.records(fx.RecordKind.INTRUSION)) == 1
    assert barrier.records(fx.RecordKind.TAILGATE) == []


def test_the_next_car_may_be_granted_while_the_arm_comes_down(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.2)
    barrier.sense(Sensor.ARM_UP, OFF)
    drive_up(barrier)
    grant = barrier.open_once()
    assert barrier.place() is Arm.OPENING
    barrier.sense(Sensor.ARM_UP, ON)
    drive_under(barrier)
    drive_off(barrier)
    assert barrier.outcomes(grant) == ["completed"]
    assert barrier.records(fx.RecordKind.TAILGATE) == []


# Who is in the car


def test_somebody_on_foot_is_not_let_in(barrier: Rig) -> None:
    barrier.approach()
    barrier.assess()
    assert barrier.shown() == (fx.Prompt.DENIED, "no_vehicle")
    barrier.advance(10.0)
    barrier.present("p1")
    assert barrier.shown() == (fx.Prompt.DENIED, "no_vehicle")


def test_where_no_vehicle_is_needed_or_no_loop_tells_of_one_nobody_is_turned_away(make_rig: MakeRig) -> None:
    barrier_of(make_rig, {"needs_vehicle": False}).admit()
    without = make_rig(kind="barrier").boot()
    without.admit()


@pytest.mark.parametrize("kind", [CredentialKind.CARD, CredentialKind.PLATE])
def test_a_tag_or_a_plate_says_who_drives(make_rig: MakeRig, kind: CredentialKind) -> None:
    rig = barrier_of(make_rig, require="face_and_card")
    drive_up(rig)
    rig.approach()
    rig.present("p7", kind)
    assert rig.state() is State.SCREENING
    rig.assess()
    assert rig.shown() == (fx.Prompt.DENIED, "face_mismatch")
    rig.advance(3.0)
    rig.present("p1", kind)
    rig.assess()
    assert rig.state() is State.GRANTED
    assert rig.records(fx.RecordKind.GRANT)[0].detail["credential"] == kind.value


def test_passengers_are_noted_as_not_screened(barrier: Rig, someone: Callable[..., Assessment]) -> None:
    drive_up(barrier)
    barrier.approach()
    barrier.assess(someone(faces=3))
    (grant,) = barrier.records(fx.RecordKind.GRANT)
    assert grant.detail["passengers_unscreened"] == 2


def test_passengers_may_wait_for_the_guards_word(make_rig: MakeRig, someone: Callable[..., Assessment]) -> None:
    rig = barrier_of(make_rig, {"passengers": "guard"})
    drive_up(rig)
    rig.approach()
    rig.assess(someone(faces=2))
    assert rig.shown() == (fx.Prompt.ASK_GUARD, "passengers")
    rig.open_once()
    (grant,) = rig.records(fx.RecordKind.GRANT)
    assert (grant.person, grant.detail["actor"]) == ("p1", "guard")


def test_a_turnstile_still_lets_in_one_at_a_time(rig: Rig, someone: Callable[..., Assessment]) -> None:
    rig.approach()
    rig.assess(someone(faces=2))
    assert rig.state() is State.LANE_OCCUPIED
    rig.advance(5.0)
    rig.assess()
    assert "passengers_unscreened" not in rig.records(fx.RecordKind.GRANT)[0].detail


# What breaks


def test_an_arm_that_does_not_go_up_admits_nobody_until_it_does(barrier: Rig) -> None:
    drive_up(barrier)
    barrier.admit()
    barrier.advance(8.1)
    assert barrier.place() is Arm.STUCK
    assert barrier.lane.faults == {FaultKind.ARM_STUCK}
    barrier.advance(10.0)
    assert barrier.state() is State.FAULT
    barrier.open_once()
    assert barrier.place() is Arm.OPENING
    goes_up(barrier)
    assert barrier.lane.faults == frozenset()


def test_an_arm_that_does_not_get_down_goes_up_and_stays_there(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    barrier.sense(Sensor.ARM_UP, OFF)
    barrier.advance(8.1)
    assert barrier.arm_moves == [LOWER, LIFT]
    barrier.sense(Sensor.ARM_UP, ON)
    barrier.advance(100.0)
    assert barrier.arm_moves == [LOWER, LIFT]
    assert barrier.lane.faults == {FaultKind.ARM_STUCK}
    # The guard's word tries the way down once more.
    barrier.open_once()
    assert barrier.lane.faults == frozenset()
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER, LIFT, LOWER]


def test_an_arm_lifted_by_hand_is_an_alarm(barrier: Rig) -> None:
    barrier.sense(Sensor.ARM_DOWN, OFF)
    assert barrier.shown() == (fx.Prompt.ALARM, "arm_moved")
    assert barrier.lane.faults == {FaultKind.ARM_MOVED}
    barrier.sense(Sensor.ARM_DOWN, ON)
    assert barrier.lane.faults == frozenset()
    assert barrier.arm_moves == []


def test_an_arm_that_sinks_on_a_car_is_sent_up(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    effects = barrier.sense(Sensor.ARM_UP, OFF)
    assert effects[0] == LIFT
    assert barrier.lane.faults == {FaultKind.ARM_MOVED}


def test_contacts_that_contradict_each_other_move_nothing(barrier: Rig) -> None:
    barrier.sense(Sensor.ARM_UP, ON)
    assert (barrier.place(), barrier.lane.faults) == (Arm.UNKNOWN, frozenset({FaultKind.ARM_CONTACTS}))
    barrier.open_once()
    barrier.advance(60.0)
    assert barrier.arm_moves == []
    barrier.sense(Sensor.ARM_UP, OFF)
    assert (barrier.place(), FaultKind.ARM_CONTACTS in barrier.lane.faults) == (Arm.DOWN, False)


def test_an_arm_that_rose_without_mains_stays_up_until_the_next_passage(barrier: Rig) -> None:
    barrier.sense(Sensor.POWER_FAIL, ON)
    assert barrier.state() is State.FAULT
    goes_up(barrier)
    assert barrier.lane.faults == {FaultKind.POWER}
    barrier.sense(Sensor.POWER_FAIL, OFF)
    barrier.advance(600.0)
    assert barrier.arm_moves == []
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_mains_lost_half_way_leave_the_arm_there(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.1)
    barrier.sense(Sensor.ARM_UP, OFF)
    barrier.sense(Sensor.POWER_FAIL, ON)
    barrier.sense(Sensor.POWER_FAIL, OFF)
    barrier.advance(600.0)
    assert (barrier.arm_moves, barrier.place()) == ([LOWER], Arm.UNKNOWN)


def test_an_arm_found_up_at_the_start_is_left_there(make_rig: MakeRig) -> None:
    rig = barrier_of(make_rig, up=True)
    assert rig.place() is Arm.UP
    rig.advance(600.0)
    rig.feed(ev.DeviceLost, fault=FaultKind.CAMERA)
    rig.feed(ev.DeviceBack, fault=FaultKind.CAMERA)
    rig.advance(600.0)
    assert rig.arm_moves == []


def test_a_car_found_under_an_open_arm_at_the_start_is_no_intruder(make_rig: MakeRig) -> None:
    rig = make_rig(kind="barrier")
    rig.sense(Sensor.ARM_UP, ON, found=True)
    rig.sense(Sensor.LOOP_ARM, ON, found=True)
    rig.sense(Sensor.PHOTOCELL, OFF, found=True)
    rig.boot()
    rig.advance(1.0)
    assert fx.RecordKind.INTRUSION not in rig.kinds()
    rig.sense(Sensor.LOOP_ARM, OFF)
    rig.sense(Sensor.LOOP_ARM, ON)
    assert fx.RecordKind.INTRUSION in rig.kinds()


def test_fire_raises_the_arm_and_keeps_it_up(barrier: Rig) -> None:
    barrier.feed(ev.FireAlarm, active=True)
    assert barrier.held == {ENTRY, EXIT}
    goes_up(barrier)
    barrier.advance(100.0)
    barrier.feed(ev.FireAlarm, active=False)
    barrier.advance(100.0)
    assert barrier.arm_moves == []
    barrier.feed(ev.ResetEmergency, actor="guard")
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_a_grant_that_is_not_on_disk_moves_nothing_and_is_no_stuck_arm(barrier: Rig) -> None:
    drive_up(barrier)
    barrier.disk_fails = lambda _: True
    barrier.approach()
    barrier.assess()
    assert barrier.state() is State.DENIED
    assert barrier.place() is Arm.DOWN
    barrier.advance(20.0)
    assert FaultKind.ARM_STUCK not in barrier.lane.faults


def test_a_closing_that_such_a_grant_did_not_stop_is_still_watched(barrier: Rig) -> None:
    let_in(barrier)
    drive_under(barrier)
    drive_off(barrier)
    barrier.advance(1.2)
    barrier.sense(Sensor.ARM_UP, OFF)
    barrier.disk_fails = lambda _: True
    barrier.open_once()
    assert barrier.place() is Arm.CLOSING
    barrier.advance(8.1)
    assert barrier.arm_moves[-1] == LIFT


@pytest.mark.parametrize(("side", "cause"), [(ENTRY, "open_relay_dead"), (EXIT, "close_relay_dead")])
def test_a_relay_that_does_not_obey_is_named_by_its_line(barrier: Rig, side: Direction, cause: str) -> None:
    barrier.feed(ev.RelayMismatch, direction=side, cause="dead")
    assert barrier.records(fx.RecordKind.FAULT)[0].detail["cause"] == cause
    assert barrier.state() is State.FAULT
