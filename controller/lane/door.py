"""A door: what its leaf is, what its contacts and timers make of it, and how that becomes a passage.

The lock itself is held by grants and facts, as a turnstile's is. Free egress always wins: a request to exit releases
the lock at once, before any record and in every state, and an opening during one is somebody who leaves, never a
forced door.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from controller.lane import egress, passage
from controller.lane.effects import Prompt, RecordKind
from controller.lane.events import TimerFired
from controller.lane.facts import Phase
from controller.lane.mechanics import Mechanics, begin_passage, end_passages, end_request, visit_with
from controller.lane.model import Direction, FaultKind
from controller.lane.orders import clear_faults, raise_fault
from controller.lane.sensed import Reading, Sensed, Sensor
from controller.lane.states import State, Trigger
from controller.lane.table import IGNORE, ILLEGAL, LEADS_TO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.lane.core import Core
    from controller.lane.events import PassContact
    from controller.lane.sensed import AnyEvent
    from controller.lane.table import Cell, Handler


class Leaf(enum.Enum):
    """Where the leaf is, and whether it may be. The value is its stable name."""

    CLOSED = "closed"
    SETTLING = "settling"
    """Shut just now: it may bounce off its latch."""
    OPEN = "open"
    OPEN_LONG = "open_long"
    """It asks to be shut."""
    HELD_OPEN = "held_open"
    FORCED = "forced"


OPENED = frozenset({Leaf.OPEN, Leaf.OPEN_LONG, Leaf.HELD_OPEN, Leaf.FORCED})


class LeafTimer(enum.Enum):
    """The leaf's timers; the value is `ArmTimer.name`."""

    SETTLED = "door_settled"
    OPEN_LONG = "door_open_long"
    REX_OVER = "rex_over"
    REX_STUCK = "rex_stuck"
    INSECURE = "lock_insecure"


class LeafTrigger(enum.Enum):
    """The columns of the leaf's table."""

    OPENS = "Sensed(door, on)"
    SHUTS = "Sensed(door, off)"
    ASKED = "Sensed(rex, on)"
    ASKED_OVER = "Sensed(rex, off)"
    SECURE = "Sensed(secure, on)"
    INSECURE = "Sensed(secure, off)"
    SETTLED = "TimerFired(door_settled)"
    OPEN_LONG = "TimerFired(door_open_long)"
    REX_OVER = "TimerFired(rex_over)"
    REX_STUCK = "TimerFired(rex_stuck)"
    STILL_INSECURE = "TimerFired(lock_insecure)"


_SENSED = {
    # What is lost reads as what calls for a look: an open door, no lock; but nobody's wish to leave.
    (Sensor.DOOR, True): LeafTrigger.OPENS,
    (Sensor.DOOR, False): LeafTrigger.SHUTS,
    (Sensor.REX, True): LeafTrigger.ASKED,
    (Sensor.REX, False): LeafTrigger.ASKED_OVER,
    (Sensor.SECURE, True): LeafTrigger.SECURE,
    (Sensor.SECURE, False): LeafTrigger.INSECURE,
}
_TIMED = {
    LeafTimer.SETTLED.value: LeafTrigger.SETTLED,
    LeafTimer.OPEN_LONG.value: LeafTrigger.OPEN_LONG,
    LeafTimer.REX_OVER.value: LeafTrigger.REX_OVER,
    LeafTimer.REX_STUCK.value: LeafTrigger.REX_STUCK,
    LeafTimer.INSECURE.value: LeafTrigger.STILL_INSECURE,
}


def trigger_of(event: AnyEvent) -> LeafTrigger | None:
    """The leaf's column for an event; None where it is none of the leaf's."""
    match event:
        case Sensed(sensor=sensor, reading=reading):
            on = reading is Reading.ON or (reading is Reading.LOST and sensor is Sensor.DOOR)
            return _SENSED.get((sensor, on))
        case TimerFired(name=name):
            return _TIMED.get(name)
        case _:
            return None


# The leaf


def opens(core: Core, _event: Sensed) -> None:
    """Tell somebody let in, somebody who leaves and somebody who forces the door."""
    core.cancel(LeafTimer.INSECURE)
    if core.facts.phase is not Phase.READY:
        _stand_open(core)
        return
    # Behind an outstanding grant it is its holder who opens, whoever else pressed the button.
    leaving = Direction.ENTRY not in core.grants and (egress.is_expected(core) or _asks(core))
    begin_passage(core, VISIT, Direction.EXIT if leaving else Direction.ENTRY)
    in_order = leaving or core.state is State.PASSING or Direction.ENTRY in core.open_passages
    if not in_order and core.state is not State.MAINTENANCE:
        core.go(Leaf.FORCED)
        raise_fault(core, FaultKind.DOOR_FORCED)
        return
    _stand_open(core)
    if leaving and core.settings.door.relock == "open":
        _stop_asking(core)


def bounces(core: Core, _event: Sensed) -> None:
    """Go on with the passage that had seemed over: the leaf has bounced off its latch."""
    core.cancel(LeafTimer.SETTLED)
    core.record(RecordKind.WARNING, {"reason": "door_rebound"})
    _stand_open(core)


