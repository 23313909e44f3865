"""The passage contacts themselves: passages that need no grant, and contacts that can't be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.effects import RecordKind
from controller.lane.model import Direction, FaultKind, Outcome
from controller.lane.states import Timer

if TYPE_CHECKING:
    from controller.lane.core import Core, Scalar
    from controller.lane.events import PassContact

_STUCK_TIMERS = {Direction.ENTRY: Timer.STUCK_ENTRY, Direction.EXIT: Timer.STUCK_EXIT}


def note(core: Core, event: PassContact) -> None:
    """Keep the image of a contact that changed, whatever the state makes of it."""
    direction = event.direction
    if event.active:
        core.contacts.add(direction)
        core.rose[direction] = event.now
        core.arm(_STUCK_TIMERS[direction], core.settings.pass_stuck)
        return
    core.contacts.discard(direction)
    core.cancel(_STUCK_TIMERS[direction])
    trust(core, direction)


def end_open(core: Core, direction: Direction, *, presumed: bool = False) -> None:
    """Record a passage in order without a grant, if one was under way."""
    cause = core.open_passages.pop(direction, None)
    if cause is None:
        return
    detail: dict[str, Scalar] = {
        "direction": direction.value,
        "outcome": Outcome.COMPLETED.value,
        "cause": cause,
        "passing": max(0.0, core.now - core.rose[direction]),
    }
    core.access.passed(None, direction, core.now)
    core.record(RecordKind.PASSAGE, detail | ({"presumed": True} if presumed else {}))


def distrust(core: Core, direction: Direction) -> None:
    """Go on without a contact that is stuck: unlock by time, and bar nobody for passages that can't be seen."""
    if direction not in core.facts.stuck:
        core.cancel(_STUCK_TIMERS[direction])
        core.change(stuck=core.facts.stuck | {direction})
        core.record(RecordKind.FAULT, {**_detail(direction), "degraded": True})


def trust(core: Core, direction: Direction) -> None:
    """Rely on a contact again that was stuck."""
    if direction in core.facts.stuck:
        core.change(stuck=core.facts.stuck - {direction})
        core.record(RecordKind.FAULT_CLEARED, _detail(direction))


def _detail(direction: Direction) -> dict[str, Scalar]:
    return {"fault": FaultKind.PASS_STUCK.value, "direction": direction.value}
