"""A gate's journal and link as a process of its own, to be killed.

    python gate_process.py JOURNAL PORT COUNT POINT NUMBER

Appends COUNT grants and publishes what the journal holds until the campus has all of it; then exits with 0. POINT:
`journaled` ends it by SIGKILL after commit NUMBER, before anything of it is published; `published` after NUMBER events
went out, whether or not the campus has them; `never` lets it run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from controller.link.mqtt import Link
from controller.link.ports import LinkWatch
from controller.link.settings import LinkSettings
from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.clock import SystemClock
from hw.executor import ClockExecutor


class Killer(LinkWatch):
    """Ends this process at a named point."""

    def __init__(self, point: str, number: int) -> None:
        self._point = point
        self._left = number

    def reached(self, point: str, count: int = 1) -> None:
        if point == self._point:
            self._left -= count
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_sent(self, count: int) -> None:
        self.reached("published", count)


async def main(path: Path, port: int, count: int, killer: Killer) -> None:
    disk = ClockExecutor(SystemClock(), 1, "journal")
    journal = Journal(
        path,
        disk,
        boot_id=f"boot-{os.getpid()}",
        settings=JournalSettings(idle=0.01),
        on_commit=lambda _count, _seconds: killer.reached("journaled"),
    )
    await journal.open()
    settings = LinkSettings(
        campus="school", host="127.0.0.1", port=port, reconnect_min=0.05, reconnect_max=0.2, ack_timeout=0.5, window=20
    )
    link = Link(settings, "north", journal.outbox, boot_id="boot", watch=killer)
    journal.add_listener(link.notify)
    tasks = [asyncio.ensure_future(link.run()), asyncio.ensure_future(journal.maintain())]
    for number in range(count):
        await journal.append(Entry("grant", 1.5, time.time(), "unknown", f"g{number}", "p-3", {"score": 0.625}))
        if number % 4 == 0:
            await asyncio.sleep(0.002)
    while journal.outbox.depth:  # noqa: ASYNC110 - an acknowledgement wakes nobody here
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Killer(sys.argv[4], int(sys.argv[5]))))
