"""Times the journal on the disk at hand: `python -m benchmarks.journal --folder /var/lib/thermogate`.

A grant waits for one commit before the relay moves, so this is part of every decision. `raw` is the least any journal
could take here: an append of as many bytes and an fdatasync.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from controller.record.entry import Entry, Scalar
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

PAGES = 2
"""4 KiB pages that one commit of one entry writes to the log, as SQLite does (leaf, and now and then an inner page)."""
DETAIL: dict[str, Scalar] = {"direction": "entry", "score": 0.8123, "margin": 0.301, "temperature": 36.61}


def main(argv: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Time the journal on the disk at hand.")
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: the temporary folder's)")
    parser.add_argument("--entries", type=int, default=2000, metavar="N", help="per measurement (default: 2000)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        print(f"{folder}: {arguments.entries} entries per measurement; milliseconds to durable")
        print(f"{'':28} {'p50':>8} {'p99':>8} {'max':>8} {'entries/s':>10}")
        _show("raw append + fdatasync", *_raw(folder / "raw", arguments.entries))
        asyncio.run(_journal(folder / "journal.sqlite3", arguments.entries))
    return 0


async def _journal(path: Path, count: int) -> None:
    disk = ClockExecutor(SystemClock(), 1, "journal")
    journal = Journal(path, disk, boot_id="benchmark")
    await journal.open()

    async def one() -> float:
        started = time.perf_counter()
        await journal.append(Entry("grant", 1.0, time.time(), "synchronised", "g-00000001", "p-000001", DETAIL))
        return time.perf_counter() - started

    for lanes in (1, 2, 16, 64):
        times: list[float] = []
        started = time.perf_counter()
        for _ in range(count // lanes):
            times += await asyncio.gather(*(one() for _ in range(lanes)))
        _show(f"journal, {lanes} at a time", times, time.perf_counter() - started)
    started = time.perf_counter()
    stored = await journal.outbox.pending(1000)
    seconds = time.perf_counter() - started
    _show("outbox, read 1000", [seconds], seconds / len(stored))
    started = time.perf_counter()
    await journal.outbox.acknowledge(stored[-1].epoch, stored[-1].seq, stored[-1].chain)
    seconds = time.perf_counter() - started
    _show("outbox, acknowledge", [seconds], seconds)
    started = time.perf_counter()
    checked = await journal.verify()
    seconds = time.perf_counter() - started
    _show(f"verify the chain of {checked}", [seconds], seconds / checked)
    await journal.close()
    disk.shutdown()


def _raw(path: Path, count: int) -> tuple[list[float], float]:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    times = []
    for _ in range(count):
        started = time.perf_counter()
        os.write(file, b"\xa5" * 4096 * PAGES)
        os.fdatasync(file)
        times.append(time.perf_counter() - started)
    os.close(file)
    return times, sum(times)


def _show(label: str, times: list[float], total: float) -> None:
    middle, high, most = np.quantile(times, (0.5, 0.99, 1.0)) * 1e3
    print(f"{label:28} {middle:8.2f} {high:8.2f} {most:8.2f} {len(times) / total:10.0f}")


if __name__ == "__main__":
    raise SystemExit(main())
