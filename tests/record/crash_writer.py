"""A program that appends to a journal and kills itself, or is killed, at a named point.

    python crash_writer.py JOURNAL POINT COUNT

Prints the sequence number of each entry once `append` has returned. POINT: `before-commit`, `after-commit` and
`checkpoint` end it by SIGKILL around commit number COUNT, `never` goes on until somebody else does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable


def die_at(point: str, count: int) -> Callable[[str], None]:
    """A probe that kills this process the `count`-th time it is told of `point`."""
    seen = 0

    def probe(name: str) -> None:
        nonlocal seen
        seen += name == point
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return probe


def trace(journal: Journal, probe: Callable[[str], None]) -> None:
    """Tell `probe` of SQLite's statements just before they run. On the journal's thread."""

    def statement(sql: str) -> None:
        if sql == "COMMIT":
            probe("before-commit")
        elif "wal_checkpoint" in sql:
            probe("checkpoint")

    with journal._ledger._database.connection() as connection:
        connection.set_trace_callback(statement)


async def main(path: Path, point: str, count: int) -> None:
    probe = die_at(point, count)
    disk = ClockExecutor(SystemClock(), 1, "journal")
    settings = JournalSettings(idle=0.001)
    journal = Journal(
        path, disk, boot_id="crash", settings=settings, on_commit=lambda _count, _seconds: probe("after-commit")
    )
    await journal.open()
    await asyncio.wrap_future(disk.submit(trace, journal, probe))
    maintenance = asyncio.ensure_future(journal.maintain())
    number = 0
    while not maintenance.done():
        # Bursts of one to seven entries, and pauses in which checkpoints run.
        burst = [Entry("grant", 1.0, time.time(), "unknown", f"g{number + n}", None, {}) for n in range(number % 7 + 1)]
        for stored in await asyncio.gather(*map(journal.append, burst)):
            number += 1
            os.write(1, f"{stored.seq}\n".encode())
        if number % 5 == 0:
            await asyncio.sleep(0.004)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
