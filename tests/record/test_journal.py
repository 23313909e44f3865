"""Appending: durable, in order, without gaps, for a bounded time, and never on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from controller.errors import StoreError
from controller.record.entry import Entry
from controller.record.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from hw.executor import ClockExecutor

Make = Callable[..., Journal]
MakeEntry = Callable[..., Entry]


def rows_of(path: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as reader, reader:
        found = reader.execute("SELECT seq, kind, person, detail FROM entry ORDER BY era, seq").fetchall()
    reader.close()
    return found


def size_and_mode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mode & 0o777


@pytest.mark.asyncio
async def test_an_entry_is_in_the_file_when_append_returns(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make()
    await journal.open()
    stored = await journal.append(entry(1))
    assert rows_of(path) == [(1, "grant", "p-7", '{"score":0.5,"attempt":1,"live":true,"note":null,"lane":"a"}')]
    assert (stored.seq, stored.boot_id, stored.entry) == (1, "11111111-2222-3333-4444-555555555555", entry(1))
    assert 0 <= stored.epoch < 2**63
    assert size_and_mode(path)[1] == 0o600
    await journal.close()


@pytest.mark.asyncio
async def test_places_go_on_after_a_restart(make: Make, entry: MakeEntry) -> None:
    first = make()
    await first.open()
    before = [await first.append(entry(n)) for n in range(3)]
    await first.close()
    second = make(boot_id="another-boot")
    await second.open()
    after = await second.append(entry(3))
    assert [stored.seq for stored in (*before, after)] == [1, 2, 3, 4]
    assert {stored.epoch for stored in (*before, after)} == {before[0].epoch}
    assert after.boot_id == "another-boot"
    assert await second.verify() == 4
    await second.close()


@pytest.mark.asyncio
async def test_what_waits_shares_a_commit(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    commits: list[int] = []
    journal = make(on_commit=lambda count, _seconds: commits.append(count))
    await journal.open()
    gate = threading.Event()
    disk.submit(gate.wait)
    futures = [journal.submit(entry(n)) for n in range(450)]
    gate.set()
    stored = await asyncio.gather(*map(asyncio.wrap_future, futures))
    assert [place.seq for place in stored] == list(range(1, 451))
    assert commits == [200, 200, 50]
    await journal.close()


@pytest.mark.asyncio
async def test_a_slow_disk_never_blocks_the_loop(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make()
    await journal.open()
    release = threading.Event()
    disk.submit(release.wait)
    waiting = asyncio.ensure_future(journal.append(entry(1)))
    for _ in range(1000):
        await asyncio.sleep(0)  # the loop turns while the disk hangs
    assert not waiting.done()
    release.set()
    assert (await waiting).seq == 1
    await journal.close()


@pytest.mark.asyncio
async def test_a_wait_is_bounded_and_the_entry_is_written_once(
    make: Make, entry: MakeEntry, disk: ClockExecutor, path: Path
) -> None:
    journal = make()
    await journal.open()
    release = threading.Event()
    disk.submit(release.wait)
    late = entry(1)
    for _ in range(3):
        with pytest.raises(StoreError, match=r"journal\.sqlite3: an entry was not on disk within 0\.01 s"):
            await journal.append(late, timeout=0.01)
    release.set()
    assert (await journal.append(late, timeout=30)).seq == 1
    assert len(rows_of(path)) == 1
    await journal.close()


@pytest.mark.asyncio
async def test_a_cancelled_caller_does_not_undo_what_happened(
    make: Make, entry: MakeEntry, disk: ClockExecutor, path: Path
) -> None:
    journal = make()
    await journal.open()
    release = threading.Event()
    disk.submit(release.wait)
    task = asyncio.ensure_future(journal.append(entry(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await journal.close()
    assert len(rows_of(path)) == 1


@pytest.mark.asyncio
async def test_a_full_queue_refuses_at_once(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make(settings={"queue_limit": 5, "idle": 0.01})
    await journal.open()
    release = threading.Event()
    disk.submit(release.wait)
    for n in range(5):
        journal.submit(entry(n))
    with pytest.raises(StoreError, match="its disk is 5 entries behind"):
        await journal.append(entry(6))
    release.set()
    await journal.close()


@pytest.mark.asyncio
async def test_closing_writes_what_is_queued(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make()
    await journal.open()
    for n in range(300):
        journal.submit(entry(n))
    await journal.close()
    await journal.close()
    assert [row[0] for row in rows_of(path)] == list(range(1, 301))
    with pytest.raises(StoreError, match="is not open"):
        await journal.append(entry(1))


@pytest.mark.asyncio
async def test_closing_leaves_a_disk_that_hangs_behind(make: Make, disk: ClockExecutor) -> None:
    journal = make()
    await journal.open()
    release = threading.Event()
    disk.submit(release.wait)
    await journal.close(timeout=0.01)
    release.set()


@pytest.mark.asyncio
async def test_the_program_hears_of_each_commit_on_its_loop(make: Make, entry: MakeEntry) -> None:
    journal = make()
    await journal.open()
    heard: list[int] = []
    grown = asyncio.Event()
    journal.add_listener(lambda: heard.append(threading.get_ident()))
    journal.add_listener(grown.set)
    await journal.append(entry(1))
    await asyncio.wait_for(grown.wait(), 10)
    assert heard == [threading.get_ident()]
    await journal.close()


# Nobody is left who may close the database, which only its own thread can: it is left to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.asyncio
async def test_a_shut_down_executor_is_a_store_error(make: Make, entry: MakeEntry, disk: ClockExecutor) -> None:
    journal = make()
    await journal.open()
    await asyncio.wrap_future(disk.submit(lambda: None))
    disk.shutdown()
    with pytest.raises(StoreError, match="is closed"):
        await journal.append(entry(1))
    with pytest.raises(StoreError, match="is closed"):
        await journal.outbox.pending(1)
    del journal
    gc.collect()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detail": {"face": b"\x00\x01"}}, r"entry 'grant': detail\.face is bytes"),
        ({"detail": {"who": {"name": "x"}}}, r"detail\.who is dict"),
        ({"detail": {"n": 2**63}}, r"detail\.n is beyond 64 bits"),
        ({"detail": {"text": "card \udcff"}}, r"entry 'grant': holds text that is no Unicode"),
        ({"person": "p-\udcff"}, r"entry 'grant': holds text that is no Unicode"),
        ({"detail": {"text": "x" * 20_000}}, "its detail has 20011 bytes"),
        ({"wall": float("nan")}, "its times must be finite"),
    ],
)
@pytest.mark.asyncio
async def test_what_is_no_record_is_refused(
    make: Make, entry: MakeEntry, changes: dict[str, object], message: str
) -> None:
    journal = make()
    await journal.open()
    with pytest.raises(StoreError, match=message):
        await journal.append(entry(1, **changes))
    assert (await journal.append(entry(2))).seq == 1
    await journal.close()


@pytest.mark.asyncio
async def test_numbers_without_a_value_become_null(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make()
    await journal.open()
    stored = await journal.append(entry(1, detail={"margin": float("inf"), "score": float("nan")}))
    assert stored.entry.detail == {"margin": None, "score": None}
    assert rows_of(path)[0][3] == '{"margin":null,"score":null}'
    await journal.close()


@pytest.mark.asyncio
async def test_an_idle_journal_empties_its_log(make: Make, entry: MakeEntry, path: Path) -> None:
    journal = make()
    await journal.open()
    maintenance = asyncio.ensure_future(journal.maintain())
    await journal.append(entry(1))
    log = path.with_name(path.name + "-wal")
    assert size_and_mode(log)[0] > 0
    async with asyncio.timeout(20):
        while size_and_mode(log)[0]:  # noqa: ASYNC110 - a file tells nobody that it shrank
            await asyncio.sleep(0.005)
    maintenance.cancel()
    await journal.close()


@pytest.mark.asyncio
async def test_however_many_came_too_late_none_is_written_twice(
    make: Make, entry: MakeEntry, disk: ClockExecutor
) -> None:
    """A disk that hangs for an hour, under a lane that goes on and keeps what it could not see written."""
    journal = make(settings={"queue_limit": 2000, "idle": 100.0})
    await journal.open()
    release = threading.Event()
    disk.submit(release.wait)
    late = [entry(number) for number in range(1300)]
    for one in late:
        with pytest.raises(StoreError, match="not on disk within 0 s"):
            await journal.append(one, timeout=0)
    release.set()
    stored = [await journal.append(one) for one in late]
    assert [one.seq for one in stored] == list(range(1, 1301))
    assert journal.newest.seq == 1300
    # Nothing is kept for a caller that has gone.
    disk.submit(release.wait)
    for number in range(50):
        with contextlib.suppress(StoreError):
            await journal.append(entry(number), timeout=0)
    gc.collect()
    assert len(journal._overdue) == 0
    await journal.close()
