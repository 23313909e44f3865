"""Orders through a real broker: given by the hub's own command line, taken by a gate's link and desk."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import aiomqtt
import httpx
import pytest
import pytest_asyncio
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from campus import tables
from campus.api.app import make_app
from campus.auth import audit, tokens
from campus.auth.roles import Actor, Role
from campus.broker import Broker
from campus.cli.main import main
from campus.database import Database
from campus.errors import HubOrderError
from campus.gates.orders import OrderDesk, OrderSettings, Sender, give
from campus.intake.store import HubStore, Incoming
from controller.lane.events import OpenOnce, SetFree
from controller.lane.states import State
from controller.link import commands as wire
from controller.link import signing
from controller.link.messages import Online, encode
from controller.link.messages import State as StateMessage
from controller.link.mqtt import Link
from controller.orders.desk import CommandDesk, Identity
from controller.record.boot import clock_state
from controller.watch import Step

if TYPE_CHECKING:
    from pathlib import Path

    from controller.lane.events import LaneEvent

pytestmark = pytest.mark.asyncio

Make = Callable[..., Any]
ADMIN = Actor("root (shell)", Role.ADMIN)


class Ordered:
    """A gate's journal, link and desk; the lane behind them does what it is told and remembers it."""

    def __init__(self, gate: Any, settings: Any, key: Path) -> None:
        self.events: list[LaneEvent] = []
        self.deeds: list[str] = []
        self.hub = signing.create_private(key)
        public = signing.public_text(self.hub.public_key())
        commander = signing.Commander(public=public, actors={"guard": ("open_once", "set_free", "self_test")})
        self.desk = CommandDesk(
            Identity("school", "north", "boot-1", Ed25519PrivateKey.generate()),
            lambda: signing.Commanders("test", (commander,)),
            monotonic=time.monotonic,
            wall=time.time,
            clock_state=clock_state,
            journal=gate.journal,
            append_timeout=2.0,
            degraded=False,
            post=self._post,
            lane_state=lambda: "locked",
            deeds={"self_test": self._test},
        )
        self.link = Link(
            settings, "north", gate.journal.outbox, boot_id="boot-1", state=self._state, commands=self.desk
        )

    def _post(self, event: LaneEvent) -> None:
        self.events.append(event)
        self.desk.on_step(Step(event, State.LOCKED, State.GRANTED, (), (), 0.0, 0.0))

    async def _test(self) -> dict[str, Any]:
        self.deeds.append("self_test")
        return {"faults": ""}

    def _state(self) -> StateMessage:
        return StateMessage(
            boot_id="boot-1",
            time=time.time(),
            clock=clock_state(),
            lane="locked",
            challenge=self.desk.challenges.newest,
            reply_key=self.desk.reply_key,
        )


@pytest_asyncio.fixture
async def gate(tmp_path: Path, broker: Any, gates: Make, link_settings: Make) -> AsyncIterator[Ordered]:
    """A gate that takes orders, on a running broker."""
    made = gates(broker.port)
    await made.journal.open()
    ordered = Ordered(made, link_settings(broker.port), tmp_path / "hub.key")
    task = asyncio.ensure_future(ordered.link.run())
    yield ordered
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def sender(gate: Ordered, **changes: Any) -> Sender:
    values: dict[str, Any] = {"private": gate.hub, "actor": "guard", "reason": "forgot the card"}
    return Sender(**(values | changes))


async def order(broker: Any, gate: Ordered, action: wire.AnyAction, **changes: Any) -> wire.Reply:
    return await give(Broker("127.0.0.1", broker.port), "school", "north", action, sender(gate, **changes))


async def test_the_guards_temperature_reaches_the_lane(broker: Any, gate: Ordered) -> None:
    reply = await order(broker, gate, wire.OpenOnce(direction="entry", temperature=36.6))
    assert reply.accepted
    (event,) = gate.events
    assert isinstance(event, OpenOnce)
    assert (event.actor, event.temperature) == ("guard", 36.6)


async def test_who_may_not_is_told(broker: Any, gate: Ordered) -> None:
    refused = await order(broker, gate, wire.Lockdown(active=True))
    assert (refused.accepted, refused.refused) == (False, "not_permitted")
    assert not gate.events


