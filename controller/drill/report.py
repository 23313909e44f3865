"""The rehearsal's report as a value: what `--report` writes and the text is made of. See docs/drill.md."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Final

import msgspec

from controller.drill.audit import CONFIDENCE, Finding, audit, false_rejects
from controller.drill.figures import Rate, count_interval, quantile, rate
from controller.drill.measure import throughput
from controller.drill.scenario import Ending, Kind
from controller.drill.scoreboard import refusals
from controller.lane.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from controller.drill.diary import Try, VisitLog
    from controller.drill.evidence import Evidence

SCHEMA: Final = "thermogate-drill/1"


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What was rehearsed."""

    people: int
    seed: int
    speed: float | None
    """How many times as fast as real time the gate's clock ran; None: as fast as the work allowed (`max`)."""
    engine: str
    template_model: str
    rehearsal_only: bool
    sensor: str
    kernels: str
    """Instruction set path of the compiled kernels."""
    versions: dict[str, str]
    machine: str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Median and 99th percentile of some seconds, each with a 95 % interval (None: the sample is too small for it)."""

    n: int
    p50: float
    p50_low: float | None
    p50_high: float | None
    p99: float
    p99_low: float | None
    p99_high: float | None
    worst: float


class VisitReport(msgspec.Struct, frozen=True, kw_only=True):
    """One person's outcome."""

    number: int
    person: str
    kind: str
    expected: str
    ending: str
    as_expected: bool
    looks: int
    refusals: list[str]
    """Why the sign refused, look by look."""
    core: float
    """True core temperature, °C."""
    distance: float
    """Metres from the camera."""
    seconds: float | None
    """Foot on the mark to the sign's first answer, seconds of the gate's clock."""
    warmed_up: float | None
    """Minutes indoors before coming back; the rehearsal skips them."""
    begin: float
    end: float
    """Seconds of the gate's clock since the rehearsal's first visit."""


class ScreeningCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often first readings gave a verdict, against what was predicted."""

    observed: int
    mean: float
    low: int
    high: int


class FalseRejects(msgspec.Struct, frozen=True, kw_only=True):
    """Healthy registered people refused at both looks."""

    rejected: int
    people: int
    bound: int


class FindingReport(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the audit found."""

    rule: str
    text: str
    fails: bool
    visit: int | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one rehearsal."""

    schema: str = SCHEMA
    passed: bool
    complete: bool
    """False: interrupted."""
    setup: Setup
    visits: list[VisitReport]
    findings: list[FindingReport]
    rates: dict[str, Rate]
    false_rejects: FalseRejects
    screening_n: int
    screening_confidence: float
    screening: dict[str, ScreeningCount]
    clock_seconds: dict[str, Span]
    """Stages of a grant in seconds of the gate's clock."""
    real_seconds: dict[str, Span]
    """Stages of the work in real seconds."""
    people_per_minute: float | None
    """Of the gate's clock."""
    journal_rows: int
    real_duration: float
    """Real seconds of the rehearsal, start-up not included."""


def make_report(
    evidence: Evidence, setup: Setup, stages: Mapping[str, Sequence[float]], real_duration: float
) -> Report:
    """Audit a rehearsal and put its figures together."""
    findings = audit(evidence)
    rejected, healthy, bound = false_rejects(evidence)
    return Report(
        passed=not any(finding.fails for finding in findings),
        complete=evidence.complete,
        setup=setup,
        visits=[_visit(log, evidence.visits[0].begin) for log in evidence.visits],
        findings=[_finding(finding) for finding in findings],
        rates=_rates(evidence),
        false_rejects=FalseRejects(rejected=rejected, people=healthy, bound=bound),
        screening_n=len(evidence.readings),
        screening_confidence=CONFIDENCE,
        screening=_screening(evidence),
        clock_seconds=_clock_spans(evidence),
        real_seconds={name: found for name in sorted(stages) if (found := span(stages[name]))},
        people_per_minute=throughput(evidence.visits),
        journal_rows=len(evidence.journal),
        real_duration=real_duration,
    )


