"""The hub's measurements: rates, latencies and CPU time of each process of a school that runs for them."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from benchmarks.hub import cpu, services
from benchmarks.hub.fleet import FleetPlan
from benchmarks.hub.load import Load, LoadPlan
from benchmarks.journal import DETAIL
from controller.record.entry import Entry
from controller.record.journal import Journal
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.hub.services import Process, School

WINDOW = 100
"""As [link] window's default."""
ON_WAY = 4800
"""Events on their way to the hub at most: docs/mqtt.md lets the broker keep 5000 for it."""
ROLES = ("hub", "broker", "database", "gates")


@dataclass(frozen=True)
class Run:
    """One measurement."""

    gates: int
    events: int
    seconds: float
    latencies: list[float]
    cpu: dict[str, float]
    """CPU seconds by role."""
    resent: int
    stored: int
    """Rows that the database gained."""

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


class Meter:
    """CPU seconds of a school's processes since it was made."""

    def __init__(self, school: School, hub: Process) -> None:
        broker = school.broker.process
        if broker is None:
            raise RuntimeError("the broker does not run")
        self._broker, self._hub, self._database = broker.pid, hub.pid, school.database.pid
        self._before = self._read()

    def used(self) -> dict[str, float]:
        """By role, without the gates."""
        return {role: now - self._before[role] for role, now in self._read().items()}

    def _read(self) -> dict[str, float]:
        return {
            "hub": cpu.of_process(self._hub),
            "broker": cpu.of_process(self._broker),
            "database": cpu.of_family(self._database),
        }


def lean(school: School, hub: Process, gates: Sequence[str], count: int, rate: float = 0.0) -> Run:
    """So many events of each lean gate; `rate` of them per second together, or as fast as they are taken."""
    plan = LoadPlan(
        folder=str(school.folder),
        gates=list(gates),
        port=school.broker.port,
        count=count,
        window=window(len(gates)),
        rate=rate,
    )
    file = school.folder / "load.json"
    file.write_bytes(msgspec.json.encode(plan))
    before = rows(school)
    log = school.folder / "load.log"
    log.unlink(missing_ok=True)
    process = services.start([sys.executable, "-m", "benchmarks.hub.load", file], log)
    try:
        while not (log.exists() and log.read_bytes().startswith(b"ready")):
            if process.poll() is not None:
                raise RuntimeError(f"the gates ended: {log.read_text()}")
            time.sleep(0.02)
        meter = Meter(school, hub)
        if process.wait():
            raise RuntimeError(f"the gates ended: {log.read_text()}")
    finally:
        services.end(process)
    found = msgspec.json.decode(log.read_bytes().splitlines()[-1], type=Load)
    used = meter.used() | {"gates": found.cpu}
    return Run(
        len(gates), len(found.latencies), found.seconds, found.latencies, used, found.resent, rows(school) - before
    )


def window(gates: int) -> int:
    """Events on their way of each of so many gates."""
    return max(1, min(WINDOW, ON_WAY // gates))


def drain(school: School, hub: Process, gate: str, count: int) -> Run:
    """A real gate that was offline while `count` events happened: its journal and link send them with the defaults."""
    asyncio.run(_fill(school, gate, count))
    plan = FleetPlan(
        folder=str(school.folder),
        gates=[gate],
        hosts=["127.0.0.1"],
        port=school.broker.port,
        rate=1.0,
        seed=1,
        seconds=0.0,
        ack_timeout=30.0,
    )
    file = school.folder / "drain.json"
    file.write_bytes(msgspec.json.encode(plan))
    before, meter, children = rows(school), Meter(school, hub), _of_children()
    started = time.perf_counter()
    process = services.start([sys.executable, "-m", "benchmarks.hub.fleet", file], school.folder / "drain.log")
    status = process.wait()
    seconds = time.perf_counter() - started
    if status:
        raise RuntimeError(f"the gate ended: {(school.folder / 'drain.log').read_text()}")
    used = meter.used() | {"gates": _of_children() - children}
    return Run(1, count, seconds, [], used, 0, rows(school) - before)


def _of_children() -> float:
    """CPU seconds of this process' children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def _fill(school: School, gate: str, count: int) -> None:
    disk = ClockExecutor(SystemClock(), 1, "journal")
    journal = Journal(school.folder / f"{gate}.sqlite3", disk, boot_id="boot-1")
    await journal.open()
    entries = [
        Entry("grant", number / 2, time.time(), "synchronised", f"g-{number}", f"p-{number % 997:06}", DETAIL)
        for number in range(count)
    ]
    for start in range(0, count, 200):
        await asyncio.gather(*(journal.append(entry) for entry in entries[start : start + 200]))
    await journal.close()
    disk.shutdown()


def rows(school: School) -> int:
    """Events in the hub's database."""
    return asyncio.run(_rows(school.database.address))


async def _rows(address: str) -> int:
    connection = await asyncpg.connect(address)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM event"))
    finally:
        await connection.close()