async def test_a_challenge_renewed_on_the_way_is_answered_anew(broker: Any, gate: Ordered) -> None:
    assert (await order(broker, gate, wire.SelfTest())).accepted
    # The broker still keeps the state with the challenge before last, as it does for a gate that was cut off.
    gate.desk.challenges = type(gate.desk.challenges)(time.monotonic)
    assert (await order(broker, gate, wire.SelfTest())).accepted
    assert gate.desk.refused["old_challenge"] <= 1


async def test_a_strangers_order_and_a_replayed_one_do_nothing(broker: Any, gate: Ordered, eventually: Make) -> None:
    heard: list[bytes] = []
    async with aiomqtt.Client("127.0.0.1", broker.port) as spy:
        await spy.subscribe("gate/v1/school/north/cmd", qos=1)
        assert (await order(broker, gate, wire.SetFree(entry=True, exit=False))).accepted
        async for message in spy.messages:
            heard.append(bytes(message.payload))
            break
        for retain in (False, True):
            await spy.publish("gate/v1/school/north/cmd", heard[0], qos=1, retain=retain)
        await spy.publish("gate/v1/school/north/cmd", b"\xff{", qos=1)
    await eventually(lambda: gate.desk.refused.total() >= 3, "the replayed and the broken ones are refused")
    assert [type(event) for event in gate.events] == [SetFree]
    with pytest.raises(HubOrderError, match="did not answer"):
        await give(
            Broker("127.0.0.1", broker.port),
            "school",
            "north",
            wire.OpenOnce(direction="entry"),
            sender(gate, private=Ed25519PrivateKey.generate()),
            patience=0.5,
        )
    assert len(gate.events) == 1


async def test_a_gate_that_is_gone_is_said_at_once(broker: Any, gate: Ordered, eventually: Make) -> None:
    await eventually(lambda: gate.link.counters.up, "the link is up")
    assert (await order(broker, gate, wire.SelfTest())).accepted
    with pytest.raises(HubOrderError, match="nothing is known of south"):
        await give(Broker("127.0.0.1", broker.port), "school", "south", wire.SelfTest(), sender(gate), patience=0.3)


async def test_a_reply_signed_by_another_is_not_believed(broker: Any, gate: Ordered) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(HubOrderError, match="its signature is not that of key"):
        await order(broker, gate, wire.SelfTest(), gate_key=other)


async def test_the_command_line(
    broker: Any, gate: Ordered, tmp_path: Path, eventually: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    await eventually(lambda: gate.link.counters.up, "the link is up")

    def run(*words: str, actor: str = "guard") -> int:
        place = ["--broker", f"127.0.0.1:{broker.port}", "--campus", "school", "--gate", "north"]
        return main(
            ["order", *place, "--sign-with", str(tmp_path / "hub.key"), "--actor", actor, "--reason", "why", *words]
        )

    assert await asyncio.to_thread(run, "open-once", "entry") == 0
    assert "north is locked" in capsys.readouterr().out
    assert await asyncio.to_thread(run, "self-test") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"faults": ""}
    assert await asyncio.to_thread(lambda: run("lockdown", "on")) == 1
    assert "refuses: not_permitted" in capsys.readouterr().err
    assert main(["new-key", str(tmp_path / "fresh.key")]) == 0
    assert '[[commander]]\npublic = "' in capsys.readouterr().out
    assert main(["new-key", str(tmp_path / "fresh.key")]) == 1


