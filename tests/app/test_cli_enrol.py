"""`thermogate enrol` as an office runs it: dry runs, killed runs, mass removals, summaries, the audit log."""

from __future__ import annotations

import datetime as dt
import io
import json
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import cv2
import pytest

from controller.cli.main import main
from controller.gallery.store import GalleryStore
from hw.sim.scene import enrolment_photo

if TYPE_CHECKING:
    from pathlib import Path

BASIS = ["--legal-basis", "drawn people", "--engine", "demo"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of s-1 to s-9."""
    folder = tmp_path_factory.mktemp("drawn")
    for identity in range(1, 10):
        assert cv2.imwrite(str(folder / f"s-{identity}.png"), enrolment_photo(identity, 0))
    return folder


@pytest.fixture
def gallery(tmp_path: Path) -> list[str]:
    return ["--gallery", str(tmp_path / "gallery")]


def summary(tmp_path: Path) -> Any:
    return json.loads((tmp_path / "gallery" / "enrolment-summary.json").read_text("utf-8"))


def roster(path: Path, drawn: Path, people: dict[str, str]) -> list[str]:
    """A OneRoster table of ids and `enabledUser`, or `tobedeleted`."""
    rows = [f"{one},{said if said == 'tobedeleted' else ''},{said}" for one, said in people.items()]
    text = "\n".join(
        [
            "sourcedId,status,enabledUser",
            *(row.replace(",tobedeleted,tobedeleted", ",tobedeleted,true") for row in rows),
        ]
    )
    path.write_text(text + "\n", encoding="utf-8")
    return ["enrol", str(path), "--photos", str(drawn), *BASIS]


def test_without_a_basis_everybody_is_refused(
    drawn: Path, gallery: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enrol", str(drawn), *gallery, "--engine", "demo"]) == 1
    said = capsys.readouterr()
    assert "s-1: not enrolled: no consent record" in said.err
    assert "0 of 9 people enrolled" in said.out
    assert summary(tmp_path)["counts"]["refused"] == 9


def test_a_killed_run_goes_on_where_it_was(
    drawn: Path, gallery: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "controller", "enrol", str(drawn), *gallery, *BASIS]
    database = tmp_path / "gallery" / "gallery.sqlite3"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while enrolled(database) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = enrolled(database)
    assert 2 <= done < 9
    assert main(["enrol", str(drawn), *gallery, *BASIS]) == 0
    assert "9 of 9 people enrolled" in capsys.readouterr().out
    counts = summary(tmp_path)["counts"]
    assert (counts["unchanged"], counts["new"]) == (done, 9 - done)
    with GalleryStore.open(tmp_path / "gallery") as store:
        assert len(store.enrolments()) == 9
    assert main(["enrol", "audit", *gallery]) == 0


def enrolled(database: Path) -> int:
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM person").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error:
        return 0


def test_a_roster_removes_suspends_and_brings_back(
    drawn: Path, gallery: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = {f"s-{number}": "true" for number in range(1, 8)}
    table = tmp_path / "users.csv"
    assert main([*roster(table, drawn, everybody), *gallery]) == 0
    changed = {**everybody, "s-1": "tobedeleted", "s-2": "false"}
    command = [*roster(table, drawn, changed), *gallery]
    capsys.readouterr()
    assert main([*command, "--dry-run"]) == 1
    refused = capsys.readouterr().err
    assert "2 of 7 enrolled people would be removed or suspended, more than 5%" in refused
    assert "--allow-removals 2" in refused
    assert main([*command, "--dry-run", "--allow-removals", "2", "--summary", str(tmp_path / "plan.json")]) == 0
    plan = json.loads((tmp_path / "plan.json").read_text("utf-8"))
    assert (plan["removed"], plan["suspended"], plan["dry_run"]) == (["s-1"], ["s-2"], True)
    assert main([*command]) == 1
    with GalleryStore.open(tmp_path / "gallery") as store:
        assert len(store.people()) == 7
        assert store.people()["s-2"].valid_until is None
    assert main([*command, "--allow-removals", "2", "--by", "office"]) == 0
    with GalleryStore.open(tmp_path / "gallery") as store:
        assert sorted(store.people()) == [f"s-{number}" for number in range(2, 8)]
        until = store.people()["s-2"].valid_until
        assert until is not None
        assert until < dt.datetime.now().astimezone().date()
    # The same table again changes nothing; enabled again, the person is let in again.
    assert main(command) == 0
    assert main([*roster(table, drawn, {**everybody, "s-1": "tobedeleted"}), *gallery]) == 0
    assert summary(tmp_path)["counts"] == {
        "new": 0, "renewed": 1, "unchanged": 5, "refused": 0, "marked": 0, "removed": 0, "suspended": 0
    }  # fmt: skip
    with GalleryStore.open(tmp_path / "gallery") as store:
        assert store.people()["s-2"].valid_until is None
    capsys.readouterr()
    assert main(["enrol", "audit", "--person", "s-1", *gallery]) == 0
    actions = [line.split()[3] for line in capsys.readouterr().out.splitlines()]
    assert actions == ["new", "erasing", "erased"]


def test_the_number_may_be_typed(
    drawn: Path, gallery: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    table = tmp_path / "users.csv"
    everybody = {f"s-{number}": "true" for number in range(1, 5)}
    assert main([*roster(table, drawn, everybody), *gallery]) == 0
    fewer = [*roster(table, drawn, {"s-1": "true"}), *gallery, "--remove-missing"]
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert main(fewer) == 1
    monkeypatch.setattr(sys, "stdin", Terminal("3\n"))
    assert main(fewer) == 0
    with GalleryStore.open(tmp_path / "gallery") as store:
        assert list(store.people()) == ["s-1"]


def test_a_new_number_for_an_old_face(drawn: Path, gallery: list[str], tmp_path: Path) -> None:
    assert main(["enrol", str(drawn), *gallery, *BASIS]) == 0
    table = tmp_path / "roll.csv"
    table.write_text(f"person_id,photo\nn-1,{drawn}/s-1.png\n", encoding="utf-8")
    assert main(["enrol", str(table), *gallery, *BASIS]) == 1
    (told,) = summary(tmp_path)["people"]
    assert told["reason"].startswith("this face is already enrolled as s-1 (score")
    assert main(["enrol", str(table), *gallery, *BASIS, "--remove-missing", "--allow-removals", "9"]) == 0


def test_advice_and_export(drawn: Path, gallery: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "roll.csv"
    header = "person_id,photo,consent_date,consent_by,consent_scope,consent_expires"
    until = dt.datetime.now().astimezone().date() + dt.timedelta(days=5)
    rows = [f"s-1,{drawn}/s-1.png,2026-03-01,guardian,face,{until}", f"s-2,{drawn}/s-2.png,2026-03-01,self,face,"]
    table.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    consents = tmp_path / "consents.csv"
    consents.write_text("person_id,consent_date,consent_by,consent_scope\ns-2,2026-04-01,self,face\n", "utf-8")
    command = ["enrol", str(table), *gallery, "--engine", "demo", "--consent-file", str(consents)]
    assert main(command) == 0
    capsys.readouterr()
    assert main(["enrol", "advice", *gallery, "--engine", "demo"]) == 0
    advice = capsys.readouterr().out
    assert f"s-1: the consent ends in 5 days, on {until}" in advice
    assert "1 of 2 people; no match scores" in advice
    assert main(["enrol", "advice", *gallery, "--engine", "demo", "--json"]) == 0
    assert [one["person"] for one in json.loads(capsys.readouterr().out)] == ["s-1"]
    assert main(["enrol", "export", str(tmp_path / "copy"), *gallery]) == 0
    with GalleryStore.open(tmp_path / "copy") as copy:
        consent = copy.origins()["s-2"].consent
        assert consent is not None
        assert consent.date == dt.date(2026, 4, 1)
    assert main(["enrol", "export", *gallery]) == 2


def test_a_changed_audit_log_is_told(
    drawn: Path, gallery: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["enrol", str(drawn / "..") + f"/{drawn.name}", *gallery, *BASIS]) == 0
    log = tmp_path / "gallery" / "enrolment-audit.jsonl"
    head = summary(tmp_path)["audit_head"]
    assert main(["enrol", "audit", "--head", head, *gallery]) == 0
    log.write_bytes(log.read_bytes().replace(b'"templates":1', b'"templates":2', 1))
    capsys.readouterr()
    assert main(["enrol", "audit", *gallery]) == 1
    assert "enrolment-audit.jsonl:2: is not what was written" in capsys.readouterr().err
