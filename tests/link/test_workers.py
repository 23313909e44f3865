"""Several intakes share the gates between them; and an intake asks by itself for what stays away."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import aiomqtt
import asyncpg
import pytest

from campus.broker import Broker
from campus.database import Database
from campus.duties import FREE
from campus.errors import HubConfigError
from campus.intake.gaps import GapSettings
from campus.intake.share import Share, read_share
from campus.metrics import HubMetrics
from campus.policy.versions import Policies
from campus.service import Intake
from controller.link.messages import Ack, Cursor, EventMessage, Online, decode, encode, event_id

pytestmark = pytest.mark.service

Make = Callable[..., Any]
WORKERS = 4
GATES = [f"gate-{number}" for number in range(8)]
EVENTS = 40
EPOCH = "000000000000002a"


@pytest.fixture
def start(postgresql_address: str, broker: Any) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """Start a worker by the command line; none is left behind."""
    started: list[subprocess.Popen[bytes]] = []

    def worker(number: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "campus", "ingest", "--broker", f"127.0.0.1:{broker.port}", "--campus", "school",
            "--db", postgresql_address, "--worker", f"{number}/{WORKERS}",
        ]  # fmt: skip
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield worker
    for process in started:
        process.kill()
        process.wait()


async def stored(address: str) -> dict[str, int]:
    """Events by gate."""
    reader = await asyncpg.connect(address)
    rows = await reader.fetch("SELECT gate, count(*) FROM event GROUP BY gate")
    await reader.close()
    return dict(map(tuple, rows))


@pytest.mark.asyncio
async def test_a_worker_that_is_killed_and_started_again(
    postgresql_address: str, broker: Any, gates: Make, start: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    """Its gates wait for it, the others' do not; nothing is lost or there twice."""
    workers = {number: start(number) for number in range(1, WORKERS + 1)}
    made = {name: gates(broker.port, f"{name}.sqlite3", name=name) for name in GATES}
    for gate in made.values():
        await gate.start()
        await gate.append(EVENTS)
    for gate in made.values():
        await gate.drained()
    orphans = {name for name in GATES if Share(2, WORKERS).takes(name)}
    assert 0 < len(orphans) < len(GATES)
    workers[2].send_signal(signal.SIGKILL)
    workers[2].wait()
    for gate in made.values():
        await gate.append(EVENTS)
    for name in GATES:
        if name not in orphans:
            await made[name].drained()
    assert all(made[name].journal.outbox.depth == EVENTS for name in orphans)
    start(2)
    for name in orphans:
        await made[name].drained()
    assert await stored(postgresql_address) == dict.fromkeys(GATES, 2 * EVENTS)


async def looking(address: str) -> int:
    """Workers that hold their duty, or look whether it is free."""
    reader = await asyncpg.connect(address)
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND datname = current_database()"
    found = await reader.fetchval(sessions, FREE)
    await reader.close()
    return int(found)


@pytest.mark.asyncio
async def test_a_worker_in_reserve_takes_over_from_one_that_is_killed(
    postgresql_address: str, broker: Any, gates: Make, start: Callable[[int], subprocess.Popen[bytes]]
) -> None:
    """Two of each number: one works, the other waits; nothing is lost or there twice."""
    first = [start(number) for number in range(1, WORKERS + 1)]
    made = {name: gates(broker.port, f"{name}.sqlite3", name=name) for name in GATES}
    for gate in made.values():
        await gate.start()
        await gate.append(EVENTS)
    for gate in made.values():
        await gate.drained()
    for number in range(1, WORKERS + 1):
        start(number)
    async with asyncio.timeout(120):
        while await looking(postgresql_address) < 2 * WORKERS:  # noqa: ASYNC110 - a database tells nobody
            await asyncio.sleep(0.1)
    for gate in made.values():
        await gate.append(EVENTS)
    for worker in first:
        worker.kill()
        worker.wait()
    for gate in made.values():
        await gate.append(EVENTS)
    for gate in made.values():
        await gate.drained()
    assert await stored(postgresql_address) == dict.fromkeys(GATES, 3 * EVENTS)


def test_every_gate_has_one_worker() -> None:
    names = [f"gate-{number}" for number in range(400)]
    for workers in (1, 2, 3, 7):
        shares = [Share(number, workers) for number in range(1, workers + 1)]
        assert [sum(share.takes(name) for share in shares) for name in names] == [1] * len(names)
        assert min(sum(map(share.takes, names)) for share in shares) > len(names) / workers / 2


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "1/65", "-1/2", "1/2/3"])
def test_what_is_no_worker_is_refused(text: str) -> None:
    with pytest.raises(HubConfigError, match="--worker"):
        read_share(text)


@pytest.mark.asyncio
async def test_a_gate_that_says_nothing_more_is_asked_for_what_is_missing(address: str, broker: Any) -> None:
    """The publication of one event got lost, and the gate waits: nothing but the hub's request makes it send again."""

    def event(seq: int) -> bytes:
        return encode(
            EventMessage(
                id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1.0, monotonic=1.0,
                clock="unknown", type="deny", chain=f"{seq:064x}",
            )
        )  # fmt: skip

    async with (
        Database(address, "school") as database,
        aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as gate,
    ):
        where, settings = Broker("127.0.0.1", broker.port), GapSettings(patience=0.5)
        intake = Intake("school", where, database, gaps=settings, metrics=HubMetrics(), policies=Policies())
        task = asyncio.ensure_future(intake.run())
        await gate.subscribe("gate/v1/school/north/ack", qos=1)
        online = Online(online=True, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=0)])
        await gate.publish("gate/v1/school/north/online", encode(online), qos=1, retain=True)
        heard: list[int] = []
        async with asyncio.timeout(60):
            async for message in gate.messages:
                heard.append(decode("ack", bytes(message.payload), Ack).seq)
                if len(heard) == 1:
                    for seq in (1, 3):
                        await gate.publish("gate/v1/school/north/evt", event(seq), qos=1)
                if heard.count(1) >= 4:
                    # At most one for each of the two events: the others are requests.
                    await gate.publish("gate/v1/school/north/evt", event(2), qos=1)
                if heard[-1] == 3:
                    break
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert heard[0] == 0
