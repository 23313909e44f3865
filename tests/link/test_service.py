"""The link against a real mosquitto and the hub's intake: everything arrives once, whoever is away or lies."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from controller.link.connection import refusals
from controller.link.messages import Ack, EventMessage, State, encode, epoch_text, event_id
from controller.link.mqtt import Link
from controller.link.ports import LinkWatch

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.service, pytest.mark.asyncio]

Eventually = Callable[[Callable[[], bool], str], Awaitable[None]]
Make = Callable[..., Any]


def client(port: int) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5)


async def test_events_arrive_and_are_forgotten(
    broker: Any, gates: Make, hubs: Make, compare: Callable[[], int]
) -> None:
    gate, hub = gates(broker.port), hubs(broker.port)
    await gate.start()
    await hub.start()
    await gate.append(250)
    await gate.drained()
    assert compare() == 250
    assert gate.link.counters.connects == 1
    assert not gate.link.counters.refused


async def test_a_broker_that_knows_no_mqtt_5(broker: Any, gates: Make, hubs: Make, compare: Callable[[], int]) -> None:
    gate, hub = gates(broker.port, protocol="3.1.1"), hubs(broker.port, protocol="3.1.1")
    await gate.start()
    await hub.start()
    await gate.append(50)
    await gate.drained()
    assert compare() == 50
    connected = [line for line in broker.log().splitlines() if " as thermogate-" in line]
    assert len(connected) == 2
    assert all("(p2, c1," in line for line in connected), "protocol level 4, clean session, as mosquitto says it"


async def test_a_refused_subscription_is_told_in_either_protocol() -> None:
    refused, granted = (ReasonCode(PacketTypes.SUBACK, identifier=code) for code in (0x87, 1))
    assert refusals([refused, granted]) == ["Not authorized"]
    assert refusals([0x80, 1]) == ["128"]


async def test_a_gate_without_a_campus_keeps_everything(
    broker: Any, gates: Make, hubs: Make, eventually: Eventually, compare: Callable[[], int]
) -> None:
    """The broker confirms each publish; without the hub's word nothing is forgotten."""
    gate = gates(broker.port)
    await gate.start()
    await gate.append(150)
    await eventually(lambda: gate.link.counters.starts_over >= 2, "the gate sends again")
    assert gate.link.counters.sent >= 200
    assert gate.journal.outbox.depth == 150
    await hubs(broker.port).start()
    await gate.drained()
    assert compare() == 150


async def test_a_broker_that_stops_in_the_middle(
    broker: Any, gates: Make, hubs: Make, eventually: Eventually, compare: Callable[[], int]
) -> None:
    gate, hub = gates(broker.port), hubs(broker.port)
    await gate.start()
    await hub.start()
    for _ in range(3):
        appending = asyncio.ensure_future(gate.append(200))
        await eventually(lambda: hub.ingest.store.counts["stored"] > 0, "events flow")
        broker.stop()
        await appending  # the lane goes on without a broker
        await eventually(lambda: not gate.link.counters.up, "the gate notices")
        broker.start()
        await gate.drained()
    assert compare() == 600
    assert gate.link.counters.connects >= 4


async def test_a_hub_that_restarts_is_asked_nothing_twice(
    broker: Any, gates: Make, hubs: Make, compare: Callable[[], int]
) -> None:
    gate = gates(broker.port, ack_timeout=30.0)
    await gate.start()
    first = hubs(broker.port)
    await first.start()
    await gate.append(50)
    await gate.drained()
    await first.stop()
    await gate.append(50)
    second = hubs(broker.port)
    await second.start()  # finds the gate's birth message, and asks for what comes after its mark
    await asyncio.wait_for(gate.drained(), 20)
    assert compare() == 100


async def test_duplicates_are_stored_once_and_gaps_are_filled(
    broker: Any, hubs: Make, eventually: Eventually, tmp_path: Path
) -> None:
    hub = hubs(broker.port)
    await hub.start()
    epoch = epoch_text(77)

    def event(seq: int) -> bytes:
        chain = f"{seq:064x}"
        return encode(
            EventMessage(
                id=event_id("south", epoch, seq), epoch=epoch, seq=seq, boot_id="b", time=1.0, monotonic=1.0,
                clock="unknown", type="state", chain=chain,
            )
        )  # fmt: skip

    async with client(broker.port) as gate:
        await gate.subscribe("gate/v1/school/south/ack", qos=1)

        async def answer() -> Ack:
            payload = (await asyncio.wait_for(anext(gate.messages), 20)).payload
            return Ack(**json.loads(bytes(payload)))

        async def send(seq: int) -> Ack:
            await gate.publish("gate/v1/school/south/evt", event(seq), qos=1)
            return await answer()

        assert (await send(1)).seq == 1
        for _ in range(3):  # before the gate can have heard: an answer would ask it to send more
            await gate.publish("gate/v1/school/south/evt", event(1), qos=1)
        assert (await send(3)).seq == 1, "a gap: the mark stays"
        assert (await send(4)).seq == 1
        last = await send(2)
        assert (last.seq, last.chain) == (4, f"{4:064x}")
        told = asyncio.ensure_future(answer())
        while not told.done():  # a gate whose answer was lost sends until it has one
            await gate.publish("gate/v1/school/south/evt", event(4), qos=1)
            await asyncio.sleep(0.05)
        assert (await told).seq == 4
    assert hub.ingest.store.counts["duplicates"] > 4
    assert hub.ingest.store.counts["stored"] == 4


