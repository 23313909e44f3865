"""Disks that are full, read-only, locked or damaged: an error that names the file and reason, and nothing good lost."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from controller.errors import StoreError
from controller.record.boot import Stamp
from controller.record.entry import AckOutcome, Entry
from controller.record.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from hw.executor import ClockExecutor

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]


async def pragma(journal: Journal, disk: ClockExecutor, text: str) -> None:
    """Make SQLite itself fail: its own limits stand in for the disk's."""

    def run() -> None:
        with journal._ledger._database.connection() as connection:
            connection.execute(f"PRAGMA {text}")

    await asyncio.wrap_future(disk.submit(run))


@pytest.mark.asyncio
async def test_a_full_disk(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make()
    await journal.open()
    first = await journal.append(entry(1))
    await pragma(journal, disk, "max_page_count = 1")

    async def fill() -> None:
        for number in range(200):
            await journal.append(entry(number, detail={"text": "x" * 4000}))

    with pytest.raises(StoreError, match=r"journal\.sqlite3: the disk is full"):
        await fill()
    full = journal.newest.seq
    await pragma(journal, disk, "max_page_count = 1000000")
    assert (await journal.append(entry(2))).seq == full + 1
    assert (await journal.outbox.pending(1)) == [first]
    assert await journal.verify() == full + 1
    await journal.close()


@pytest.mark.asyncio
async def test_a_read_only_disk(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make()
    await journal.open()
    await pragma(journal, disk, "query_only = ON")
    with pytest.raises(StoreError, match=r"journal\.sqlite3: it is read-only"):
        await journal.append(entry(1))
    await pragma(journal, disk, "query_only = OFF")
    assert (await journal.append(entry(1))).seq == 1
    await journal.close()


@pytest.mark.asyncio
async def test_a_locked_file(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make(settings={"lock_wait": 0.0})
    await journal.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"journal\.sqlite3: another program has locked it"):
        await journal.append(entry(1))
    other.execute("ROLLBACK")
    other.close()
    assert (await journal.append(entry(1))).seq == 1
    await journal.close()


@pytest.mark.asyncio
async def test_a_batch_is_written_whole_or_not_at_all(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make()
    await journal.open()
    await pragma(journal, disk, "max_page_count = 1")
    release = threading.Event()
    disk.submit(release.wait)
    futures = [journal.submit(entry(n, detail={"text": "x" * 4000})) for n in range(50)]
    release.set()
    results = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    assert len({id(result) for result in results}) == 50
    assert journal.newest.seq == 0
    await journal.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 8000])
@pytest.mark.asyncio
async def test_a_damaged_journal_is_moved_aside_and_that_is_recorded(
    make: Make, entry: MakeEntry, path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    journal = make()
    await journal.open()
    note = (await journal.outbox.pending(10))[0]
    (aside,) = path.parent.glob("journal.sqlite3.damaged-*")
    assert aside.read_bytes() == content
    assert note.seq == 1
    assert note.entry.kind == "warning"
    assert note.entry.detail["warning"] == "journal_replaced"
    assert note.entry.detail["moved_to"] == aside.name
    assert "damaged" in str(note.entry.detail["reason"])
    assert (await journal.append(entry(1))).seq == 2
    await journal.close()


@pytest.mark.asyncio
async def test_two_damaged_journals_keep_both(make: Make, path: Path) -> None:
    for content in (b"first" * 300, b"second" * 300):
        path.write_bytes(content)
        journal = make()
        await journal.open()
        await journal.close()
    kept = {aside.read_bytes()[:5] for aside in path.parent.glob("journal.sqlite3.damaged-*")}
    assert kept == {b"first", b"secon"}


@pytest.mark.asyncio
async def test_pages_that_rot_are_found_at_the_next_start(make: Make, entry: MakeEntry, path: Path) -> None:
    first = make()
    await first.open()
    old = [await first.append(entry(n, detail={"text": "x" * 500})) for n in range(100)]
    await first.close()
    content = bytearray(path.read_bytes())
    content[40_960:45_056] = b"\xa5" * 4096
    path.write_bytes(content)
    second = make()
    await second.open()
    new = await second.append(entry(1))
    assert new.epoch != old[0].epoch
    assert new.seq == 2
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
    await second.close()


@pytest.mark.asyncio
async def test_damage_while_in_use_costs_no_entry(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make()
    await journal.open()
    old = await journal.append(entry(1))
    other = sqlite3.connect(path, isolation_level=None)  # another program, without manners
    damage = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'entry';"
    other.executescript(damage + "PRAGMA schema_version = 1000;")
    other.close()
    new = await journal.append(entry(2))
    assert (new.epoch != old.epoch, new.seq) == (True, 2)
    assert [stored.entry.kind for stored in await journal.outbox.pending(9)] == ["warning", "grant"]
    assert len(list(path.parent.glob("*.damaged-*[0-9Z]"))) == 1
    await journal.close()


@pytest.mark.asyncio
async def test_somebody_elses_database_is_left_alone(make: Make, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE accounts (id)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is a database of another program"):
        await make().open()
    assert path.read_bytes()[100:] == before[100:]
    assert not list(path.parent.glob("*.damaged-*"))


@pytest.mark.asyncio
async def test_a_newer_journal_is_left_alone(make: Make, path: Path) -> None:
    journal = make()
    await journal.open()
    await journal.close()
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(StoreError, match="has version 99; this program knows version 2"):
        await make().open()
    assert not list(path.parent.glob("*.damaged-*"))


@pytest.mark.asyncio
async def test_a_folder_in_the_way(make: Make, path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match=r"journal\.sqlite3: cannot be opened: Is a directory"):
        await make().open()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET person = 'x' WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 3",
        "DELETE FROM entry",
        "DELETE FROM epoch",
        "UPDATE epoch SET acked = 0",
        "UPDATE epoch SET acked = 4",
        "UPDATE epoch SET pruned = 3",
        "UPDATE epoch SET epoch = 1",
        (
            "INSERT INTO entry SELECT era, 7, boot_id, kind, monotonic, wall, clock, grant_id, person, detail,"
            " screening_digest, chain FROM entry WHERE seq = 1"
        ),
        "INSERT OR REPLACE INTO entry SELECT * FROM entry WHERE seq = 1",
    ],
)
@pytest.mark.asyncio
async def test_the_file_itself_refuses_to_be_rewritten(
    make: Make, entry: MakeEntry, path: Path, statement: str
) -> None:
    journal = make()
    await journal.open()
    stored = [await journal.append(entry(n)) for n in range(3)]
    await journal.outbox.acknowledge(stored[1].epoch, 2, stored[1].chain)
    await journal.close()
    other = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|no gaps|only advance"):
        other.execute(statement)
    other.close()


@pytest.mark.asyncio
async def test_a_forged_row_breaks_the_chain(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make()
    await journal.open()
    stored = [await journal.append(entry(n)) for n in range(5)]
    await journal.close()
    other = sqlite3.connect(path, isolation_level=None)
    other.executescript("DROP TRIGGER entry_is_final; UPDATE entry SET person = 'somebody else' WHERE seq = 3;")
    other.close()
    again = make()
    await again.open()
    with pytest.raises(StoreError, match=f"entry 3 of epoch {stored[0].epoch:016x} is not what was written"):
        await again.verify()
    await again.close()


@pytest.mark.asyncio
async def test_retention_drops_only_what_the_campus_has(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make(settings={"keep_entries": 1000, "queue_limit": 2000})
    await journal.open()
    futures = [journal.submit(entry(n)) for n in range(1700)]
    stored = await asyncio.gather(*map(asyncio.wrap_future, futures))
    ledger = journal._ledger

    async def prune() -> int:
        return await asyncio.wrap_future(disk.submit(ledger.prune, 500))

    assert await prune() == 0
    assert await journal.outbox.acknowledge(stored[0].epoch, 1600, stored[1599].chain) is AckOutcome.ADVANCED
    assert [await prune() for _ in range(3)] == [500, 100, 0]
    assert await journal.verify() == 1100
    assert len(await journal.outbox.pending(1000)) == 100
    assert (await journal.append(entry(1))).seq == 1701
    await journal.close()


@pytest.mark.parametrize(("clock", "dropped"), [("synchronised", 4), ("unsynchronised", 0)])
@pytest.mark.asyncio
async def test_retention_by_age_needs_a_clock(
    make: Make, entry: MakeEntry, disk: ClockExecutor, clock: str, dropped: int
) -> None:
    now = 1_790_000_000.0
    day = 86_400.0
    journal = make(settings={"keep_days": 10.0}, stamp=lambda: Stamp(1.0, now, clock))
    await journal.open()
    ages = [30, 20, 0, 11, 3, 20]
    clocks = ["synchronised", "synchronised", "unsynchronised", "synchronised", "synchronised", "unsynchronised"]
    stored = [
        await journal.append(entry(1, wall=now - age * day, clock=state))
        for age, state in zip(ages, clocks, strict=True)
    ]
    await journal.outbox.acknowledge(stored[0].epoch, 6, stored[-1].chain)
    assert await asyncio.wrap_future(disk.submit(journal._ledger.prune)) == dropped
    await journal.close()
    again = make()
    await again.open()
    assert await again.verify() == 6 - dropped
    assert (await again.append(entry(1))).seq == 7
    await again.close()
