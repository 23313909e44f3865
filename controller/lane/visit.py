"""A person's visit up to the decision: seen, looked at, granted or denied, shown, looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.effects import Prompt, Reassess, RecordKind
from controller.lane.model import CredentialKind, DenyReason, Direction, Grant, Outcome
from controller.lane.policy import ADVICE, PolicyContext, decide, identified
from controller.lane.states import State, Timer

if TYPE_CHECKING:
    from controller.lane.core import Core, Scalar
    from controller.lane.events import Approached, Assessed, Left, OpenOnce, TimerFired
    from controller.lane.model import Assessment

REFUSALS = {
    State.LOCKDOWN: DenyReason.LOCKDOWN,
    State.MAINTENANCE: DenyReason.MAINTENANCE,
    State.FAULT: DenyReason.LANE_FAULT,
}
"""Standing states that deny whoever was assessed, and the reason they give."""


def look(core: Core, _event: Approached) -> None:
    """Begin to screen; perception has begun by itself."""
    core.screen()


def look_away(core: Core, _event: Left) -> None:
    """End a screening without a decision: the person is gone."""
    core.rest()


def look_again(core: Core, _event: TimerFired) -> None:
    """Give up on a screening that finds nothing, and begin a fresh one."""
    core.effects.signs.append(Reassess())
    core.screen()


def shown(core: Core, _event: TimerFired) -> None:
    """Go on when a denial, an expiry or a completion has been shown long enough."""
    core.rest()


def shorten(core: Core, _event: Left) -> None:
    """Show a long denial not much longer once the person has left: the next one may be waiting."""
    if core.show_until - core.now > core.settings.deny_show:
        core.arm(Timer.SHOW, core.settings.deny_show)


def assess(core: Core, event: Assessed) -> None:
    """Decide on whoever was looked at."""
    if event.presence != core.presence or event.grant_id in core.used:
        return
    found = event.assessment
    person = identified(found)
    passed_back = person is not None and core.anti_passback.blocks(person, event.now)
    # Where passages cannot be seen, who is inside is a guess: it may warn, but not shut anyone out.
    soft = bool(core.facts.stuck)
    context = PolicyContext(passed_back=passed_back and not soft, minimum_quality=core.settings.minimum_quality)
    reason = decide(found, context)
    if reason is not None:
        _deny(core, found, reason)
        return
    grant = Grant(
        grant_id=event.grant_id,
        person=person,
        direction=Direction.ENTRY,
        credential=CredentialKind.FACE,
        granted_at=event.now,
        deadline=event.now + core.settings.passage_wait,
    )
    admit(core, grant, {**_findings(found), **({"passed_back": True} if passed_back else {})})


def admit(core: Core, grant: Grant, detail: dict[str, Scalar]) -> None:
    """Grant an entry: the record first, then the lock."""
    if grant.person is not None:
        core.anti_passback.reserve(grant.person, grant.grant_id)
    core.failures.admitted()
    core.give(grant, detail)
    core.enter(State.GRANTED, Prompt.PASS, seconds=core.settings.passage_wait, after_records=True)


def refuse(core: Core, event: Assessed) -> None:
    """Deny whoever was assessed where the lane admits nobody; what it shows says why already."""
    found = event.assessment
    _record_denial(core, REFUSALS[core.state], found)


def revoke(core: Core, cause: str) -> None:
    """Take back the entry grant."""
    core.relock(Direction.ENTRY)
    core.finish(Direction.ENTRY, Outcome.REVOKED, {"cause": cause})


def revoke_unrecorded(core: Core) -> None:
    """Take back a grant that didn't reach the disk, and say so."""
    person = core.grants[Direction.ENTRY].person
    revoke(core, DenyReason.JOURNAL_FAILED.value)
    reason = DenyReason.JOURNAL_FAILED
    core.record(RecordKind.DENY, {"reason": reason.value}, person=person)
    core.enter(State.DENIED, ADVICE[reason].prompt, reason.value, seconds=core.settings.deny_show)


def open_entry(core: Core, event: OpenOnce) -> None:
    """Let one person in on the guard's word, where what stands doesn't forbid it."""
    bar = "repeated" if event.grant_id in core.used else core.facts.admission_bar
    if bar is not None:
        _record_order(core, event, {"accepted": False, "refused": bar})
        return
    _record_order(core, event, {"accepted": True})
    grant = Grant(
        grant_id=event.grant_id,
        person=None,
        direction=Direction.ENTRY,
        credential=CredentialKind.REMOTE,
        granted_at=event.now,
        deadline=event.now + core.settings.passage_wait,
    )
    admit(core, grant, {"actor": event.actor})


def refuse_entry(core: Core, event: OpenOnce) -> None:
    """Refuse to let one in: somebody is about to pass, the way is free already, or the state forbids it."""
    _record_order(core, event, {"accepted": False, "refused": core.state.value})


def _record_order(core: Core, event: OpenOnce, detail: dict[str, Scalar]) -> None:
    told: dict[str, Scalar] = {"command": "open_once", "direction": event.direction.value, "actor": event.actor}
    core.record(RecordKind.COMMAND, told | detail, grant_id=event.grant_id)


def _deny(core: Core, found: Assessment, reason: DenyReason) -> None:
    settings = core.settings
    state = State.LANE_OCCUPIED if reason is DenyReason.LANE_OCCUPIED else State.DENIED
    seconds = max(settings.warm_up, settings.deny_show) if reason is DenyReason.TOO_COLD else settings.deny_show
    core.enter(state, ADVICE[reason].prompt, reason.value, seconds=seconds)
    _record_denial(core, reason, found)
    if core.failures.denied(reason):
        told: dict[str, Scalar] = {"reason": "repeated_failures", "attempts": settings.failed_attempts}
        core.record(RecordKind.WARNING, told, person=identified(found))
        core.alarm("repeated_failures")


def _record_denial(core: Core, reason: DenyReason, found: Assessment) -> None:
    core.record(RecordKind.DENY, {"reason": reason.value, **_findings(found)}, person=identified(found))


def _findings(found: Assessment) -> dict[str, Scalar]:
    """Tell what was found. The temperature only of someone who was identified: a stranger's is nobody's business."""
    match, screening = found.match, found.screening
    known = identified(found) is not None
    return {
        "attempt": found.attempt,
        "faces": found.faces,
        "quality": found.quality,
        "liveness": found.liveness.value,
        "score": match.score if match else None,
        "margin": match.margin if match else None,
        "verdict": screening.verdict.value if known else None,
        "temperature": screening.value if known else None,
        "uncertainty": screening.uncertainty if known else None,
        "surface": screening.surface if known else None,
        "frames": screening.frames,
    }
