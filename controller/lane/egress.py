"""The way out. It runs beside the entry's states and is never limited by them: anyone may leave, in any state.

A grant to leave, for a lane whose exit is locked, has a timer and a passage record of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane import contacts
from controller.lane.effects import RecordKind
from controller.lane.model import CredentialKind, Direction, Grant, Outcome
from controller.lane.states import Timer

if TYPE_CHECKING:
    from controller.lane.core import Core, Scalar
    from controller.lane.events import OpenOnce, PassContact, TimerFired

EXIT = Direction.EXIT


def is_expected(core: Core) -> bool:
    """Whether somebody was told that they may leave now."""
    return EXIT in core.grants or EXIT in core.facts.held


def begin(core: Core, _event: PassContact) -> None:
    """Follow someone out."""
    if EXIT in core.grants:
        core.leaving = True
        core.relock(EXIT)
        core.cancel(Timer.EXIT_GRANT)
    else:
        core.open_passages[EXIT] = "emergency" if core.facts.emergency else "egress"


def end(core: Core, _event: PassContact) -> None:
    """Record that someone left."""
    _end(core)


def stick(core: Core, _event: TimerFired) -> None:
    """Take the exit contact as stuck; whoever was leaving has left."""
    _end(core, presumed=True)
    contacts.distrust(core, EXIT)


def _end(core: Core, *, presumed: bool = False) -> None:
    if core.leaving:
        core.leaving = False
        core.finish(EXIT, Outcome.COMPLETED, {"presumed": True} if presumed else {})
    else:
        contacts.end_open(core, EXIT, presumed=presumed)


def open_once(core: Core, event: OpenOnce) -> None:
    """Unlock the exit for one person, in any state; refused where that would do nothing."""
    detail: dict[str, Scalar] = {"command": "open_once", "direction": EXIT.value, "actor": event.actor}
    if is_expected(core) or event.grant_id in core.used:
        refused = "granted" if EXIT in core.grants else "free" if EXIT in core.facts.held else "repeated"
        core.record(RecordKind.COMMAND, detail | {"accepted": False, "refused": refused}, grant_id=event.grant_id)
        return
    wait = core.settings.passage_wait
    grant = Grant(
        grant_id=event.grant_id,
        person=None,
        direction=EXIT,
        credential=CredentialKind.REMOTE,
        granted_at=event.now,
        deadline=event.now + wait,
    )
    core.record(RecordKind.COMMAND, detail | {"accepted": True}, grant_id=event.grant_id)
    core.give(grant, {"actor": event.actor})
    core.arm(Timer.EXIT_GRANT, wait, after_records=True)


def expire(core: Core, _event: TimerFired) -> None:
    """End a grant to leave that nobody used; behind a stuck contact it counts as used."""
    core.relock(EXIT)
    if EXIT in core.facts.stuck:
        core.finish(EXIT, Outcome.COMPLETED, {"presumed": True})
    else:
        core.finish(EXIT, Outcome.EXPIRED, {})


def revoke_unrecorded(core: Core) -> None:
    """Take back a grant to leave that didn't reach the disk; leaving as such stays as free as it was."""
    core.relock(EXIT)
    core.cancel(Timer.EXIT_GRANT)
    core.finish(EXIT, Outcome.REVOKED, {"cause": "journal_failed"})


def misuse(core: Core) -> None:
    """End a grant to leave when the arm turns inwards."""
    if EXIT in core.grants and not core.leaving:
        core.relock(EXIT)
        core.cancel(Timer.EXIT_GRANT)
        detail: dict[str, Scalar] = {"granted": EXIT.value, "turned": Direction.ENTRY.value}
        core.record(RecordKind.REVERSE, detail, grant_id=core.grants[EXIT].grant_id)
        core.finish(EXIT, Outcome.REVERSED, {})
