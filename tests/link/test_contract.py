"""The published contract: fresh, and of one mind with the code that reads the messages."""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controller.errors import MessageError
from controller.link import commands, contract, messages, signing
from controller.link.messages import Ack, Cursor, EventMessage, Online, State

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = "00000000000000ff"
COMMAND = commands.Command(
    cmd_id="0a" * 16,
    campus="school",
    gate="north",
    boot_id="boot",
    challenge="0b" * 16,
    expires=1_790_000_010.0,
    actor="guard",
    reason="a visitor",
    action=commands.OpenOnce(direction="entry", temperature=36.6),
)
REPLY = commands.Reply(cmd_id="0a" * 16, gate="north", boot_id="boot", accepted=False, refused="seen")
GOOD: dict[messages.Kind, list[Any]] = {
    "evt": [
        EventMessage(
            id=f"north-{EPOCH}-7",
            epoch=EPOCH,
            seq=7,
            boot_id="boot",
            time=1.5,
            monotonic=2.5,
            clock="unknown",
            type="grant",
            chain="ab" * 32,
            detail={"score": 0.75, "note": None},
        )
    ],
    "state": [State(boot_id="b", time=1.0, clock="synchronised", lane="locked", challenge="0b" * 16)],
    "online": [
        Online(online=True, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=0)]),
        Online(online=False, boot_id="b"),
    ],
    "ack": [Ack(epoch=EPOCH, seq=0, chain=""), Ack(epoch=EPOCH, seq=9, chain="0f" * 32)],
}
WRONG: list[tuple[messages.Kind, dict[str, Any]]] = [
    ("evt", {"seq": 0}),
    ("evt", {"epoch": "f" * 16}),
    ("evt", {"clock": "perhaps"}),
    ("evt", {"detail": {"a": {"b": 1}}}),
    ("evt", {"type": "x" * 257}),
    ("state", {"outbox": -1}),
    ("online", {"cursors": [{"epoch": EPOCH}]}),
    ("ack", {"chain": "AB" * 32}),
    ("ack", {"seq": "9"}),
]


def schema(name: str) -> jsonschema.Draft202012Validator:
    document = contract.document("1")
    return jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def test_the_file_is_fresh(tmp_path: Path) -> None:
    assert contract.main(["--check"]) == 0
    path = tmp_path / "asyncapi.json"
    assert contract.main([str(path), "--check"]) == 1
    assert contract.main([str(path)]) == 0
    assert contract.main([str(path), "--check"]) == 0


def test_every_topic_that_can_be_parsed_is_in_it() -> None:
    addresses = {channel["address"] for channel in contract.document("1")["channels"].values()}
    for channel in contract.CHANNELS:
        topic = messages.topic("school", "north", channel.kind)
        assert messages.parse_topic(topic).kind == channel.kind
        assert topic.replace("school", "{campus}").replace("north", "{gate}") in addresses
    assert len(addresses) == len(contract.CHANNELS)


@pytest.mark.parametrize("kind", GOOD)
def test_what_the_code_writes_the_schema_takes(kind: messages.Kind) -> None:
    channel = next(each for each in contract.CHANNELS if each.kind == kind)
    for message in GOOD[kind]:
        schema(channel.payload.__name__).validate(json.loads(messages.encode(message)))


@pytest.mark.parametrize(("kind", "change"), WRONG)
def test_what_the_code_refuses_the_schema_refuses(kind: messages.Kind, change: dict[str, Any]) -> None:
    channel = next(each for each in contract.CHANNELS if each.kind == kind)
    wrong = json.loads(messages.encode(GOOD[kind][-1])) | change
    assert not schema(channel.payload.__name__).is_valid(wrong)
    with pytest.raises(MessageError):
        messages.decode(kind, json.dumps(wrong).encode(), channel.payload)


def test_signed_messages_and_what_they_carry() -> None:
    key = Ed25519PrivateKey.generate()
    for prefix, body, name in (
        (signing.COMMAND, commands.encode(COMMAND), "Command"),
        (signing.REPLY, commands.encode(REPLY), "Reply"),
    ):
        signed = json.loads(signing.sign(key, prefix, body))
        schema("Signed").validate(signed)
        assert base64.b64decode(signed["body"]) == body
        schema(name).validate(json.loads(body))
    unknown = json.loads(commands.encode(COMMAND)) | {"unless": "raining"}
    assert not schema("Command").is_valid(unknown)
    # A reply may have more than we know; a command may not.
    schema("Reply").validate(json.loads(commands.encode(REPLY)) | {secrets.token_hex(4): 1})


def test_every_action_is_in_the_schema() -> None:
    command = json.loads(commands.encode(COMMAND))
    for kind in commands.ACTIONS:
        name = str(kind.__struct_config__.tag)
        need: dict[str, dict[str, Any]] = {
            "open_once": {"direction": "exit"},
            "set_free": {"entry": True, "exit": False},
        }
        action = {"do": name} | need.get(name, {"active": True} if name in ("lockdown", "maintenance") else {})
        schema("Command").validate(command | {"action": action})
    assert not schema("Command").is_valid(command | {"action": {"do": "open_all"}})
