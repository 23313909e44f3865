"""A journal that runs out of room: how it was measured goes first, what happened stays, and the chain says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from controller.drill.readback import read_journal
from controller.errors import StoreError
from controller.lane import visit
from controller.record import rows
from controller.record.entry import AckOutcome, Entry, Stored
from controller.record.journal import Journal
from controller.record.schema import APPLICATION_ID

if TYPE_CHECKING:
    from pathlib import Path

    from hw.executor import ClockExecutor

pytestmark = pytest.mark.asyncio

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]
MEASURED = {"temperature": 36.61, "u_noise": 0.06, "remarks": "glasses", "quality": 0.9}


async def filled(journal: Journal, make_entry: MakeEntry, count: int, **detail: object) -> list[Stored]:
    """Write `count` grants that were screened, a ticket behind every tenth."""
    futures = []
    for number in range(count):
        told = {"score": 0.5, **MEASURED, **detail}
        futures.append(journal.submit(make_entry(number, detail=told)))
        if number % 10 == 9:
            futures.append(journal.submit(make_entry(number, kind="ticket", detail=told)))
    return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))


async def room(journal: Journal, disk: ClockExecutor, limit: int = 500) -> bool:
    return await asyncio.wrap_future(disk.submit(lambda: journal._ledger.make_room(limit, force=True)))


async def test_the_oldest_screening_goes_first_and_an_entry_says_so(
    make: Make, entry: MakeEntry, disk: ClockExecutor, path: Path
) -> None:
    journal = make()
    await journal.open()
    before = await filled(journal, entry, 100)
    assert await room(journal, disk, 40)
    assert await journal.verify() == 111
    after = await journal.outbox.pending(200)
    assert [stored.chain for stored in after[:110]] == [stored.chain for stored in before]
    thinned = [stored.seq for stored in after if stored.thinned]
    tickets = [stored.seq for stored in before if stored.entry.kind == "ticket"]
    assert thinned == [seq for seq in range(1, 45) if seq not in tickets], "the oldest forty, and no ticket"
    for old, new in zip(before, after[:110], strict=True):
        if new.thinned is None:
            assert new == old
        else:
            assert new.entry.detail == {"score": 0.5}
            kept = {key: old.entry.detail[key] for key in old.entry.detail if key in rows.SCREENING_KEYS}
            assert new.thinned == rows.digest(json.dumps(kept, separators=(",", ":"))).hex(), "what it was is proven"
    note = after[110].entry
    assert (note.kind, dict(note.detail)) == (
        "warning",
        {
            "warning": "journal_thinned", "epoch": f"{before[0].epoch:016x}", "first": 1, "last": thinned[-1],
            "count": 40,
        },
    )  # fmt: skip
    assert [await room(journal, disk, 40) for _ in range(3)] == [True, True, False]
    await journal.close()
    assert len(read_journal(path)) == 113


async def test_it_survives_a_new_epoch_and_retention(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make(settings={"keep_entries": 1000, "idle": 100.0})
    await journal.open()
    old = await filled(journal, entry, 20)
    assert await room(journal, disk, 10)
    assert await journal.outbox.retire_epoch(old[0].epoch, "the campus is ahead")
    await journal.verify()
    found = await journal.outbox.pending(100)
    again = [stored for stored in found if stored.thinned]
    assert [stored.entry.detail["refiled"] for stored in again] == [
        f"{old[0].epoch:016x}-{n}" for n in (*range(1, 10), 10)
    ]
    assert {stored.thinned for stored in again} == {rows.digest(_screening(old[0])).hex()}
    await journal.close()


def _screening(stored: Stored) -> str:
    kept = {key: value for key, value in stored.entry.detail.items() if key in rows.SCREENING_KEYS}
    return json.dumps(kept, separators=(",", ":"))


async def test_when_nothing_is_left_to_thin_the_oldest_that_the_campus_has_goes(
    make: Make, entry: MakeEntry, disk: ClockExecutor
) -> None:
    journal = make(settings={"queue_limit": 5000, "idle": 100.0})
    await journal.open()
    stored = [await journal.append(entry(n)) for n in range(5)]
    futures = [journal.submit(entry(n)) for n in range(1495)]
    stored += await asyncio.gather(*map(asyncio.wrap_future, futures))
    assert not await room(journal, disk), "the campus has none of them"
    assert await journal.outbox.acknowledge(stored[0].epoch, 1300, stored[1299].chain) is AckOutcome.ADVANCED
    assert [await room(journal, disk) for _ in range(2)] == [True, False]
    assert await journal.verify() == 1500 - 300 + 1
    pending = await journal.outbox.pending(500)
    assert [each.seq for each in pending[:200]] == list(range(1301, 1501)), "what the campus does not have stays"
    assert pending[200].entry.detail["warning"] == "journal_shortened"
    assert (pending[200].entry.detail["first"], pending[200].entry.detail["last"]) == (1, 300)
    await journal.close()


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ("DELETE FROM screening WHERE seq = 9", "append-only"),
        ("UPDATE screening SET detail = '{}' WHERE seq = 9", "append-only"),
        ("UPDATE epoch SET thinned = 0", "only advance"),
    ],
)
async def test_the_file_itself_refuses_to_lose_a_measurement(
    make: Make, entry: MakeEntry, disk: ClockExecutor, path: Path, statements: str, message: str
) -> None:
    journal = make()
    await journal.open()
    await filled(journal, entry, 12)
    assert await room(journal, disk, 5)
    await journal.close()
    other = sqlite3.connect(path, isolation_level=None)
    with contextlib.closing(other), pytest.raises(sqlite3.IntegrityError, match=message):
        other.execute(statements)


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            "UPDATE epoch SET thinned = 9; DELETE FROM screening WHERE seq <= 9",
            "entry 6 .* is gone, and no entry says why",
        ),
        (
            "DROP TRIGGER screening_is_final; UPDATE screening SET detail = replace(detail, '36.61', '35.0')",
            "entry 6 .* is not what was written: its screening part was changed",
        ),
        (
            "DROP TRIGGER entry_is_final; UPDATE entry SET screening_digest = NULL WHERE seq = 3",
            "entry 3 .* is not what",
        ),
    ],
)
async def test_what_is_forged_is_found(
    make: Make, entry: MakeEntry, disk: ClockExecutor, path: Path, statements: str, message: str
) -> None:
    journal = make()
    await journal.open()
    await filled(journal, entry, 8)
    assert await room(journal, disk, 5)
    await journal.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.executescript(statements)
    again = make()
    await again.open()
    with pytest.raises(StoreError, match=message):
        await again.verify()
    await again.close()


async def test_maintenance_keeps_to_the_limit_and_the_link_hears_of_it(
    make: Make, entry: MakeEntry, path: Path, disk: ClockExecutor
) -> None:
    """The least limit, 16 MB, and twice that of screening: thinned while idle; pages are used again, the file stays."""
    journal = make(settings={"size_limit": 16, "queue_limit": 20_000, "idle": 0.01})
    await journal.open()
    told = asyncio.Event()
    await filled(journal, entry, 4000, quality="q" * 2500)
    journal.add_listener(told.set)
    maintenance = asyncio.ensure_future(journal.maintain())
    while await asyncio.wrap_future(disk.submit(journal._ledger._database.size)) > 16_000_000:
        async with asyncio.timeout(60):
            await told.wait()
        told.clear()
    maintenance.cancel()
    await asyncio.gather(maintenance, return_exceptions=True)
    depth = journal.outbox.depth
    notes = depth - 4400
    assert 0 < notes < 9
    assert await journal.verify() == 4400 + notes
    high = path.stat().st_size
    await filled(journal, entry, 1000, quality="q" * 2500)
    assert path.stat().st_size == high, "new entries take the pages that were freed"
    await journal.close()


async def test_a_disk_that_is_really_full(make: Make, entry: MakeEntry, small_disk: Path, disk: ClockExecutor) -> None:
    """Screening parts give way, entries are written until there is nothing to give, and then nothing was lost."""
    journal = Journal(small_disk / "journal.sqlite3", disk, boot_id="b")
    await journal.open()
    written: list[Stored] = []

    async def fill() -> None:
        while True:
            detail = {"score": 0.5, "quality": "q" * 400}
            written.append(await journal.append(entry(len(written), detail=detail)))

    with pytest.raises(StoreError, match="the disk is full"):
        await fill()
    assert sum(path.stat().st_blocks * 512 for path in small_disk.iterdir()) > 2_300_000
    found = await journal.outbox.pending(100_000)
    kept = {stored.seq: stored for stored in found}
    assert {stored.seq for stored in written} <= kept.keys()
    assert all(kept[stored.seq].chain == stored.chain for stored in written)
    thinned = sum(stored.thinned is not None for stored in found)
    assert thinned > len(written) * 0.9, "the most was thinned before anything was refused"
    await journal.verify()
    await journal.close()


@pytest.mark.parametrize("killed", [False, True])
async def test_a_full_disk_does_not_keep_it_from_opening(
    make: Make, entry: MakeEntry, small_disk: Path, disk: ClockExecutor, *, killed: bool
) -> None:
    """Somebody else's files fill the card: what was stopped cleanly has no log, and no room for one."""
    path = small_disk / "journal.sqlite3"
    first = Journal(path, disk, boot_id="b")
    await first.open()
    for number in range(60):
        await first.append(entry(number, detail=MEASURED))
    kept = {part.name: part.read_bytes() for part in small_disk.glob("journal.sqlite3*")} if killed else {}
    await first.close()
    for name, content in kept.items():  # its log is still there
        (small_disk / name).write_bytes(content)
    with (small_disk / "log").open("wb", buffering=0) as log, contextlib.suppress(OSError):
        while log.write(b"x" * 4096):
            pass
    assert shutil.disk_usage(small_disk).free == 0
    again = Journal(path, disk, boot_id="b")
    await again.open()
    stored = await again.append(entry(99))
    assert stored.seq == 61
    assert all(one.thinned is None for one in await again.outbox.pending(1000)), "nothing had to give way to one entry"
    await again.verify()
    await again.close()


