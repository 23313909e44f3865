"""The journal's file read past its writer."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from controller.drill.readback import DiskWitness, read_journal
from controller.errors import StoreError
from controller.record.entry import Entry
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def worker() -> Iterator[ClockExecutor]:
    made = ClockExecutor(SystemClock(), 1, "journal")
    yield made
    made.shutdown()


def entry(kind: str, at: float) -> Entry:
    return Entry(kind, at, 1e9 + at, "unknown", "g1", "p1", {"direction": "entry", "score": 0.5})


@pytest.mark.asyncio
async def test_what_was_reported_is_what_is_read(tmp_path: Path, worker: ClockExecutor) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = Journal(path, worker, boot_id="boot")
    await journal.open()
    reported = [await journal.append(entry("grant", float(at))) for at in range(5)]
    await journal.close()
    assert read_journal(path) == tuple(reported)


@pytest.mark.asyncio
async def test_the_witness_sees_what_is_committed_and_only_grants(tmp_path: Path, worker: ClockExecutor) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = Journal(path, worker, boot_id="boot")
    await journal.open()
    witness = DiskWitness(path)
    seen = [witness.grants()]
    for kind in ("grant", "deny", "grant"):
        await journal.append(entry(kind, 1.0))
        seen.append(witness.grants())
    witness.close()
    await journal.close()
    assert seen == [0, 1, 1, 2]


@pytest.mark.asyncio
async def test_a_changed_row_is_found(tmp_path: Path, worker: ClockExecutor) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = Journal(path, worker, boot_id="boot")
    await journal.open()
    for at in range(3):
        await journal.append(entry("grant", float(at)))
    await journal.close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER entry_is_final")
        connection.execute("UPDATE entry SET person = 'p2' WHERE seq = 2")
    connection.close()
    with pytest.raises(StoreError, match=r"entry 2 is not what was written"):
        read_journal(path)


def test_no_journal_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        read_journal(tmp_path / "missing.sqlite3")
    with pytest.raises(StoreError, match="missing"):
        DiskWitness(tmp_path / "missing.sqlite3")
