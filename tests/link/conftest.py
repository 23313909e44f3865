"""A mosquitto of the test's own, a gate and a hub to join through it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from benchmarks.hub.audit import journaled
from benchmarks.hub.authority import Authority
from campus import database
from campus.broker import Broker
from campus.intake.ingest import Ingest
from campus.intake.store import HubStore
from controller.link.mqtt import Link
from controller.link.settings import LinkSettings
from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from controller.link.messages import Protocol
    from controller.link.ports import LinkWatch

PATIENCE = 60.0
"""Seconds after which what should happen has not."""


class Mosquitto:
    """A broker on a loopback address that can be stopped and started."""

    def __init__(self, program: str, folder: Path, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self._program = program
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure("allow_anonymous true\n")

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def configure(self, listener: str) -> None:
        """Set the listener's options, for the next start."""
        # Started by root it would else become another user, who may read nothing in a test's folder.
        common = "user root\npersistence false\nset_tcp_nodelay true\nmax_queued_messages 0\nsys_interval 0\n"
        self._config.write_text(f"listener {self.port} {self.host}\n{listener}{common}")

    def start(self) -> None:
        """Start, and return when it takes connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
                return
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.01)
        pytest.fail("mosquitto takes no connections")

    def stop(self) -> None:
        """Stop it as a crash does; harmless when stopped."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Wire:
    """A wire to a broker that can be made slow, or go silent without closing."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.rate = float("inf")
        """Bytes a second towards the broker."""
        self.passes = asyncio.Event()
        self.passes.set()
        self._broker = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0, limit=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._broker)
        except OSError:
            writer.close()
            return
        for source, sink, slow in ((reader, back, True), (there, writer, False)):
            task = asyncio.ensure_future(self._carry(source, sink, slow=slow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, slow: bool) -> None:
        with contextlib.suppress(OSError), contextlib.closing(sink):
            while part := await source.read(512):
                await self.passes.wait()
                if slow:
                    await asyncio.sleep(len(part) / self.rate)
                sink.write(part)
                await sink.drain()


@pytest_asyncio.fixture
async def wire(broker: Mosquitto) -> AsyncIterator[Wire]:
    """A wire to the broker."""
    made = Wire(broker.port)
    await made.start()
    yield made
    await made.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mosquitto() -> str:
    """Where mosquitto is."""
    program = shutil.which("mosquitto", path="/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin")
    if program is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    return program


@pytest.fixture
def broker(tmp_path: Path, mosquitto: str) -> Iterator[Mosquitto]:
    """A running mosquitto."""
    made = Mosquitto(mosquitto, tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def pair(tmp_path: Path, mosquitto: str) -> Iterator[tuple[Mosquitto, Mosquitto]]:
    """Two running mosquittos with an address each, that take whoever shows a certificate of `school.pem`."""
    school = Authority(tmp_path, "school")
    for name in ("north", "hub"):
        school.issue(name)
    made = []
    for host in ("127.0.0.1", "127.0.0.2"):
        folder = tmp_path / host
        folder.mkdir()
        one = Mosquitto(mosquitto, folder, host)
        certificate, key = school.issue(f"broker-{host}", host)
        one.configure(
            f"cafile {school.ca}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
            "use_identity_as_username true\n"
        )
        one.start()
        made.append(one)
    yield made[0], made[1]
    for one in made:
        one.stop()


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return when `condition` holds, fail when it never does. For what tells nobody: files, other processes."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"never happened: {what}")
        await asyncio.sleep(0.01)


@pytest.fixture
def eventually() -> Callable[..., object]:
    """`await eventually(condition, "what")`."""
    return until


def settings_for(port: int, **changes: object) -> LinkSettings:
    values: dict[str, object] = {
        "campus": "school",
        "host": "127.0.0.1",
        "port": port,
        "reconnect_min": 0.05,
        "reconnect_max": 0.2,
        "ack_timeout": 0.5,
        "timeout": 2.0,
    }
    return LinkSettings(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def link_settings() -> Callable[..., LinkSettings]:
    """Settings of a link to a broker on a loopback port."""
    return settings_for


class Gate:
    """A journal and its link, as the program on a board joins them."""

    def __init__(
        self, path: Path, port: int, watch: LinkWatch | None = None, name: str = "north", **changes: object
    ) -> None:
        self.path = path
        self.disk = ClockExecutor(SystemClock(), 1, "journal")
        self.journal = Journal(path, self.disk, boot_id="boot-1", settings=JournalSettings(idle=0.05))
        settings = settings_for(port, **changes)
        self.link = Link(settings, name, self.journal.outbox, boot_id="boot-1", watch=watch)
        self.journal.add_listener(self.link.notify)
        self._task: asyncio.Task[None] | None = None

    async def append(self, count: int) -> None:
        for number in range(count):
            entry = Entry(
                "grant", 1.5, 1_790_000_000.25, "synchronised", f"g{number}", "p-1", {"score": 0.75, "n": number}
            )
            await self.journal.append(entry)

    async def start(self) -> None:
        await self.journal.open()
        self._task = asyncio.ensure_future(self.link.run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.journal.close()
        self.disk.shutdown()

    async def drained(self) -> None:
        await until(lambda: self.journal.outbox.depth == 0, "the campus acknowledges everything")


@pytest_asyncio.fixture
async def gates(tmp_path: Path) -> AsyncIterator[Callable[..., Gate]]:
    """Make gates on the same journal file; what runs is stopped at the end."""
    made: list[Gate] = []

    def make(port: int, file: str = "journal.sqlite3", **changes: object) -> Gate:
        gate = Gate(tmp_path / file, port, **changes)  # type: ignore[arg-type]
        made.append(gate)
        return gate

    yield make
    for gate in made:
        await gate.stop()


class Hub:
    """An intake that runs in this loop."""

    def __init__(self, path: Path, broker: Broker) -> None:
        self._database = database.Database(str(path), "school")
        self.ingest = Ingest("school", broker, HubStore(self._database))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._database.open()
        self._task = asyncio.ensure_future(self.ingest.run())
        await asyncio.wait_for(self.ingest.connected.wait(), PATIENCE)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self._database.close()


@pytest_asyncio.fixture
async def hubs(tmp_path: Path) -> AsyncIterator[Callable[..., Hub]]:
    """Make hubs; what runs is stopped at the end."""
    made: list[Hub] = []

    def make(where: int | Broker, name: str = "hub.sqlite3", protocol: Protocol = "5") -> Hub:
        broker = where if isinstance(where, Broker) else Broker("127.0.0.1", where, protocol=protocol)
        hub = Hub(tmp_path / name, broker)
        made.append(hub)
        return hub

    yield make
    for hub in made:
        await hub.stop()


def arrived(path: Path) -> list[bytes]:
    """Every event in a hub's database, byte for byte, in the gate's order."""
    reader = sqlite3.connect(path)
    try:
        return [row[0] for row in reader.execute("SELECT payload FROM event ORDER BY gate, epoch, seq")]
    finally:
        reader.close()


@pytest.fixture
def journal_of(tmp_path: Path) -> Callable[[], list[bytes]]:
    """What the journal holds, as the wire should carry it."""
    return lambda: [message for _, _, message in journaled(tmp_path / "journal.sqlite3", "north")]


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[], list[bytes]]:
    """What the hub has, in the gate's order."""
    return lambda: arrived(tmp_path / "hub.sqlite3")


@pytest.fixture
def compare(tmp_path: Path, journal_of: Callable[[], list[bytes]]) -> Callable[[], int]:
    """Assert that the hub has what the journal has, byte for byte and once each; how many there are."""

    def check() -> int:
        found = arrived(tmp_path / "hub.sqlite3")
        assert sorted(found) == sorted(journal_of())
        return len(found)

    return check
