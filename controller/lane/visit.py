"""A person's visit up to the decision: seen, looked at, granted or denied, shown, looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane import claims
from controller.lane.effects import Prompt, Reassess, RecordKind
from controller.lane.model import CredentialKind, DenyReason, Direction, FaultKind, Grant, Outcome, Waiting
from controller.lane.policy import ADVICE, TEMPERATURE_REASONS, decide, decide_claim, identified, prompt_for
from controller.lane.states import State, Timer

if TYPE_CHECKING:
    from controller.lane.core import Core, Scalar
    from controller.lane.events import Approached, Assessed, Left, OpenOnce, OtherLaneShut, TimerFired
    from controller.lane.model import Assessment, Claim, LaneSettings, Personal

REFUSALS = {
    State.LOCKDOWN: DenyReason.LOCKDOWN,
    State.MAINTENANCE: DenyReason.MAINTENANCE,
    State.FAULT: DenyReason.LANE_FAULT,
}
"""Standing states that deny whoever was assessed, and the reason they give."""
MANUAL_RANGE = (30.0, 45.0)
"""What a thermometer shows of a person, °C; anything else was mistyped."""


def look(core: Core, _event: Approached) -> None:
    """Begin to screen; perception has begun by itself."""
    core.screen()


def look_away(core: Core, _event: Left) -> None:
    """End a screening without a decision: the person is gone."""
    core.rest()


def look_again(core: Core, _event: TimerFired) -> None:
    """Give up on a screening that finds nothing, and begin a fresh one; without anybody there, on the card's owner."""
    if not core.present:
        claims.nobody_came(core)
        return
    core.effects.signs.append(Reassess())
    core.screen()


def shown(core: Core, _event: TimerFired) -> None:
    """Go on when a denial, an expiry or a completion has been shown long enough."""
    core.rest()


def go_on(core: Core, _event: OtherLaneShut) -> None:
    """Look at once at whoever waits for nothing but the other lane of the interlock."""
    if core.wanted[1] == DenyReason.INTERLOCK.value:
        core.rest()


def shorten(core: Core, _event: Left) -> None:
    """Show a long denial not much longer once the person has left: the next one may be waiting."""
    if core.show_until - core.now > core.settings.deny_show:
        core.arm(Timer.SHOW, core.settings.deny_show)


def assess(core: Core, event: Assessed) -> None:
    """Decide on whoever was looked at."""
    claim = core.claim
    # A look at other faces than those the lane asked about had begun before it asked; a fresh one is under way.
    asked = event.claimed == (claim.person if claim else None)
    if event.presence != core.presence or event.grant_id in core.used or not asked:
        return
    found = event.assessment
    person = claim.person if claim else identified(found)
    access = None if person is None else claims.ask(core, person, event)
    alone = access is not None and access.reason is DenyReason.SECOND_PERSON_NEEDED
    barred = None if access is None or alone else access.reason
    context = claims.context(core, second_factor=event.second_factor, access=barred)
    reason = decide(found, context) if claim is None else decide_claim(found, claim, context)
    if reason is None and person is not None:
        core.access.asked(person, event.now)
        reason = DenyReason.SECOND_PERSON_NEEDED if alone else None
    if reason is None and core.interlocked:
        reason = DenyReason.INTERLOCK
    if reason is not None:
        _deny(core, event, reason)
        return
    grant = Grant(
        grant_id=event.grant_id,
        person=person,
        direction=Direction.ENTRY,
        credential=claim.credential if claim else CredentialKind.FACE,
        granted_at=event.now,
        deadline=event.now + core.settings.passage_wait,
    )
    told = {**_findings(found, claim), **_passengers(core, found)}
    if access is not None and access.noted is not None:
        told["noted"] = access.noted.value
    admit(core, grant, told)


