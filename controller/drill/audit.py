"""The verdict on a rehearsal: rules over its evidence, each a pure function that returns what it found.

A finding that `fails` makes the exit status 1. The others are told and counted: a noisy sensor may send a healthy
person to a second look, so false rejects and readings are judged by their predicted numbers, not one by one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controller.drill.diary import Arm
from controller.drill.figures import count_interval, upper_bound
from controller.drill.scenario import NEVER_GRANTED, Ending, Kind
from controller.lane.effects import RecordKind
from controller.lane.model import CredentialKind, DenyReason, Direction, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from controller.drill.diary import VisitLog
    from controller.drill.evidence import Evidence
    from controller.record.entry import Stored

CONFIDENCE: Final = 0.999
"""Of the predicted intervals: one correct program in a thousand rehearsals is blamed wrongly, per rule."""
FACE_MISS: Final = 0.05
"""Allowed share of registered people whose face is missed twice; the demo engine missed 2 of 72 in nine casts."""
CLOCK_SLACK: Final = 1e-6
"""Seconds of rounding between two readings of one clock."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the audit found."""

    rule: str
    """Stable name of the rule."""
    text: str
    fails: bool = True
    visit: int | None = None
    """Whose visit it concerns."""


def audit(evidence: Evidence) -> tuple[Finding, ...]:
    """Apply every rule."""
    return tuple(finding for rule in RULES for finding in rule(evidence))


def relay_needs_a_grant(evidence: Evidence) -> Iterator[Finding]:
    """For each move of a relay the journal has a grant of its direction, used once, and had it on disk by then."""
    for direction in Direction:
        grants = [row for row in _rows(evidence, RecordKind.GRANT) if _direction(row) is direction]
        moves = [move for move in evidence.relay if move.direction is direction and move.active]
        for number, move in enumerate(moves, start=1):
            earlier = sum(row.entry.monotonic <= move.at + CLOCK_SLACK for row in grants)
            if earlier < number:
                text = f"{direction.value} relay moved at {move.at:.3f} s: move {number} after {earlier} grants"
                yield Finding("relay-without-grant", text, visit=_visit_at(evidence, move.at))
    energised = sorted((move for move in evidence.relay if move.active), key=lambda move: move.at)
    for number, move in enumerate(energised, start=1):
        if move.grants_on_disk < number:
            text = f"relay moved at {move.at:.3f} s with {move.grants_on_disk} grants on disk, not {number}"
            yield Finding("relay-before-disk", text, visit=_visit_at(evidence, move.at))


def grants_name_who_stood_there(evidence: Evidence) -> Iterator[Finding]:
    """A grant names the person on the mark; strangers and photographs get none."""
    for row in _rows(evidence, RecordKind.GRANT):
        log = _log_at(evidence, row.entry.monotonic)
        if log is None:
            # After an interruption the last visit is not in the diary.
            yield Finding("grant-to-nobody", f"grant {row.entry.grant_id} while nobody's turn", evidence.complete)
        elif log.visit.kind in NEVER_GRANTED:
            text = f"a {log.visit.kind.value} was granted as {row.entry.person}"
            yield Finding(f"{log.visit.kind.value}-let-in", text, visit=log.visit.number)
        elif row.entry.person != log.visit.person:
            text = f"{log.visit.person} was granted as {row.entry.person}"
            yield Finding("wrong-person", text, visit=log.visit.number)
        elif not log.on_mark(row.entry.monotonic):
            text = f"granted at {row.entry.monotonic:.3f} s, when the mark was empty"
            yield Finding("grant-to-nobody", text, visit=log.visit.number)


def arm_turns_for_grants_alone(evidence: Evidence) -> Iterator[Finding]:
    """Nobody passes inwards without a grant of their own turn, but a tailgater behind somebody who has one."""
    for log in evidence.visits:
        turns = [
            turn.at for turn in evidence.arm if turn.direction is Direction.ENTRY and log.begin <= turn.at < log.end
        ]
        grants = [row for row in _rows(evidence, RecordKind.GRANT) if log.begin <= row.entry.monotonic < log.end]
        followers = sum(push.follower and push.gave_way for push in log.pushes)
        if len(turns) > len(grants) + followers:
            text = f"{len(turns)} passed inwards on {len(grants)} grants, {followers} of them tailgating"
            yield Finding("passage-without-grant", text, visit=log.visit.number)


def egress_is_free(evidence: Evidence) -> Iterator[Finding]:
    """Nobody who leaned on the arm to go out found it locked."""
    for log in evidence.visits:
        for push in log.pushes:
            if push.outward and push.felt is Arm.LOCKED:
                text = f"the way out was blocked at {push.at:.3f} s"
                yield Finding("egress-hindered", text, visit=log.visit.number)


