"""A barrier in trouble: arms that are stuck, lifted or broken, contacts, mains, fire, a dead disk, relays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.arm import Arm
from controller.lane.model import Direction, FaultKind
from controller.lane.sensed import Reading, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    from tests.lane.conftest import MakeRig, Rig

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
OFF, ON = Reading.OFF, Reading.ON
LOWER, LIFT = fx.Lower(), fx.Lift()


def test_an_arm_that_does_not_go_up_admits_nobody_until_it_does(barrier: Rig) -> None:
    barrier.drive_up()
    barrier.admit()
    barrier.advance(8.1)
    assert barrier.place() is Arm.STUCK
    assert barrier.lane.faults == {FaultKind.ARM_STUCK}
    barrier.advance(10.0)
    assert barrier.state() is State.FAULT
    barrier.open_once()
    assert barrier.place() is Arm.OPENING
    barrier.arm_goes_up()
    assert barrier.lane.faults == frozenset()


def test_an_arm_that_does_not_get_down_goes_up_and_stays_there(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
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
    barrier.drive_under()
    barrier.drive_off()
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
    barrier.let_car_in()
    barrier.drive_under()
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
    barrier.arm_goes_up()
    assert barrier.lane.faults == {FaultKind.POWER}
    barrier.sense(Sensor.POWER_FAIL, OFF)
    barrier.advance(600.0)
    assert barrier.arm_moves == []
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_mains_lost_half_way_leave_the_arm_there(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
    barrier.advance(1.1)
    barrier.sense(Sensor.ARM_UP, OFF)
    barrier.sense(Sensor.POWER_FAIL, ON)
    barrier.sense(Sensor.POWER_FAIL, OFF)
    barrier.advance(600.0)
    assert (barrier.arm_moves, barrier.place()) == ([LOWER], Arm.UNKNOWN)


def test_an_arm_found_up_at_the_start_is_left_there(make_barrier: MakeRig) -> None:
    rig = make_barrier(up=True)
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
    barrier.arm_goes_up()
    barrier.advance(100.0)
    barrier.feed(ev.FireAlarm, active=False)
    barrier.advance(100.0)
    assert barrier.arm_moves == []
    barrier.feed(ev.ResetEmergency, actor="guard")
    barrier.advance(1.1)
    assert barrier.arm_moves == [LOWER]


def test_a_grant_that_is_not_on_disk_moves_nothing_and_is_no_stuck_arm(barrier: Rig) -> None:
    barrier.drive_up()
    barrier.disk_fails = lambda _: True
    barrier.approach()
    barrier.assess()
    assert barrier.state() is State.DENIED
    assert barrier.place() is Arm.DOWN
    barrier.advance(20.0)
    assert FaultKind.ARM_STUCK not in barrier.lane.faults


def test_a_closing_that_such_a_grant_did_not_stop_is_still_watched(barrier: Rig) -> None:
    barrier.let_car_in()
    barrier.drive_under()
    barrier.drive_off()
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
