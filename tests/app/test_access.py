"""The policy on a board: its file, what a wrong one changes (nothing), what a restart remembers, and `explain`."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from controller.cli.main import main
from controller.config import AccessSettings, Config, SiteSettings, StoreSettings, parse
from controller.errors import ConfigError, PolicyError, StoreError
from controller.follow.access import INSTALLED, PolicyWatch, access_of, install_policy, passages_of, policy_of, recall
from controller.gallery.model import Enrolment, Person
from controller.gallery.store import GalleryStore
from controller.lane.access import document as doc
from controller.lane.access.policy import simple
from controller.lane.access.times import Moment
from controller.lane.model import Direction
from controller.record.boot import read_boot_id
from controller.record.entry import Entry
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

POLICY = """
format = 1
revision = {revision}
timezone = "Asia/Shanghai"
groups = ["pupils", "staff"]
zones = {{ street = {{ outside = true }}, school = {{}} }}

[points.gate-1]
from = "street"
to = "school"
first_card = {{ after = ["staff"], groups = ["pupils"] }}
anti_passback = "hard"

[schedules.lessons]
hours = [{{ from = "07:00", to = "18:00" }}]
[[rules]]
groups = ["pupils"]
points = ["gate-1"]
schedule = "lessons"
[[rules]]
groups = ["staff"]
points = ["gate-1"]
"""
PEOPLE = {
    "pupil": Person("pupil", groups=("pupils",)),
    "teacher": Person("teacher", groups=("staff",)),
}
NOW = Moment(1_796_000_000.0, known=True)


def written(folder: Path, revision: int = 1, *changes: tuple[str, str]) -> Path:
    text = POLICY.format(revision=revision)
    for old, new in changes:
        text = text.replace(old, new)
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def config(folder: Path, policy: Path | None) -> Config:
    return Config(access=AccessSettings(policy=policy), store=StoreSettings(folder=folder))


def json_of(folder: Path, revision: int) -> bytes:
    return doc.to_json(doc.from_toml(written(folder, revision).read_bytes(), where="test"))


def test_a_gate_without_a_file_lets_its_groups_in(tmp_path: Path) -> None:
    chosen = Config(site=SiteSettings(groups=("staff",)), store=StoreSettings(folder=tmp_path))
    access = access_of(chosen, PEOPLE.get)
    assert access.decide("teacher", 0.0, NOW).reason is None
    assert str(access.decide("pupil", 0.0, NOW).reason) == "DenyReason.NOT_PERMITTED"
    assert access.decide("stranger", 0.0, NOW).reason is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[site]\ngroups = ["a"]\n[access]\npolicy = "p.toml"', r"\[site\] groups, and \[access\] policy"),
        ('[lane]\nanti_passback = 5.0\n[access]\npolicy = "p.toml"', r"\[lane\] anti_passback, and \[access\]"),
    ],
)
def test_one_thing_is_said_in_one_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(text, where="gate.toml")


def test_a_file_without_this_lanes_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"policy\.toml: points: there is none of the name 'gate-1'"):
        policy_of(config(tmp_path, written(tmp_path, 1, ("gate-1", "gate-9"))))
    with pytest.raises(PolicyError, match=r"absent\.toml: cannot be read: No such file"):
        policy_of(config(tmp_path, tmp_path / "absent.toml"))


def test_what_a_hub_sends_is_installed_whole_or_not_at_all(tmp_path: Path) -> None:
    chosen = config(tmp_path, None)
    assert policy_of(chosen).revision == 0
    assert install_policy(json_of(tmp_path, 5), tmp_path, "gate-1") == 5
    assert policy_of(chosen).revision == 5
    before = (tmp_path / INSTALLED).read_bytes()
    for wrong in (b"{}", json_of(tmp_path, 6).replace(b'"school":{', b'"shool":{'), doc.to_json(simple("x").document)):
        with pytest.raises(PolicyError, match=r"^the hub's policy: "):
            install_policy(wrong, tmp_path, "gate-1")
    assert (tmp_path / INSTALLED).read_bytes() == before
    with pytest.raises(StoreError, match="cannot be written"):
        install_policy(json_of(tmp_path, 6), tmp_path / "absent", "gate-1")


def test_what_is_installed_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content and name are both on disk before the version is counted: else the gate would never ask for it again."""
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    install_policy(json_of(tmp_path, 3), tmp_path, "gate-1")
    assert synced == [str(tmp_path / "policy.new"), str(tmp_path)]


