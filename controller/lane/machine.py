"""The lane as one pure state machine: events in, effects out; no clock, no randomness, no I/O.

Rule 1: everything that decides about a lane lives in this package. As much as possible stands in tables: what a state
does with a trigger (`table.TRANSITIONS`), which standing state the facts call for (`facts.PRIORITY`), why a person is
denied (`policy`). What doesn't fit a table is a small handler that a table names.

Rule 2: the lane knows nothing of relays, threads, disks or networks. It only says what has to be done, in an order in
which it is safe to stop after any item.

Theory of operation
-------------------
A lane is four machines that share one memory (`core.Core`):

1. The visit: LOCKED → SCREENING → GRANTED → PASSING → COMPLETE → LOCKED, with DENIED, LANE_OCCUPIED and
   GRANT_EXPIRED.
2. What stands (`facts`): fire, the guard's key, lockdown, faults, maintenance, FREE. The first of these that holds,
   in the order of `facts.PRIORITY`, is the *standing state*; LOCKED is the one where nothing else stands.
3. The way out (`egress`): it runs beside the others in every state, because nothing here may ever limit it.
4. The alarm that is shown for a while over what else would be shown.

A door and a barrier have a fifth, for their leaf or arm (`mechanics`, `door`, `barrier`): a table of its own, which
tells the visit when a passage begins and ends. Their visit is the turnstile's but for the few cells they name.

A card, a code or a PIN (`claims`) is no way past the visit but a way into it: it makes a claim, under which whoever
stands there is screened, with their face compared with that one person's or not at all.

`Lane.feed` takes one event through four steps:

a) Image. A stale timer, and a contact reported at the level it has already, are no events at all. Otherwise the image
   of the inputs is renewed, whatever the state: who stands on the mark, which contacts are active.
b) Table. `TRANSITIONS[state][trigger]` is a handler, IGNORE or ILLEGAL. An ILLEGAL event changes nothing and is
   counted. A sensor's or a timer's event of the mechanics is looked up in their table instead.
c) Settling, as transitions that are triggered by state and not by an event. If the facts now call for a standing
   state that outranks the present one, the lane goes there. A person in the arms is let through first (only fire is
   stronger); a grant not yet used is taken back by the key, by a lockdown and by a relay that doesn't obey, and may
   be used up under all else.
d) Outputs. The held ones (FREE, EMERGENCY, STOP) are functions of the facts; what differs from the last command is
   commanded. So boot, a passed self-test, a returned device and a timer move no relay: none of them changes such a
   fact.

Order of effects. The runner performs a list in order and stops at an `Append` that fails; then it feeds
`JournalFailed` before anything else. So every list is: (1) moves that make safe or free a way out: Relock, Hold off,
STOP on, and in an emergency Hold on; (2) prompts and timers; (3) records; (4) what must not happen unrecorded:
Unlock, Hold on for the entry, STOP off, with the prompt and the timer that go with it. `JournalFailed` takes back
what stood in (4): a grant is REVOKED and denied, an order that opens is forgotten. Under `on_journal_failure_deny =
false` the runner keeps the record in memory and goes on; the lane only notes the fault.

Every grant ends in exactly one PASSAGE record, whose outcome says how. There is at most one outstanding grant a
direction.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from controller.lane import alarms, claims, contacts, kinds, visit
from controller.lane import events as ev
from controller.lane.core import Core
from controller.lane.facts import resting
from controller.lane.model import Direction
from controller.lane.sensed import LowerRefused, Sensed
from controller.lane.states import CYCLE, IDLE, State, trigger_of
from controller.lane.table import IGNORE, ILLEGAL

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping

    from controller.lane.access.keeper import Access
    from controller.lane.effects import Effect, Expect, Prompt
    from controller.lane.facts import Facts
    from controller.lane.interlock import Interlock
    from controller.lane.model import FaultKind, Grant, LaneSettings
    from controller.lane.sensed import AnyEvent
    from controller.lane.table import Cell


class Lane:
    """One lane with its two directions.

    Args:
        settings: times and limits.
        access: who may pass here; None: everybody who is recognised.
        interlock: give the same one to lanes of which only one may let people in at a time; None: it asks nobody.
    """

    def __init__(
        self,
        settings: LaneSettings,
        access: Access | None = None,
        interlock: Interlock | None = None,
    ) -> None:
        self._core = Core(settings, access, interlock)
        self._mechanics = kinds.MECHANICS[settings.kind]
        if self._mechanics.start is not None:
            self._core.go(self._mechanics.start)
        self.illegal_events = 0
        """Events that cannot happen in the state they came in: the feeder's error."""

    @property
    def state(self) -> State:
        """Where the lane stands."""
        return self._core.state

    @property
    def place(self) -> enum.Enum | None:
        """Where the door's leaf or the barrier's arm is; None at a turnstile."""
        return None if self._mechanics.start is None else self._core.body.place

    @property
    def grant(self) -> Grant | None:
        """The outstanding grant to enter, or None."""
        return self._core.grants.get(Direction.ENTRY)

    @property
    def grants(self) -> Mapping[Direction, Grant]:
        """Outstanding grants by direction, at most one each; a live view."""
        return MappingProxyType(self._core.grants)

    @property
    def prompt(self) -> Prompt:
        """What is shown."""
        return self._core.prompt[0]

    @property
    def expected(self) -> Expect:
        """Whom perception is to compare with."""
        return self._core.expected

    @property
    def facts(self) -> Facts:
        """Orders, inputs and faults that stand."""
        return self._core.facts

    @property
    def faults(self) -> frozenset[FaultKind]:
        """What is broken, whether or not it puts the lane out of service."""
        return self._core.facts.broken

    @property
    def alarms(self) -> Mapping[str, bool]:
        """Alarms by their reason, and whether each has been acknowledged; a live view."""
        return MappingProxyType(self._core.alarms)

    @property
    def in_use(self) -> str | None:
        """Why the program should not end now: somebody may pass or does, or what opened in a fire stays open.

        None: nothing of that.
        """
        core = self._core
        if core.facts.emergency or core.facts.key:
            return core.state.value
        passing = core.grants or core.contacts or core.open_passages or core.facts.asked
        return "somebody_passes" if passing else None

    def when_free(self, on_free: Callable[[], object]) -> None:
        """Have `on_free` called each time that the interlock bars this lane no more; then feed `OtherLaneShut`."""
        if self._core.interlock is not None:
            self._core.interlock.listen(self._core, on_free)

    def feed(self, event: AnyEvent) -> tuple[Effect, ...]:
        """Take an event; returns what has to be done, in order. Never raises for an event that comes at an odd time."""
        core = self._core
        if not self._is_news(event):
            return ()
        cell = self._cell(event)
        if cell is ILLEGAL:
            self.illegal_events += 1
            return ()
        before = core.facts
        _renew_image(core, event)
        if cell is not IGNORE:
            cell(core, event)
        self._mechanics.follow(core, event)
        _settle(core)
        core.tell_perception()
        core.undo = before if core.drive() else None
        self._mechanics.settle(core)
        core.remind()
        alarms.end(core)
        core.note_open(mechanics=self._mechanics.stands_open(core))
        return core.take()

    def _cell(self, event: AnyEvent) -> Cell:
        trigger = self._mechanics.trigger_of(event)
        if trigger is not None:
            return self._mechanics.table[self._core.body.place][trigger]
        if isinstance(event, Sensed | LowerRefused):
            return ILLEGAL  # this kind of lane has no such sensor
        return self._mechanics.visit[self._core.state][trigger_of(event)]

    def _is_news(self, event: AnyEvent) -> bool:
        core = self._core
        match event:
            case Sensed(sensor=sensor, reading=reading):
                return core.body.sensed.get(sensor) is not reading
            case ev.TimerFired(name=name, token=token):
                return core.accept_timer(name, token)
            case ev.PassContact(direction=direction, active=active):
                return active != (direction in core.contacts)
            case _:
                return True


def _renew_image(core: Core, event: AnyEvent) -> None:
    core.now = event.now
    match event:
        case Sensed(sensor=sensor, reading=reading):
            core.body.sensed[sensor] = reading
        case ev.Approached(presence=presence):
            core.present, core.presence, core.fresh = True, presence, True
            claims.meet(core)
        case ev.Left():
            core.present, core.waiting = False, None
            claims.leave(core)
            core.failures.left()
        case ev.PassContact():
            contacts.note(core, event)
        case _:
            pass


def _settle(core: Core) -> None:
    rest = resting(core.facts)
    if core.state is rest or _may_go_on(core, rest):
        return
    if Direction.ENTRY in core.grants:
        if core.state is State.PASSING:
            core.open_passages[Direction.ENTRY] = "emergency"
        visit.revoke(core, rest.value)
    core.rest()


def _may_go_on(core: Core, rest: State) -> bool:
    """Whether the present state may outlast what the facts call for."""
    if rest is State.EMERGENCY_OPEN:
        return False
    if core.state is State.PASSING:
        return True
    if core.state is State.GRANTED:
        return rest is not State.KEY_OVERRIDE and not core.facts.stops_entry
    return core.state in CYCLE and rest in IDLE