async def test_what_is_malformed_is_counted_and_never_acknowledged(
    broker: Any, gates: Make, hubs: Make, eventually: Eventually, compare: Callable[[], int]
) -> None:
    hub = hubs(broker.port)
    await hub.start()
    good = EventMessage(
        id=event_id("north", epoch_text(5), 1), epoch=epoch_text(5), seq=1, boot_id="b", time=1.0, monotonic=1.0,
        clock="unknown", type="state", chain="0" * 64,
    )  # fmt: skip
    wrong = [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"a":' * 50_000,
        b"x" * 70_000,
        encode(good).replace(b'"seq":1', b'"seq":0'),
        encode(good).replace(b'"seq":1', b'"seq":"1"'),
        encode(good).replace(b'"seq":1', b'"seq":2'),  # not the seq of its id
        encode(good).replace(b'"detail":{}', b'"detail":{"face":[1,2]}'),
    ]
    async with client(broker.port) as attacker:
        await attacker.subscribe("gate/v1/school/+/ack", qos=1)
        for payload in wrong:
            await attacker.publish("gate/v1/school/north/evt", payload, qos=1)
        await attacker.publish("gate/v1/school/north/online", b"{}", qos=1)
        await attacker.publish("gate/v1/school/NORTH/evt", encode(good), qos=1)
        await eventually(lambda: hub.ingest.refused.total() == len(wrong) + 2, "all are refused")
        assert len(attacker.messages) == 0
    gate = gates(broker.port)
    await gate.start()
    await gate.append(3)
    await gate.drained()
    assert compare() == 3


