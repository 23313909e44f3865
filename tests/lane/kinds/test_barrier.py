"""A barrier: up for a grant, down when all is clear, never on anything; tailgaters, leavers, stuck arms and loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.arm import Arm
from controller.lane.model import CredentialKind, Direction, FaultKind
from controller.lane.sensed import LowerRefused, Reading, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

EXIT = Direction.EXIT
OFF, ON, LOST = Reading.OFF, Reading.ON, Reading.LOST
LOWER, LIFT = fx.Lower(), fx.Lift()


# In and out


def test_a_car_is_let_in_and_the_arm_comes_down_behind_it(barrier: Rig) -> None:
    grant = barrier.let_car_in()
    assert barrier.place() is Arm.UP
    barrier.drive_under()
    assert barrier.state() is State.PASSING
    barrier.advance(3.0)
    barrier.drive_off()
    assert barrier.outcomes(grant) == ["completed"]
    barrier.advance(0.9)
    assert barrier.arm_moves == []
    barrier.advance(0.2)
    assert (barrier.arm_moves, barrier.place()) == ([LOWER], Arm.CLOSING)
    barrier.arm_comes_down()
    assert barrier.place() is Arm.DOWN
    assert barrier.lane.faults == frozenset()


def test_a_grant_nobody_drives_in_by_brings_the_arm_down_again(barrier: Rig) -> None:
    grant = barrier.let_car_in()
    barrier.advance(20.0)
    assert barrier.outcomes(grant) == ["expired"]
    assert barrier.arm_moves == [LOWER]


def test_a_car_that_creeps_under_before_the_arm_is_up_is_no_intruder(barrier: Rig) -> None:
    barrier.drive_up()
    barrier.sense(Sensor.LOOP_ARM, ON)
    grant = barrier.admit()
    assert barrier.place() is Arm.OPENING
    assert barrier.state() is State.GRANTED
    barrier.arm_goes_up()
    assert barrier.state() is State.PASSING
    barrier.sense(Sensor.LOOP_ARM, OFF)
    assert barrier.outcomes(grant) == ["completed"]
    assert fx.RecordKind.INTRUSION not in barrier.kinds()


def test_a_car_inside_opens_the_arm_by_its_loop_in_a_lockdown_too(barrier: Rig) -> None:
    barrier.feed(ev.Lockdown, active=True, actor="guard")
    effects = barrier.sense(Sensor.LOOP_EXIT, ON)
    assert effects[0] == fx.Hold(EXIT, on=True)
    barrier.arm_goes_up()
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
    barrier.arm_goes_up()
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.advance(9.0)
    assert barrier.held == {EXIT}
    barrier.advance(2.1)
    assert (barrier.held, barrier.arm_moves) == (set(), [LOWER])


def test_a_loop_inside_that_is_stuck_does_not_keep_the_arm_up(barrier: Rig) -> None:
    barrier.sense(Sensor.LOOP_EXIT, ON)
    barrier.arm_goes_up()
    barrier.advance(122.0)
    assert barrier.lane.faults == {FaultKind.LOOP_EXIT}
    assert (barrier.held, barrier.arm_moves) == (set(), [LOWER])
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    assert barrier.lane.faults == frozenset()


def test_a_car_that_comes_in_over_the_loop_inside_does_not_ask_to_leave(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.sense(Sensor.LOOP_EXIT, ON)
    barrier.drive_off()
    assert not barrier.held
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]
    barrier.arm_comes_down()
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.advance(20.0)
    assert not barrier.held


def test_one_that_waits_inside_while_another_comes_in_is_let_out_after_it(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.sense(Sensor.LOOP_EXIT, ON)
    barrier.drive_off()
    barrier.advance(10.1)
    assert barrier.held == {EXIT}


def test_a_car_that_stops_under_the_arm_with_its_nose_on_that_loop_does_not_ask_either(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.sense(Sensor.LOOP_EXIT, ON)
    barrier.advance(60.0)
    assert not barrier.held
    barrier.drive_off()
    barrier.sense(Sensor.LOOP_EXIT, OFF)
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_the_guard_lets_a_car_out(barrier: Rig) -> None:
    grant = barrier.open_once(EXIT)
    barrier.arm_goes_up()
    barrier.sense(Sensor.LOOP_ARM, ON)
    barrier.sense(Sensor.LOOP_ARM, OFF)
    assert barrier.outcomes(grant) == ["completed"]


# Never on anything


@pytest.mark.parametrize("sensor", [Sensor.LOOP_ARM, Sensor.PHOTOCELL])
@pytest.mark.parametrize("reading", [ON, LOST])
def test_an_arm_that_comes_down_goes_up_again_before_anything_else(
    barrier: Rig, sensor: Sensor, reading: Reading
) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
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
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
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
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
    barrier.advance(1.1)
    barrier.feed_event(LowerRefused(now=barrier.now))
    assert barrier.place() is Arm.UP
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER, LIFT, LOWER]


@pytest.mark.parametrize("order", [ev.Maintenance, ev.MechanicalKey])
def test_nobody_works_under_an_arm_that_moves(barrier: Rig, order: type[ev.Maintenance | ev.MechanicalKey]) -> None:
    barrier.let_car_in()
    actor = {"actor": "guard"} if order is ev.Maintenance else {}
    barrier.feed(order, active=True, **actor)
    barrier.advance(60.0)
    assert barrier.arm_moves == []


def test_a_car_that_stays_under_the_arm_is_reported_and_never_hit(barrier: Rig) -> None:
    grant = barrier.let_car_in()
    barrier.drive_under()
    barrier.advance(121.0)
    assert barrier.lane.faults == {FaultKind.LOOP, FaultKind.PHOTOCELL}
    assert barrier.outcomes(grant) == ["completed"]
    barrier.advance(1000.0)
    assert barrier.arm_moves == []
    assert fx.RecordKind.INTRUSION not in barrier.kinds()
    barrier.drive_off()
    assert barrier.lane.faults == frozenset()
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


# Cars behind cars


def test_a_car_behind_a_granted_one_is_a_tailgater_and_the_close_was_tried_between(barrier: Rig) -> None:
    grant = barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
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
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
    barrier.sense(Sensor.PHOTOCELL, ON)
    barrier.advance(60.0)
    barrier.sense(Sensor.LOOP_ARM, ON)
    assert len(barrier.records(fx.RecordKind.TAILGATE)) == 1


def test_a_car_under_an_arm_that_was_broken_off_is_an_intruder(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
    barrier.advance(1.1)
    barrier.arm_comes_down()
    barrier.sense(Sensor.ARM_DOWN, OFF)
    assert barrier.place() is Arm.ADRIFT
    barrier.sense(Sensor.LOOP_ARM, ON)
    assert len(barrier.records(fx.RecordKind.INTRUSION)) == 1
    assert barrier.records(fx.RecordKind.TAILGATE) == []


def test_the_next_car_may_be_granted_while_the_arm_comes_down(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
    barrier.advance(1.2)
    barrier.sense(Sensor.ARM_UP, OFF)
    barrier.drive_up()
    grant = barrier.open_once()
    assert barrier.place() is Arm.OPENING
    barrier.sense(Sensor.ARM_UP, ON)
    barrier.drive_under()
    barrier.drive_off()
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


def test_where_no_vehicle_is_needed_or_no_loop_tells_of_one_nobody_is_turned_away(
    make_barrier: MakeRig, make_rig: MakeRig
) -> None:
    make_barrier({"needs_vehicle": False}).admit()
    without = make_rig(kind="barrier").boot()
    without.admit()


@pytest.mark.parametrize("kind", [CredentialKind.CARD, CredentialKind.PLATE])
def test_a_tag_or_a_plate_says_who_drives(make_barrier: MakeRig, kind: CredentialKind) -> None:
    rig = make_barrier(require="face_and_card")
    rig.drive_up()
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
    barrier.drive_up()
    barrier.approach()
    barrier.assess(someone(faces=3))
    (grant,) = barrier.records(fx.RecordKind.GRANT)
    assert grant.detail["passengers_unscreened"] == 2


def test_passengers_may_wait_for_the_guards_word(make_barrier: MakeRig, someone: Callable[..., Assessment]) -> None:
    rig = make_barrier({"passengers": "guard"})
    rig.drive_up()
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