def shuts(core: Core, _event: Sensed) -> None:
    """Lock behind whoever passed; they are through when the leaf stays shut."""
    core.cancel(LeafTimer.OPEN_LONG)
    if core.state is State.PASSING:
        core.relock(Direction.ENTRY)
    _stop_asking(core)
    clear_faults(core, frozenset({FaultKind.DOOR_FORCED, FaultKind.DOOR_HELD_OPEN}), {})
    core.go(Leaf.SETTLING)
    core.arm(LeafTimer.SETTLED, core.settings.door.rebound)


def settles(core: Core, _event: TimerFired) -> None:
    """End the passage: the door is shut."""
    end_passages(core, VISIT)
    if core.state is State.GRANTED and core.grants[Direction.ENTRY].granted_at < core.body.since:
        # Granted while the door stood open behind somebody else: they went in by that.
        core.relock(Direction.ENTRY)
        passage.presume(core)
    core.go(Leaf.CLOSED)


def stands_long(core: Core, _event: TimerFired) -> None:
    """Ask for the door to be shut, unless it may stand open."""
    if _may_stand_open(core):
        _stand_open(core)
        return
    core.go(Leaf.OPEN_LONG)
    core.record(RecordKind.WARNING, {"reason": "door_open_long"})
    core.show(Prompt.CLOSE_DOOR, "door_open_long")
    times = core.settings.door
    core.arm(LeafTimer.OPEN_LONG, times.open_alarm - times.open_warning)


def is_held_open(core: Core, _event: TimerFired) -> None:
    """Raise the alarm on a door that is held open, again and again."""
    if _may_stand_open(core):
        clear_faults(core, frozenset({FaultKind.DOOR_HELD_OPEN}), {})
        _stand_open(core)
        return
    core.go(Leaf.HELD_OPEN)
    raise_fault(core, FaultKind.DOOR_HELD_OPEN)
    core.alarm("door_held_open")
    core.arm(LeafTimer.OPEN_LONG, core.settings.door.open_alarm)


def _stand_open(core: Core) -> None:
    core.go(Leaf.OPEN)
    core.arm(LeafTimer.OPEN_LONG, core.settings.door.open_warning)


def _may_stand_open(core: Core) -> bool:
    facts = core.facts
    return facts.emergency or facts.key or facts.maintenance or bool(facts.free)


# The request to exit


def asks(core: Core, event: Sensed) -> None:
    """Release the lock for whoever wants to leave. A button found pressed at the start is nobody's wish."""
    core.cancel(LeafTimer.REX_OVER)
    core.arm(LeafTimer.REX_STUCK, core.settings.door.rex_stuck)
    if not event.found:
        core.change(asked=True)


def asks_no_more(core: Core, _event: Sensed) -> None:
    """Leave some time to open the door; a button that was stuck is not any more."""
    seconds = core.settings.door.rex_release
    end_request(core, LeafTimer.REX_STUCK, FaultKind.REX_STUCK, LeafTimer.REX_OVER, seconds)


def rex_over(core: Core, _event: TimerFired) -> None:
    """Lock again: nobody left."""
    core.change(asked=False)


def rex_sticks(core: Core, _event: TimerFired) -> None:
    """Call for a look at a button that does not come back. The way out stays free, by the lock or by its handle."""
    raise_fault(core, FaultKind.REX_STUCK)
    core.alarm("rex_stuck")
    if core.settings.door.on_rex_stuck == "lock":
        core.change(asked=False)


def _asks(core: Core) -> bool:
    return core.body.sensed.get(Sensor.REX) is Reading.ON


def _stop_asking(core: Core) -> None:
    """The request has been used; one that is still being made goes on."""
    if core.facts.asked and not _asks(core):
        core.cancel(LeafTimer.REX_OVER)
        core.change(asked=False)


# The lock's own contact


def is_secure(core: Core, _event: Sensed) -> None:
    """Rely on the lock."""
    clear_faults(core, frozenset({FaultKind.LOCK_NOT_SECURE}), {})


def is_insecure(core: Core, _event: TimerFired) -> None:
    """Call for a look at a lock that does not hold."""
    raise_fault(core, FaultKind.LOCK_NOT_SECURE)
    core.alarm("lock_not_secure")


def settle(core: Core) -> None:
    """Watch the lock's contact wherever it ought to hold."""
    watched = core.body.sensed.get(Sensor.SECURE)
    ought = core.body.place is Leaf.CLOSED and core.facts.phase is Phase.READY and not core.grants
    wrong = ought and not core.facts.held and not core.facts.key and watched in (Reading.OFF, Reading.LOST)
    if not wrong:
        core.cancel(LeafTimer.INSECURE)
    elif not core.is_armed(LeafTimer.INSECURE) and FaultKind.LOCK_NOT_SECURE not in core.facts.faults:
        core.arm(LeafTimer.INSECURE, core.settings.door.secure_within)


def stands_open(core: Core) -> bool:
    """Whether the leaf is off its frame, or the lock, which is one for both ways, lets it go."""
    return core.body.place is not Leaf.CLOSED or bool(core.facts.held or core.grants)


