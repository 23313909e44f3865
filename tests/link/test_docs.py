"""The access list of docs/mqtt.md, in a real mosquitto: a gate cannot speak for the campus or for another gate."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.link import messages

PAGE = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text(encoding="utf-8")


def fenced(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_examples_are_messages() -> None:
    lines = (
        fenced("json").replace("\n ", " ").replace("… 64 hex digits", "…").replace("9f2c…", "9f2c" * 16).splitlines()
    )
    event, online, ack = (line.encode() for line in lines)
    assert messages.decode("example", event, messages.EventMessage).person == "p-1207"
    assert messages.decode("example", online, messages.Online).cursors[0].acked == 1840
    assert messages.decode("example", ack, messages.Ack).seq == 1841


@pytest.mark.service
@pytest.mark.asyncio
async def test_the_access_list_does_what_the_page_says(broker: Any, tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed (apt install mosquitto)")
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    passwords.touch()
    acl.write_text(fenced("acl"))
    for user in ("hub", "north", "south"):
        await asyncio.to_thread(subprocess.run, [program, "-b", str(passwords), user, "word"], check=True)
    for path in (passwords, acl, tmp_path, *tmp_path.parents[:2]):
        path.chmod(0o755)
    broker.stop()
    broker.configure(f"password_file {passwords}\nacl_file {acl}\n")
    broker.start()

    def client(user: str) -> aiomqtt.Client:
        version = aiomqtt.ProtocolVersion.V5
        return aiomqtt.Client("127.0.0.1", broker.port, username=user, password="word", protocol=version)  # noqa: S106

    async def forge(user: str, topic: str) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # some versions of mosquitto end the connection of who tries
            async with client(user) as forger:
                await forger.publish(topic, b"forged", qos=1)

    async with client("hub") as hub, client("north") as north, client("south") as south:
        await hub.subscribe("gate/v1/school/+/evt", qos=1)
        await north.subscribe("gate/v1/school/north/#", qos=1)
        await south.subscribe("gate/v1/school/#", qos=1)
        await forge("south", "gate/v1/school/north/ack")
        await forge("south", "gate/v1/school/north/evt")
        await forge("north", "gate/v1/school/north/ack")
        await north.publish("gate/v1/school/north/evt", b"event", qos=1)
        await hub.publish("gate/v1/school/north/ack", b"ack", qos=1)
        await hub.publish("gate/v1/school/south/ack", b"ack", qos=1)
        heard = {}
        for name, listener in (("hub", hub), ("north", north), ("south", south)):
            message = await asyncio.wait_for(anext(listener.messages), 20)
            heard[name] = (str(message.topic), bytes(message.payload))
            assert len(listener.messages) == 0
    assert heard == {
        "hub": ("gate/v1/school/north/evt", b"event"),
        "north": ("gate/v1/school/north/ack", b"ack"),
        "south": ("gate/v1/school/south/ack", b"ack"),
    }


@pytest.mark.service
@pytest.mark.asyncio
async def test_the_broker_passes_on_nothing_longer_than_a_message_of_ours(broker: Any) -> None:
    line = next(line for line in fenced("conf mosquitto").splitlines() if line.startswith("message_size_limit"))
    assert line == f"message_size_limit {messages.PAYLOAD_LIMIT}"
    broker.stop()
    broker.configure(f"allow_anonymous true\n{line}\n")
    broker.start()
    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=version) as gate:
        await gate.subscribe("gate/v1/school/north/ack", qos=1)
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=version) as other:
            with contextlib.suppress(aiomqtt.MqttError):
                await other.publish("gate/v1/school/north/ack", bytes(messages.PAYLOAD_LIMIT + 1), qos=1)
        async with aiomqtt.Client("127.0.0.1", broker.port, protocol=version) as other:
            await other.publish("gate/v1/school/north/ack", bytes(messages.PAYLOAD_LIMIT), qos=1)
        first = await anext(aiter(gate.messages))
    assert len(first.payload) == messages.PAYLOAD_LIMIT