def journal_is_whole(evidence: Evidence) -> Iterator[Finding]:
    """Sequence numbers have no gap, and the file holds just what the lane's steps said it holds, once."""
    epochs = {row.epoch for row in evidence.journal}
    if len(epochs) > 1:
        yield Finding("journal-epochs", f"one rehearsal, but {len(epochs)} epochs in its journal")
    numbers = [row.seq for row in evidence.journal]
    if numbers != list(range(1, len(numbers) + 1)):
        yield Finding("journal-gap", f"sequence numbers are not 1..{len(numbers)} in order: {_around_gap(numbers)}")
    on_disk = Counter(_identity(row) for row in evidence.journal)
    reported = Counter(_identity(row) for row in evidence.reported)
    if lost := reported - on_disk:
        yield Finding("event-lost", f"{lost.total()} records reported as on disk are not in the journal: {min(lost)}")
    if doubled := on_disk - reported:
        yield Finding("event-doubled", f"{doubled.total()} records in the journal that no step wrote: {min(doubled)}")
    if evidence.unwritten:
        yield Finding("event-unwritten", f"{evidence.unwritten} records that the lane asked for never reached the disk")


def every_grant_ends_once(evidence: Evidence) -> Iterator[Finding]:
    """Each grant has one end in the journal, and it is the one that was seen."""
    ends: dict[str | None, list[Stored]] = {}
    for row in _rows(evidence, RecordKind.PASSAGE):
        ends.setdefault(row.entry.grant_id, []).append(row)
    for row in _rows(evidence, RecordKind.GRANT):
        found = [_outcome(end) for end in ends.get(row.entry.grant_id, [])]
        log = _log_at(evidence, row.entry.monotonic)
        number = None if log is None else log.visit.number
        if len(found) != 1:
            # The grant that an interruption cut short is still open.
            fails = evidence.complete or len(found) > 1
            yield Finding("grant-without-end", f"grant {row.entry.grant_id} has {len(found)} ends", fails, number)
        elif log is not None and found[0] != (expected := _expected_end(log)):
            text = f"{log.ending.value}, but the journal says {found[0]}, not {expected}"
            yield Finding("wrong-end", text, visit=number)


def passages_out_are_recorded(evidence: Evidence) -> Iterator[Finding]:
    """Everybody who walked out is in the journal, without an alarm."""
    out = sum(push.outward and push.gave_way for log in evidence.visits for push in log.pushes)
    rows = [row for row in _rows(evidence, RecordKind.PASSAGE) if _direction(row) is Direction.EXIT]
    if len(rows) != out and evidence.complete:
        yield Finding("egress-unrecorded", f"{out} people walked out, {len(rows)} are in the journal")


def alarms_are_right(evidence: Evidence) -> Iterator[Finding]:
    """Each tailgater raised the tailgating alarm, and nobody else raised any."""
    for log in evidence.visits:
        followed = any(push.follower and push.gave_way for push in log.pushes)
        raised = Counter(row.entry.kind for row in evidence.journal if log.begin <= row.entry.monotonic < log.end)
        wanted = Counter({RecordKind.TAILGATE.value: int(followed)})
        for kind in (RecordKind.TAILGATE, RecordKind.INTRUSION, RecordKind.REVERSE):
            if raised[kind.value] < wanted[kind.value]:
                yield Finding("tailgate-missed", "a tailgater raised no alarm", visit=log.visit.number)
            elif raised[kind.value] > wanted[kind.value]:
                yield Finding("false-alarm", f"{kind.value} without a cause", visit=log.visit.number)


def outages_are_recorded(evidence: Evidence) -> Iterator[Finding]:
    """A sensor off its bus is a fault in the journal, and its end too; meanwhile nobody is granted."""
    for log in evidence.visits:
        if log.outage is None:
            continue
        kinds = [row.entry.kind for row in evidence.journal if log.begin <= row.entry.monotonic < log.end]
        for kind in (RecordKind.FAULT, RecordKind.FAULT_CLEARED):
            if kind.value not in kinds:
                yield Finding("outage-unrecorded", f"no {kind.value} of the outage", visit=log.visit.number)
        blind = [row for row in _rows(evidence, RecordKind.GRANT) if _deep_in(log, row.entry.monotonic)]
        for row in blind:
            text = f"granted at {row.entry.monotonic:.3f} s while the sensor was off its bus"
            yield Finding("granted-blind", text, visit=log.visit.number)


TOLD: Final = {
    Kind.CARD: (RecordKind.GRANT, None, CredentialKind.CARD),
    Kind.BORROWED_CARD: (RecordKind.DENY, DenyReason.FACE_MISMATCH, CredentialKind.CARD),
    Kind.EXPIRED_CARD: (RecordKind.DENY, DenyReason.CREDENTIAL_EXPIRED, CredentialKind.CARD),
    Kind.GUESSED_PIN: (RecordKind.DENY, DenyReason.PIN_LOCKED, CredentialKind.PIN),
    Kind.OUT_OF_HOURS: (RecordKind.DENY, DenyReason.OUT_OF_HOURS, None),
    Kind.VISIT_OVER: (RecordKind.DENY, DenyReason.VISIT_OVER, None),
    Kind.TOO_EARLY: (RecordKind.DENY, DenyReason.FIRST_PERSON_NEEDED, None),
}
"""What the journal must say of those who come with a card or a PIN, or against the access policy."""


