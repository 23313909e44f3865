"""The lane's states, and the triggers that its table is written in: an event's kind, direction, level or timer."""

from __future__ import annotations

import enum
from typing import assert_never

from controller.lane import events as ev
from controller.lane.model import Direction


class State(enum.Enum):
    """Where the lane stands. The value is the stable name in records."""

    BOOT = "boot"
    SELFTEST = "selftest"
    LOCKED = "locked"
    SCREENING = "screening"
    GRANTED = "granted"
    PASSING = "passing"
    COMPLETE = "complete"
    DENIED = "denied"
    GRANT_EXPIRED = "grant_expired"
    LANE_OCCUPIED = "lane_occupied"
    FREE_ENTRY = "free_entry"
    FREE_EXIT = "free_exit"
    FREE_BOTH = "free_both"
    LOCKDOWN = "lockdown"
    EMERGENCY_OPEN = "emergency_open"
    KEY_OVERRIDE = "key_override"
    MAINTENANCE = "maintenance"
    FAULT = "fault"


CYCLE = frozenset(
    {
        State.SCREENING,
        State.GRANTED,
        State.PASSING,
        State.COMPLETE,
        State.DENIED,
        State.GRANT_EXPIRED,
        State.LANE_OCCUPIED,
    }
)
"""States of one person's visit. All others are standing: they last until an order, an input or a fault ends them."""

IDLE = frozenset({State.LOCKED, State.FREE_EXIT})
"""Standing states in which a visit can begin."""


class Timer(enum.Enum):
    """The lane's timers; the value is `ArmTimer.name`."""

    SCREENING = "screening"
    SHOW = "show"
    GRANT = "grant"
    PASSING = "passing"
    EXIT_GRANT = "exit_grant"
    STUCK_ENTRY = "stuck_entry"
    STUCK_EXIT = "stuck_exit"
    NOT_HOME = "not_home"
    ALARM = "alarm"


class Trigger(enum.Enum):
    """The columns of the table."""

    BOOTED = "Booted"
    SELFTEST_PASSED = "SelfTestPassed"
    SELFTEST_FAILED = "SelfTestFailed"
    APPROACHED = "Approached"
    LEFT = "Left"
    ASSESSED = "Assessed"
    PRESENTED = "Presented"
    ENTRY_BEGINS = "PassContact(entry, on)"
    ENTRY_ENDS = "PassContact(entry, off)"
    EXIT_BEGINS = "PassContact(exit, on)"
    EXIT_ENDS = "PassContact(exit, off)"
    HOME = "Home"
    FIRE = "FireAlarm"
    KEY = "MechanicalKey"
    TAMPER = "Tamper"
    MAINS = "Mains"
    INTRUSION = "Intrusion"
    SCREENING_OVER = "TimerFired(screening)"
    SHOW_OVER = "TimerFired(show)"
    GRANT_OVER = "TimerFired(grant)"
    PASSING_OVER = "TimerFired(passing)"
    EXIT_GRANT_OVER = "TimerFired(exit_grant)"
    STUCK_ENTRY = "TimerFired(stuck_entry)"
    STUCK_EXIT = "TimerFired(stuck_exit)"
    NOT_HOME = "TimerFired(not_home)"
    ALARM_OVER = "TimerFired(alarm)"
    JOURNAL_FAILED = "JournalFailed"
    DEVICE_LOST = "DeviceLost"
    DEVICE_BACK = "DeviceBack"
    SELF_TESTED = "SelfTested"
    RELAY_MISMATCH = "RelayMismatch"
    OPEN_ENTRY = "OpenOnce(entry)"
    OPEN_EXIT = "OpenOnce(exit)"
    SET_FREE = "SetFree"
    LOCKDOWN = "Lockdown"
    MAINTENANCE = "Maintenance"
    RESET = "ResetEmergency"
    ACKNOWLEDGE = "Acknowledge"
    OTHER_SHUT = "OtherLaneShut"


_TIMER_TRIGGERS: dict[str, Trigger] = {
    Timer.SCREENING.value: Trigger.SCREENING_OVER,
    Timer.SHOW.value: Trigger.SHOW_OVER,
    Timer.GRANT.value: Trigger.GRANT_OVER,
    Timer.PASSING.value: Trigger.PASSING_OVER,
    Timer.EXIT_GRANT.value: Trigger.EXIT_GRANT_OVER,
    Timer.STUCK_ENTRY.value: Trigger.STUCK_ENTRY,
    Timer.STUCK_EXIT.value: Trigger.STUCK_EXIT,
    Timer.NOT_HOME.value: Trigger.NOT_HOME,
    Timer.ALARM.value: Trigger.ALARM_OVER,
}


def trigger_of(event: ev.LaneEvent) -> Trigger:  # noqa: C901, PLR0912 - one branch an event is the table
    """Name the table's column for an event. Raises `KeyError` for a timer that is none of the lane's."""
    match event:
        case ev.Booted():
            return Trigger.BOOTED
        case ev.SelfTestPassed():
            return Trigger.SELFTEST_PASSED
        case ev.SelfTestFailed():
            return Trigger.SELFTEST_FAILED
        case ev.Approached():
            return Trigger.APPROACHED
        case ev.Left():
            return Trigger.LEFT
        case ev.Assessed():
            return Trigger.ASSESSED
        case ev.Presented():
            return Trigger.PRESENTED
        case ev.PassContact(direction=Direction.ENTRY, active=active):
            return Trigger.ENTRY_BEGINS if active else Trigger.ENTRY_ENDS
        case ev.PassContact(active=active):
            return Trigger.EXIT_BEGINS if active else Trigger.EXIT_ENDS
        case ev.Home():
            return Trigger.HOME
        case ev.FireAlarm():
            return Trigger.FIRE
        case ev.MechanicalKey():
            return Trigger.KEY
        case ev.Tamper():
            return Trigger.TAMPER
        case ev.Mains():
            return Trigger.MAINS
        case ev.Intrusion():
            return Trigger.INTRUSION
        case ev.TimerFired(name=name):
            return _TIMER_TRIGGERS[name]
        case ev.JournalFailed():
            return Trigger.JOURNAL_FAILED
        case ev.DeviceLost():
            return Trigger.DEVICE_LOST
        case ev.DeviceBack():
            return Trigger.DEVICE_BACK
        case ev.SelfTested():
            return Trigger.SELF_TESTED
        case ev.RelayMismatch():
            return Trigger.RELAY_MISMATCH
        case ev.OpenOnce(direction=direction):
            return Trigger.OPEN_ENTRY if direction is Direction.ENTRY else Trigger.OPEN_EXIT
        case ev.SetFree():
            return Trigger.SET_FREE
        case ev.Lockdown():
            return Trigger.LOCKDOWN
        case ev.Maintenance():
            return Trigger.MAINTENANCE
        case ev.ResetEmergency():
            return Trigger.RESET
        case ev.Acknowledge():
            return Trigger.ACKNOWLEDGE
        case ev.OtherLaneShut():
            return Trigger.OTHER_SHUT
        case _:
            assert_never(event)
