"""The whole program in the simulated world: it passes a rehearsal, and a rehearsal that should fail does."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from controller.drill.audit import audit
from controller.drill.cards import number_of, with_cards
from controller.drill.command import Options, rehearse
from controller.drill.enrolment import enrol
from controller.drill.readback import read_journal
from controller.drill.rehearsal import Rehearsal, hold_back
from controller.drill.scenario import CARD_KINDS, Kind, Scenario, draw
from controller.drill.scoreboard import Scoreboard
from controller.errors import ConfigError
from controller.perception.engines import open_engine
from hw.sim.clock import VirtualClock

if TYPE_CHECKING:
    from controller.drill.evidence import Evidence

ROOT = Path(__file__).parents[2]
PEOPLE = 10
"""As many as there are kinds without a card: one of each."""


def options(**changes: Any) -> Options:
    usual = Options(people=PEOPLE, seed=4, speed=None, engine="demo", models=None, report=None, keep=None, plain=True)
    return replace(usual, **changes)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, dict[str, Any], Path]:
    """One rehearsal of each kind: exit status, text, report, folder."""
    folder = tmp_path_factory.mktemp("drill")
    out = io.StringIO()
    console = Console(file=out, width=120)
    status = rehearse(options(report=folder / "report.json", keep=folder / "kept", cards=True, access=True), console)
    return status, out.getvalue(), json.loads((folder / "report.json").read_bytes()), folder / "kept"


def test_a_rehearsal_of_every_kind_passes(rehearsed: tuple[int, str, dict[str, Any], Path]) -> None:
    status, text, report, _ = rehearsed
    assert status == 0, text
    assert {visit["kind"] for visit in report["visits"]} == {kind.value for kind in Kind}
    assert [finding for finding in report["findings"] if finding["fails"]] == []
    assert report["passed"]
    assert report["complete"]


def test_a_rehearsal_with_a_lepton_passes() -> None:
    out = io.StringIO()
    assert rehearse(options(people=3, seed=1, sensor="lepton"), Console(file=out, width=120)) == 0, out.getvalue()
    assert "sensor Lepton 3.5" in out.getvalue()


def test_a_lepton_is_rehearsed_in_its_own_time_only() -> None:
    with pytest.raises(ConfigError, match="at --speed max"):
        rehearse(options(sensor="lepton", speed=2.0), Console(file=io.StringIO()))


def test_what_was_rehearsed_is_in_the_journal(rehearsed: tuple[int, str, dict[str, Any], Path]) -> None:
    _, _, report, folder = rehearsed
    rows = read_journal(folder / "journal.sqlite3")
    assert len(rows) == report["journal_rows"]
    kinds = {row.entry.kind for row in rows}
    assert {"grant", "deny", "passage", "tailgate", "fault", "fault_cleared"} <= kinds
    outcomes = {row.entry.detail["outcome"] for row in rows if row.entry.kind == "passage"}
    assert {"completed", "expired"} <= outcomes
    assert {"entry", "exit"} <= {row.entry.detail.get("direction") for row in rows if row.entry.kind == "passage"}


def test_what_came_with_cards_is_in_the_journal_without_their_numbers(
    rehearsed: tuple[int, str, dict[str, Any], Path],
) -> None:
    *_, folder = rehearsed
    rows = read_journal(folder / "journal.sqlite3")
    reasons = {str(row.entry.detail.get("reason")) for row in rows if row.entry.kind == "deny"}
    assert {"face_mismatch", "credential_expired", "unknown_credential", "pin_locked"} <= reasons
    assert "card" in {row.entry.detail.get("credential") for row in rows if row.entry.kind == "grant"}
    assert "repeated_failures" in {row.entry.detail.get("reason") for row in rows if row.entry.kind == "warning"}
    numbers = [f"{number_of(visit)}" for visit in with_cards(draw(PEOPLE, 4)).visits if visit.kind in CARD_KINDS]
    told = [value for row in rows for value in row.entry.detail.values() if isinstance(value, str)]
    assert not [text for text in told if any(number in text for number in numbers)]


def test_cards_change_nothing_for_everybody_else() -> None:
    plain = draw(PEOPLE, 4)
    cards = with_cards(plain)
    assert cards.visits[:PEOPLE] == plain.visits
    assert [visit.kind for visit in cards.visits[PEOPLE:]] == list(CARD_KINDS)
    assert set(cards.registered) > set(plain.registered)
    assert with_cards(plain) == cards


def test_no_face_is_kept_in_the_clear(rehearsed: tuple[int, str, dict[str, Any], Path]) -> None:
    *_, folder = rehearsed
    names = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert not [name for name in names if name.endswith((".png", ".jpg", ".npy"))]
    assert "gallery.sqlite3" in names
    assert (folder / "gallery.key").stat().st_mode & 0o077 == 0


def test_the_text_has_a_line_for_everybody(rehearsed: tuple[int, str, dict[str, Any], Path]) -> None:
    _, text, report, _ = rehearsed
    assert "PASSED" in text
    assert max(map(len, text[text.index("PEOPLE") :].splitlines())) <= 80
    for visit in report["visits"]:
        assert f"{visit['number']:>3} {visit['person']}" in text


def play(scenario: Scenario, registered: Scenario, folder: Path) -> Evidence:
    """Rehearse `scenario` with the gallery of `registered`."""
    engine = open_engine("demo")
    gallery = enrol(registered, engine, folder, lambda _: None)
    scores = Scoreboard("test", len(scenario.visits))
    rehearsal = Rehearsal(scenario, speed=None, engine=engine, gallery=gallery, folder=folder, scores=scores)
    return rehearsal.evidence(complete=rehearsal.run())


def test_the_same_seed_gives_the_same_morning(tmp_path: Path) -> None:
    scenario = draw(2, 5)
    runs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        evidence = play(scenario, scenario, tmp_path / name)
        runs.append(
            (evidence.visits, evidence.arm, [(row.entry.kind, row.entry.monotonic) for row in evidence.journal])
        )
    assert runs[0] == runs[1]


def test_a_gallery_that_knows_a_stranger_fails_the_rehearsal(tmp_path: Path) -> None:
    scenario = draw(2, 3)
    stranger = next(visit for visit in scenario.visits if visit.kind is Kind.STRANGER)
    registered = replace(scenario, registered=(*scenario.registered, stranger.identity))
    evidence = play(replace(scenario, visits=(stranger,)), registered, tmp_path)
    assert "stranger-let-in" in {finding.rule for finding in audit(evidence) if finding.fails}


def test_a_gallery_that_knows_nobody_lets_nobody_in(tmp_path: Path) -> None:
    scenario = draw(1, 3)
    nobody = replace(scenario, registered=(77_777,))
    evidence = play(scenario, nobody, tmp_path)
    assert [log.ending.value for log in evidence.visits] == ["turned away"]
    assert evidence.relay == ()
    assert {finding.rule for finding in audit(evidence)} == {"other-ending"}


def test_interrupting_gives_the_report_so_far_and_status_130(tmp_path: Path) -> None:
    program = (
        "import argparse, signal, sys; from controller.cli import drill as cli_drill\n"
        # Also where these tests run in a shell's background, which ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "top = argparse.ArgumentParser(); cli_drill.add_parser(top.add_subparsers())\n"
        "arguments = top.parse_args(); sys.exit(arguments.run(arguments))\n"
    )
    report = tmp_path / "report.json"
    command = [sys.executable, "-u", "-c", program, "drill", "--plain", "--engine", "demo", "--report", str(report)]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("    1 "):
                process.send_signal(signal.SIGINT)
                break
        seen += process.stdout.readlines()
        status = process.wait(timeout=60)
    text = "".join(seen)
    assert status == 130, text
    assert "the rehearsal was interrupted" in " ".join(text.split())
    plain = json.loads(report.read_bytes())
    assert not plain["complete"]
    assert plain["visits"][0]["number"] == 1
    assert plain["passed"], text
    assert list(tmp_path.iterdir()) == [report]


def test_a_report_that_cannot_be_written_is_told_before_the_rehearsal(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        rehearse(options(report=tmp_path / "missing" / "report.json"), Console(file=io.StringIO()))


def test_a_pace_holds_virtual_time_back() -> None:
    import threading
    import time

    clock, over = VirtualClock(), threading.Event()
    started = time.perf_counter()
    clock.spawn(lambda: hold_back(clock, 10.0, over), "pace")
    clock.sleep(2.0)
    over.set()
    assert time.perf_counter() - started >= 0.19
