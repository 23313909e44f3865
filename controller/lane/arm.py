"""The names of a barrier's arm: its places, timers and triggers, and which trigger an event is."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from controller.lane.events import TimerFired
from controller.lane.sensed import LowerRefused, Reading, Sensed, Sensor

if TYPE_CHECKING:
    from controller.lane.sensed import AnyEvent


class Arm(enum.Enum):
    """Where the arm is. The value is its stable name."""

    UNKNOWN = "unknown"
    """Nothing was heard of it, or its contacts contradict each other."""
    DOWN = "down"
    OPENING = "opening"
    UP = "up"
    CLOSING = "closing"
    STUCK = "stuck"
    """It did not arrive."""
    ADRIFT = "adrift"
    """It moved, and nobody had sent it."""


class ArmTimer(enum.Enum):
    """The arm's timers; the value is `effects.ArmTimer.name`."""

    CLEAR = "arm_clear"
    TRAVEL = "arm_travel"
    OCCUPIED = "arm_occupied"
    EXIT_OVER = "exit_over"


class ArmTrigger(enum.Enum):
    """The columns of the arm's table."""

    UP_REACHED = "Sensed(arm_up, on)"
    UP_LEFT = "Sensed(arm_up, off)"
    DOWN_REACHED = "Sensed(arm_down, on)"
    DOWN_LEFT = "Sensed(arm_down, off)"
    BLOCKED = "Sensed(loop_arm/photocell, on/lost)"
    CLEARED = "Sensed(loop_arm/photocell, off)"
    FRONT = "Sensed(loop_front)"
    ASKED = "Sensed(loop_exit, on)"
    ASKED_OVER = "Sensed(loop_exit, off)"
    POWER_LOST = "Sensed(power_fail, on)"
    POWER_BACK = "Sensed(power_fail, off)"
    REFUSED = "LowerRefused"
    CLEAR = "TimerFired(arm_clear)"
    TRAVEL_OVER = "TimerFired(arm_travel)"
    OCCUPIED_LONG = "TimerFired(arm_occupied)"
    EXIT_OVER = "TimerFired(exit_over)"


SAFETY = (Sensor.LOOP_ARM, Sensor.PHOTOCELL)
"""What must say that nothing is under the arm."""
_TIMED = {
    ArmTimer.CLEAR.value: ArmTrigger.CLEAR,
    ArmTimer.TRAVEL.value: ArmTrigger.TRAVEL_OVER,
    ArmTimer.OCCUPIED.value: ArmTrigger.OCCUPIED_LONG,
    ArmTimer.EXIT_OVER.value: ArmTrigger.EXIT_OVER,
}
_SENSED = {
    Sensor.ARM_UP: (ArmTrigger.UP_REACHED, ArmTrigger.UP_LEFT),
    Sensor.ARM_DOWN: (ArmTrigger.DOWN_REACHED, ArmTrigger.DOWN_LEFT),
    Sensor.LOOP_FRONT: (ArmTrigger.FRONT, ArmTrigger.FRONT),
    Sensor.LOOP_EXIT: (ArmTrigger.ASKED, ArmTrigger.ASKED_OVER),
    Sensor.POWER_FAIL: (ArmTrigger.POWER_LOST, ArmTrigger.POWER_BACK),
}


def trigger_of(event: AnyEvent) -> ArmTrigger | None:
    """The arm's column for an event; None where it is none of the arm's."""
    match event:
        case Sensed(sensor=sensor, reading=reading) if sensor in SAFETY:
            return ArmTrigger.CLEARED if reading is Reading.OFF else ArmTrigger.BLOCKED
        case Sensed(sensor=sensor, reading=reading) if sensor in _SENSED:
            return _SENSED[sensor][reading is not Reading.ON]
        case LowerRefused():
            return ArmTrigger.REFUSED
        case TimerFired(name=name):
            return _TIMED.get(name)
        case _:
            return None
