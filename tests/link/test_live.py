"""What happens now reaches the hub at once, whatever is still to be sent; slow wires and brokers that want little."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

from controller.link.messages import event_id
from controller.link.publisher import Publisher
from controller.link.session import connect
from controller.record.entry import Entry, Place

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.service, pytest.mark.asyncio]

Eventually = Callable[[Callable[[], bool], str], Awaitable[None]]
Make = Callable[..., Any]

FEVER = Entry("ticket", 9.5, 1_790_000_100.0, "synchronised", "g-9", "p-9", {"temperature": 38.6})
SLOW = 60_000.0
"""Bytes a second: a back-fill of some hundred events takes seconds."""


def seen(path: Path, table: str) -> dict[int, str]:
    """Events in one of the hub's tables: their types by number."""
    reader = sqlite3.connect(path)
    try:
        return dict(reader.execute(f"SELECT seq, type FROM {table}").fetchall())  # noqa: S608 - its callers' own
    finally:
        reader.close()


async def test_a_fever_of_now_does_not_wait_for_a_back_fill(
    broker: Any, wire: Any, gates: Make, hubs: Make, tmp_path: Path, eventually: Eventually, compare: Callable[[], int]
) -> None:
    gate, database = gates(wire.port, ack_timeout=30.0), tmp_path / "hub.sqlite3"
    await gate.journal.open()
    await gate.append(600)
    wire.rate = SLOW
    await hubs(broker.port).start()
    await gate.start()
    await eventually(lambda: gate.journal.outbox.depth < 600, "the back-fill is under way")
    for number in range(3):
        stored = await gate.journal.append(FEVER)
        await eventually(lambda seq=stored.seq: seq in seen(database, "pending"), "the desk sees it")  # type: ignore[misc]
        behind = 600 + number - len(seen(database, "event"))
        assert behind > 100, "it was seen long before its turn"
        assert stored.seq == 601 + number
    wire.rate = float("inf")
    await gate.drained()
    assert compare() == 603
    assert seen(database, "pending") == {}
    assert gate.link.counters.starts_over == 0, "what is live is no reason to start over"
    reader = sqlite3.connect(database)
    order = [row[0] for row in reader.execute("SELECT payload FROM event ORDER BY epoch, seq")]
    reader.close()
    assert [json.loads(payload)["seq"] for payload in order] == list(range(1, 604))


async def test_what_happens_all_the_time_does_not_starve_the_back_fill(
    broker: Any, wire: Any, gates: Make, hubs: Make, eventually: Eventually, compare: Callable[[], int]
) -> None:
    gate = gates(wire.port, ack_timeout=30.0)
    await gate.journal.open()
    await gate.append(300)
    wire.rate = SLOW
    await hubs(broker.port).start()
    await gate.start()
    count = 0
    while (await gate.journal.outbox.cursors())[-1].seq < 300:  # as fast as the wire carries new events alone, and more
        await gate.journal.append(FEVER)
        count += 1
        assert count < 3000, "the back-fill stands still"
        await asyncio.sleep(0.005)
    assert gate.link.counters.live > 0
    wire.rate = float("inf")
    await gate.drained()
    assert compare() == 300 + count


async def test_a_connection_begins_with_what_happened_just_before_it(
    broker: Any, gates: Make, eventually: Eventually
) -> None:
    gate = gates(broker.port, window=30)
    await gate.journal.open()
    await gate.append(500)
    epoch = gate.journal.newest.epoch
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as desk:
        await desk.subscribe("gate/v1/school/north/evt/live", qos=1)
        await gate.start()
        found = [json.loads(bytes((await anext(desk.messages)).payload)) for _ in range(30)]
    assert [event["seq"] for event in found] == list(range(471, 501)), "the newest, in their order"
    assert found[0]["id"] == event_id("north", f"{epoch:016x}", 471)
    assert (await gate.journal.outbox.cursors()) == [Place(epoch, 0)], "nothing is forgotten for that"


async def test_nothing_goes_ahead_while_nothing_waits(broker: Any, gates: Make, hubs: Make) -> None:
    gate = gates(broker.port)
    await hubs(broker.port).start()
    await gate.start()
    for _ in range(4):
        await gate.append(16)  # as many as can be on the wire at once
        await gate.drained()
    assert (gate.link.counters.live, gate.link.counters.sent) == (0, 64)


class Counting:
    """A client that takes its time, and counts what is on the way."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.topics: list[str] = []

    async def publish(self, topic: str, _payload: bytes, **_options: object) -> None:
        self.topics.append(topic)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1


@pytest.mark.parametrize(("receive_maximum", "most", "ahead"), [(65_535, 20, 16), (8, 8, 4), (1, 1, 2)])
async def test_no_more_is_on_its_way_than_the_broker_takes(receive_maximum: int, most: int, ahead: int) -> None:
    client = Counting()
    publisher = Publisher(client, receive_maximum)  # type: ignore[arg-type] # the part it needs
    back_fill = asyncio.ensure_future(publisher.publish_all("evt", [b""] * 100, back_fill=True))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(*(publisher.publish("evt/live", b"") for _ in range(10)), back_fill)
    assert client.most == most
    assert client.topics.index("evt/live") <= ahead
    assert client.topics[-1] == "evt"


async def test_a_broker_says_how_many_it_takes_at_once(broker: Any, link_settings: Make) -> None:
    """MQTT 5's Receive Maximum: it may end the connection of whoever sends more."""
    broker.stop()
    broker.configure("allow_anonymous true\nmax_inflight_messages 7\n")
    broker.start()
    will = aiomqtt.Will("gate/v1/school/north/online", b"", qos=1, retain=True)
    settings = link_settings(broker.port)
    async with connect(settings, settings.brokers[0], "thermogate-school-north", will) as (_, publisher):
        assert publisher.patient == 3


async def test_a_wire_that_takes_longer_for_a_window_than_a_broker_may_take(
    broker: Any, wire: Any, gates: Make, hubs: Make, compare: Callable[[], int]
) -> None:
    wire.rate = 8_000.0
    gate = gates(wire.port, timeout=3.0, ack_timeout=30.0)
    await hubs(broker.port).start()
    await gate.journal.open()
    await gate.append(110)
    await gate.start()
    await gate.drained()
    assert compare() == 110
    assert gate.link.counters.connects == 1


async def test_a_broker_that_falls_silent(
    broker: Any, wire: Any, gates: Make, hubs: Make, eventually: Eventually, compare: Callable[[], int]
) -> None:
    """It took the connection, and answers nothing any more; nothing closes."""
    gate = gates(wire.port, timeout=0.5)
    await hubs(broker.port).start()
    await gate.start()
    await gate.append(20)
    await gate.drained()
    wire.passes.clear()
    await gate.append(20)
    await eventually(lambda: not gate.link.counters.up, "the gate notices")
    wire.passes.set()
    await gate.drained()
    assert compare() == 40
    assert gate.link.counters.connects == 2
