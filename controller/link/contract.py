"""The wire's contract as an AsyncAPI 3.0 document with JSON Schema, made from the structs that read the messages.

`python -m controller.link.contract` writes docs/asyncapi.json; with `--check` it says whether that is what the code is.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from controller.link import commands, documents, messages, peers, signing

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.json"
REFERENCE = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic."""

    kind: messages.Kind
    payload: type
    """What stands on the wire."""
    gate_sends: bool
    retained: bool
    signed: type | None = None
    """What a signed message carries."""

    @property
    def name(self) -> str:
        """The channel's name in the document."""
        return self.kind.replace("/", "_")


CHANNELS = (
    Channel("evt", messages.EventMessage, gate_sends=True, retained=False),
    Channel("evt/live", messages.EventMessage, gate_sends=True, retained=False),
    Channel("state", messages.State, gate_sends=True, retained=True),
    Channel("online", messages.Online, gate_sends=True, retained=True),
    Channel("ack", messages.Ack, gate_sends=False, retained=False),
    Channel("peers", peers.PeersMessage, gate_sends=False, retained=False, signed=peers.News),
    Channel("cmd", signing.Signed, gate_sends=False, retained=False, signed=commands.Command),
    Channel("cmd/reply", signing.Signed, gate_sends=True, retained=False, signed=commands.Reply),
    Channel("cfg/desired", signing.Signed, gate_sends=False, retained=True, signed=documents.Desired),
    Channel("cfg/reported", documents.Reported, gate_sends=True, retained=True),
)


def document(version: str) -> dict[str, Any]:
    """The whole document, seen from the gate: it sends and receives."""
    kinds = [channel.payload for channel in CHANNELS]
    kinds += [channel.signed for channel in CHANNELS if channel.signed is not None]
    _, schemas = msgspec.json.schema_components(dict.fromkeys(kinds), ref_template=REFERENCE)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Thermogate: gate and campus",
            "version": version,
            "description": "Made from the gate's code; docs/mqtt.md and docs/commands.md say what is promised. "
            "Unknown fields are ignored, but in a command; wrong ones are refused.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"{'send' if one.gate_sends else 'receive'}_{one.name}": _operation(one) for one in CHANNELS},
        "components": {
            "messages": {channel.name: _message(channel) for channel in CHANNELS},
            "schemas": _plain(dict(sorted(schemas.items()))),
        },
    }


def _plain(schema: Any) -> Any:
    """The schema with discriminators as AsyncAPI has them, a property's name; msgspec writes OpenAPI's objects."""
    if isinstance(schema, dict):
        return {
            key: value["propertyName"] if key == "discriminator" and isinstance(value, dict) else _plain(value)
            for key, value in schema.items()
        }
    return [_plain(one) for one in schema] if isinstance(schema, list) else schema


def _channel(channel: Channel) -> dict[str, Any]:
    parameter = {"description": "1 to 32 of a-z, 0-9, - and _, the first no - or _"}
    return {
        "address": f"{messages.PREFIX}/{{campus}}/{{gate}}/{channel.kind}",
        "parameters": {"campus": parameter, "gate": parameter},
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    binding: dict[str, Any] = {"qos": 1, "retain": channel.retained, "bindingVersion": "0.2.0"}
    if channel.kind == "cmd":
        binding["messageExpiryInterval"] = int(commands.LIFETIME)
    return {
        "action": "send" if channel.gate_sends else "receive",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "bindings": {"mqtt": binding},
    }


def _message(channel: Channel) -> dict[str, Any]:
    told = channel.signed or channel.payload
    message = {
        "name": channel.name,
        "summary": (inspect.getdoc(told) or "").splitlines()[0],
        "payload": {"$ref": REFERENCE.format(name=channel.payload.__name__)},
    }
    if channel.signed is not None:
        message["x-signed-body"] = {"$ref": REFERENCE.format(name=channel.signed.__name__)}
    return message


def text() -> str:
    """The document as it stands in the file. Its version is the topics', and counts what was added since."""
    return msgspec.json.format(msgspec.json.encode(document("1.2")), indent=1).decode() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file, or with `--check` return 1 where it isn't fresh."""
    parser = argparse.ArgumentParser(
        prog="python -m controller.link.contract", description="Write the wire's contract."
    )
    parser.add_argument("file", nargs="?", type=Path, default=FILE, help="the file to write (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the file isn't fresh")
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        chosen.file.write_text(text(), encoding="utf-8")
        return 0
    if chosen.file.is_file() and chosen.file.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"{chosen.file} is not fresh: run `python -m controller.link.contract`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
