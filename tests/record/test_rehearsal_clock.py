"""The journal under a rehearsal's clock: an hour passes in a moment, and only while the disk is idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.executor import ClockExecutor
from hw.sim.clock import VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from pathlib import Path

MakeEntry = Callable[..., Entry]


def test_an_hour_of_passages(path: Path, entry: MakeEntry) -> None:
    clock = VirtualClock()
    log = path.with_name(path.name + "-wal")
    sizes: list[int] = []

    async def main() -> int:
        disk = ClockExecutor(clock, 1, "journal")
        journal = Journal(path, disk, boot_id="b", settings=JournalSettings(idle=2.0))
        await journal.open()
        maintenance = asyncio.ensure_future(journal.maintain())
        for number in range(360):
            before = clock.monotonic()
            await journal.append(entry(number), timeout=0.001)
            assert clock.monotonic() == before, "simulated time stands still while the disk works"
            await asyncio.sleep(10)  # long enough for the idle checkpoint
            sizes.append(log.stat().st_size)
        maintenance.cancel()
        stored = journal.newest.seq
        await journal.close()
        return stored

    started = time.monotonic()
    assert run(main(), clock) == 360
    assert clock.monotonic() == 3600
    assert time.monotonic() - started < 120
    assert set(sizes) == {0}