class Refusals(LinkWatch):
    """Collects why acknowledgements were refused."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.ups: list[bool] = []
        self.sent = 0

    def on_refused(self, reason: str) -> None:
        self.reasons.append(reason)

    def on_up(self, *, up: bool, broker: str) -> None:
        del broker
        self.ups.append(up)

    def on_sent(self, count: int) -> None:
        self.sent += count


async def test_forged_acknowledgements_erase_nothing(
    broker: Any, gates: Make, hubs: Make, eventually: Eventually, compare: Callable[[], int]
) -> None:
    watch = Refusals()
    gate = gates(broker.port, watch=watch, ack_timeout=30.0)
    await gate.start()
    await gate.append(20)
    epoch = epoch_text(gate.journal.newest.epoch)
    forged = [
        (b"nonsense", "malformed"),
        (b'{"epoch":"1","seq":5,"chain":""}', "malformed"),
        (encode(Ack(epoch=epoch_text(12345), seq=5, chain="0" * 64)), "unknown_epoch"),
        (encode(Ack(epoch=epoch, seq=20, chain="0" * 64)), "other_history"),
        (encode(Ack(epoch=epoch, seq=2**62, chain="0" * 64)), "beyond_newest"),
    ]
    async with client(broker.port) as attacker:
        for number, (payload, reason) in enumerate(forged):
            await attacker.publish("gate/v1/school/north/ack", payload, qos=1)
            await eventually(lambda number=number: len(watch.reasons) > number, reason)  # type: ignore[misc]
            if reason == "other_history":  # the one that makes it begin a new epoch, once a connection
                await eventually(lambda: gate.journal.outbox.depth == 21, "twenty again, and the record of it")
                epoch = epoch_text(gate.journal.newest.epoch)
                forged[4] = (encode(Ack(epoch=epoch, seq=2**62, chain="0" * 64)), "beyond_newest")
    assert watch.reasons[:4] == [reason for _, reason in forged[:4]]
    assert gate.journal.outbox.depth == 21, "all twenty, and the record of the new epoch"
    await hubs(broker.port).start()
    await gate.drained()
    compared = [json.loads(payload) for payload in sorted(_arrived(gate.path.with_name("hub.sqlite3")))]
    assert sum(event["detail"].get("refiled", "").endswith(f"-{n}") for event in compared for n in range(1, 21)) == 20
    assert watch.ups == [True]
    assert watch.sent >= 41


async def test_a_retained_acknowledgement_is_refused(broker: Any, gates: Make, eventually: Eventually) -> None:
    watch = Refusals()
    gate = gates(broker.port, watch=watch)
    async with client(broker.port) as attacker:
        payload = encode(Ack(epoch=epoch_text(1), seq=1, chain="0" * 64))
        await attacker.publish("gate/v1/school/north/ack", payload, qos=1, retain=True)
    await gate.start()
    await eventually(lambda: watch.reasons == ["retained"], "it is refused")


async def test_a_flood_does_not_fill_the_log(broker: Any, gates: Make, eventually: Eventually) -> None:
    watch = Refusals()
    gate = gates(broker.port, watch=watch)
    await gate.start()
    with structlog.testing.capture_logs() as lines:
        await eventually(lambda: watch.ups == [True], "it is there")
        async with client(broker.port) as attacker:
            for _ in range(40):
                await attacker.publish("gate/v1/school/north/ack", b"nonsense", qos=1)
        await eventually(lambda: watch.reasons == ["malformed"] * 40, "all of them are counted")
    assert [line["count"] for line in lines if line["event"] == "message refused"] == [1, 2, 4, 8, 16, 32]


async def test_a_restored_card_begins_a_new_epoch_and_loses_nothing(
    broker: Any, gates: Make, hubs: Make, tmp_path: Path, eventually: Eventually
) -> None:
    """A backup of the card is put back: the campus knows places that the card has forgotten."""
    hub = hubs(broker.port)
    await hub.start()
    first = gates(broker.port)
    await first.start()
    await first.append(10)
    await first.drained()
    await first.stop()
    backup = first.path.read_bytes()
    second = gates(broker.port)
    await second.start()
    await second.append(10)
    await second.drained()
    await second.stop()
    first.path.write_bytes(backup)
    third = gates(broker.port, watch=(watch := Refusals()))
    await third.journal.open()
    await third.append(5)  # takes the places 11 to 15 a second time
    await third.start()
    await third.append(5)
    await third.drained()
    assert {"beyond_newest", "other_history"} & set(watch.reasons)
    stored = [json.loads(payload) for payload in _arrived(tmp_path / "hub.sqlite3")]
    assert len({event["epoch"] for event in stored}) == 2
    refiled = [event for event in stored if "refiled" in event["detail"]]
    epochs = [event["detail"].get("warning") for event in stored]
    assert epochs.count("journal_epoch") == 1
    assert {event["detail"]["n"] for event in refiled} >= {0, 1, 2, 3, 4}


async def test_a_hub_that_lost_its_database_notes_the_hole_and_goes_on(
    broker: Any, gates: Make, hubs: Make, tmp_path: Path
) -> None:
    gate = gates(broker.port)
    await gate.start()
    first = hubs(broker.port)
    await first.start()
    await gate.append(30)
    await gate.drained()
    await first.stop()
    second = hubs(broker.port, "new.sqlite3")
    await second.start()
    await gate.append(12)
    await gate.drained()
    assert len(_arrived(tmp_path / "new.sqlite3")) == 12
    reader = sqlite3.connect(tmp_path / "new.sqlite3")
    assert reader.execute("SELECT gate, first, last FROM hole").fetchall()[-1][0] == "north"
    assert reader.execute("SELECT max(last) FROM hole").fetchone() == (30,)
    reader.close()


async def test_birth_state_and_last_will(
    broker: Any, gates: Make, link_settings: Make, tmp_path: Path, eventually: Eventually
) -> None:
    gate = gates(broker.port)
    await gate.journal.open()
    states = ["locked", "screening"]

    def state() -> State:
        return State(boot_id="boot-1", time=1.0, clock="unknown", lane=states[0], outbox=3)

    link = Link(link_settings(broker.port), "north", gate.journal.outbox, boot_id="boot-1", state=state)
    running = asyncio.ensure_future(link.run())
    seen: list[tuple[str, dict[str, Any]]] = []

    async with client(broker.port) as observer:
        await observer.subscribe("gate/v1/school/north/#", qos=1)

        async def see(kind: str, **expected: object) -> dict[str, Any]:
            """Wait for a message; others, before or after it, may be asked for later."""
            async with asyncio.timeout(20):
                while True:
                    for index, (found, content) in enumerate(seen):
                        if found == kind and expected.items() <= content.items():
                            return seen.pop(index)[1]
                    message = await anext(observer.messages)
                    seen.append((str(message.topic).rpartition("/")[2], json.loads(bytes(message.payload))))

        birth = await see("online", online=True)
        assert birth["boot_id"] == "boot-1"
        assert birth["cursors"] == [{"epoch": epoch_text(gate.journal.newest.epoch), "acked": 0}]
        assert await see("state", lane="locked", outbox=3)
        states.pop(0)
        link.state_changed()
        assert await see("state", lane="screening")
        running.cancel()
        assert (await see("online", online=False))["boot_id"] == "boot-1"
    with pytest.raises(asyncio.CancelledError):
        await running
    async with client(broker.port) as late:  # both are retained
        await late.subscribe("gate/v1/school/north/#", qos=1)
        kinds = {str((await asyncio.wait_for(anext(late.messages), 20)).topic).rpartition("/")[2] for _ in range(2)}
    assert kinds == {"online", "state"}


def _arrived(path: Path) -> list[bytes]:
    reader = sqlite3.connect(path)
    try:
        return [row[0] for row in reader.execute("SELECT payload FROM event ORDER BY gate, epoch, seq")]
    finally:
        reader.close()
