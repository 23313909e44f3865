"""A vehicle barrier: where its arm is, what its loops, photocell and contacts make of it, and when it may come down.

The arm never comes down on anything. It is let down only from UP, only while loop and photocell under it both say that
nothing is there, and have said so for `clear_for`; a reading that is missing or lost says nothing of the kind. While it
comes down, the first reading that says otherwise sends it up again, before any record. Its driver keeps the same rule
once more, on the lines themselves.

Nothing moves the arm but a grant, an order, fire, or a vehicle that wants to leave: `lowers` is set by those alone, so
an arm that stands up at the start, or that came up without mains, is left where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane import claims, egress
from controller.lane.arm import SAFETY, Arm, ArmTimer, ArmTrigger, trigger_of
from controller.lane.effects import Hold, Lift, Lower, RecordKind, Unlock
from controller.lane.events import JournalFailed
from controller.lane.facts import Phase
from controller.lane.mechanics import Mechanics, begin_passage, end_passages, end_request, visit_with
from controller.lane.model import DenyReason, Direction, FaultKind
from controller.lane.orders import clear_faults, raise_fault
from controller.lane.sensed import Reading, Sensor
from controller.lane.states import Trigger
from controller.lane.table import IGNORE, ILLEGAL, LEADS_TO, TRANSITIONS

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping

    from controller.lane.core import Core
    from controller.lane.events import Presented, TimerFired
    from controller.lane.sensed import AnyEvent, LowerRefused, Sensed
    from controller.lane.table import Cell, Handler


_FAULTS = {Sensor.LOOP_ARM: FaultKind.LOOP, Sensor.PHOTOCELL: FaultKind.PHOTOCELL}


# What is under the arm


def is_clear(core: Core) -> bool:
    """Whether both readings say that nothing is under the arm. One that says nothing does not."""
    return all(core.body.sensed.get(sensor) is Reading.OFF for sensor in SAFETY)


def notes_blocked(core: Core, event: Sensed) -> None:
    """Something came under the arm, or a detector is lost."""
    if event.reading is Reading.LOST:
        raise_fault(core, _FAULTS[event.sensor], "lost")


def notes_clear(core: Core, event: Sensed) -> None:
    """A sensor under the arm says again that nothing is there."""
    clear_faults(core, frozenset({_FAULTS[event.sensor]}), {})


def reverses(core: Core, event: Sensed) -> None:
    """Send the arm up again, first of all."""
    _lift(core)
    notes_blocked(core, event)
    core.record(RecordKind.WARNING, {"reason": "arm_reversed", "sensor": event.sensor.value})


def occupied_long(core: Core, _event: TimerFired) -> None:
    """Call for a look at what has been under the arm for so long; the passage counts as over."""
    for sensor in SAFETY:
        if core.body.sensed.get(sensor) is Reading.ON:
            raise_fault(core, _FAULTS[sensor], "occupied")
    core.body.overlooked = True
    end_passages(core, VISIT)
    core.body.alarm = "arm_occupied"


def _lift(core: Core) -> None:
    core.cancel(ArmTimer.CLEAR)
    core.effects.moves.append(Lift())
    if core.body.sensed.get(Sensor.ARM_UP) is Reading.ON:
        core.cancel(ArmTimer.TRAVEL)
        core.go(Arm.UP)
    else:
        core.go(Arm.OPENING)
        core.arm(ArmTimer.TRAVEL, core.settings.barrier.open_within)


# The arm


def reaches_up(core: Core, _event: Sensed) -> None:
    """Note that the arm is up; sent there, it is stuck no longer, unless it was the way down that failed."""
    if core.body.sensed.get(Sensor.ARM_DOWN) is Reading.ON:
        _contradicts(core)
        return
    core.cancel(ArmTimer.TRAVEL)
    cleared = {FaultKind.ARM_CONTACTS, FaultKind.ARM_MOVED}
    if core.body.lowers:
        cleared.add(FaultKind.ARM_STUCK)
    clear_faults(core, frozenset(cleared), {})
    core.go(Arm.UP)


def reaches_down(core: Core, _event: Sensed) -> None:
    """Note that the arm is down: whoever comes now follows nobody."""
    if core.body.sensed.get(Sensor.ARM_UP) is Reading.ON:
        _contradicts(core)
        return
    core.cancel(ArmTimer.TRAVEL)
    clear_faults(core, frozenset({FaultKind.ARM_STUCK, FaultKind.ARM_MOVED, FaultKind.ARM_CONTACTS}), {})
    core.body.lowers = False
    core.last_entry = None
    core.go(Arm.DOWN)


def settles_contacts(core: Core, event: Sensed) -> None:
    """Believe the contact that is left when the other one lets go."""
    agrees(core, event)
    if core.body.sensed.get(Sensor.ARM_UP) is Reading.ON:
        reaches_up(core, event)
    elif core.body.sensed.get(Sensor.ARM_DOWN) is Reading.ON:
        reaches_down(core, event)


def agrees(core: Core, _event: Sensed) -> None:
    """One contact let go, so that they contradict each other no longer."""
    clear_faults(core, frozenset({FaultKind.ARM_CONTACTS}), {})


def drifts(core: Core, _event: Sensed) -> None:
    """Raise the alarm on an arm that moved by itself, or was moved. Without mains it may rise by its weight."""
    core.cancel(ArmTimer.CLEAR)
    core.body.lowers = False
    if core.body.place is Arm.UP and not is_clear(core):
        core.effects.moves.append(Lift())  # it sinks, and something is under it
    if FaultKind.POWER in core.facts.faults or core.facts.key or core.facts.maintenance:
        core.go(Arm.UNKNOWN)
        return
    core.go(Arm.ADRIFT)
    raise_fault(core, FaultKind.ARM_MOVED)
    core.body.alarm = "arm_moved"


def misses_up(core: Core, _event: TimerFired) -> None:
    """Admit nobody by an arm that did not go up."""
    core.go(Arm.STUCK)
    raise_fault(core, FaultKind.ARM_STUCK, "up")
    core.body.alarm = "arm_stuck"


def misses_down(core: Core, _event: TimerFired) -> None:
    """Send an arm up that did not get down: something may be under it that nothing sees. It stays there."""
    _lift(core)
    core.body.lowers = False
    raise_fault(core, FaultKind.ARM_STUCK, "down")
    core.body.alarm = "arm_stuck"


def comes_down(core: Core, _event: TimerFired) -> None:
    """Let the arm down. `settle` has watched that all was clear until now; one more look costs nothing."""
    if not _may_come_down(core):
        return
    core.effects.moves.append(Lower())
    core.go(Arm.CLOSING)
    core.arm(ArmTimer.TRAVEL, core.settings.barrier.close_within)


def was_refused(core: Core, _event: LowerRefused) -> None:
    """Stay up: the driver saw what the lane is about to hear of. Where the arm is not up, send it there."""
    _lift(core)


def loses_power(core: Core, _event: Sensed) -> None:
    """Leave the arm where it stands, or rises to; nothing moves it when the mains are back."""
    raise_fault(core, FaultKind.POWER)
    for timer in (ArmTimer.TRAVEL, ArmTimer.CLEAR):
        core.cancel(timer)
    core.body.lowers = False
    if core.body.place in (Arm.OPENING, Arm.CLOSING):
        core.go(Arm.UNKNOWN)


def regains_power(core: Core, _event: Sensed) -> None:
    """Go on from wherever the arm is."""
    clear_faults(core, frozenset({FaultKind.POWER}), {})


def _contradicts(core: Core) -> None:
    core.cancel(ArmTimer.TRAVEL)
    core.cancel(ArmTimer.CLEAR)
    core.go(Arm.UNKNOWN)
    raise_fault(core, FaultKind.ARM_CONTACTS)


# The way out


def asks(core: Core, event: Sensed) -> None:
    """Open for a vehicle that wants to leave. One found there at the start rolls off its loop and on again.

    One that comes from under the arm rolls over this loop on its way in; if it stays, another one waits there.
    """
    if event.found:
        return
    if core.contacts:
        core.arm(ArmTimer.EXIT_OVER, core.settings.barrier.exit_wait)
    else:
        _let_out(core)


def _let_out(core: Core) -> None:
    core.change(asked=True)
    core.arm(ArmTimer.EXIT_OVER, core.settings.barrier.occupied)


def asks_no_more(core: Core, _event: Sensed) -> None:
    """Wait for the vehicle to come under the arm, for some time."""
    seconds = core.settings.barrier.exit_wait
    end_request(core, ArmTimer.EXIT_OVER, FaultKind.LOOP_EXIT, ArmTimer.EXIT_OVER, seconds)


def exit_over(core: Core, _event: TimerFired) -> None:
    """It rolled back; or it waits still; or its loop is stuck, and an arm that stays up for it would let anyone in."""
    waits = core.body.sensed.get(Sensor.LOOP_EXIT) is Reading.ON
    if waits and core.contacts and not core.facts.asked:
        # The car that stands under the arm reaches so far.
        core.arm(ArmTimer.EXIT_OVER, core.settings.barrier.exit_wait)
        return
    if waits and not core.facts.asked:
        _let_out(core)
        return
    if waits:
        raise_fault(core, FaultKind.LOOP_EXIT, "occupied")
    core.change(asked=False)


# After each event


def follow(core: Core, event: AnyEvent) -> None:
    """Tell the visit of passages, by what is under the arm."""
    if isinstance(event, JournalFailed):
        _take_back(core)
    core.body.unrecorded = None
    under = core.body.sensed.get(Sensor.LOOP_ARM) is Reading.ON
    if is_clear(core):
        core.body.overlooked = False
        if core.contacts:
            was_exit = Direction.EXIT in core.contacts
            end_passages(core, VISIT)
            if was_exit and core.body.sensed.get(Sensor.LOOP_EXIT) is not Reading.ON:
                core.cancel(ArmTimer.EXIT_OVER)
                core.change(asked=False)
    elif core.facts.phase is not Phase.READY:
        core.body.overlooked = core.body.overlooked or under
    elif under and not core.contacts and not core.body.overlooked and core.body.place not in (Arm.DOWN, Arm.UNKNOWN):
        begin_passage(core, VISIT, _way(core))


def _way(core: Core) -> Direction:
    """Whose passage it is. A single lane serves one at a time; whoever holds a grant goes first."""
    if Direction.ENTRY in core.grants:
        return Direction.ENTRY
    if not egress.is_expected(core):
        return Direction.ENTRY
    both = Direction.ENTRY in core.facts.held
    return Direction.ENTRY if both and core.body.sensed.get(Sensor.LOOP_FRONT) is Reading.ON else Direction.EXIT


def _take_back(core: Core) -> None:
    """The arm was not sent up after all: the grant is not on disk."""
    if core.body.unrecorded is None or FaultKind.JOURNAL in core.facts.tolerated:
        return
    place, core.body.lowers = core.body.unrecorded
    if core.body.place is place:
        return
    core.cancel(ArmTimer.TRAVEL)
    core.go(place)
    if place is Arm.CLOSING:
        core.arm(ArmTimer.TRAVEL, core.settings.barrier.close_within)


def settle(core: Core) -> None:
    """Follow the commands that were just given, and let the arm down when nothing wants it up."""
    if core.body.alarm is not None:
        # Behind the sign of a lane out of service, which would cover it.
        core.alarm(core.body.alarm)
        core.body.alarm = None
    _watch_occupied(core)
    at_once, gated = (any(map(_opens, effects)) for effects in (core.effects.moves, core.effects.then))
    if at_once or gated:
        _sent_up(core, gated=not at_once)
    if not _may_come_down(core):
        core.cancel(ArmTimer.CLEAR)
    elif not core.is_armed(ArmTimer.CLEAR):
        core.arm(ArmTimer.CLEAR, core.settings.barrier.clear_for)


def _opens(effect: object) -> bool:
    return isinstance(effect, Unlock) or (isinstance(effect, Hold) and effect.on)


def _sent_up(core: Core, *, gated: bool) -> None:
    if gated:
        core.body.unrecorded = core.body.place, core.body.lowers
    core.body.lowers = True
    if core.body.place is Arm.UP:
        clear_faults(core, frozenset({FaultKind.ARM_STUCK}), {})  # the way down is tried again
    if core.body.place in (Arm.UP, Arm.OPENING) or FaultKind.POWER in core.facts.faults:
        return
    core.go(Arm.OPENING)
    core.arm(ArmTimer.TRAVEL, core.settings.barrier.open_within, after_records=gated)


def _may_come_down(core: Core) -> bool:
    facts = core.facts
    wanted_up = bool(facts.held or core.grants or core.contacts)
    hands_off = facts.key or facts.maintenance or facts.phase is not Phase.READY
    broken = facts.faults & {FaultKind.POWER, FaultKind.ARM_STUCK, FaultKind.ARM_CONTACTS, FaultKind.RELAY}
    ready = core.body.place is Arm.UP and core.body.lowers and is_clear(core)
    return ready and not wanted_up and not hands_off and not broken


def _watch_occupied(core: Core) -> None:
    """Measure how long something has been under the arm."""
    occupied = any(core.body.sensed.get(sensor) is Reading.ON for sensor in SAFETY)
    if not occupied:
        core.cancel(ArmTimer.OCCUPIED)
    elif not core.is_armed(ArmTimer.OCCUPIED) and not core.body.overlooked:
        core.arm(ArmTimer.OCCUPIED, core.settings.barrier.occupied)


def stands_open(core: Core) -> bool:
    """Whether the arm is not down for sure."""
    return core.body.place is not Arm.DOWN


# The visit's cells that a barrier has otherwise


def present(core: Core, event: Presented) -> None:
    """Take a tag or a plate, of a vehicle that stands there."""
    if core.vehicle_there:
        claims.present(core, event)
    else:
        claims.deny(core, event, DenyReason.NO_VEHICLE)


A = Arm
T = ArmTrigger

_ANYWHERE: dict[enum.Enum, Cell] = {
    T.FRONT: IGNORE,                 T.ASKED: asks,                   T.ASKED_OVER: asks_no_more,
    T.POWER_LOST: loses_power,       T.POWER_BACK: regains_power,     T.EXIT_OVER: exit_over,
    T.OCCUPIED_LONG: occupied_long,  T.CLEARED: notes_clear,          T.BLOCKED: notes_blocked,
}  # fmt: skip
"""Cells that do not depend on where the arm is."""

# fmt: off
ARM: Mapping[enum.Enum, Mapping[enum.Enum, Cell]] = {
    A.UNKNOWN: {
        **_ANYWHERE,
        T.UP_REACHED: reaches_up,    T.UP_LEFT: settles_contacts,     T.CLEAR: ILLEGAL,
        T.DOWN_REACHED: reaches_down, T.DOWN_LEFT: settles_contacts,  T.TRAVEL_OVER: ILLEGAL,
        T.REFUSED: IGNORE,
    },
    A.DOWN: {
        **_ANYWHERE,
        T.UP_REACHED: reaches_up,    T.UP_LEFT: IGNORE,               T.CLEAR: ILLEGAL,
        T.DOWN_REACHED: IGNORE,      T.DOWN_LEFT: drifts,             T.TRAVEL_OVER: ILLEGAL,
        T.REFUSED: IGNORE,
    },
    A.OPENING: {
        **_ANYWHERE,
        T.UP_REACHED: reaches_up,    T.UP_LEFT: agrees,               T.CLEAR: ILLEGAL,
        T.DOWN_REACHED: IGNORE,      T.DOWN_LEFT: settles_contacts,             T.TRAVEL_OVER: misses_up,
        T.REFUSED: IGNORE,
    },
    A.UP: {
        **_ANYWHERE,
        T.UP_REACHED: IGNORE,        T.UP_LEFT: drifts,               T.CLEAR: comes_down,
        T.DOWN_REACHED: reaches_down, T.DOWN_LEFT: IGNORE,            T.TRAVEL_OVER: ILLEGAL,
        T.REFUSED: IGNORE,
    },
    A.CLOSING: {
        **_ANYWHERE,                 T.BLOCKED: reverses,
        T.UP_REACHED: IGNORE,        T.UP_LEFT: IGNORE,               T.CLEAR: ILLEGAL,
        T.DOWN_REACHED: reaches_down, T.DOWN_LEFT: IGNORE,            T.TRAVEL_OVER: misses_down,
        T.REFUSED: was_refused,
    },
    A.STUCK: {
        **_ANYWHERE,
        T.UP_REACHED: reaches_up,    T.UP_LEFT: settles_contacts,               T.CLEAR: ILLEGAL,
        T.DOWN_REACHED: reaches_down, T.DOWN_LEFT: settles_contacts,            T.TRAVEL_OVER: ILLEGAL,
        T.REFUSED: IGNORE,
    },
    A.ADRIFT: {
        **_ANYWHERE,
        T.UP_REACHED: reaches_up,    T.UP_LEFT: settles_contacts,               T.CLEAR: ILLEGAL,
        T.DOWN_REACHED: reaches_down, T.DOWN_LEFT: settles_contacts,            T.TRAVEL_OVER: ILLEGAL,
        T.REFUSED: IGNORE,
    },
}
# fmt: on
"""The arm's table: as the visit's, every place has a cell for every trigger."""

_OPENED_AND_UNKNOWN = frozenset({A.UP, A.UNKNOWN})
ARM_LEADS_TO: Mapping[Handler, frozenset[enum.Enum]] = {
    reaches_up: _OPENED_AND_UNKNOWN,
    reaches_down: frozenset({A.DOWN, A.UNKNOWN}),
    settles_contacts: frozenset({A.UP, A.DOWN}),
    drifts: frozenset({A.ADRIFT, A.UNKNOWN}),
    misses_up: frozenset({A.STUCK}),
    misses_down: frozenset({A.UP, A.OPENING}),
    comes_down: frozenset({A.CLOSING}),
    was_refused: frozenset({A.UP, A.OPENING}),
    reverses: frozenset({A.UP, A.OPENING}),
    loses_power: frozenset({A.UNKNOWN}),
}
"""Places a handler of the arm may lead to. A command sends it to OPENING, whatever the event."""

NOT_OF_A_BARRIER = (Trigger.STUCK_ENTRY, Trigger.STUCK_EXIT, Trigger.HOME, Trigger.NOT_HOME)
"""Columns of the visit's table that only a turnstile has."""

VISIT = visit_with(
    NOT_OF_A_BARRIER,
    {
        (state, Trigger.PRESENTED): present
        for state, row in TRANSITIONS.items()
        if row[Trigger.PRESENTED] is claims.present
    },
)
"""The visit's table of a barrier."""

BARRIER = Mechanics(
    visit=VISIT,
    leads_to={**LEADS_TO, present: LEADS_TO[claims.present]},
    table=ARM,
    start=Arm.UNKNOWN,
    trigger_of=trigger_of,
    follow=follow,
    settle=settle,
    stands_open=stands_open,
)
