"""Who may pass: pure rules from an assessment to a reason for denial, what is then shown, what counts as a failure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.lane.effects import Prompt
from controller.lane.model import Assessment, Claim, DenyReason, Liveness, LivenessReason, Verdict

if TYPE_CHECKING:
    from controller.lane.events import Presented
    from controller.lane.kind_settings import Others
    from controller.lane.model import Require


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What the lane knows beyond the assessment."""

    access: DenyReason | None = None
    """Why the access policy does not let the person in here and now."""
    manual: bool = False
    """The sensor is lost, or not fit to measure people: a temperature is taken by hand."""
    no_heat: bool = False
    """There is no thermal sensor to tell a living face by: the guard, who takes the temperature, sees whose it is."""
    minimum_quality: float = 0.0
    """Picture quality, 0..1, below which nothing is concluded."""
    card_first: bool = False
    """Nobody passes this lane without a card."""
    second_factor: bool = False
    """Whoever was recognised may not pass by their face alone."""
    vehicle: bool = True
    """At a barrier: a vehicle stands before it."""
    others: Others = "refuse"
    """What further faces mean: at a barrier they are passengers."""


TEMPERATURE_REASONS: dict[Verdict, DenyReason | None] = {
    Verdict.NORMAL: None,
    Verdict.ELEVATED: DenyReason.ELEVATED_TEMPERATURE,
    Verdict.RECHECK: DenyReason.RECHECK_TEMPERATURE,
    Verdict.TOO_COLD: DenyReason.TOO_COLD,
    Verdict.TOO_HOT: DenyReason.TOO_HOT,
    Verdict.OBSTRUCTED: DenyReason.FACE_COVERED,
    Verdict.TOO_FAR: DenyReason.TOO_FAR,
    Verdict.UNSTABLE: DenyReason.NO_TEMPERATURE,
    Verdict.SENSOR_UNFIT: DenyReason.NO_TEMPERATURE,
}

_Rules = tuple[tuple[DenyReason, Callable[[Assessment, PolicyContext], bool]], ...]

_WHO: _Rules = (
    (DenyReason.NO_VEHICLE, lambda _, context: not context.vehicle),
    (DenyReason.LANE_OCCUPIED, lambda found, context: found.faces > 1 and context.others == "refuse"),
    (DenyReason.SPOOF_SUSPECTED, lambda found, _: found.liveness is Liveness.SPOOF),
    (DenyReason.CREDENTIAL_NEEDED, lambda _, context: context.card_first),
    (DenyReason.POOR_PICTURE, lambda found, context: not found.quality >= context.minimum_quality),
    (DenyReason.AMBIGUOUS_MATCH, lambda found, _: found.ambiguous),
    # Nobody is called a stranger behind glasses that had to come off anyway; that they are on is no secret.
    (
        DenyReason.FACE_COVERED,
        lambda found, _: found.match is None and found.screening.verdict is Verdict.OBSTRUCTED,
    ),
    (DenyReason.UNKNOWN_PERSON, lambda found, _: found.match is None),
)
"""In order; the first that holds is the reason."""

_PROOF: _Rules = (
    (DenyReason.LIVENESS_UNKNOWN, lambda found, context: found.liveness is not Liveness.LIVE and not context.no_heat),
    (DenyReason.CREDENTIAL_NEEDED, lambda _, context: context.second_factor),
)
"""The same once the access policy has nothing against the person. Temperature comes last of all, so that a stranger's
is never revealed."""


_ClaimRules = tuple[tuple[DenyReason, Callable[[Assessment, Claim, PolicyContext], bool]], ...]

_WHOSE: _ClaimRules = (
    (DenyReason.NO_VEHICLE, lambda _, __, context: not context.vehicle),
    (DenyReason.LANE_OCCUPIED, lambda found, _, context: found.faces > 1 and context.others == "refuse"),
    (DenyReason.SPOOF_SUSPECTED, lambda found, _, __: found.liveness is Liveness.SPOOF),
    (
        DenyReason.POOR_PICTURE,
        lambda found, claim, context: claim.face and not found.quality >= context.minimum_quality,
    ),
    (
        DenyReason.FACE_COVERED,
        lambda found, claim, _: claim.face and found.match is None and found.screening.verdict is Verdict.OBSTRUCTED,
    ),
    (
        DenyReason.FACE_MISMATCH,
        lambda found, claim, _: claim.face and (found.match is None or found.match.person != claim.person),
    ),
)
"""The same for somebody who came by card; whose it is was decided when it was presented."""

