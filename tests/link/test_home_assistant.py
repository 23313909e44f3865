"""What Home Assistant makes of a gate: its messages through a real broker, checked and rendered as it does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiomqtt
import jinja2
import jsonschema
import pytest

from controller import service
from controller.link.home_assistant import HEALTHS, discovery, discovery_topic
from controller.link.messages import Alarm, Device, State
from controller.link.mqtt import Link

TEXT = {"type": "string", "minLength": 1}
CATEGORY = {"enum": ["config", "diagnostic"]}
AVAILABILITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["topic"],
        "properties": {
            "topic": TEXT, "value_template": TEXT, "payload_available": TEXT, "payload_not_available": TEXT
        },
        "additionalProperties": False,
    },
}  # fmt: skip
COMMON = {
    "name": TEXT, "unique_id": TEXT, "state_topic": TEXT, "value_template": TEXT, "availability": AVAILABILITY,
    "entity_category": CATEGORY,
}  # fmt: skip
SENSOR = COMMON | {
    "platform": {"const": "sensor"},
    "state_class": {"enum": ["measurement", "total", "total_increasing"]},
    "device_class": {"const": "enum"},
    "options": {"type": "array", "items": TEXT},
}
BINARY = COMMON | {
    "platform": {"const": "binary_sensor"},
    "device_class": {"enum": ["connectivity", "problem", "safety"]},
}
NEEDED = ["platform", "unique_id", "state_topic"]
# The keys that https://www.home-assistant.io/integrations/mqtt/, sensor.mqtt/ and binary_sensor.mqtt/ document, as far
# as a gate has use for them; Home Assistant ignores what it does not know, so a wrong name would pass there unseen.
SCHEMA = {
    "type": "object",
    "required": ["device", "origin", "components"],
    "additionalProperties": False,
    "properties": {
        "device": {
            "type": "object",
            "required": ["identifiers"],
            "additionalProperties": False,
            "properties": {
                "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
                "name": TEXT, "manufacturer": TEXT, "model": TEXT, "sw_version": TEXT,
            },
        },
        "origin": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {"name": TEXT, "sw_version": TEXT, "support_url": TEXT},
        },
        "qos": {"enum": [0, 1, 2]},
        "components": {
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"type": "object", "required": NEEDED, "properties": SENSOR, "additionalProperties": False,
                     "dependentRequired": {"options": ["device_class"]},
                     "not": {"required": ["options", "state_class"]}},
                    {"type": "object", "required": NEEDED, "properties": BINARY, "additionalProperties": False},
                ]
            },
        },
    },
}  # fmt: skip


class HomeAssistant:
    """Finds devices, and shows their entities."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self.devices: dict[str, Any] = {}
        self._client = client
        self._heard: dict[str, Any] = {}

    async def listen(self) -> None:
        await self._client.subscribe("homeassistant/device/+/config", qos=1)
        async for message in self._client.messages:
            topic, content = str(message.topic), json.loads(bytes(message.payload))
            if topic.startswith("homeassistant/"):
                jsonschema.Draft202012Validator(SCHEMA).validate(content)
                self.devices[topic] = content
                for component in content["components"].values():
                    for wanted in (component["state_topic"], *(a["topic"] for a in component.get("availability", ()))):
                        await self._client.subscribe(wanted, qos=1)
            else:
                self._heard[topic] = content

    def shown(self) -> dict[str, str]:
        """Every entity of the one device there is, by its name."""
        (device,) = self.devices.values()
        found = {}
        for component in device["components"].values():
            states = [
                self._render(each["topic"], each["value_template"]) == each["payload_available"]
                for each in component.get("availability", ())
            ]
            value = self._render(component["state_topic"], component["value_template"])
            found[component["name"]] = value if all(states) else "unavailable"
        return found

    def _render(self, topic: str, template: str) -> str:
        if topic not in self._heard:
            return "unknown"
        return str(jinja2.Template(template).render(value_json=self._heard[topic]))


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_gate_is_a_device(broker: Any, wire: Any, gates: Any, link_settings: Any, eventually: Any) -> None:
    devices = [Device(name="thermal", health="ok"), Device(name="camera", health="lost", reason="no picture")]
    told = {
        "lane": "locked", "outbox": 3, "passages": 7, "denials": 2, "version": "1", "devices": devices,
        "challenge": "0b" * 16,
    }  # fmt: skip
    gate = gates(1)
    await gate.journal.open()

    def state() -> State:
        return State(boot_id="boot", time=1.0, clock="unknown", **told)  # type: ignore[arg-type] # each of its kind

    settings = link_settings(wire.port, home_assistant="homeassistant")
    introduction = service._introduction(settings, "north", "1")
    outbox = gate.journal.outbox
    link = Link(settings, "north", outbox, boot_id="boot", state=state, introduction=introduction)
    running = asyncio.ensure_future(link.run())
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        home = HomeAssistant(client)
        listening = asyncio.ensure_future(home.listen())

        async def until(name: str, value: str) -> None:
            await eventually(
                lambda: listening.done() or (home.devices and home.shown()[name] == value), f"{name} is {value}"
            )

        await until("Passages", "7")
        await until("Online", "ON")
        assert home.shown() == {
            "Online": "ON", "Lane": "locked", "Fault": "OFF", "Fault kind": "none", "Alarm": "OFF", "Passages": "7",
            "Denials": "2", "Events waiting": "3", "Thermal": "ok", "Camera": "lost",
        }  # fmt: skip
        assert list(home.devices) == ["homeassistant/device/thermogate-school-north/config"]
        told |= {"fault": "camera", "alarms": [Alarm(reason="intrusion")]}
        link.state_changed()
        await until("Alarm", "ON")
        assert (home.shown()["Fault"], home.shown()["Fault kind"]) == ("ON", "camera")
        wire.passes.clear()
        await wire.stop()  # the gate is cut off, and says no goodbye
        await until("Online", "OFF")
        assert {value for name, value in home.shown().items() if name != "Online"} == {"unavailable"}
        for task in (listening, running):
            task.cancel()
        await asyncio.gather(listening, running, return_exceptions=True)
    assert service._introduction(link_settings(1), "north", "1") is None, "unless it is wanted"


def test_a_device_whose_health_is_not_told_is_unknown() -> None:
    told = json.loads(discovery("school", "north", state="s", online="o", version="1", devices=["thermal"]))
    template = jinja2.Template(told["components"]["thermal"]["value_template"])
    for health in HEALTHS[:-1]:
        assert template.render(value_json={"devices": [{"name": "thermal", "health": health}]}) == health
    assert template.render(value_json={"devices": [{"name": "camera", "health": "ok"}]}) == "unknown"
    assert template.render(value_json={}) == "unknown"
    assert discovery_topic("ha", "school", "north") == "ha/device/thermogate-school-north/config"
