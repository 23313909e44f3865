"""Lens, scoreboard and live view: what was shown is what was performed, and it fits the terminal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from controller.drill.diary import Sign, Stay, Try, VisitLog
from controller.drill.director import SignReader
from controller.drill.lens import Lens, performed
from controller.drill.live import Board
from controller.drill.scenario import Ending, Kind, Visit
from controller.drill.scoreboard import Scoreboard, describe
from controller.lane.effects import Append, Effect, Indicate, Prompt, RecordKind, Unlock
from controller.lane.events import Approached, Assessed, LaneEvent
from controller.lane.model import Assessment, Direction, Liveness, Match, Screening, Verdict
from controller.lane.states import State
from controller.record.entry import Entry, Stored
from controller.watch import Step
from hw.ports import ThermalFrame

GRANT = Append(RecordKind.GRANT, "g")
ROW = Stored(1, 1, "b", Entry("grant", 1.0, 0.0, "unknown", "g", "p", {}))
SHOW_PASS = Indicate(Prompt.PASS)
UNLOCK = Unlock(Direction.ENTRY, 0.3, "g", 5.0)


def step(*effects: Effect, stored: tuple[Stored, ...] = (), event: LaneEvent | None = None) -> Step:
    return Step(event or Approached(now=1.0), State.LOCKED, State.SCREENING, effects, stored, 1.0, 1.1)


def log_of(kind: Kind, ending: Ending, *answers: Sign, warm: bool = False) -> VisitLog:
    visit = Visit(7, kind, 77, None, 36.9, 0.0, 0.5, 0.0, 0.5)
    looks = tuple(Try(i, 1.0, stepped=i == 1, answer=answer) for i, answer in enumerate(answers, start=1))
    stays = (Stay(0.0, 1.0, 10.0),) if warm else ()
    return VisitLog(visit, ending, stays, looks, (), None, 0.0, 5.0)


@pytest.fixture
def scores() -> Scoreboard:
    return Scoreboard("Thermogate rehearsal", 12)


def test_what_comes_after_a_failed_record_was_not_performed() -> None:
    effects: tuple[Effect, ...] = (Indicate(Prompt.WAIT), GRANT, UNLOCK, SHOW_PASS)
    assert list(performed(step(*effects))) == [effects[0]]
    assert list(performed(step(*effects, stored=(ROW,)))) == list(effects)


def test_the_lens_shows_the_sign_and_keeps_the_records(scores: Scoreboard) -> None:
    sign = SignReader()
    lens = Lens(sign, scores)
    lens.on_step(step(GRANT, UNLOCK, SHOW_PASS, stored=(ROW,)))
    assert sign.current == Sign(Prompt.PASS, None, 1.1)
    assert scores.sign == sign.current
    assert scores.lane == "screening"
    assert (lens.stored, lens.unwritten) == ((ROW,), 0)
    lens.on_step(step(GRANT, UNLOCK, Indicate(Prompt.ALARM)))
    assert sign.current.prompt is Prompt.PASS
    assert (lens.stored, lens.unwritten) == ((ROW,), 1)


def test_a_lost_sensor_leaves_no_old_picture(scores: Scoreboard) -> None:
    def shown() -> object:
        return scores.temperatures

    lens = Lens(SignReader(), scores)
    heat = np.full((24, 32), 22.0, np.float32)
    lens.on_device("thermal", up=True, text="MLX90640 abc")
    lens.on_device("camera", up=True, text="drawn")
    lens.on_thermal(ThermalFrame(heat, 25.0, 3.3, 1.0, 0, 0))
    assert shown() is heat
    lens.on_device("camera", up=False, text="gone")
    assert shown() is heat
    lens.on_device("thermal", up=False, text="did not acknowledge")
    assert shown() is None
    lens.on_device("thermal", up=False, text="still does not acknowledge")
    assert lens.sensor == "MLX90640 abc"
    assert [line.strip() for line in scores.lines] == [
        "thermal up: MLX90640 abc",
        "camera up: drawn",
        "camera lost: gone",
        "thermal lost: did not acknowledge",
    ]


def test_lines_are_said_where_there_is_no_view() -> None:
    said: list[str] = []
    scores = Scoreboard("title", 2, said.append)
    scores.end(log_of(Kind.ENROLLED, Ending.ADMITTED, Sign(Prompt.PASS, None, 2.5)))
    no = Sign(Prompt.DENIED, "unknown_person", 2.5)
    scores.end(log_of(Kind.ENROLLED, Ending.TURNED_AWAY, no, no, warm=True))
    assert said[0] == "    7 p00077 enrolled       admitted"
    assert said[1].startswith("!   7 p00077 enrolled       turned away (unknown_person, unknown_person), came back")
    assert (scores.done, scores.as_expected, scores.latencies) == (2, 1, [1.5, 1.5])


def test_a_visit_without_an_answer_has_no_latency(scores: Scoreboard) -> None:
    scores.end(log_of(Kind.LEAVER, Ending.WENT_OUT))
    assert scores.latencies == []
    assert describe(log_of(Kind.LEAVER, Ending.WENT_OUT)) == "    7 p00077 leaver         went out"


def drawn(scores: Scoreboard, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system="truecolor")
    console.print(Board(scores), height=height)
    return [Text.from_ansi(line).plain for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(("width", "height", "columns"), [(80, 24, 32), (120, 40, 64), (200, 60, 64)])
def test_the_live_view_fits_its_terminal(scores: Scoreboard, width: int, height: int, columns: int) -> None:
    scores.temperatures = np.full((24, 32), 30.0, np.float32)
    scores.begin(Visit(9, Kind.FEBRILE, 99, None, 38.9, 0.0, 0.5, 0.0, 0.5))
    screening = Screening(Verdict.RECHECK, 37.44, 0.21, 35.9, 12)
    found = Assessment(Match("p00099", 0.83, 0.4), False, Liveness.LIVE, screening, 0.8, 1, 1)
    lens = Lens(SignReader(), scores)
    assessed = Assessed(now=1.0, assessment=found, grant_id="g", presence=1)
    lens.on_step(step(Indicate(Prompt.DENIED, "recheck_temperature"), event=assessed))
    for _ in range(30):
        scores.end(log_of(Kind.ENROLLED, Ending.ADMITTED, Sign(Prompt.PASS, None, 2.5)))
    lines = drawn(scores, width, height)
    text = "\n".join(lines)
    assert len(lines) <= height
    assert "▀" * columns in text
    assert "▀" * (columns + 1) not in text
    for wanted in (
        "No entry",
        "禁止通行",
        "Please hold still, measuring again",
        "请保持不动，正在复测",
        "p00099, febrile",
        "p00099, score 0.83",
        "37.4 ± 0.2 °C, recheck",
        "median 1.50 s",
        "screening",
        "30 of 12 people",
    ):
        assert wanted in text
    assert "7 p00077 enrolled" in text


def test_the_live_view_draws_a_lane_that_has_seen_nothing(scores: Scoreboard) -> None:
    text = "\n".join(drawn(scores, 80, 24))
    assert "no thermal picture" in text
    assert "Out of service" in text
    assert "0 of 12 people" in text
