"""`thermogate drill --kind door` and `--kind barrier`, from options to exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from controller.drill.enrolment import enrol
from controller.drill.kinds.audit import audit
from controller.drill.kinds.cast import cast
from controller.drill.kinds.rehearsal import KindRehearsal
from controller.drill.scenario import Scenario
from controller.drill.scoreboard import Scoreboard
from controller.perception.engines import open_engine

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from controller.drill.audit import Finding
    from controller.drill.command import Options
    from controller.drill.kinds.cast import Play
    from controller.drill.kinds.rehearsal import Traces


class SceneReport(msgspec.Struct, frozen=True, kw_only=True):
    """One scene's outcome."""

    number: int
    scene: str
    seconds: float
    """Of the gate's clock."""
    trouble: str


class KindFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the audit found."""

    rule: str
    text: str
    scene: int | None


class KindReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one rehearsal of a door or a barrier."""

    schema: str
    passed: bool
    complete: bool
    seed: int
    engine: str
    scenes: list[SceneReport]
    findings: list[KindFinding]
    openings: int
    """Times that the lock was released, or the arm sent up."""
    reversals: int
    """Times that the arm's driver sent it up by itself."""
    journal_rows: int
    real_seconds: float


def rehearse_kind(options: Options, console: Console, folder: Path) -> KindReport:
    """Run one rehearsal in `folder` and print it. Raises `GateError` when it cannot run."""
    play = cast(options.kind, options.people, options.seed)
    engine = open_engine(options.engine, options.models)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    title = f"Thermogate rehearsal of a {play.kind}: {engine.name} engine, seed {play.seed}"
    scores = Scoreboard(title, len(play.acts), say)
    say(title)
    gallery = enrol(Scenario(play.seed, (), play.registered), engine, folder, lambda _done: None)
    rehearsal = KindRehearsal(play, speed=options.speed, engine=engine, gallery=gallery, folder=folder, scores=scores)
    complete = rehearsal.run()
    traces = rehearsal.traces(complete=complete)
    report = make_report(play, traces, audit(traces), engine.name, rehearsal.real_seconds)
    for line in render(report):
        say(line)
    return report


def make_report(
    play: Play, traces: Traces, findings: tuple[Finding, ...], engine: str, real_seconds: float
) -> KindReport:
    """Put the figures together."""
    return KindReport(
        schema=f"thermogate-drill-{play.kind}/1",
        passed=not findings,
        complete=traces.complete,
        seed=play.seed,
        engine=engine,
        scenes=[
            SceneReport(
                number=log.act.number, scene=log.act.scene.value, seconds=log.end - log.begin, trouble=log.trouble
            )
            for log in traces.scenes
        ],
        findings=[KindFinding(rule=one.rule, text=one.text, scene=one.visit) for one in findings],
        openings=len(traces.opened),
        reversals=traces.reversals,
        journal_rows=len(traces.journal),
        real_seconds=real_seconds,
    )


def render(report: KindReport) -> list[str]:
    """The end of the report as people read it."""
    state = "" if report.complete else " so far: the rehearsal was interrupted"
    lines = ["", "AUDIT of lock or arm, journal file and scenes"]
    lines += [
        f"   FAIL {one.rule}: {one.text}" + ("" if one.scene is None else f" (scene {one.scene})")
        for one in report.findings
    ]
    rows = f"{report.journal_rows} journal records, {report.openings} openings"
    verdict = f"FAILED: {len(report.findings)} findings" if report.findings else "PASSED"
    return [*lines, f"   {verdict}{state}; {rows}"]
