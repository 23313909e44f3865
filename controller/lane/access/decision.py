"""One decision: may this person pass this point now, and why. The lane and `explain` ask the same function.

Every rule is looked at in its order, and says what it found; the first that denies is the reason. Where the point leads
out, nothing denies: what would have is only told.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

from controller.lane.access.document import EVERYBODY
from controller.lane.access.times import local, unix_of
from controller.lane.model import DenyReason, Direction

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from controller.lane.access.document import Point, Visitor
    from controller.lane.access.policy import Permit, Policy
    from controller.lane.access.times import Moment
    from controller.lane.access.whereabouts import Whereabouts


class Subject(Protocol):
    """What is known of somebody who is enrolled; `controller.gallery.model.Person` is one."""

    @property
    def groups(self) -> tuple[str, ...]:
        """By the roll."""
        ...

    @property
    def valid_from(self) -> dt.date | None:
        """First day; None: always."""
        ...

    @property
    def valid_until(self) -> dt.date | None:
        """Last day, inclusive; None: for ever."""
        ...


Verdict = Literal["allows", "denies", "notes", "concerns nobody"]


@dataclass(frozen=True, slots=True)
class Step:
    """What one rule found."""

    rule: str
    verdict: Verdict
    why: str
    reason: DenyReason | None = None
    """What it denies, or would deny, for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may pass."""

    reason: DenyReason | None
    """Why not; None: granted, as far as the policy goes."""
    steps: tuple[Step, ...]

    @property
    def noted(self) -> DenyReason | None:
        """What a rule would have denied a person for who may pass all the same."""
        return None if self.reason else next((step.reason for step in self.steps if step.reason), None)


@dataclass(frozen=True)
class Question:
    """Who wants to pass where and when, and what is known besides. What it looks up it looks up once."""

    policy: Policy
    point: str
    direction: Direction
    person: str
    find: Callable[[str], Subject | None]
    """Who is enrolled."""
    moment: Moment
    now: float
    """Monotonic seconds at `moment`."""
    whereabouts: Whereabouts
    seen: bool = True
    """Passages are seen: no contact is stuck."""
    stale: bool = False
    """The gate has not heard for too long who may still pass."""

    @cached_property
    def subject(self) -> Subject | None:
        """What is known of the person; None: not enrolled."""
        return self.find(self.person)

    @property
    def at(self) -> Point:
        """The point."""
        return self.policy.document.points[self.point]

    @property
    def trusted(self) -> bool:
        """Whether the time may decide; else `without_clock` does."""
        return self.moment.known

    @property
    def closed_without_clock(self) -> bool:
        """Whether what depends on the time is denied for want of it."""
        return not self.moment.known and self.policy.document.without_clock == "deny"

    @cached_property
    def wall(self) -> dt.datetime:
        """What a clock on the wall shows."""
        return local(self.moment.unix, self.policy.zone)

    @property
    def visitor(self) -> Visitor | None:
        """The visit, of somebody who is on one."""
        return self.policy.document.visitors.get(self.person)

    @cached_property
    def groups(self) -> frozenset[str]:
        """Whose rules hold for this person."""
        visitor = self.visitor
        own = () if self.subject is None else self.subject.groups
        return frozenset((*own, *(() if visitor is None else visitor.groups), EVERYBODY))


def decide(question: Question) -> Decision:
    """Look at every rule. The two-person rule is the last: who is denied for it alone counts as having asked."""
    if question.direction is Direction.EXIT:
        step = Step("way out", "allows", f"{question.point} lets everybody out, known or not")
        return Decision(None, (step,))
    if question.subject is None:
        reason = DenyReason.UNKNOWN_PERSON
        return Decision(reason, (Step("enrolled", "denies", f"{question.person} is not enrolled here", reason),))
    steps = (*_heard(question), *(rule(question) for rule in _RULES))
    if question.policy.leads_out(question.point):
        at = question.at
        free = Step("way out", "allows", f"from {at.from_} to {at.to} is the way out: no rule denies it")
        return Decision(None, (free, *(_softened(step) for step in steps)))
    return Decision(next((step.reason for step in steps if step.verdict == "denies"), None), steps)


def _heard(question: Question) -> tuple[Step, ...]:
    """Nobody is known well enough where the hub was silent for too long."""
    told = "nothing was heard of the hub for longer than it allows"
    return (Step("roster", "denies", told, DenyReason.ROSTER_STALE),) if question.stale else ()


def _softened(step: Step) -> Step:
    return Step(step.rule, "notes", step.why, step.reason) if step.verdict == "denies" else step


def _by_clock(question: Question, rule: str, why: str) -> Step:
    """Deny what would need the time, or let it count as open."""
    if question.closed_without_clock:
        told = f"{why}, and the clock is not known to be right (without_clock = deny)"
        return Step(rule, "denies", told, DenyReason.CLOCK_UNKNOWN)
    return Step(rule, "notes", f"{why}: not looked at while the clock is not known to be right")


def _validity(question: Question) -> Step:
    """The dates of the roll."""
    subject, rule = question.subject, "validity"
    first, last = (None, None) if subject is None else (subject.valid_from, subject.valid_until)
    if first is None and last is None:
        return Step(rule, "allows", "registered without dates")
    today, dates = question.wall.date(), f"registered from {first or 'ever'} until {last or 'ever'}"
    # A clock that is not set is behind: what is over by it is over.
    if last is not None and today > last:
        return Step(rule, "denies", f"{dates}, and it is {today}", DenyReason.CREDENTIAL_EXPIRED)
    if not question.trusted:
        return _by_clock(question, rule, dates)
    if first is not None and today < first:
        return Step(rule, "denies", f"{dates}, and it is {today}", DenyReason.NOT_PERMITTED)
    return Step(rule, "allows", dates)


def _visit(question: Question) -> Step:
    """A visitor has a host, a beginning and an end."""
    visitor, rule = question.visitor, "visit"
    if visitor is None:
        return Step(rule, "concerns nobody", "not here as a visitor")
    if question.find(visitor.host) is None:
        return Step(rule, "denies", f"the host, {visitor.host}, is not enrolled any more", DenyReason.VISIT_OVER)
    zone, told = question.policy.zone, f"guest of {visitor.host} from {visitor.from_} until {visitor.until}"
    if question.moment.unix >= unix_of(visitor.until, zone):
        return Step(rule, "denies", f"{told}, and it is {_time(question)}", DenyReason.VISIT_OVER)
    if not question.trusted:
        return _by_clock(question, rule, told)
    if question.moment.unix < unix_of(visitor.from_, zone):
        return Step(rule, "denies", f"{told}, and it is {_time(question)}", DenyReason.OUT_OF_HOURS)
    return Step(rule, "allows", told)


def _rights(question: Question) -> Step:
    """Some rule has to let this person in here, now."""
    groups = question.groups
    own = [permit for permit in question.policy.permits[question.point] if not permit.groups.isdisjoint(groups)]
    if not own:
        named = ", ".join(sorted(groups - {EVERYBODY})) or "none"
        return Step("rules", "denies", f"no rule lets groups {named} in at {question.point}", DenyReason.NOT_PERMITTED)
    steps = [_permit(question, permit) for permit in own]
    best = next((step for verdict in ("allows", "notes") for step in steps if step.verdict == verdict), steps[0])
    if best.verdict == "denies":
        return Step("rules", "denies", "; ".join(step.why for step in steps), best.reason)
    return best


def _permit(question: Question, permit: Permit) -> Step:
    told = f"rule {permit.number} lets {', '.join(sorted(permit.groups & question.groups))} in"
    wall, today = question.wall, question.wall.date()
    if permit.last is not None and today > permit.last:
        return Step("rules", "denies", f"{told} until {permit.last}", DenyReason.NOT_PERMITTED)
    if permit.schedule is None and permit.first is None and permit.last is None:
        return Step("rules", "allows", f"{told} at any time")
    told = f"{told} by schedule {permit.schedule}" if permit.schedule else f"{told} on some days"
    if not question.trusted:
        return _by_clock(question, "rules", told)
    if permit.first is not None and today < permit.first:
        return Step("rules", "denies", f"{told} from {permit.first}", DenyReason.NOT_PERMITTED)
    week = None if permit.schedule is None else question.policy.weeks[permit.schedule]
    if week is None:
        return Step("rules", "allows", told)
    special = week.holiday(today)
    day = f"{_time(question)}{f', {special}' if special else ''}"
    if week.is_open(wall):
        return Step("rules", "allows", f"{told}, open on {day}")
    return Step("rules", "denies", f"{told}, closed on {day}", DenyReason.OUT_OF_HOURS)


def _first_card(question: Question) -> Step:
    """Somebody of a group has to have passed here today."""
    wanted, groups, rule = question.at.first_card, question.groups, "first card"
    if wanted is None or groups.isdisjoint(wanted.groups) or not groups.isdisjoint(wanted.after):
        return Step(rule, "concerns nobody", "nobody has to have come before")
    named = ", ".join(wanted.after)
    last = question.whereabouts.last_of(question.point, wanted.after)
    if last is not None:
        # Only the difference is used, so that it holds even by a clock that is wrong.
        then = local(question.moment.unix - (question.now - last), question.policy.zone)
        if then.date() == question.wall.date():
            return Step(rule, "allows", f"somebody of {named} passed at {then:%H:%M}")
    return Step(rule, "denies", f"nobody of {named} has passed here today", DenyReason.FIRST_PERSON_NEEDED)


def _anti_passback(question: Question) -> Step:
    """Who is in already does not enter again."""
    at, person, rule = question.at, question.person, "anti-passback"
    if at.anti_passback == "off":
        return Step(rule, "concerns nobody", "off at this point")
    if question.whereabouts.holds_grant(person):
        return _again(question, f"{person} has been let in this moment", hard=True)
    place = question.whereabouts.place(person, question.now)
    if place is None or place.zone != at.to:
        return Step(rule, "allows", f"not known to be in {at.to}")
    ago = question.now - place.since
    told = f"went into {at.to} {_ago(ago)} ago"
    if at.anti_passback == "timed":
        if ago >= at.anti_passback_seconds:
            return Step(rule, "allows", f"{told}, longer than {at.anti_passback_seconds:g} s")
        return _again(question, told, hard=True)
    if not question.whereabouts.is_certain(place):
        return Step(rule, "allows", f"{told}, and somebody has left it unnamed since")
    if elsewhere := sorted(question.policy.ways_out_of(at.to) - question.whereabouts.points):
        return _again(question, f"{told}; not seen from here: {', '.join(elsewhere)}", hard=False)
    return _again(question, told, hard=True)


def _again(question: Question, why: str, *, hard: bool) -> Step:
    """Deny, or only note where the policy says so or too little is known."""
    if not question.seen:
        return Step("anti-passback", "notes", f"{why}; passages are not seen now", DenyReason.ANTI_PASSBACK)
    denies = hard and question.at.anti_passback != "soft"
    return Step("anti-passback", "denies" if denies else "notes", why, DenyReason.ANTI_PASSBACK)


def _two_person(question: Question) -> Step:
    """Several people have to ask."""
    wanted, rule = question.at.two_person, "two-person rule"
    if wanted is None or question.groups.isdisjoint(wanted.groups):
        return Step(rule, "concerns nobody", "one is enough here")
    asking = question.whereabouts.asking(question.point, question.now, wanted.seconds) | {question.person}
    told = f"{len(asking)} of {wanted.persons} people asked within {wanted.seconds:g} s"
    if len(asking) >= wanted.persons:
        return Step(rule, "allows", told)
    return Step(rule, "denies", told, DenyReason.SECOND_PERSON_NEEDED)


_RULES: tuple[Callable[[Question], Step], ...] = (
    _validity,
    _visit,
    _rights,
    _first_card,
    _anti_passback,
    _two_person,
)


def _time(question: Question) -> str:
    return f"{question.wall:%a %Y-%m-%d %H:%M}"


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def told(decision: Decision) -> Iterator[str]:
    """A decision in lines, for a supervisor."""
    yield "granted" if decision.reason is None else f"denied: {decision.reason.value}"
    for number, step in enumerate(decision.steps, start=1):
        yield f"  {number}. {step.rule:<16} {step.verdict:<16} {step.why}"