# The visit's cells that a door has otherwise


def go_in(core: Core, _event: PassContact) -> None:
    """Follow the granted person in."""
    core.unseen = 0
    if core.settings.door.relock == "open":
        core.relock(Direction.ENTRY)
    core.enter(State.PASSING, Prompt.WAIT)


def expire(core: Core, event: TimerFired) -> None:
    """End a grant that nobody opened the door for; through a door that stands open somebody may have gone."""
    if core.body.place in OPENED:
        core.relock(Direction.ENTRY)
        passage.presume(core)
    else:
        passage.expire(core, event)


L = Leaf
T = LeafTrigger

# fmt: off
LEAF: Mapping[enum.Enum, Mapping[enum.Enum, Cell]] = {
    L.CLOSED: {
        T.OPENS: opens,            T.SHUTS: IGNORE,         T.SETTLED: ILLEGAL,        T.OPEN_LONG: ILLEGAL,
        T.ASKED: asks,             T.ASKED_OVER: asks_no_more, T.REX_OVER: rex_over,   T.REX_STUCK: rex_sticks,
        T.SECURE: is_secure,       T.INSECURE: IGNORE,      T.STILL_INSECURE: is_insecure,
    },
    L.SETTLING: {
        T.OPENS: bounces,          T.SHUTS: IGNORE,         T.SETTLED: settles,        T.OPEN_LONG: ILLEGAL,
        T.ASKED: asks,             T.ASKED_OVER: asks_no_more, T.REX_OVER: rex_over,   T.REX_STUCK: rex_sticks,
        T.SECURE: is_secure,       T.INSECURE: IGNORE,      T.STILL_INSECURE: ILLEGAL,
    },
    L.OPEN: {
        T.OPENS: IGNORE,           T.SHUTS: shuts,          T.SETTLED: ILLEGAL,        T.OPEN_LONG: stands_long,
        T.ASKED: asks,             T.ASKED_OVER: asks_no_more, T.REX_OVER: rex_over,   T.REX_STUCK: rex_sticks,
        T.SECURE: is_secure,       T.INSECURE: IGNORE,      T.STILL_INSECURE: ILLEGAL,
    },
    L.OPEN_LONG: {
        T.OPENS: IGNORE,           T.SHUTS: shuts,          T.SETTLED: ILLEGAL,        T.OPEN_LONG: is_held_open,
        T.ASKED: asks,             T.ASKED_OVER: asks_no_more, T.REX_OVER: rex_over,   T.REX_STUCK: rex_sticks,
        T.SECURE: is_secure,       T.INSECURE: IGNORE,      T.STILL_INSECURE: ILLEGAL,
    },
    L.HELD_OPEN: {
        T.OPENS: IGNORE,           T.SHUTS: shuts,          T.SETTLED: ILLEGAL,        T.OPEN_LONG: is_held_open,
        T.ASKED: asks,             T.ASKED_OVER: asks_no_more, T.REX_OVER: rex_over,   T.REX_STUCK: rex_sticks,
        T.SECURE: is_secure,       T.INSECURE: IGNORE,      T.STILL_INSECURE: ILLEGAL,
    },
    L.FORCED: {
        T.OPENS: IGNORE,           T.SHUTS: shuts,          T.SETTLED: ILLEGAL,        T.OPEN_LONG: ILLEGAL,
        T.ASKED: asks,             T.ASKED_OVER: asks_no_more, T.REX_OVER: rex_over,   T.REX_STUCK: rex_sticks,
        T.SECURE: is_secure,       T.INSECURE: IGNORE,      T.STILL_INSECURE: ILLEGAL,
    },
}
# fmt: on
"""The leaf's table: as the visit's, every place has a cell for every trigger."""

LEAF_LEADS_TO: Mapping[Handler, frozenset[enum.Enum]] = {
    opens: frozenset({L.OPEN, L.FORCED}),
    bounces: frozenset({L.OPEN}),
    shuts: frozenset({L.SETTLING}),
    settles: frozenset({L.CLOSED}),
    stands_long: frozenset({L.OPEN, L.OPEN_LONG}),
    is_held_open: frozenset({L.OPEN, L.HELD_OPEN}),
}
"""Places a handler of the leaf may lead to."""

NOT_OF_A_DOOR = (Trigger.STUCK_ENTRY, Trigger.STUCK_EXIT, Trigger.HOME, Trigger.NOT_HOME, Trigger.PASSING_OVER)
"""Columns of the visit's table that only a turnstile has."""

VISIT = visit_with(
    NOT_OF_A_DOOR, {(State.GRANTED, Trigger.ENTRY_BEGINS): go_in, (State.GRANTED, Trigger.GRANT_OVER): expire}
)
"""The visit's table of a door."""

DOOR = Mechanics(
    visit=VISIT,
    leads_to={**LEADS_TO, go_in: frozenset({State.PASSING}), expire: LEADS_TO[passage.expire]},
    table=LEAF,
    start=Leaf.CLOSED,
    trigger_of=trigger_of,
    settle=settle,
    stands_open=stands_open,
)
