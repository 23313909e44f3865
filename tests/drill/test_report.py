"""The report says what the evidence says, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from controller.drill.diary import Arm, Push, Sign, Stay, Try, VisitLog
from controller.drill.evidence import Evidence, Latency, Reading
from controller.drill.report import Report, Setup, encode, make_report, span, versions
from controller.drill.report_text import render
from controller.drill.scenario import Ending, Kind, Visit
from controller.lane.effects import Prompt
from controller.lane.model import Verdict

SETUP = Setup(
    people=3,
    seed=1,
    speed=4.0,
    engine="demo",
    template_model="demo-1",
    rehearsal_only=True,
    sensor="MLX90640",
    kernels="c-generic",
    versions={"python": "3.11"},
    machine="here",
)


def log_of(number: int, kind: Kind, ending: Ending, *answers: Sign) -> VisitLog:
    visit = Visit(number, kind, 40 + number, None, 36.9, 0.0, 0.5, 0.0, 0.5)
    begin = number * 20.0
    looks = tuple(Try(i, begin + i, stepped=i == 1, answer=answer) for i, answer in enumerate(answers, start=1))
    warm = (Stay(begin, begin + 1, 0.0), Stay(begin + 2, begin + 3, 10.0)) if kind is Kind.FROM_COLD else ()
    push = (Push(begin, outward=True, felt=Arm.LOCKED),) if ending is Ending.HINDERED else ()
    return VisitLog(visit, ending, warm, looks, push, None, begin, begin + 10.0)


@pytest.fixture
def evidence() -> Evidence:
    go, no = Sign(Prompt.PASS, None, 22.0), Sign(Prompt.WARM_UP, "too_cold", 42.5)
    return Evidence(
        visits=(
            log_of(1, Kind.ENROLLED, Ending.ADMITTED, go),
            log_of(2, Kind.FROM_COLD, Ending.TURNED_AWAY, no, no),
            log_of(3, Kind.LEAVER, Ending.HINDERED),
        ),
        relay=(),
        arm=(),
        journal=(),
        reported=(),
        unwritten=0,
        readings=(
            Reading(1, 35.6, Verdict.NORMAL, {Verdict.NORMAL: 0.9, Verdict.RECHECK: 0.1}),
            Reading(2, 33.0, Verdict.TOO_COLD, {Verdict.TOO_COLD: 1.0}),
        ),
        refused_twice={1: 0.01, 2: 0.01, 3: 0.01},
        latencies=(Latency(1, 0.1, 0.7, 0.05, 0.02),),
        complete=True,
    )


def report_of(evidence: Evidence) -> Report:
    return make_report(evidence, SETUP, {"detect": [0.010, 0.012], "never": []}, 12.5)


def test_a_report_survives_its_json(evidence: Evidence) -> None:
    report = report_of(evidence)
    assert msgspec.json.decode(encode(report), type=Report) == report
    plain = json.loads(encode(report))
    assert plain["schema"] == "thermogate-drill/1"
    assert plain["visits"][1] == {
        "number": 2,
        "person": "p00042",
        "kind": "from the cold",
        "expected": "admitted",
        "ending": "turned away",
        "as_expected": False,
        "looks": 2,
        "refusals": ["too_cold", "too_cold"],
        "core": 36.9,
        "distance": 0.5,
        "seconds": 1.5,
        "warmed_up": 10.0,
        "begin": 20.0,
        "end": 30.0,
    }
    assert plain["rates"]["healthy_granted"] == {
        "hits": 1,
        "n": 2,
        "low": pytest.approx(0.0945, abs=1e-3),
        "high": pytest.approx(0.9055, abs=1e-3),
    }


def test_a_report_judges_as_the_audit_does(evidence: Evidence) -> None:
    report = report_of(evidence)
    assert not report.passed
    assert {finding.rule for finding in report.findings if finding.fails} == {"egress-hindered", "no-answer"}
    fine = replace(evidence, visits=evidence.visits[:2])
    assert report_of(fine).passed


def test_the_text_names_everybody_and_every_failure(evidence: Evidence) -> None:
    text = render(report_of(evidence))
    assert "ok   1 p00041  enrolled" in text
    assert "!    2 p00042  from the cold" in text
    assert "should be: admitted; too_cold, too_cold; came back after 10 min (skipped)" in " ".join(text.split())
    assert "FAIL egress-hindered" in text
    assert "FAILED: 2 findings" in text
    assert "4 times as fast as real time" in " ".join(text.split())
    assert "for rehearsals only" in text
    assert "never" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_text_says_what_the_clock_was(evidence: Evidence) -> None:
    def at(speed: float | None) -> str:
        text = render(make_report(evidence, msgspec.structs.replace(SETUP, speed=speed), {}, 1.0))
        return " ".join(text.split())

    assert "It ran in real time." in at(1.0)
    assert "At --speed max computing takes none of it" in at(None)


def test_an_interrupted_rehearsal_says_so(evidence: Evidence) -> None:
    text = render(report_of(replace(evidence, complete=False)))
    assert "so far: the rehearsal was interrupted" in " ".join(text.split())


def test_an_empty_rehearsal_can_be_reported() -> None:
    empty = Evidence((), (), (), (), (), 0, (), {}, (), complete=False)
    text = render(report_of(empty))
    assert "PASSED" in text
    assert "throughput" not in text


def test_a_span_gives_bounds_only_where_there_are_enough() -> None:
    assert span([]) is None
    few = span([0.1, 0.2, 0.3])
    assert few is not None
    assert (few.n, few.p50, few.p50_low, few.p99_high, few.worst) == (3, 0.2, None, None, 0.3)
    many = span([i / 1000 for i in range(1000)])
    assert many is not None
    assert many.p50_low is not None
    assert many.p50_high is not None
    assert many.p50_low < many.p50 < many.p50_high
    assert many.p99_high is not None


def test_versions_are_those_of_this_python() -> None:
    found = versions()
    assert {"python", "numpy", "opencv-python-headless"} <= set(found)