def admit(core: Core, grant: Grant, detail: dict[str, Scalar]) -> None:
    """Grant an entry: the record first, then the lock."""
    if grant.person is not None:
        core.access.whereabouts.reserve(grant.person, grant.grant_id)
    core.failures.admitted()
    core.claim = None
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
    """Let one person in on the guard's word, where what stands doesn't forbid it.

    With a temperature it is the word on whoever waits for one: a fever goes to the doctor, anyone else in by name. So
    it is without one on who was measured, and only not known to be alive.
    """
    waiting = _who_waits(core)
    if event.temperature is None and waiting is not None and not waiting.measured:
        waiting = None
    bar = "repeated" if event.grant_id in core.used else core.facts.admission_bar
    if bar is None and core.interlocked:
        bar = DenyReason.INTERLOCK.value
    if bar is None and event.temperature is not None:
        bar = _temperature_bar(core, event.temperature, waiting)
    if bar is not None:
        _record_order(core, event, {"accepted": False, "refused": bar}, waiting)
        if bar == _FEVER and waiting is not None:
            _send_to_doctor(core, event, waiting)
        return
    _record_order(core, event, {"accepted": True}, waiting)
    grant = Grant(
        grant_id=event.grant_id,
        person=waiting.person if waiting else None,
        direction=Direction.ENTRY,
        credential=waiting.credential if waiting else CredentialKind.REMOTE,
        granted_at=event.now,
        deadline=event.now + core.settings.passage_wait,
    )
    core.waiting = None
    told: dict[str, Scalar] = {"actor": event.actor}
    if event.temperature is not None:
        told["manual_temperature"] = event.temperature
    admit(core, grant, told)


def _who_waits(core: Core) -> Waiting | None:
    """Who was asked to have a temperature taken, and stands there still."""
    waiting = core.waiting
    still = core.state is State.DENIED and core.present and waiting is not None and waiting.presence == core.presence
    return waiting if still else None


_FEVER = "elevated_temperature"


def _temperature_bar(core: Core, temperature: float, waiting: Waiting | None) -> str | None:
    if waiting is None:
        return "nobody_waits"
    if not MANUAL_RANGE[0] <= temperature <= MANUAL_RANGE[1]:
        return "no_temperature"
    return _FEVER if temperature >= core.settings.manual_alarm else None


def _send_to_doctor(core: Core, event: OpenOnce, waiting: Waiting) -> None:
    core.waiting = None
    reason = DenyReason.ELEVATED_TEMPERATURE
    core.enter(State.DENIED, ADVICE[reason].prompt, reason.value, seconds=core.settings.deny_show)
    told: dict[str, Scalar] = {"manual_temperature": event.temperature, "actor": event.actor}
    core.record(RecordKind.TICKET, told, grant_id=event.grant_id, person=waiting.person)


def refuse_entry(core: Core, event: OpenOnce) -> None:
    """Refuse to let one in: somebody is about to pass, the way is free already, or the state forbids it."""
    _record_order(core, event, {"accepted": False, "refused": core.state.value})


def _record_order(core: Core, event: OpenOnce, detail: dict[str, Scalar], waiting: Waiting | None = None) -> None:
    told: dict[str, Scalar] = {"command": "open_once", "direction": event.direction.value, "actor": event.actor}
    person = waiting.person if waiting else None
    core.record(RecordKind.COMMAND, told | detail, grant_id=event.grant_id, person=person)


def _deny(core: Core, event: Assessed, reason: DenyReason) -> None:
    found, claim = event.assessment, core.claim
    person = claim.person if claim else identified(found)
    state = State.LANE_OCCUPIED if reason is DenyReason.LANE_OCCUPIED else State.DENIED
    settings = core.settings
    prompt, told = prompt_for(reason, found, may_wait=settings.liveness_wait > 0)
    core.enter(state, prompt, told, seconds=_shown_for(settings, reason))
    _record_denial(core, reason, found, claim)
    core.waiting = _waiting(core, reason, found, claim)
    if reason is DenyReason.ELEVATED_TEMPERATURE:
        core.record(RecordKind.TICKET, _findings(found, claim), grant_id=event.grant_id, person=person)
    if reason not in claims.LASTING:
        core.claim = None
    claims.count_failure(core, reason, person)