_CLAIM_PROOF: _ClaimRules = (
    (
        DenyReason.LIVENESS_UNKNOWN,
        lambda found, claim, context: claim.face and found.liveness is not Liveness.LIVE and not context.no_heat,
    ),
)


def decide_claim(assessment: Assessment, claim: Claim, context: PolicyContext) -> DenyReason | None:
    """Return why somebody who came by card may not pass, or None. Their temperature counts as everybody's does."""

    def first(rules: _ClaimRules) -> DenyReason | None:
        return next((reason for reason, holds in rules if holds(assessment, claim, context)), None)

    return first(_WHOSE) or context.access or first(_CLAIM_PROOF) or _by_temperature(assessment, context)


def needs_face(require: Require, *, second_factor: bool, no_face: bool) -> bool:
    """Whether somebody who presents a card has to show their face besides."""
    return not no_face and (second_factor or require in ("face", "face_and_card"))


def refuse_claim(
    presented: Presented, require: Require, *, sees: bool, access: DenyReason | None = None
) -> DenyReason | None:
    """Return why a card is not followed, or None where its owner may be screened.

    `sees`: there is a camera; `access`: why the access policy does not let the owner in.
    """
    if presented.locked:
        return DenyReason.PIN_LOCKED
    if presented.person is None:
        return DenyReason.UNKNOWN_CREDENTIAL
    if access is not None:
        return access
    if not sees:
        # A card may stand in for the face that can't be seen, never for one that was to be seen besides it.
        both = presented.second_factor or (require == "face_and_card" and not presented.no_face)
        return DenyReason.FACE_UNAVAILABLE if both else None
    if require == "face" and not (presented.no_face or presented.second_factor):
        return DenyReason.FACE_NEEDED
    return None


def decide(assessment: Assessment, context: PolicyContext) -> DenyReason | None:
    """Return why the person may not pass, or None where they may. A fever is denied even to the registered."""

    def first(rules: _Rules) -> DenyReason | None:
        return next((reason for reason, holds in rules if holds(assessment, context)), None)

    return first(_WHO) or context.access or first(_PROOF) or _by_temperature(assessment, context)


def _by_temperature(assessment: Assessment, context: PolicyContext) -> DenyReason | None:
    if context.manual:
        return DenyReason.MANUAL_TEMPERATURE
    reason = TEMPERATURE_REASONS[assessment.screening.verdict]
    if reason is None and assessment.faces > 1 and context.others == "guard":
        return DenyReason.PASSENGERS
    return reason


def identified(assessment: Assessment) -> str | None:
    """Return the person's id where the face is one person's and not a picture's, else None."""
    if assessment.match is None or assessment.ambiguous or assessment.liveness is Liveness.SPOOF:
        return None
    return assessment.match.person


class Counted(enum.Enum):
    """How a denial counts towards the alarm for repeated failures."""

    NEVER = "never"
    """Nobody's failed attempt."""
    HERE = "here"
    """As long as the same person stands there."""
    ACROSS = "across"
    """Until someone is admitted: stepping back between attempts doesn't reset it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What follows a denial."""

    prompt: Prompt
    counted: Counted


