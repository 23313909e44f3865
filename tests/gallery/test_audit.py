"""The audit log: appended to only, and every change to it shows."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest

from controller.errors import GalleryError
from controller.gallery.audit import FILE, KEY, AuditLog

if TYPE_CHECKING:
    from pathlib import Path

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path, actor="office", create=True, now=lambda: NOON)
    log.append("new", who="p1", counts={"templates": 2})
    log.append("erasing", who="p1")
    log.append("erased", who="p1", counts={"found": 0})
    return log


def test_entries_are_chained_and_name_nobody(log: AuditLog, tmp_path: Path) -> None:
    report = log.verify()
    assert [(entry.seq, entry.action, entry.actor) for entry in report.entries] == [
        (1, "new", "office"),
        (2, "erasing", "office"),
        (3, "erased", "office"),
    ]
    assert report.entries[0].at == "2026-09-01T12:00:00+00:00"
    assert {entry.who for entry in report.entries} == {log.pseudonym("p1")}
    assert b"p1" not in (tmp_path / FILE).read_bytes()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (FILE, KEY)} == {0o600}
    assert not report.unproven
    again = AuditLog(tmp_path, actor="other")
    again.append("run")
    assert again.pseudonym("p1") == log.pseudonym("p1")
    assert len(again.verify(report.head).entries) == 4


def test_an_erasure_without_its_end_is_told(log: AuditLog) -> None:
    log.append("erasing", who="p2")
    log.append("erasing", who="p1")
    assert [entry.seq for entry in log.verify().unproven] == [5, 4]


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_changed_or_missing_line_is_named(log: AuditLog, line: int) -> None:
    lines = log.path.read_bytes().splitlines(keepends=True)
    changed = [*lines]
    changed[line - 1] = changed[line - 1].replace(b"office", b"nobody")
    log.path.write_bytes(b"".join(changed))
    with pytest.raises(GalleryError, match=rf"jsonl:{line}: is not what was written"):
        log.verify()
    log.path.write_bytes(b"".join(lines[: line - 1] + lines[line:]))
    if line < 3:
        with pytest.raises(GalleryError, match=rf"jsonl:{line}: is not what was written"):
            log.verify()


def test_a_cut_off_end_shows_against_a_noted_head(log: AuditLog) -> None:
    head = log.verify().head
    log.path.write_bytes(b"".join(log.path.read_bytes().splitlines(keepends=True)[:2]))
    assert len(log.verify().entries) == 2
    with pytest.raises(GalleryError, match="entries at its end are missing"):
        log.verify(head)


@pytest.mark.parametrize("kept", [1, 60])
def test_a_torn_line_is_cut_off_and_told(log: AuditLog, kept: int) -> None:
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + whole.splitlines()[-1][:kept])
    with pytest.raises(GalleryError, match=r"jsonl:4: is not whole"):
        log.verify()
    log.append("run")
    assert [entry.action for entry in log.verify().entries] == ["new", "erasing", "erased", "torn", "run"]


def test_a_log_without_its_key_does_not_go_on(log: AuditLog, tmp_path: Path) -> None:
    (tmp_path / KEY).unlink()
    with pytest.raises(GalleryError, match="key is missing"):
        AuditLog(tmp_path, create=True)
    assert log.verify().entries


def test_two_who_append_at_once_do_not_break_the_chain(tmp_path: Path) -> None:
    AuditLog(tmp_path, create=True)

    def many() -> None:
        log = AuditLog(tmp_path)
        for _ in range(20):
            log.append("run")

    threads = [threading.Thread(target=many) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(AuditLog(tmp_path).verify().entries) == 60