async def test_a_journal_of_the_first_version_is_brought_along(make: Make, entry: MakeEntry, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(
            f"""
            CREATE TABLE epoch (number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL UNIQUE, serial TEXT NOT NULL,
                reason TEXT NOT NULL, started REAL NOT NULL, acked INTEGER NOT NULL DEFAULT 0,
                pruned INTEGER NOT NULL DEFAULT 0, pruned_chain BLOB NOT NULL) STRICT;
            CREATE TABLE entry (era INTEGER NOT NULL REFERENCES epoch (number), seq INTEGER NOT NULL,
                boot_id TEXT NOT NULL, kind TEXT NOT NULL, monotonic REAL NOT NULL, wall REAL NOT NULL,
                clock TEXT NOT NULL, grant_id TEXT, person TEXT, detail TEXT NOT NULL, chain BLOB NOT NULL,
                PRIMARY KEY (era, seq)) STRICT, WITHOUT ROWID;
            CREATE TRIGGER epoch_is_monotone BEFORE UPDATE ON epoch WHEN NEW.acked < OLD.acked
            BEGIN SELECT raise(ABORT, 'no'); END;
            PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;
            """
        )
        old.execute("INSERT INTO epoch VALUES (1, 42, '', 'new journal', 1.0, 0, 0, ?)", (rows.anchor(42),))
        row = ("boot", "grant", 1.0, 2.0, "unknown", "g", "p", '{"temperature":36.6}')
        chain = rows.link(rows.anchor(42), 1, rows.Row(*row))
        old.execute("INSERT INTO entry VALUES (1, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, chain))
    journal = make()
    await journal.open()
    new = await journal.append(entry(2, detail=MEASURED))
    assert (new.epoch, new.seq) == (42, 2)
    first, second = await journal.outbox.pending(10)
    assert (first.entry.detail, second.entry.detail) == ({"temperature": 36.6}, MEASURED)
    assert await journal.verify() == 2
    await journal.close()


async def test_the_lane_still_uses_these_names() -> None:
    """A key that is renamed there would never be thinned here."""
    code = (visit._findings.__code__.co_consts, visit._personal.__code__.co_consts)
    names = {name for consts in code for const in consts for name in (const if isinstance(const, tuple) else (const,))}
    assert names >= rows.SCREENING_KEYS
