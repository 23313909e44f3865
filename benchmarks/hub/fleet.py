"""Several gates as one process, to be killed: journal and link of the board's program, each on a file of its own.

    python -m benchmarks.hub.fleet FLEET.json

Appends grants at random moments for `seconds`, or until there is a file `enough` in the folder, then waits until the
campus has everything, and exits with 0. A place is written to `GATE.promised` once the journal has said that it is on
disk: what a lane acted on. `point` names where the process ends itself by SIGKILL, the `number`th time it comes there:

    journaled  on disk in the journal, nothing published       sent      published, not acknowledged
    heard      an acknowledgement came, the mark is not moved   marked    the mark is moved, the link does not know it
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from benchmarks.hub.services import CAMPUS
from benchmarks.journal import DETAIL
from controller.link.messages import Protocol
from controller.link.mqtt import Link
from controller.link.ports import LinkWatch
from controller.link.settings import LinkSettings, TlsSettings
from controller.record.entry import AckOutcome, Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from controller.link.ports import OutboxPort
    from controller.record.entry import Place, Stored

FOR_EVER = 1e9
"""Seconds."""
POINTS = ("journaled", "sent", "heard", "marked")


class FleetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a process of gates does."""

    folder: str
    """Their journals, and `school.pem`, `GATE.crt` and `GATE.key` where `tls`."""
    gates: list[str]
    hosts: list[str | tuple[str, ...]]
    """Broker, or brokers in turn, of each gate."""
    port: int
    rate: float
    """Events of one gate, per second; at random moments (a Poisson process)."""
    seed: int
    seconds: float = FOR_EVER
    """For which events are appended; 0: what is in the journals is sent, and nothing more."""
    tls: bool = True
    protocol: Protocol = "5"
    subscribe_qos: Literal[0, 1] = 1
    keepalive: int = 15
    timed: bool = False
    """Write to `GATE.times` when events were journaled and acknowledged, and brokers reached and lost."""
    point: str = ""
    """One of `POINTS`; empty: it does not end itself."""
    number: int = 0
    ack_timeout: float = 3.0


class Times:
    """What happened when, a line each: `journaled SEQ TIME`, `acknowledged SEQ TIME`, `up BROKER TIME`, `down ...`."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, what: str, which: object) -> None:
        """It happened now."""
        if self._file is not None:
            os.write(self._file, f"{what} {which} {time.time():.3f}\n".encode())


class Deadline:
    """Ends this process at a named point."""

    def __init__(self, point: str, number: int) -> None:
        self._point = point
        self._left = number

    def reached(self, point: str) -> None:
        """This point was reached once more."""
        if point == self._point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


class WatchedLink(LinkWatch):
    """Sees a named point where events were published, and notes which broker a gate is at."""

    def __init__(self, deadline: Deadline, times: Times) -> None:
        self._deadline = deadline
        self._times = times

    def on_up(self, *, up: bool, broker: str) -> None:
        """A broker was reached or lost."""
        self._times.note("up" if up else "down", broker)

    def on_sent(self, count: int) -> None:
        """Events were published."""
        del count
        self._deadline.reached("sent")


class WatchedOutbox:
    """An outbox, with a named point before and behind each acknowledgement."""

    def __init__(self, outbox: OutboxPort, deadline: Deadline, times: Times) -> None:
        self._outbox = outbox
        self._deadline = deadline
        self._times = times

    @property
    def depth(self) -> int:
        """As the outbox' own."""
        return self._outbox.depth

    @property
    def newest(self) -> Place:
        """As the outbox' own."""
        return self._outbox.newest

    async def pending(self, limit: int, after: Place | None = None) -> list[Stored]:
        """As the outbox' own."""
        return await self._outbox.pending(limit, after)

    async def acknowledge(self, epoch: int, seq: int, chain: str) -> AckOutcome:
        """As the outbox' own, between two points."""
        self._deadline.reached("heard")
        outcome = await self._outbox.acknowledge(epoch, seq, chain)
        self._deadline.reached("marked")
        if outcome is AckOutcome.ADVANCED:
            self._times.note("acknowledged", seq)
        return outcome

    async def cursors(self) -> list[Place]:
        """As the outbox' own."""
        return await self._outbox.cursors()

    async def retire_epoch(self, epoch: int, reason: str) -> bool:
        """As the outbox' own."""
        return await self._outbox.retire_epoch(epoch, reason)


class GateRecord:
    """One gate's journal and link."""

    def __init__(self, plan: FleetPlan, name: str, host: str | tuple[str, ...], deadline: Deadline) -> None:
        self._name = name
        self._times = Times(Path(plan.folder) / f"{name}.times" if plan.timed else None)
        self._disk = ClockExecutor(SystemClock(), 1, "journal")
        self._rng = random.Random(f"{plan.seed} {name} {os.getpid()}")
        self._rate = plan.rate
        self._seconds = plan.seconds
        self._enough = Path(plan.folder) / "enough"
        boot_id = f"{name}-{os.getpid()}-{time.time_ns()}"
        self.journal = Journal(
            Path(plan.folder) / f"{name}.sqlite3",
            self._disk,
            boot_id=boot_id,
            settings=JournalSettings(idle=0.5),
            on_commit=lambda _count, _seconds: deadline.reached("journaled"),
        )
        folder = Path(plan.folder)
        tls = TlsSettings(ca=folder / "school.pem", cert=folder / f"{name}.crt", key=folder / f"{name}.key")
        settings = LinkSettings(
            campus=CAMPUS,
            host=host,
            port=plan.port,
            tls=tls if plan.tls else None,
            protocol=plan.protocol,
            subscribe_qos=plan.subscribe_qos,
            keepalive=plan.keepalive,
            reconnect_min=0.1,
            reconnect_max=1.0,
            ack_timeout=plan.ack_timeout,
            ack_timeout_max=2 * plan.ack_timeout,
            timeout=5.0,
        )
        outbox = WatchedOutbox(self.journal.outbox, deadline, self._times)
        self._link = Link(settings, name, outbox, boot_id=boot_id, watch=WatchedLink(deadline, self._times))
        self.journal.add_listener(self._link.notify)
        self._promised = os.open(folder / f"{name}.promised", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def run(self) -> None:
        """Append for as long as the plan says, and publish until nothing is left to be sent."""
        await self.journal.open()
        tasks = [asyncio.ensure_future(self._link.run()), asyncio.ensure_future(self.journal.maintain())]
        number, until = 0, time.monotonic() + self._seconds
        while time.monotonic() < until and not self._enough.exists():
            await asyncio.sleep(self._rng.expovariate(self._rate))
            number += 1
            await self._grant(number)
        while self.journal.outbox.depth:  # noqa: ASYNC110 - an acknowledgement wakes nobody here
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.journal.close()
        self._disk.shutdown()

    async def _grant(self, number: int) -> None:
        grant = f"g-{os.getpid()}-{number}"
        entry = Entry("grant", time.monotonic(), time.time(), "synchronised", grant, f"p-{number % 997:06}", DETAIL)
        stored = await self.journal.append(entry)
        self._times.note("journaled", stored.seq)
        # One write of the kernel's: it outlives this process.
        os.write(self._promised, f"{stored.epoch} {stored.seq} {stored.chain}\n".encode())


async def main(plan: FleetPlan) -> None:
    """Run every gate of the plan."""
    deadline = Deadline(plan.point, plan.number)
    async with asyncio.TaskGroup() as tasks:
        for name, host in zip(plan.gates, plan.hosts, strict=True):
            tasks.create_task(GateRecord(plan, name, host, deadline).run())


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=FleetPlan)))
