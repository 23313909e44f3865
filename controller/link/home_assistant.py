"""The gate as a device of Home Assistant: one retained message says which of its topics mean what.

Device discovery, as https://www.home-assistant.io/integrations/mqtt/ has it (since 2024.11). It reads `state` and
`online`, which know no person, and offers nothing that could be ordered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

HEALTHS = ("ok", "degraded", "lost", "recovering", "failed", "unknown")


def discovery_topic(prefix: str, campus: str, gate: str) -> str:
    """Where Home Assistant looks; `prefix` is its own setting, `homeassistant` unless changed there."""
    return f"{prefix}/device/{_identifier(campus, gate)}/config"


def discovery(campus: str, gate: str, *, state: str, online: str, version: str, devices: Sequence[str]) -> bytes:
    """The message.

    Args:
        campus: its name in topics.
        gate: its name in topics.
        state: the topic of the gate's state.
        online: the topic that says whether it is there.
        version: of the program.
        devices: the names whose health the state tells.
    """
    own = _identifier(campus, gate)
    available = {
        "topic": online,
        "value_template": "{{ 'online' if value_json.online else 'offline' }}",
        "payload_available": "online",
        "payload_not_available": "offline",
    }
    components = {
        name: {"state_topic": state, "availability": [available], **component}
        for name, component in (_lane() | {device: _health(device) for device in devices}).items()
    }
    # What says that the gate is not there must itself be there.
    components["online"] = {
        "platform": "binary_sensor",
        "name": "Online",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
        "state_topic": online,
        "value_template": "{{ 'ON' if value_json.online else 'OFF' }}",
    }
    for name, component in components.items():
        component["unique_id"] = f"{own}-{name}"
    message = {
        "device": {
            "identifiers": [own],
            "name": f"Gate {gate}",
            "manufacturer": "Thermogate",
            "model": "Gate controller",
            "sw_version": version,
        },
        "origin": {"name": "thermogate", "sw_version": version},
        "qos": 1,
        "components": components,
    }
    return msgspec.json.encode(message)


def _identifier(campus: str, gate: str) -> str:
    return f"thermogate-{campus}-{gate}"


def _lane() -> dict[str, dict[str, Any]]:
    counter = {"platform": "sensor", "state_class": "total_increasing"}
    return {
        "lane": {"platform": "sensor", "name": "Lane", "value_template": "{{ value_json.lane }}"},
        "fault": {
            "platform": "binary_sensor",
            "name": "Fault",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.fault else 'OFF' }}",
        },
        "fault_kind": {
            "platform": "sensor",
            "name": "Fault kind",
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.fault or 'none' }}",
        },
        "alarm": {
            "platform": "binary_sensor",
            "name": "Alarm",
            "device_class": "safety",
            "value_template": "{{ 'ON' if value_json.alarms else 'OFF' }}",
        },
        "passages": counter | {"name": "Passages", "value_template": "{{ value_json.passages }}"},
        "denials": counter | {"name": "Denials", "value_template": "{{ value_json.denials }}"},
        "outbox": {
            "platform": "sensor",
            "name": "Events waiting",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "value_template": "{{ value_json.outbox }}",
        },
    }


def _health(device: str) -> dict[str, Any]:
    found = f"value_json.devices | selectattr('name', 'eq', '{device}') | map(attribute='health') | first"
    return {
        "platform": "sensor",
        "name": device.capitalize(),
        "device_class": "enum",
        "options": list(HEALTHS),
        "entity_category": "diagnostic",
        "value_template": f"{{{{ {found} | default('unknown') }}}}",
    }
