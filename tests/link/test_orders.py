"""Orders through a real broker: given by the hub's own command line, taken by a gate's link and desk."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from campus.broker import Broker
from campus.cli import main
from campus.errors import HubOrderError
from campus.orders import Sender, give
from controller.commands import CommandDesk, Identity
from controller.lane.events import OpenOnce, SetFree
from controller.lane.states import State
from controller.link import commands as wire
from controller.link import signing
from controller.link.messages import State as StateMessage
from controller.link.mqtt import Link
from controller.record.boot import clock_state
from controller.watch import Step

if TYPE_CHECKING:
    from pathlib import Path

    from controller.lane.events import LaneEvent

pytestmark = pytest.mark.asyncio

Make = Callable[..., Any]


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