def _waiting(core: Core, reason: DenyReason, found: Assessment, claim: Claim | None) -> Waiting | None:
    """Who may pass on the guard's word after this denial."""
    person, credential = (claim.person, claim.credential) if claim else (identified(found), CredentialKind.FACE)
    if person is None:
        return None
    if reason is DenyReason.MANUAL_TEMPERATURE:
        return Waiting(person, core.presence, credential)
    if reason is DenyReason.PASSENGERS:
        return Waiting(person, core.presence, credential, measured=True)
    if reason is DenyReason.LIVENESS_UNKNOWN and core.settings.liveness_wait > 0:
        fit = FaultKind.SCREENING not in core.facts.faults
        measured = fit and TEMPERATURE_REASONS[found.screening.verdict] is None
        return Waiting(person, core.presence, credential, measured)
    return None


def _shown_for(settings: LaneSettings, reason: DenyReason) -> float:
    """Seconds for which a denial is shown before the lane looks again."""
    match reason:
        case DenyReason.RECHECK_TEMPERATURE:
            return settings.recheck_show
        case DenyReason.TOO_COLD | DenyReason.TOO_HOT:
            return max(settings.warm_up, settings.deny_show)
        case DenyReason.LIVENESS_UNKNOWN:
            return max(settings.liveness_wait, settings.deny_show)
        case DenyReason.MANUAL_TEMPERATURE | DenyReason.PASSENGERS:
            return max(settings.manual_wait, settings.deny_show)
        case DenyReason.CREDENTIAL_NEEDED:
            return max(settings.card_wait, settings.deny_show)
        case _:
            return settings.deny_show


def _record_denial(core: Core, reason: DenyReason, found: Assessment, claim: Claim | None = None) -> None:
    person = claim.person if claim else identified(found)
    told: dict[str, Scalar] = {} if claim is None else {"credential": claim.credential.value}
    core.record(RecordKind.DENY, {"reason": reason.value, **told, **_findings(found, claim)}, person=person)


def _passengers(core: Core, found: Assessment) -> dict[str, Scalar]:
    """Others in the car, who were let in unscreened."""
    return {} if core.others == "refuse" else {"passengers_unscreened": max(0, found.faces - 1)}


def _personal(told: Personal | None) -> dict[str, Scalar]:
    if told is None:
        return {}
    return {
        "personal": told.evidence,
        "personal_unusual": told.unusual,
        "personal_z": told.z,
        "personal_days": told.days,
    }


def _findings(found: Assessment, claim: Claim | None) -> dict[str, Scalar]:
    """Tell what was found. The temperature only of someone who is known: a stranger's is nobody's business."""
    match, screening = found.match, found.screening
    told: dict[str, Scalar] = {
        "attempt": found.attempt,
        "faces": found.faces,
        "quality": found.quality,
        "liveness": found.liveness.value,
        "liveness_reasons": " ".join(reason.value for reason in found.liveness_reasons) or None,
        "score": match.score if match else None,
        "margin": match.margin if match else None,
        "frames": screening.frames,
    }
    if claim is not None:
        told["verified"] = found.match is not None if claim.face else None
    if claim is None and identified(found) is None:
        return told
    parts = screening.parts
    return told | {
        "verdict": screening.verdict.value,
        "temperature": screening.value,
        "uncertainty": screening.uncertainty,
        "u_noise": parts.noise if parts else None,
        "u_reference": parts.reference if parts else None,
        "u_region": parts.region if parts else None,
        "u_compensation": parts.compensation if parts else None,
        "risk": screening.risk,
        "surface": screening.surface,
        "correction": screening.correction,
        "room": screening.room,
        "looks": screening.looks,
        "remarks": " ".join(remark.value for remark in screening.remarks) or None,
        "wait_minutes": screening.wait_minutes,
        **_personal(screening.personal),
    }