def test_a_wrong_new_file_changes_nothing_and_says_so(tmp_path: Path) -> None:
    chosen = config(tmp_path, written(tmp_path, 1))
    access = access_of(chosen, PEOPLE.get)
    watch = PolicyWatch(chosen, access, SystemClock())
    try:
        assert watch.look()
        assert not watch.look(), "nothing has changed since"
        written(tmp_path, 22, ('to = "school"', 'to = "pool"'))
        assert watch.look()
        assert access.policy.revision == 1
        assert "policy.toml: points.gate-1.to: there is no zone 'pool'" in watch.fault
        again = access_of(chosen, PEOPLE.get)
        assert again.policy.revision == 1, "the last good one, after a restart"
        written(tmp_path, 333)
        assert watch.look()
        assert (access.policy.revision, watch.fault) == (333, "")
        assert watch.in_force == f"333 {access.policy.digest}"
    finally:
        watch.close()


def test_a_gate_that_never_had_a_good_file_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="format"):
        access_of(config(tmp_path, written(tmp_path, 1, ("format = 1", "format = 9"))), PEOPLE.get)


def test_a_new_file_is_in_force_and_told(tmp_path: Path) -> None:
    chosen = config(tmp_path, written(tmp_path, 1))
    access = access_of(chosen, PEOPLE.get)
    watch = PolicyWatch(chosen, access, SystemClock())

    async def scene() -> None:
        told = asyncio.Event()
        watch.changed = told.set
        task = asyncio.create_task(watch.run())
        await told.wait()
        told.clear()
        written(tmp_path, 22)
        watch.hurry()
        await told.wait()
        task.cancel()

    asyncio.run(asyncio.wait_for(scene(), 30))
    watch.close()
    assert access.policy.revision == 22


def journal(folder: Path, boot_id: str, *rows: dict[str, Any]) -> Path:
    """A journal with passages: person, direction, outcome, monotonic, wall, clock."""
    path = folder / "journal.sqlite3"

    async def write() -> None:
        executor = ClockExecutor(SystemClock(), 1, "journal")
        book = Journal(path, executor, boot_id=boot_id)
        await book.open()
        for row in rows:
            told = {"direction": row.get("direction", "entry"), "outcome": row.get("outcome", "completed")}
            monotonic, wall, clock = row["monotonic"], row["wall"], row.get("clock", "synchronised")
            entry = Entry("passage", monotonic, wall, clock, None, row.get("person"), told)
            await book.append(entry, timeout=10.0)
        await book.close()
        executor.shutdown()

    asyncio.run(write())
    return path


def remembered(folder: Path, path: Path, *, boot_id: str = "this", moment: Moment = NOW) -> tuple[int, Any]:
    access = access_of(config(folder, written(folder)), PEOPLE.get)
    found = passages_of(path, boot_id=boot_id, monotonic=1000.0, moment=moment)
    recall(access, found)
    return len(found), access


def why(access: Any, person: str) -> str | None:
    reason = access.decide(person, 1000.0, NOW).reason
    return None if reason is None else reason.value


def test_a_restart_remembers_who_is_in_and_who_opened(tmp_path: Path) -> None:
    teacher = {"person": "teacher", "monotonic": 400.0, "wall": NOW.unix - 600}
    count, access = remembered(tmp_path, journal(tmp_path, "this", teacher))
    assert count == 1
    assert (why(access, "teacher"), why(access, "pupil")) == ("anti_passback", None)


