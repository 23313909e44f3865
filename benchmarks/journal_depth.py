"""How much disk a gate's journal takes, and how fast it still is: `python -m benchmarks.journal_depth --folder DIR`.

The entries are those of passages through the real lane, each person screened: grant, passage and what else it records.
All of them wait for the campus, as after weeks without it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
import uuid
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.machine import Lane
from controller.lane.model import (
    Assessment,
    Direction,
    LaneSettings,
    Liveness,
    Match,
    Remark,
    Screening,
    Uncertainty,
    Verdict,
)
from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BATCH = 200
WALL = 1_790_000_000.0
EVERY = 25.0
"""Seconds from one person to the next."""


class Passages:
    """People who pass a lane, one after the other."""

    def __init__(self) -> None:
        self._lane = Lane(LaneSettings())
        self._rng = Random(1)
        self._now = 0.0
        self._timers: dict[str, tuple[float, int]] = {}

    def entries(self) -> Iterator[Entry]:
        """What the lane records of them, for ever."""
        yield from self._feed(ev.Booted(now=self._now))
        yield from self._feed(ev.SelfTestPassed(now=self._now))
        for number in itertools.count():
            yield from self._feed(ev.Approached(now=self._now, presence=number))
            assessed = ev.Assessed(
                now=self._now, assessment=self._found(), grant_id=uuid.UUID(int=number).hex, presence=number
            )
            yield from self._feed(assessed)
            for active in (True, False):
                yield from self._wait(0.5)
                yield from self._feed(ev.PassContact(now=self._now, direction=Direction.ENTRY, active=active))
            yield from self._feed(ev.Left(now=self._now))
            yield from self._wait(EVERY)

    def _found(self) -> Assessment:
        draw = self._rng.gauss
        screening = Screening(
            verdict=Verdict.NORMAL,
            value=draw(36.6, 0.3),
            uncertainty=draw(0.25, 0.02),
            surface=draw(34.2, 0.4),
            frames=12,
            parts=Uncertainty(*(abs(draw(0.1, 0.02)) for _ in range(4))),
            risk=abs(draw(0.0, 0.001)),
            remarks=(Remark.ROOM_OUTSIDE_FIT,) if self._rng.random() < 0.3 else (),
            correction=draw(0.0, 0.1),
            room=draw(22.0, 0.5),
            looks=2,
        )
        match = Match(person=f"p-{self._rng.randrange(3000):06d}", score=draw(0.6, 0.05), margin=draw(0.4, 0.05))
        return Assessment(match, False, Liveness.LIVE, screening, draw(0.8, 0.05), 1, 1)

    def _wait(self, seconds: float) -> Iterator[Entry]:
        end = self._now + seconds
        while self._timers:
            name, (due, token) = min(self._timers.items(), key=lambda timer: timer[1])
            if due > end:
                break
            self._now = due
            del self._timers[name]
            yield from self._feed(ev.TimerFired(now=due, name=name, token=token))
        self._now = end

    def _feed(self, event: ev.LaneEvent) -> Iterator[Entry]:
        for effect in self._lane.feed(event):
            match effect:
                case fx.Append(kind, grant_id, person, detail):
                    wall = WALL + self._now
                    yield Entry(kind.value, self._now, wall, "synchronised", grant_id, person, detail)
                case fx.ArmTimer(name=name, seconds=seconds, token=token):
                    self._timers[name] = self._now + seconds, token
                case fx.CancelTimer(name=name):
                    self._timers.pop(name, None)
                case _:
                    pass


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Fill a journal as a gate does, and time it.")
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: the temporary folder's)")
    parser.add_argument("--entries", type=int, default=100_000, metavar="N", help="to fill it with (default: 100000)")
    parser.add_argument("--appends", type=int, default=1000, metavar="N", help="to time, one by one (default: 1000)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        asyncio.run(_measure(Path(name) / "journal.sqlite3", arguments.entries, arguments.appends))
    return 0


async def _measure(path: Path, count: int, appends: int) -> None:
    disk = ClockExecutor(SystemClock(), 1, "journal")
    journal = Journal(path, disk, boot_id=str(uuid.UUID(int=1)), settings=JournalSettings(queue_limit=BATCH))
    await journal.open()
    entries = Passages().entries()
    times = await _append(journal, entries, appends)
    _show("append, empty journal", times)
    for _ in range(0, count - appends, BATCH):
        waiting = [journal.submit(next(entries)) for _ in range(BATCH)]
        await asyncio.gather(*map(asyncio.wrap_future, waiting))
    times = await _append(journal, entries, appends)
    depth = journal.outbox.depth
    _show(f"append, {depth} on board", times)
    parts = [path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")]
    sizes = [part.stat().st_size for part in parts]
    print(f"disk: {sum(sizes) / 1e6:.1f} MB, of it log {sizes[1] / 1e6:.1f} MB; {sizes[0] / depth:.0f} bytes an entry")

    async def timed(label: str, job: Callable[[], object]) -> None:
        started = time.perf_counter()
        found = await asyncio.wrap_future(disk.submit(job))
        print(f"{label}: {(time.perf_counter() - started) * 1e3:.0f} ms ({found})")

    ledger = journal._ledger  # noqa: SLF001 - its jobs, one by one
    await timed("oldest 100 of the outbox", lambda: len(ledger.pending(100, None)))
    await timed("verify the chain", ledger.verify)
    await timed("thin the oldest 500", lambda: ledger.make_room(force=True))
    while await asyncio.wrap_future(disk.submit(lambda: ledger.make_room(force=True))):
        pass
    used = await asyncio.wrap_future(disk.submit(ledger._database.size))  # noqa: SLF001
    print(f"all thinned: {used / 1e6:.1f} MB in use or the log's bound; {journal.outbox.depth - depth} entries say so")
    await timed("verify the chain", ledger.verify)
    await journal.close()
    started = time.perf_counter()
    await journal.open()
    print(f"open and check: {time.perf_counter() - started:.2f} s")
    await journal.close()
    disk.shutdown()


async def _append(journal: Journal, entries: Iterator[Entry], count: int) -> list[float]:
    times = []
    for _ in range(count):
        entry = next(entries)
        started = time.perf_counter()
        await journal.append(entry)
        times.append(time.perf_counter() - started)
    return times


def _show(label: str, times: list[float]) -> None:
    values = np.sort(times) * 1e3
    # The median's distribution-free 95 % interval, by order statistics.
    half = 0.98 * len(values) ** 0.5
    low, high = (values[int(len(values) / 2 + sign * half)] for sign in (-1, 1))
    p50, p99 = np.quantile(values, (0.5, 0.99))
    print(f"{label}: p50 {p50:.2f} ms [{low:.2f}, {high:.2f}], p99 {p99:.2f} ms, n = {len(values)}")


if __name__ == "__main__":
    raise SystemExit(main())
