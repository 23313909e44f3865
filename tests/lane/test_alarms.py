"""Alarms that the guard acknowledges: no sound any more, and still there until what they are about is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.alarms import CONDITIONS
from controller.lane.model import Direction, FaultKind
from controller.lane.sensed import Reading, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    from tests.lane.conftest import Rig

ENTRY = Direction.ENTRY


def sounds(rig: Rig) -> list[bool]:
    """Of the latest event: for each alarm shown, whether the buzzer goes with it."""
    shown = [effect for effect in rig.last if isinstance(effect, fx.Indicate) and effect.prompt is fx.Prompt.ALARM]
    return [not effect.silent for effect in shown]


def acknowledge(rig: Rig) -> dict[str, object]:
    rig.feed(ev.Acknowledge, actor="guard")
    return dict(rig.records(fx.RecordKind.COMMAND)[-1].detail)


def hold_open(door: Rig) -> None:
    door.admit()
    door.sense(Sensor.DOOR, Reading.ON)
    door.advance(30.0)


def test_an_intrusion_is_silenced_and_the_next_one_sounds(rig: Rig) -> None:
    rig.contact(ENTRY, active=True)
    assert sounds(rig) == [True]
    assert rig.lane.alarms == {"intrusion": False}
    told = acknowledge(rig)
    assert told == {"command": "acknowledge", "actor": "guard", "accepted": True, "alarms": "intrusion"}
    assert sounds(rig) == [False]
    assert rig.shown() == (fx.Prompt.ALARM, "intrusion"), "it is seen for as long as ever"
    assert rig.lane.alarms == {}, "of a moment, and known"
    rig.contact(ENTRY, active=False)
    rig.contact(ENTRY, active=True)
    assert sounds(rig) == [True]
    assert rig.lane.alarms == {"intrusion": False}


def test_an_alarm_that_nobody_acknowledged_stays_on_the_list_after_its_sign(rig: Rig) -> None:
    rig.contact(ENTRY, active=True)
    rig.contact(ENTRY, active=False)
    rig.advance(rig.settings.alarm_show + 60.0)
    assert rig.shown()[0] is not fx.Prompt.ALARM
    assert rig.lane.alarms == {"intrusion": False}
    assert acknowledge(rig)["accepted"]
    assert sounds(rig) == [], "there is nothing to silence"
    assert rig.lane.alarms == {}


def test_a_door_held_open_is_silent_from_then_on_and_told_until_it_shuts(door: Rig) -> None:
    hold_open(door)
    assert sounds(door) == [True]
    acknowledge(door)
    assert sounds(door) == [False]
    for _ in range(3):
        door.advance(30.0)
        assert sounds(door) == [False], "raised again, as ever, and known"
    assert door.lane.alarms == {"door_held_open": True}
    assert FaultKind.DOOR_HELD_OPEN in door.lane.faults
    door.sense(Sensor.DOOR, Reading.OFF)
    assert door.lane.alarms == {}
    assert door.lane.faults == frozenset()
    door.advance(5.0)
    hold_open(door)
    assert sounds(door) == [True], "another time"


def test_two_alarms_are_acknowledged_by_one_word(door: Rig) -> None:
    hold_open(door)
    door.feed(ev.Tamper, active=True)
    assert acknowledge(door)["alarms"] == "door_held_open tamper"
    assert door.lane.alarms == {"door_held_open": True, "tamper": True}
    door.feed(ev.Tamper, active=False)
    assert door.lane.alarms == {"door_held_open": True}


def test_without_an_alarm_there_is_nothing_to_acknowledge(rig: Rig) -> None:
    told = acknowledge(rig)
    assert (told["accepted"], told["refused"]) == (False, "nothing_to_acknowledge")
    assert rig.shown()[0] is fx.Prompt.IDLE
    rig.contact(ENTRY, active=True)
    acknowledge(rig)
    assert not acknowledge(rig)["accepted"]


def test_it_moves_nothing_and_changes_no_state(door: Rig) -> None:
    door.sense(Sensor.DOOR, Reading.ON)
    assert FaultKind.DOOR_FORCED in door.lane.faults
    before = door.state()
    acknowledge(door)
    assert (door.state(), door.moves()) == (before, [])


def test_an_arm_that_is_stuck_stays_on_the_list_until_it_has_moved(barrier: Rig) -> None:
    barrier.open_once()
    barrier.advance(9.0)
    acknowledge(barrier)
    assert barrier.lane.alarms == {"arm_stuck": True}
    barrier.arm_goes_up()
    assert barrier.lane.alarms == {}


def test_each_condition_is_a_fault_that_ends_by_itself(door: Rig) -> None:
    assert FaultKind.RELAY not in set().union(*CONDITIONS.values())
    door.feed(ev.FireAlarm, active=True)
    door.feed(ev.Tamper, active=True)
    assert door.state() is State.EMERGENCY_OPEN
    assert door.lane.alarms == {}, "in a fire the way out stays signed"
