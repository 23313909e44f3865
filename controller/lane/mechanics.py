"""What a kind of lane brings beside the shared core: cells of the visit's table, and a machine for its mechanics.

A turnstile's contact says that somebody passes, and which way. A door and a barrier say neither: a leaf opens, a loop
is occupied. So their mechanics are a machine of their own that runs beside the visit, with a table of its own, and
tells the visit's table what a turnstile's contact would have told it: that a passage begins or ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.lane.events import PassContact
from controller.lane.model import Direction
from controller.lane.orders import clear_faults
from controller.lane.states import State, Trigger
from controller.lane.table import ILLEGAL, LEADS_TO, TRANSITIONS, Skip

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterable, Mapping

    from controller.lane.core import Core
    from controller.lane.model import FaultKind
    from controller.lane.sensed import AnyEvent
    from controller.lane.table import Cell, Handler

BEGINS = {Direction.ENTRY: Trigger.ENTRY_BEGINS, Direction.EXIT: Trigger.EXIT_BEGINS}
ENDS = {Direction.ENTRY: Trigger.ENTRY_ENDS, Direction.EXIT: Trigger.EXIT_ENDS}


def _nothing(*_: object) -> None:
    """A turnstile's mechanics are all in its contacts."""


def _away(core: Core) -> bool:
    return core.away


def _no_trigger(_event: AnyEvent) -> enum.Enum | None:
    return None


@dataclass(frozen=True, slots=True)
class Mechanics:
    """One kind of lane. The turnstile's is this with its defaults."""

    visit: Mapping[State, Mapping[Trigger, Cell]]
    """The visit's table."""
    leads_to: Mapping[Handler, frozenset[State]]
    """States that a handler of `visit` may lead to."""
    table: Mapping[enum.Enum, Mapping[enum.Enum, Cell]]
    """What each place of the leaf or the arm does with each trigger of its own."""
    start: enum.Enum | None
    """Where the leaf or the arm is taken to be before anything was heard of it."""
    trigger_of: Callable[[AnyEvent], enum.Enum | None] = _no_trigger
    """The column of `table` for an event; None: the event is the visit's."""
    follow: Callable[[Core, AnyEvent], None] = _nothing
    """Called after each event, before the lane settles: what the image of the sensors says of passages."""
    settle: Callable[[Core], None] = _nothing
    """Called when the outputs have been commanded: what the mechanics still need."""
    stands_open: Callable[[Core], bool] = _away
    """Whether somebody may be in the lane or get in, by its mechanics: for the other lane of an interlock."""


TURNSTILE = Mechanics(visit=TRANSITIONS, leads_to=LEADS_TO, table={}, start=None)


def visit_with(
    missing: Iterable[Trigger], cells: Mapping[tuple[State, Trigger], Cell]
) -> Mapping[State, Mapping[Trigger, Cell]]:
    """The visit's table of a lane that is one way for both directions: the turnstile's, but for a few cells.

    Args:
        missing: columns that only a turnstile has.
        cells: what this kind has otherwise.
    """
    # While it is open for somebody, nobody opens it once more.
    other = {(state, Trigger.EXIT_BEGINS): ILLEGAL for state in (State.GRANTED, State.PASSING)} | dict(cells)
    none = dict.fromkeys(missing, ILLEGAL)
    return {
        state: {trigger: other.get((state, trigger), none.get(trigger, cell)) for trigger, cell in row.items()}
        for state, row in TRANSITIONS.items()
    }


def end_request(core: Core, stuck: enum.Enum, fault: FaultKind, over: enum.Enum, seconds: float) -> None:
    """Nobody asks to leave any more: nothing is stuck, and whoever asked has `seconds` to go.

    Args:
        core: the lane.
        stuck: the timer that measured how long somebody asked.
        fault: what it may have raised.
        over: the timer that ends the request.
        seconds: until it does.
    """
    core.cancel(stuck)
    clear_faults(core, frozenset({fault}), {})
    if core.facts.asked:
        core.arm(over, seconds)


def begin_passage(core: Core, visit: Mapping[State, Mapping[Trigger, Cell]], direction: Direction) -> None:
    """Tell the visit that somebody passes."""
    core.contacts.add(direction)
    core.rose[direction] = core.now
    _tell(core, visit, BEGINS[direction], PassContact(now=core.now, direction=direction, active=True))


def end_passages(core: Core, visit: Mapping[State, Mapping[Trigger, Cell]]) -> None:
    """Tell the visit that whoever passed is through."""
    for direction in Direction:
        if direction in core.contacts:
            core.contacts.discard(direction)
            _tell(core, visit, ENDS[direction], PassContact(now=core.now, direction=direction, active=False))


def _tell(core: Core, visit: Mapping[State, Mapping[Trigger, Cell]], trigger: Trigger, event: PassContact) -> None:
    cell = visit[core.state][trigger]
    if not isinstance(cell, Skip):
        cell(core, event)
