"""What `append` promised survives kill -9 at any point and a write-ahead log torn at any byte."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.errors import StoreError
from controller.record.boot import stamp
from controller.record.database import Database
from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.ledger import Ledger
from controller.record.rows import to_row
from controller.record.settings import JournalSettings

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]
WRITER = Path(__file__).with_name("crash_writer.py")
ROOT = Path(__file__).parents[2]


def write_until_killed(path: Path, point: str, count: int) -> list[int]:
    """Run the writer; the numbers it was told are on disk."""
    command = [sys.executable, str(WRITER), str(path), point, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as writer:
        assert writer.stdout is not None
        told = []
        for line in writer.stdout:
            told.append(int(line))
            if point == "never" and len(told) == count:
                writer.kill()
        writer.wait(30)
    assert writer.returncode == -signal.SIGKILL
    return told


def written(path: Path) -> list[tuple[int, int]]:
    reader = sqlite3.connect(path)
    try:
        return reader.execute("SELECT era, seq FROM entry ORDER BY era, seq").fetchall()
    finally:
        reader.close()


@pytest.mark.parametrize("point", ["before-commit", "after-commit", "checkpoint", "never"])
def test_kill_9_loses_nothing_that_was_promised(path: Path, make: Make, point: str) -> None:
    promised: list[int] = []
    for count in (1, 2, 57, 400):
        told = write_until_killed(path, point, count)
        assert told == list(range(told[0], told[0] + len(told))) if told else True
        promised += told
        found = written(path)
        assert found == [(1, seq) for seq in range(1, len(found) + 1)], "one epoch, no gap, nothing twice"
        assert set(promised) <= {seq for _, seq in found}
        assert not told or told[0] > max(promised[: -len(told)], default=0), "no number is given twice"

    async def reopen() -> int:
        journal = make()
        await journal.open()
        checked = await journal.verify()
        await journal.close()
        return checked

    assert asyncio.run(reopen()) == len(written(path)) >= len(promised)


def test_thousands_of_entries_and_a_kill_in_the_middle(path: Path) -> None:
    told = write_until_killed(path, "never", 3000)
    found = [seq for _, seq in written(path)]
    assert found == list(range(1, len(found) + 1))
    assert told == found[: len(told)]
    assert len(told) >= 3000


@pytest.mark.asyncio
async def test_a_torn_log_loses_only_its_tail(make: Make, entry: MakeEntry, tmp_path: Path, path: Path) -> None:
    """A power cut on a card that lied about its fsync: any prefix of the log leaves a prefix of the journal."""
    journal = make()
    await journal.open()
    for number in range(40):
        await journal.append(entry(number))
    log = path.with_name(path.name + "-wal").read_bytes()
    body = path.read_bytes()
    await journal.close()
    lengths = []
    for cut in [*range(0, len(log), 1777), len(log)]:
        torn = tmp_path / f"torn-{cut}"
        torn.mkdir()
        (torn / "journal.sqlite3").write_bytes(body)
        (torn / "journal.sqlite3-wal").write_bytes(log[:cut])
        lengths.append(await asyncio.to_thread(_usable_length, torn / "journal.sqlite3"))
        shutil.rmtree(torn)
    assert lengths == sorted(lengths)
    assert lengths[0] == 0
    assert lengths[-1] == 40
    assert len(set(lengths)) > 30


def _usable_length(path: Path) -> int:
    """How many entries a journal opened here has; that it takes a further one, and replaces nothing."""
    ledger = Ledger(Database(path, lock_wait=0), JournalSettings(), boot_id="b", serial="", stamp=stamp)
    ledger.open()
    before = ledger.verify()
    ledger.append([to_row(Entry("state", 1.0, 2.0, "unknown", None, None, {}), "b")])
    assert ledger.verify() == before + 1
    ledger.close()
    assert not list(path.parent.glob("*damaged*"))
    return before


@pytest.mark.asyncio
async def test_a_second_process_is_refused_by_name(make: Make, path: Path) -> None:
    journal = make()
    await journal.open()
    command = [sys.executable, str(WRITER), str(path), "never", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    second = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    _, text = await second.communicate()
    assert second.returncode == 1
    assert f"is in use by another process (pid {os.getpid()})".encode() in text
    await journal.close()
    with pytest.raises(StoreError):
        await journal.outbox.pending(1)
