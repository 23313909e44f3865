"""The report as people read it: plain text that fits a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from controller.drill.figures import Rate
    from controller.drill.report import Report, Setup, Span, VisitReport

COLUMNS: Final = 80
INDENT: Final = 16
"""Of what a line cannot take."""
RATE_LABELS: Final = {
    "healthy_granted": "healthy, registered: granted",
    "healthy_granted_first_look": "  of them at the first look",
    "strangers_refused": "strangers: refused",
    "photographs_refused": "photographs: refused",
    "fevers_refused": "fevers: refused",
    "as_expected": "ended as they should",
}
STAGE_LABELS: Final = {
    "mark_to_relay": "foot on the mark to relay",
    "mark_to_seen": "  until somebody is seen",
    "seen_to_finding": "  evidence: face, heat",
    "finding_to_decision": "  decision",
    "decision_to_relay": "  record on disk, relay",
    "mark_to_answer": "foot on the mark to answer",
}


def render(report: Report) -> str:
    """The whole report."""
    parts = [
        _people(report),
        _rates(report),
        _screening(report),
        _times(report),
        _verdict(report),
        _setup(report.setup),
    ]
    lines = [line for part in parts for line in (*part, "")]
    return "\n".join(wrapped for line in lines for wrapped in _wrap(line))


def _wrap(line: str) -> list[str]:
    return textwrap.wrap(line, COLUMNS, subsequent_indent=" " * INDENT, drop_whitespace=True) or [""]


def _people(report: Report) -> Iterator[str]:
    yield "PEOPLE"
    yield f"   {'#':>3} {'person':<7} {'kind':<14} {'core':>5} {'outcome':<23} {'answer':>7}  remarks"
    for visit in report.visits:
        mark = "ok" if visit.as_expected else "! "
        seconds = "-" if visit.seconds is None else f"{visit.seconds:.2f} s"
        who = f"{mark} {visit.number:>3} {visit.person:<7} {visit.kind:<14} {visit.core:>5.1f}"
        row = f"{who} {visit.ending:<23} {seconds:>7}"
        remarks = _remarks(visit)
        yield f"{row}  {remarks}" if remarks else row


def _remarks(visit: VisitReport) -> str:
    remarks = [] if visit.as_expected else [f"should be: {visit.expected}"]
    if visit.refusals:
        remarks.append(", ".join(visit.refusals))
    if visit.warmed_up is not None:
        remarks.append(f"came back after {visit.warmed_up:.0f} min (skipped)")
    return "; ".join(remarks)


def _rates(report: Report) -> Iterator[str]:
    yield "RATES (95 % Wilson interval)"
    for name, label in RATE_LABELS.items():
        found = report.rates[name]
        if found.n:
            yield f"   {label:<30} {_share(found)}"
    rejects = report.false_rejects
    if rejects.people:
        yield (
            f"   {'healthy, but refused twice':<30} {rejects.rejected} of {rejects.people}; "
            f"noise explains up to {rejects.bound}"
        )
    if report.people_per_minute is not None:
        yield f"   {'throughput':<30} {report.people_per_minute:.1f} people a minute, with pauses"


def _share(found: Rate) -> str:
    share = "" if found.value is None else f"{found.value:.0%}"
    return f"{found.hits} of {found.n} = {share} ({found.low:.0%}..{found.high:.0%})"


def _screening(report: Report) -> Iterator[str]:
    yield f"FIRST READINGS of {report.screening_n} living people"
    yield f"   {'verdict':<14} {'seen':>4}   predicted from true temperatures ({report.screening_confidence:.1%})"
    for verdict, count in report.screening.items():
        yield f"   {verdict:<14} {count.observed:>4}   {count.low}..{count.high}, mean {count.mean:.1f}"


def _times(report: Report) -> Iterator[str]:
    yield "TIMES, with 95 % intervals; - where the sample is too small for a bound"
    yield "   Of the gate: seconds of its clock."
    yield f"   {_about_clock(report.setup.speed)}"
    yield from _spans(report.clock_seconds, STAGE_LABELS, 1.0)
    yield "   Of the work: real milliseconds on this machine."
    yield from _spans(report.real_seconds, {}, 1000.0)


def _about_clock(speed: float | None) -> str:
    if speed is None:
        return "At --speed max computing takes none of it: these are waits alone."
    if speed == 1:
        return "It ran in real time."
    return f"It ran {speed:g} times as fast as real time, so computing weighs {speed:g} times as much."


def _spans(spans: Mapping[str, Span], labels: Mapping[str, str], scale: float) -> Iterator[str]:
    yield f"   {'':<26} {'n':>5}  {'median':<20} 99th percentile"
    for name, found in spans.items():
        middle = _with_bounds(found.p50, found.p50_low, found.p50_high, scale)
        tail = _with_bounds(found.p99, found.p99_low, found.p99_high, scale)
        yield f"   {labels.get(name, name):<26} {found.n:>5}  {middle:<20} {tail}"


def _with_bounds(value: float, low: float | None, high: float | None, scale: float) -> str:
    def text(seconds: float | None) -> str:
        if seconds is None:
            return "-"
        scaled = seconds * scale
        return f"{scaled:.2f}" if scaled < 100 else f"{scaled:.0f}"

    return f"{text(value)} ({text(low)}..{text(high)})"


def _verdict(report: Report) -> Iterator[str]:
    failures = [finding for finding in report.findings if finding.fails]
    yield "AUDIT of relay log, journal file and diary"
    for finding in sorted(report.findings, key=lambda finding: not finding.fails):
        who = "" if finding.visit is None else f" (person {finding.visit})"
        yield f"   {'FAIL' if finding.fails else 'note'} {finding.rule}: {finding.text}{who}"
    state = "" if report.complete else " so far: the rehearsal was interrupted"
    rows = f"{report.journal_rows} journal records"
    if failures:
        yield f"   FAILED: {len(failures)} findings{state}; {rows}"
    else:
        yield f"   PASSED: no safety violation, no event lost, rates as predicted{state}; {rows}"


def _setup(setup: Setup) -> Iterator[str]:
    speed = "max" if setup.speed is None else f"{setup.speed:g}"
    rehearsal = ", for rehearsals only" if setup.rehearsal_only else ""
    yield f"SETUP seed {setup.seed}, {setup.people} people, speed {speed}"
    yield f"   engine {setup.engine} ({setup.template_model}{rehearsal})"
    yield f"   sensor {setup.sensor}; kernels {setup.kernels}"
    yield f"   {', '.join(f'{name} {version}' for name, version in setup.versions.items())}; {setup.machine}"
