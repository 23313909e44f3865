"""What the entry contact says: granted, free, forced, followed, turned back, stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane import contacts, egress
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction, Outcome
from controller.lane.states import State

if TYPE_CHECKING:
    from controller.lane.core import Core, Scalar
    from controller.lane.events import Intrusion, PassContact, TimerFired

FREE_PASSAGES = {
    State.FREE_ENTRY: "free",
    State.FREE_BOTH: "free",
    State.KEY_OVERRIDE: "mechanical_key",
    State.EMERGENCY_OPEN: "emergency",
}
"""States in which anyone may enter, and what the record gives as the cause."""


def begin(core: Core, _event: PassContact) -> None:
    """Follow the granted person through. The lock closes behind them."""
    core.unseen = 0
    core.relock(Direction.ENTRY)
    core.enter(State.PASSING, Prompt.WAIT, seconds=core.settings.passage_time)


def complete(core: Core, _event: PassContact) -> None:
    """Complete a granted passage."""
    _complete(core, {})


def linger(core: Core, _event: TimerFired) -> None:
    """Note a passage that takes long; the person isn't hurried."""
    grant = core.grants[Direction.ENTRY]
    core.record(RecordKind.WARNING, {"reason": "slow_passage"}, grant_id=grant.grant_id, person=grant.person)


def expire(core: Core, _event: TimerFired) -> None:
    """End a grant that nobody used; behind a stuck contact it counts as used, as nothing better is known."""
    core.relock(Direction.ENTRY)
    if Direction.ENTRY in core.facts.stuck:
        _complete(core, {"presumed": True})
        return
    core.finish(Direction.ENTRY, Outcome.EXPIRED, {})
    core.unseen += 1
    if core.unseen == core.settings.unseen_grants:
        core.record(RecordKind.WARNING, {"reason": "pass_never_seen", "grants": core.unseen})
    core.enter(State.GRANT_EXPIRED, Prompt.WAIT, "grant_expired", seconds=core.settings.deny_show)


def reverse(core: Core, event: PassContact) -> None:
    """End the entry grant when the arm turns outwards; the one who goes out by it is free to."""
    if egress.is_expected(core):
        egress.begin(core, event)
        return
    _reverse(core)
    egress.begin(core, event)
    core.rest()


def turn_back(core: Core, event: PassContact) -> None:
    """End the entry grant when the person turns back half-way."""
    if egress.is_expected(core):
        egress.begin(core, event)
        return
    _reverse(core)
    core.rest()


def begin_free(core: Core, _event: PassContact) -> None:
    """Follow someone in through a lane that is open to all."""
    core.open_passages[Direction.ENTRY] = FREE_PASSAGES[core.state]


def intrude(core: Core, event: PassContact) -> None:
    """Raise the alarm on a passage without a grant: behind a granted one a tailgater, else an intruder."""
    core.unseen = 0
    egress.misuse(core)
    if core.last_entry is not None and event.now - core.last_entry[0] <= core.tailgate_window:
        ended, grant_id = core.last_entry
        detail: dict[str, Scalar] = {"direction": Direction.ENTRY.value, "after": max(0.0, event.now - ended)}
        core.record(RecordKind.TAILGATE, detail, grant_id=grant_id)
        core.alarm("tailgate")
        return
    core.record(RecordKind.INTRUSION, {"direction": Direction.ENTRY.value, "state": core.state.value})
    # In maintenance the arms are turned by hand all day: worth a record, not a siren.
    if core.state is not State.MAINTENANCE:
        core.alarm("intrusion")


def note_sensor(core: Core, event: Intrusion) -> None:
    """Raise the alarm when the turnstile itself saw somebody climb or crawl through, unless the way is free to all."""
    if not event.active:
        return
    core.record(RecordKind.INTRUSION, {"source": "sensor", "state": core.state.value})
    if core.state not in FREE_PASSAGES and core.state is not State.MAINTENANCE:
        core.alarm("intrusion")


def end(core: Core, _event: PassContact) -> None:
    """Record the end of an entry through an open lane. What was an intrusion has its record already."""
    contacts.end_open(core, Direction.ENTRY)


def stick(core: Core, _event: TimerFired) -> None:
    """Take the entry contact as stuck."""
    contacts.end_open(core, Direction.ENTRY, presumed=True)
    contacts.distrust(core, Direction.ENTRY)


def stick_passing(core: Core, _event: TimerFired) -> None:
    """Take the contact as stuck in the middle of a passage, which counts as completed."""
    contacts.distrust(core, Direction.ENTRY)
    _complete(core, {"presumed": True})


def presume(core: Core) -> None:
    """Complete a granted passage that nothing could see."""
    _complete(core, {"presumed": True})


def _complete(core: Core, detail: dict[str, Scalar]) -> None:
    grant = core.finish(Direction.ENTRY, Outcome.COMPLETED, detail)
    core.last_entry = (core.now, grant.grant_id)
    core.enter(State.COMPLETE, Prompt.WAIT, seconds=core.settings.complete_show)


def _reverse(core: Core) -> None:
    grant = core.grants[Direction.ENTRY]
    core.relock(Direction.ENTRY)
    detail: dict[str, Scalar] = {"granted": Direction.ENTRY.value, "turned": Direction.EXIT.value}
    core.record(RecordKind.REVERSE, detail, grant_id=grant.grant_id, person=grant.person)
    core.finish(Direction.ENTRY, Outcome.REVERSED, {})