def test_a_restart_of_the_board_counts_by_the_wall_clock(tmp_path: Path) -> None:
    teacher = {"person": "teacher", "monotonic": 90_000.0, "wall": NOW.unix - 600}
    path = journal(tmp_path, "before", teacher)
    assert remembered(tmp_path, path)[0] == 1
    count, access = remembered(tmp_path, path, moment=Moment(NOW.unix, known=False))
    assert (count, why(access, "teacher"), why(access, "pupil")) == (0, None, "first_person_needed")


@pytest.mark.parametrize(
    "row",
    [
        {"person": "teacher", "outcome": "expired"},
        {"person": "teacher", "clock": "unsynchronised"},
        {"person": "teacher", "wall": NOW.unix - 90_000},
    ],
)
def test_what_says_nothing_is_left_out(tmp_path: Path, row: dict[str, Any]) -> None:
    path = journal(tmp_path, "before", {"monotonic": 5.0, "wall": NOW.unix - 600} | row)
    assert remembered(tmp_path, path)[0] == 0


def test_a_clock_that_was_ahead_and_was_put_right_holds_nobody(tmp_path: Path) -> None:
    """By the wall clock that passage is yet to come: what is seen now counts for more all the same."""
    ahead = {"person": "teacher", "monotonic": 5.0, "wall": NOW.unix + 7200.0}
    count, access = remembered(tmp_path, journal(tmp_path, "before", ahead))
    assert (count, why(access, "teacher")) == (1, "anti_passback")
    access.passed("teacher", Direction.EXIT, 1001.0)
    assert why(access, "teacher") is None


def test_somebody_who_left_unnamed_before_the_restart_may_have_been_them(tmp_path: Path) -> None:
    rows = (
        {"person": "teacher", "monotonic": 400.0, "wall": NOW.unix - 600},
        {"direction": "exit", "monotonic": 500.0, "wall": NOW.unix - 500},
    )
    count, access = remembered(tmp_path, journal(tmp_path, "this", *rows))
    assert (count, why(access, "teacher")) == (2, None)


def test_no_journal_is_no_error_and_a_foreign_file_is_one(tmp_path: Path) -> None:
    assert remembered(tmp_path, tmp_path / "journal.sqlite3")[0] == 0
    (tmp_path / "journal.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"journal\.sqlite3: passages cannot be read"):
        remembered(tmp_path, tmp_path / "journal.sqlite3")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    with GalleryStore.open(tmp_path, create=True) as store:
        store.write([Enrolment(person, ()) for person in PEOPLE.values()])
        for person in PEOPLE:
            store.set_factors(person, second_factor=False, no_face=True)
    path = tmp_path / "gate.toml"
    path.write_text(f'[store]\nfolder = "{tmp_path}"\n[access]\npolicy = "{written(tmp_path)}"\n', encoding="utf-8")
    return path


def test_explain_says_what_each_rule_found(gate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["explain", "--config", str(gate), "--person", "pupil", "--when", "2026-12-01T06:30"]
    assert main(asked) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["policy 1, gate-1: from street to school", "denied: out_of_hours"]
    assert "closed on Tue 2026-12-01 06:30" in lines[4]
    assert lines[5].split(maxsplit=4)[-1] == "nobody of staff has passed here today"
    assert main(["explain", "--config", str(gate), "--person", "pupil", "--direction", "exit"]) == 0
    assert "lets everybody out" in capsys.readouterr().out


def test_explain_knows_what_the_gate_has_written(gate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"person": "teacher", "monotonic": time.monotonic() - 60, "wall": time.time() - 60}
    journal(gate.parent, read_boot_id(), row)
    assert main(["explain", "--config", str(gate), "--person", "teacher"]) == 1
    out = capsys.readouterr().out
    assert "denied: anti_passback" in out
    assert re.search(r"went into school [67]\d s ago", out)


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--at", "attic"], "no point 'attic'"), (["--when", "noon"], "invalid local_time value: 'noon'")],
)
def test_explain_refuses_what_it_does_not_understand(
    gate: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    try:
        status: object = main(["explain", "--config", str(gate), "--person", "pupil", *more])
    except SystemExit as error:
        status = error.code
    assert status in {1, 2}
    assert message in capsys.readouterr().err
