"""A gate's journal and link as a process of its own, to be killed.

    python gate_process.py JOURNAL PORT COUNT POINT NUMBER [SERIAL]

Appends COUNT screened grants and publishes what the journal holds until the campus has all of it; then exits with 0.
POINT ends it by SIGKILL: `published` after NUMBER events went out, whether or not the
campus has them; `before-X` and `after-X` around the NUMBER-th COMMIT of a kind, X being `append`, `acknowledge`, `thin`
or `epoch` (one that is begun in place of another); `never` lets it run.
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
        self.thins = point.endswith("thin")
        self._point = point
        self._left = number

    def reached(self, point: str, count: int = 1) -> None:
        if point == self._point:
            self._left -= count
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_sent(self, count: int) -> None:
        self.reached("published", count)


class Commits:
    """Tells the killer of a journal's commits, by SQLite's own trace of statements, each before it runs."""

    def __init__(self, killer: Killer) -> None:
        self._killer = killer
        self._kind = self._done = ""

    def watch(self, journal: Journal) -> None:
        with journal._ledger._database.connection() as connection:
            connection.set_trace_callback(self._statement)

    def _statement(self, sql: str) -> None:
        if self._done:
            self._killer.reached(f"after-{self._done}")
            self._done = ""
        for start, kind in MARKS.items():
            if sql.strip().startswith(start) and self._kind != "epoch":
                self._kind = kind
        if sql == "COMMIT" and self._kind:
            self._killer.reached(f"before-{self._kind}")
            self._done, self._kind = self._kind, ""


MARKS = {
    "INSERT INTO screening": "append",
    "UPDATE epoch SET acked": "acknowledge",
    "UPDATE epoch SET thinned": "thin",
    "INSERT INTO epoch": "epoch",
}
"""Statements by which a transaction is known."""
SCREENED = {"score": 0.625, "temperature": 36.6, "u_noise": 0.05}


async def main(path: Path, port: int, count: int, killer: Killer, serial: str = "") -> None:
    disk = ClockExecutor(SystemClock(), 1, "journal")
    journal = Journal(path, disk, boot_id=f"boot-{os.getpid()}", serial=serial, settings=JournalSettings(idle=0.01))
    await journal.open()
    await asyncio.wrap_future(disk.submit(Commits(killer).watch, journal))
    settings = LinkSettings(
        campus="school", host="127.0.0.1", port=port, reconnect_min=0.05, reconnect_max=0.2, ack_timeout=0.5, window=20
    )
    link = Link(settings, "north", journal.outbox, boot_id="boot", watch=killer)
    journal.add_listener(link.notify)
    tasks = [asyncio.ensure_future(link.run()), asyncio.ensure_future(journal.maintain())]
    for number in range(count):
        grant = f"g{os.getpid()}-{number}"
        await journal.append(Entry("grant", 1.5, time.time(), "unknown", grant, "p-3", SCREENED))
        if number % 4 == 0:
            await asyncio.sleep(0.002)
        if number % 16 == 15 and killer.thins:
            await asyncio.wrap_future(disk.submit(lambda: journal._ledger.make_room(8, force=True)))
    while journal.outbox.depth:  # noqa: ASYNC110 - an acknowledgement wakes nobody here
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await journal.close()


if __name__ == "__main__":
    killer = Killer(sys.argv[4], int(sys.argv[5]))
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), killer, *sys.argv[6:]))
