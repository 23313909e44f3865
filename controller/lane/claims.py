"""Cards, codes and PINs: who somebody says they are. A claim opens nothing; it is decided upon when they are screened.

A claim belongs to one presence: that of whoever stands there, or of the next who comes. It ends when that person is
let in, denied for good or gone, and with it ends what perception was told to compare with. So a card presented and
walked away from lets nobody in.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from controller.lane.effects import Reassess, RecordKind
from controller.lane.model import Claim, DenyReason, FaultKind
from controller.lane.policy import ADVICE, PolicyContext, needs_face, refuse_claim
from controller.lane.states import State

if TYPE_CHECKING:
    from controller.lane.access.decision import Decision
    from controller.lane.core import Core, Scalar
    from controller.lane.events import Assessed, Presented

LASTING = frozenset(
    {
        DenyReason.POOR_PICTURE,
        DenyReason.LIVENESS_UNKNOWN,
        DenyReason.RECHECK_TEMPERATURE,
        DenyReason.NO_TEMPERATURE,
        DenyReason.TOO_COLD,
        DenyReason.TOO_HOT,
        DenyReason.TOO_FAR,
        DenyReason.FACE_COVERED,
        DenyReason.INTERLOCK,
        DenyReason.SECOND_PERSON_NEEDED,
    }
)
"""Denials that another look may end, so that the card need not be presented again."""


def present(core: Core, event: Presented) -> None:
    """Take a card: screen whoever presented it, or say why not."""
    core.waiting = None
    access = None if event.person is None else ask(core, event.person, event).reason
    if access is DenyReason.SECOND_PERSON_NEEDED:
        access = None  # who asks is known once they have been screened
    reason = refuse_claim(event, core.settings.require, sees=core.sees, access=access)
    if reason is not None or event.person is None:
        core.claim = None
        deny(core, event, reason or DenyReason.UNKNOWN_CREDENTIAL)
        return
    needed = needs_face(core.settings.require, second_factor=event.second_factor, no_face=event.no_face)
    face = needed and core.sees
    core.claim = Claim(event.person, event.credential, face, core.presence if core.present else None)
    core.screen()
    core.effects.signs.append(Reassess())


def refuse(core: Core, event: Presented) -> None:
    """Deny a card where the lane admits nobody; what it shows says why already."""
    reason = {State.LOCKDOWN: DenyReason.LOCKDOWN, State.MAINTENANCE: DenyReason.MAINTENANCE}
    _record(core, event, reason.get(core.state, DenyReason.LANE_FAULT))


def deny(core: Core, event: Presented, reason: DenyReason) -> None:
    """Show and record why a card is not followed; one too many of them calls the guard."""
    core.enter(State.DENIED, ADVICE[reason].prompt, reason.value, seconds=core.settings.deny_show)
    _record(core, event, reason)
    count_failure(core, reason, event.person)


def count_failure(core: Core, reason: DenyReason, person: str | None) -> None:
    """Count a denial, and call the guard when there were too many in a row."""
    if core.failures.denied(reason):
        told: dict[str, Scalar] = {"reason": "repeated_failures", "attempts": core.settings.failed_attempts}
        core.record(RecordKind.WARNING, told, person=person)
        core.alarm("repeated_failures")


def nobody_came(core: Core) -> None:
    """End a claim of somebody whom neither camera nor thermal array has seen."""
    claim = core.claim
    if claim is not None:
        told: dict[str, Scalar] = {
            "reason": DenyReason.NO_TEMPERATURE.value,
            "credential": claim.credential.value,
            "seen": False,
        }
        core.record(RecordKind.DENY, told, person=claim.person)
    core.rest()


def meet(core: Core) -> None:
    """Somebody came: the claim that waited for them is theirs, another's is over."""
    if core.claim is None:
        return
    if core.claim.presence is None:
        core.claim = replace(core.claim, presence=core.presence)
    elif core.claim.presence != core.presence:
        core.claim = None


def leave(core: Core) -> None:
    """Whoever stood there is gone, and their claim with them."""
    if core.claim is not None and core.claim.presence is not None:
        core.claim = None


def ask(core: Core, person: str, event: Assessed | Presented) -> Decision:
    """Ask the access policy about somebody who wants to come in."""
    # Where passages cannot be seen, who is inside is a guess: it may warn, but not shut anyone out.
    return core.access.decide(person, event.now, event.moment, seen=not core.facts.stuck)


def context(core: Core, *, second_factor: bool, access: DenyReason | None) -> PolicyContext:
    """What the lane knows beyond an assessment."""
    return PolicyContext(
        access=access,
        manual=not core.facts.faults.isdisjoint({FaultKind.SCREENING, FaultKind.SENSOR_THERMAL}),
        no_heat=FaultKind.SENSOR_THERMAL in core.facts.faults,
        minimum_quality=core.settings.minimum_quality,
        card_first=core.card_first,
        second_factor=second_factor,
        vehicle=core.vehicle_there,
        others=core.others,
    )


def _record(core: Core, event: Presented, reason: DenyReason) -> None:
    told: dict[str, Scalar] = {"reason": reason.value, "credential": event.credential.value}
    core.record(RecordKind.DENY, told, person=event.person)