def encode(report: Report) -> bytes:
    """The report as JSON text, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    packages = ("thermogate", "numpy", "opencv-python-headless", "ai-edge-litert")
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def span(seconds: Iterable[float]) -> Span | None:
    """Median and 99th percentile; None of nothing."""
    values = list(seconds)
    middle, tail = quantile(values, 0.5), quantile(values, 0.99)
    if middle is None or tail is None:
        return None
    return Span(
        n=middle.n,
        p50=middle.value,
        p50_low=middle.low,
        p50_high=middle.high,
        p99=tail.value,
        p99_low=tail.low,
        p99_high=tail.high,
        worst=max(values),
    )


def _visit(log: VisitLog, start: float) -> VisitReport:
    visit = log.visit
    warmed = [stay.warm_minutes for stay in log.stays if stay.warm_minutes]
    return VisitReport(
        number=visit.number,
        person=visit.person,
        kind=visit.kind.value,
        expected=visit.expected.value,
        ending=log.ending.value,
        as_expected=log.ending is visit.expected,
        looks=len(log.tries),
        refusals=refusals(log),
        core=visit.core,
        distance=visit.distance,
        seconds=_answered(log.tries[0]) if log.tries else None,
        warmed_up=max(warmed) if warmed else None,
        begin=log.begin - start,
        end=log.end - start,
    )


def _answered(look: Try) -> float | None:
    return look.answer.at - look.began if look.stepped and look.answer is not None else None


def _finding(finding: Finding) -> FindingReport:
    return FindingReport(rule=finding.rule, text=finding.text, fails=finding.fails, visit=finding.visit)


def _rates(evidence: Evidence) -> dict[str, Rate]:
    def share(logs: Iterable[VisitLog], endings: frozenset[Ending]) -> Rate:
        found = [log.ending in endings for log in logs]
        return rate(sum(found), len(found))

    granted = frozenset({Ending.ADMITTED, Ending.LEFT_UNUSED})
    turned_away = frozenset({Ending.TURNED_AWAY})
    healthy = [log for log in evidence.visits if log.visit.kind.may_enter]
    looks = [log for log in healthy if log.tries and log.visit.kind is not Kind.FROM_COLD]
    at_first = [bool(log.tries[0].answer and log.tries[0].answer.admits) for log in looks]
    of = {kind: [log for log in evidence.visits if log.visit.kind is kind] for kind in Kind}
    return {
        "healthy_granted": share(healthy, granted),
        "healthy_granted_first_look": rate(sum(at_first), len(at_first)),
        "strangers_refused": share(of[Kind.STRANGER], turned_away),
        "photographs_refused": share(of[Kind.PHOTOGRAPH], turned_away),
        "fevers_refused": share(of[Kind.FEBRILE], turned_away),
        "as_expected": rate(sum(log.ending is log.visit.expected for log in evidence.visits), len(evidence.visits)),
    }


def _screening(evidence: Evidence) -> dict[str, ScreeningCount]:
    found = {}
    for verdict in Verdict:
        observed = sum(reading.verdict is verdict for reading in evidence.readings)
        chances = [reading.predicted.get(verdict, 0.0) for reading in evidence.readings]
        interval = count_interval(chances, CONFIDENCE)
        if observed or interval.mean >= 0.005:
            found[verdict.value] = ScreeningCount(
                observed=observed, mean=interval.mean, low=interval.low, high=interval.high
            )
    return found


def _clock_spans(evidence: Evidence) -> dict[str, Span]:
    grants = evidence.latencies
    answers = [_answered(log.tries[0]) for log in evidence.visits if log.tries and log.outage is None]
    columns = {
        "mark_to_relay": [grant.total for grant in grants],
        "mark_to_seen": [grant.seen for grant in grants],
        "seen_to_finding": [grant.evidence for grant in grants],
        "finding_to_decision": [grant.decision for grant in grants],
        "decision_to_relay": [grant.commit for grant in grants],
        "mark_to_answer": [seconds for seconds in answers if seconds is not None],
    }
    return {name: found for name, values in columns.items() if (found := span(values))}