ADVICE: dict[DenyReason, Advice] = {
    DenyReason.UNKNOWN_PERSON: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.AMBIGUOUS_MATCH: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.SPOOF_SUSPECTED: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.LIVENESS_UNKNOWN: Advice(Prompt.LOOK_HERE, Counted.HERE),
    DenyReason.POOR_PICTURE: Advice(Prompt.LOOK_HERE, Counted.HERE),
    DenyReason.ELEVATED_TEMPERATURE: Advice(Prompt.SEE_DOCTOR, Counted.HERE),
    DenyReason.RECHECK_TEMPERATURE: Advice(Prompt.WAIT, Counted.HERE),
    DenyReason.TOO_COLD: Advice(Prompt.WARM_UP, Counted.NEVER),
    DenyReason.TOO_HOT: Advice(Prompt.COOL_DOWN, Counted.NEVER),
    DenyReason.FACE_COVERED: Advice(Prompt.UNCOVER, Counted.HERE),
    DenyReason.TOO_FAR: Advice(Prompt.COME_CLOSER, Counted.HERE),
    DenyReason.NO_TEMPERATURE: Advice(Prompt.WAIT, Counted.HERE),
    DenyReason.MANUAL_TEMPERATURE: Advice(Prompt.SEE_GUARD, Counted.NEVER),
    DenyReason.UNKNOWN_CREDENTIAL: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.CREDENTIAL_NEEDED: Advice(Prompt.PRESENT_CARD, Counted.NEVER),
    DenyReason.FACE_UNAVAILABLE: Advice(Prompt.ASK_GUARD, Counted.NEVER),
    DenyReason.FACE_NEEDED: Advice(Prompt.LOOK_HERE, Counted.HERE),
    DenyReason.FACE_MISMATCH: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.PIN_LOCKED: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.NOT_PERMITTED: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.CREDENTIAL_EXPIRED: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.OUT_OF_HOURS: Advice(Prompt.DENIED, Counted.HERE),
    DenyReason.VISIT_OVER: Advice(Prompt.ASK_GUARD, Counted.HERE),
    DenyReason.FIRST_PERSON_NEEDED: Advice(Prompt.DENIED, Counted.NEVER),
    DenyReason.SECOND_PERSON_NEEDED: Advice(Prompt.WAIT, Counted.NEVER),
    DenyReason.ROSTER_STALE: Advice(Prompt.ASK_GUARD, Counted.NEVER),
    DenyReason.CLOCK_UNKNOWN: Advice(Prompt.ASK_GUARD, Counted.NEVER),
    DenyReason.ANTI_PASSBACK: Advice(Prompt.DENIED, Counted.ACROSS),
    DenyReason.LANE_OCCUPIED: Advice(Prompt.ONE_AT_A_TIME, Counted.HERE),
    DenyReason.INTERLOCK: Advice(Prompt.WAIT, Counted.NEVER),
    DenyReason.NO_VEHICLE: Advice(Prompt.DENIED, Counted.NEVER),
    DenyReason.PASSENGERS: Advice(Prompt.ASK_GUARD, Counted.NEVER),
    DenyReason.LOCKDOWN: Advice(Prompt.DENIED, Counted.NEVER),
    DenyReason.MAINTENANCE: Advice(Prompt.OUT_OF_SERVICE, Counted.NEVER),
    DenyReason.LANE_FAULT: Advice(Prompt.OUT_OF_SERVICE, Counted.NEVER),
    DenyReason.JOURNAL_FAILED: Advice(Prompt.DENIED, Counted.NEVER),
}


SAID: dict[LivenessReason, Prompt] = {
    LivenessReason.NOT_PAIRED: Prompt.LOOK_HERE,
    LivenessReason.FEW_FRAMES: Prompt.LOOK_HERE,
    LivenessReason.FEW_PIXELS: Prompt.COME_CLOSER,
    LivenessReason.HOT_ROOM: Prompt.ASK_GUARD,
    LivenessReason.COLD_FACE: Prompt.WARM_UP,
}
"""What somebody whom heat cannot judge may be told. All other reasons would teach who holds up a picture: the record
has them."""


def prompt_for(reason: DenyReason, found: Assessment, *, may_wait: bool) -> tuple[Prompt, str]:
    """What is shown after a denial, and why. `may_wait`: the guard may let in whom heat cannot judge."""
    prompt = ADVICE[reason].prompt
    if reason is not DenyReason.LIVENESS_UNKNOWN or not found.liveness_reasons:
        return prompt, reason.value
    first = found.liveness_reasons[0]
    said = SAID.get(first)
    told = reason.value if said is None else f"{reason.value}/{first.value}"
    return (Prompt.ASK_GUARD if may_wait else said or prompt), told


class RepeatedFailures:
    """Counts denials in a row; the guard is called once per `limit` of them (GB 50396-2007, 5.1.5)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._here = 0
        self._across = 0

    def denied(self, reason: DenyReason) -> bool:
        """Count a denial; True when it is the one that calls the guard."""
        counted = ADVICE[reason].counted
        if counted is Counted.NEVER:
            return False
        self._here += 1
        if counted is Counted.ACROSS:
            self._across += 1
        if max(self._here, self._across) < self._limit:
            return False
        self.admitted()
        return True

    def left(self) -> None:
        """Note that the person stepped away."""
        self._here = 0

    def admitted(self) -> None:
        """Start over: somebody was let in, or the guard was called."""
        self._here = self._across = 0