def reasons_are_told(evidence: Evidence) -> Iterator[Finding]:
    """Whoever came with a card or a PIN is in the journal with it, and whoever was refused with the reason."""
    for log in evidence.visits:
        if log.visit.kind not in TOLD:
            continue
        kind, reason, credential = TOLD[log.visit.kind]
        found = (row.entry.detail for row in _rows(evidence, kind) if log.begin <= row.entry.monotonic < log.end)
        wanted = {"credential": credential and credential.value, "reason": reason and reason.value}
        wanted = {key: value for key, value in wanted.items() if value is not None}
        if not any(wanted.items() <= detail.items() for detail in found):
            text = f"no {kind.value} of a {log.visit.kind.value} says " + ", ".join(map(str, wanted.values()))
            yield Finding("reason-unrecorded", text, visit=log.visit.number)


BLIND_AFTER: Final = 1.5
"""Seconds into an outage after which evidence from before it must no longer count."""


def _deep_in(log: VisitLog, at: float) -> bool:
    return log.outage is not None and log.outage.begin + BLIND_AFTER < at < log.outage.end


def endings(evidence: Evidence) -> Iterator[Finding]:
    """How each visit ended against how it should have. A gate that gives no answer, or lies about the arm, fails."""
    for log in evidence.visits:
        if log.ending is log.visit.expected:
            continue
        broken = log.ending in (Ending.UNDECIDED, Ending.STUCK, Ending.HINDERED)
        text = f"{log.ending.value}, should be: {log.visit.expected.value}"
        yield Finding("no-answer" if broken else "other-ending", text, broken, log.visit.number)


def false_rejects_are_few(evidence: Evidence) -> Iterator[Finding]:
    """Healthy registered people refused twice: not more than temperature and faces explain."""
    rejected, _, bound = false_rejects(evidence)
    if rejected > bound:
        text = f"{rejected} healthy registered people were refused twice; noise explains {bound} ({CONFIDENCE:.1%})"
        yield Finding("false-rejects", text)


def false_rejects(evidence: Evidence) -> tuple[int, int, int]:
    """Healthy registered people refused twice, how many there were, and the bound on the former (`CONFIDENCE`).

    A person's chance to be refused twice: the predicted chance that both readings deny (each look has its own noise),
    plus `FACE_MISS` (a face that is hard stays hard).
    """
    healthy = [log for log in evidence.visits if log.visit.kind.may_enter]
    rejected = sum(log.ending is Ending.TURNED_AWAY for log in healthy)
    chances = [min(1.0, evidence.refused_twice[log.visit.number] + FACE_MISS) for log in healthy]
    return rejected, len(healthy), upper_bound(chances, CONFIDENCE)


def screening_rates_are_as_predicted(evidence: Evidence) -> Iterator[Finding]:
    """The count of each verdict, over first readings, lies within its exact Poisson-binomial interval."""
    for verdict in Verdict:
        observed = sum(reading.verdict is verdict for reading in evidence.readings)
        interval = count_interval([r.predicted.get(verdict, 0.0) for r in evidence.readings], CONFIDENCE)
        if observed not in interval:
            text = (
                f"{observed} of {len(evidence.readings)} readings were {verdict.value}; "
                f"predicted {interval.low}..{interval.high}, {interval.mean:.1f} on average"
            )
            yield Finding("screening-rate", text)


RULES: Final[tuple[Callable[[Evidence], Iterator[Finding]], ...]] = (
    relay_needs_a_grant,
    grants_name_who_stood_there,
    arm_turns_for_grants_alone,
    egress_is_free,
    journal_is_whole,
    every_grant_ends_once,
    passages_out_are_recorded,
    alarms_are_right,
    outages_are_recorded,
    reasons_are_told,
    endings,
    false_rejects_are_few,
    screening_rates_are_as_predicted,
)


def _rows(evidence: Evidence, kind: RecordKind) -> list[Stored]:
    return [row for row in evidence.journal if row.entry.kind == kind.value]


def _direction(row: Stored) -> Direction | None:
    value = row.entry.detail.get("direction")
    return Direction(value) if isinstance(value, str) else None


def _outcome(row: Stored) -> str:
    return str(row.entry.detail.get("outcome"))


def _expected_end(log: VisitLog) -> str:
    unused = log.ending in (Ending.LEFT_UNUSED, Ending.STUCK)
    return str((Outcome.EXPIRED if unused else Outcome.COMPLETED).value)


def _identity(row: Stored) -> tuple[int, int, str, float, str, str, str]:
    entry = row.entry
    detail = ", ".join(f"{key}={value}" for key, value in sorted(entry.detail.items()))
    return row.epoch, row.seq, entry.kind, entry.monotonic, entry.grant_id or "", entry.person or "", detail


def _log_at(evidence: Evidence, at: float) -> VisitLog | None:
    return next((log for log in evidence.visits if log.begin <= at < log.end), None)


def _visit_at(evidence: Evidence, at: float) -> int | None:
    log = _log_at(evidence, at)
    return None if log is None else log.visit.number


def _around_gap(numbers: list[int]) -> str:
    place = next(i for i, number in enumerate(numbers) if number != i + 1)
    return ", ".join(map(str, numbers[max(0, place - 2) : place + 3]))
