"""What a gate may do at a broker, tried with its certificate: `python -m tests.fleet.cluster_rights FOLDER HOST PORT`.

Prints a JSON object of what the hub and the gate `gate-000` have heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import aiomqtt

from controller.link import messages

NORTH, SOUTH = "gate-000", "gate-001"
PATIENCE = 60.0


def client(folder: Path, name: str, place: tuple[str, int]) -> aiomqtt.Client:
    """Of who has this certificate, as gates and hub name themselves."""
    tls = aiomqtt.TLSParameters(str(folder / "school.pem"), str(folder / f"{name}.crt"), str(folder / f"{name}.key"))
    identifier = "thermogate-hub-school" if name == "hub" else f"thermogate-school-{name}"
    version = aiomqtt.ProtocolVersion.V311
    return aiomqtt.Client(
        *place, identifier=identifier, protocol=version, clean_session=True, tls_params=tls, timeout=PATIENCE
    )


def topic(gate: str, kind: messages.Kind) -> str:
    return messages.topic("school", gate, kind)


async def hear(who: aiomqtt.Client, last: str, ready: asyncio.Event) -> list[str]:
    """The topics of what comes, up to the payload `end` on topic `last`."""
    heard = []
    ready.set()
    async for message in who.messages:
        heard.append(str(message.topic))
        if str(message.topic) == last and message.payload == b"end":
            break
    return heard


async def try_what_is_not_allowed(folder: Path, place: tuple[str, int]) -> None:
    """Each in a connection of its own, as a broker may end it."""
    for forbidden in (topic(SOUTH, "evt"), topic(SOUTH, "state"), topic(NORTH, "ack"), topic(SOUTH, "ack")):
        with contextlib.suppress(aiomqtt.MqttError):
            async with client(folder, NORTH, place) as forger:
                await forger.publish(forbidden, b"forged", qos=1)
    for forbidden in (topic(SOUTH, "cmd"), topic(SOUTH, "evt"), "gate/v1/school/+/cmd", "#"):
        with contextlib.suppress(aiomqtt.MqttError):
            async with client(folder, NORTH, place) as spy, client(folder, "hub", place) as hub:
                await spy.subscribe(forbidden, qos=0)
                await hub.publish(topic(SOUTH, "cmd"), b"secret", qos=1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        raise SystemExit(f"{NORTH} hears {(await anext(aiter(spy.messages))).topic}")


async def main(folder: Path, host: str, port: int) -> None:
    """Try everything."""
    place = (host, port)
    await try_what_is_not_allowed(folder, place)
    async with client(folder, "hub", place) as hub:
        for kind in ("evt", "state"):
            await hub.subscribe(messages.every_gate("school", kind), qos=0)
        ready = asyncio.Event()
        of_hub = asyncio.ensure_future(hear(hub, topic(NORTH, "evt"), ready))
        await ready.wait()
        for forbidden in (topic(SOUTH, "evt"), topic(SOUTH, "state")):
            with contextlib.suppress(aiomqtt.MqttError):
                async with client(folder, NORTH, place) as forger:
                    await forger.publish(forbidden, b"forged", qos=1)
        async with client(folder, NORTH, place) as north:
            await north.subscribe(topic(NORTH, "ack"), qos=0)
            of_north = asyncio.ensure_future(hear(north, topic(NORTH, "ack"), ready))
            await hub.publish(topic(NORTH, "ack"), b"end", qos=1)
            await north.publish(topic(NORTH, "state"), b"allowed", qos=1)
            await north.publish(topic(NORTH, "evt"), b"end", qos=1)
            async with asyncio.timeout(PATIENCE):
                print(json.dumps({"hub": await of_hub, "north": await of_north}))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
