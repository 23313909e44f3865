"""What the contacts of doors and barriers tell the lane: one kind of event, a sensor and its reading."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from controller.lane.events import Event, LaneEvent


class Sensor(enum.Enum):
    """A contact, button, loop or beam of a door or a barrier."""

    DOOR = "door"
    """ON: the door is open."""
    REX = "rex"
    """ON: somebody inside asks for the door."""
    SECURE = "secure"
    """ON: the lock says that it holds."""
    LOOP_FRONT = "loop_front"
    """ON: a vehicle stands before the arm, outside."""
    LOOP_ARM = "loop_arm"
    """ON: a vehicle is under the arm."""
    LOOP_EXIT = "loop_exit"
    """ON: a vehicle stands before the arm, inside."""
    PHOTOCELL = "photocell"
    """ON: the beam under the arm is broken."""
    ARM_UP = "arm_up"
    ARM_DOWN = "arm_down"
    POWER_FAIL = "power_fail"
    """ON: the barrier has no mains."""


class Reading(enum.Enum):
    """What a sensor says. LOST is no level: its detector reports a fault, or nobody hears it any more."""

    OFF = "off"
    ON = "on"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed(Event):
    """A sensor changed."""

    sensor: Sensor
    reading: Reading
    found: bool = False
    """Not a change but what was found at the start: nobody asks for anything by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerRefused(Event):
    """The arm was not let down: its driver saw something under it that the lane has not been told of yet."""


MechanicsEvent = Sensed | LowerRefused
AnyEvent = LaneEvent | MechanicsEvent
"""Every event that any kind of lane takes."""
