"""Alarms that the guard acknowledges: no sound any more, and still there until what they are about is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.alarms import CONDITIONS
from controller.lane.model import Direction, FaultKind
from controller.lane.sensed import Reading, Sensor
from controller.lane.table import State
from controller.record.alarms import standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lane.conftest import MakeRig, Rig

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


def test_the_record_that_tells_of_it_says_what_is_new_on_the_list(rig: Rig, door: Rig) -> None:
    for _ in range(2):
        rig.contact(ENTRY, active=True)
        rig.contact(ENTRY, active=False)
    assert [record.detail.get("alarm") for record in rig.records(fx.RecordKind.INTRUSION)] == ["intrusion", None]
    hold_open(door)
    assert [one.detail["alarm"] for one in door.journal if "alarm" in one.detail] == ["door_held_open"]
    acknowledge(door)
    door.advance(120.0)
    assert door.lane.alarms == {"door_held_open": True}, "raised again, and known"
    assert sum("alarm" in one.detail for one in door.journal) == 1


def waiting(rig: Rig) -> tuple[str, ...]:
    return tuple(sorted(reason for reason, known in rig.lane.alarms.items() if not known))


def on_disk(rig: Rig) -> tuple[str, ...]:
    """What a restart would find, whenever the program were killed now."""
    written = [(one.kind.value, msgspec.json.encode(one.detail).decode()) for one in reversed(rig.journal)]
    return standing(written)


@pytest.mark.parametrize("kind", ["turnstile", "door", "barrier"])
@given(
    steps=st.lists(
        st.sampled_from(
            ["in", "out", "tamper", "shut", "sensor", "acknowledge", "wait", "long", "open", "close", "fire"]
        ),
        max_size=25,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_journal_knows_the_list_at_every_moment(
    make_rig: MakeRig, make_door: MakeRig, make_barrier: MakeRig, kind: str, steps: list[str]
) -> None:
    one = {"turnstile": lambda: make_rig().boot(), "door": make_door, "barrier": make_barrier}[kind]()
    sensor = {"door": Sensor.DOOR, "barrier": Sensor.PHOTOCELL}.get(kind)
    deeds: dict[str, Callable[[], object]] = {
        "in": lambda: one.contact(ENTRY, active=True),
        "out": lambda: one.contact(ENTRY, active=False),
        "tamper": lambda: one.feed(ev.Tamper, active=True),
        "shut": lambda: one.feed(ev.Tamper, active=False),
        "sensor": lambda: one.feed(ev.Intrusion, active=True),
        "acknowledge": lambda: one.feed(ev.Acknowledge, actor="guard"),
        "wait": lambda: one.advance(3.0),
        "long": lambda: one.advance(60.0),
        "open": lambda: None if sensor is None else one.sense(sensor, Reading.ON),
        "close": lambda: None if sensor is None else one.sense(sensor, Reading.OFF),
        "fire": lambda: one.feed(ev.FireAlarm, active=True),
    }
    for step in steps:
        deeds[step]()
        assert on_disk(one) == waiting(one)


@pytest.mark.parametrize("passes", [True, False])
def test_after_a_restart_it_is_shown_and_sounds_again_until_it_is_acknowledged(
    make_rig: MakeRig, *, passes: bool
) -> None:
    one = make_rig()
    one.feed(ev.Booted, alarms=("intrusion", "tamper"))
    assert waiting(one) == ("intrusion", "tamper")
    assert sounds(one) == [], "not before the lane has come up"
    if passes:
        one.feed(ev.SelfTestPassed)
    else:
        one.feed(ev.SelfTestFailed, fault=FaultKind.CAMERA)
    assert sounds(one) == [True]
    assert one.shown() == (fx.Prompt.ALARM, "intrusion")
    assert not any("alarm" in record.detail for record in one.journal), "the journal has it already"
    one.advance(one.settings.alarm_show)
    assert one.shown()[0] is not fx.Prompt.ALARM
    assert acknowledge(one)["alarms"] == "intrusion tamper"
    assert one.lane.alarms == {}