@pytest_asyncio.fixture
async def desk(tmp_path: Path, broker: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A hub that holds the key of `gate`'s list, asked as a guard; it has heard of two gates."""
    key = tmp_path / "hub.key"
    async with Database(str(tmp_path / "orders.sqlite3"), "school") as database:
        for name in ("north", "south"):
            online = Online(online=True, boot_id="boot-1")
            await HubStore(database).apply([Incoming(name, online, encode(online))], 1.0)
        async with database.transaction() as query:
            token, _ = await tokens.issue(query, ADMIN, "front desk", Role.GUARD, now=1.0, expires=None)
        where = Broker("127.0.0.1", broker.port)
        app = make_app(
            database,
            order_desk=OrderDesk(where, "school", OrderSettings(key=key, patience=3.0)) if key.exists() else None,
        )
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://hub/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as client:
            yield client


async def audited(tmp_path: Path) -> list[tuple[str, str, str, dict[str, Any]]]:
    async with Database(str(tmp_path / "orders.sqlite3"), "school") as database, database.transaction() as query:
        await audit.verify(query)
        rows = (await query.execute(sa.select(tables.audit).order_by(tables.audit.c.seq))).all()
    return [(row.actor, row.action, row.subject, json.loads(row.detail)) for row in rows[1:]]


async def test_an_order_over_rest_is_in_the_audit_log_before_and_after(
    gate: Ordered, desk: httpx.AsyncClient, tmp_path: Path
) -> None:
    action = {"do": "open_once", "direction": "entry", "temperature": 36.6}
    answer = await desk.post("/gates/north/orders", json={"action": action, "reason": "forgot the card"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["accepted"], told["lane"], told["gate"]) == (True, "locked", "north")
    (event,) = gate.events
    assert isinstance(event, OpenOnce)
    assert (event.actor, event.temperature) == ("guard", 36.6)
    first, second = await audited(tmp_path)
    kept = {"do": "open_once", "direction": "entry"}
    assert first == (
        "front desk", "order_given", "north", {"action": kept, "reason": "forgot the card", "as": "guard"},
    )  # fmt: skip
    assert second[1:3] == ("order_ended", "north")
    assert (second[3]["accepted"], second[3]["cmd_id"], second[3]["entry"]) == (True, told["cmd_id"], 2)


async def test_what_the_gates_list_forbids_is_answered_so(gate: Ordered, desk: httpx.AsyncClient) -> None:
    answer = await desk.post("/gates/north/orders", json={"action": {"do": "restart"}, "reason": "x"})
    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["refused"]) == (False, "not_permitted")


async def test_a_gate_that_is_not_there_gets_nothing_later(
    broker: Any, gate: Ordered, desk: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        gone = encode(Online(online=False, boot_id="boot-1"))
        await client.publish("gate/v1/school/south/online", gone, qos=1, retain=True)
        answer = await desk.post("/gates/south/orders", json={"action": {"do": "self_test"}, "reason": "x"})
        assert answer.status_code == 409
        assert answer.json()["detail"] == "south is not online"
    assert (await audited(tmp_path))[-1][3]["failed"] == "south is not online"
    assert (
        await desk.post("/gates/west/orders", json={"action": {"do": "self_test"}, "reason": "x"})
    ).status_code == 404


async def test_a_gate_that_does_not_answer_is_a_504(broker: Any, gate: Ordered, desk: httpx.AsyncClient) -> None:
    """It is there and announces a challenge, but an order signed by a key it does not know is not answered."""
    state = StateMessage(
        boot_id="boot-1", time=1.0, clock="unknown", lane="locked", challenge="0" * 32,
        reply_key=signing.public_text(Ed25519PrivateKey.generate().public_key()),
    )  # fmt: skip
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish("gate/v1/school/south/state", encode(state), qos=1, retain=True)
        answer = await desk.post("/gates/south/orders", json={"action": {"do": "self_test"}, "reason": "x"})
    assert answer.status_code == 504
    assert "did not answer" in answer.json()["detail"]


async def test_every_order_that_gates_know_is_in_the_hubs_document(desk: httpx.AsyncClient) -> None:
    schemas = (await desk.get("/openapi.json")).json()["components"]["schemas"]
    known = schemas["Order"]["properties"]["action"]["oneOf"]
    assert [one["properties"]["do"]["enum"] for one in known] == [[kind.__struct_config__.tag] for kind in wire.ACTIONS]
    for action in ({"do": "explode"}, {"do": "lockdown"}, {"do": "self_test", "more": 1}, "self_test"):
        answer = await desk.post("/gates/north/orders", json={"action": action, "reason": "x"})
        assert answer.status_code == 422, action


async def test_a_hub_without_a_key_gives_none(desk: httpx.AsyncClient) -> None:
    answer = await desk.post("/gates/north/orders", json={"action": {"do": "self_test"}, "reason": "x"})
    assert answer.status_code == 409
    assert "[orders] is not set" in answer.json()["detail"]
