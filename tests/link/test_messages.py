"""The wire: exact bytes out, strict reading in, and never anything but a MessageError for what is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import MessageError
from controller.link import messages
from controller.link.messages import Ack, Cursor, Device, EventMessage, Online, State
from controller.link.wire import birth, event_message
from controller.record.entry import Entry, Place, Stored

EPOCH = "00000000000000ff"
TOPIC = "gate/v1/school/north/evt"
STORED = Stored(
    255,
    7,
    "boot",
    Entry("grant", 12.5, 1_790_000_000.25, "synchronised", "g-1", "p-1", {"score": 0.75, "note": None}),
    "ab" * 32,
)
EVENT = event_message("north", STORED)


def test_an_event_has_these_bytes() -> None:
    assert messages.encode(EVENT) == (
        b'{"id":"north-00000000000000ff-7","epoch":"00000000000000ff","seq":7,"boot_id":"boot","time":1790000000.25,'
        b'"monotonic":12.5,"clock":"synchronised","type":"grant","chain":"' + b"ab" * 32 + b'","grant_id":"g-1",'
        b'"person":"p-1","detail":{"score":0.75,"note":null}}'
    )


def test_a_birth_tells_the_marks() -> None:
    message = birth("boot", [Place(255, 3), Place(2**63 - 1, 0)])
    assert message.cursors == [Cursor(epoch=EPOCH, acked=3), Cursor(epoch="7fffffffffffffff", acked=0)]


@pytest.mark.parametrize(
    "message",
    [
        EVENT,
        Online(online=True, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=0)]),
        Online(online=False, boot_id="b"),
        State(boot_id="b", time=1.0, clock="unknown", lane="locked", fault=None, outbox=3, version="1"),
        State(
            boot_id="b",
            time=1.0,
            clock="unknown",
            lane="locked",
            devices=[Device(name="camera", health="lost", reason="no picture within 1 s", tries=4)],
        ),
        Ack(epoch=EPOCH, seq=0, chain=""),
        Ack(epoch=EPOCH, seq=9, chain="0f" * 32),
    ],
)
def test_what_is_written_is_read(message: EventMessage | Online | State | Ack) -> None:
    assert messages.decode(TOPIC, messages.encode(message), type(message)) == message


def test_a_state_of_an_older_gate_names_no_device_and_a_newer_one_a_health_unheard_of() -> None:
    older = b'{"boot_id":"b","time":1.0,"clock":"unknown","lane":"locked"}'
    assert messages.decode(TOPIC, older, State).devices == []
    newer = older[:-1] + b',"devices":[{"name":"lidar","health":"sulking","since":3}]}'
    assert messages.decode(TOPIC, newer, State).devices == [Device(name="lidar", health="sulking")]


def test_unknown_fields_of_a_newer_gate_are_tolerated() -> None:
    newer = json.loads(messages.encode(EVENT)) | {"mood": {"of": ["the", "gate"]}}
    assert messages.decode(TOPIC, json.dumps(newer).encode(), EventMessage) == EVENT


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("seq", 0, r"\$\.seq"),
        ("seq", 2**53, r"\$\.seq"),
        ("seq", 1.5, r"\$\.seq"),
        ("seq", True, r"\$\.seq"),
        ("epoch", 255, r"\$\.epoch"),
        ("epoch", "FF", r"\$\.epoch"),
        ("epoch", "ffffffffffffffff", r"\$\.epoch"),
        ("epoch", EPOCH + "\n", r"\$\.epoch"),
        ("chain", "", r"\$\.chain"),
        ("clock", "sundial", r"\$\.clock"),
        ("type", "x" * 257, r"\$\.type"),
        ("type", "a\0b", r"\$\.type"),
        ("boot_id", "\0", r"\$\.boot_id"),
        ("grant_id", "g\0", r"\$\.grant_id"),
        ("person", "\0p", r"\$\.person"),
        ("person", 7, r"\$\.person"),
        ("detail", {"a": [1]}, r"\$\.detail\[\.\.\.\]"),
        ("detail", {"a": {"b": 1}}, r"\$\.detail\[\.\.\.\]"),
        ("time", "now", r"\$\.time"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object, where: str) -> None:
    wrong = json.loads(messages.encode(EVENT)) | {field: value}
    with pytest.raises(MessageError, match=rf"{TOPIC}: .*{where}"):
        messages.decode(TOPIC, json.dumps(wrong).encode(), EventMessage)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(MessageError, match=f"{TOPIC}: Object missing required field `epoch`"):
        messages.decode(TOPIC, b'{"seq":1,"chain":""}', Ack)


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"\xff", b'{"a":' * 30_000, b"[" * 60_000, b" " * 65_537])
def test_rubbish_is_a_message_error(payload: bytes) -> None:
    with pytest.raises(MessageError, match=TOPIC):
        messages.decode(TOPIC, payload, EventMessage)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    for kind in (EventMessage, Online, State, Ack):
        try:
            messages.decode(TOPIC, payload, kind)
        except MessageError:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(EventMessage.__struct_fields__)), json_values)
def test_any_change_of_a_field_is_read_right_or_refused(field: str, value: object) -> None:
    changed = json.loads(messages.encode(EVENT)) | {field: value}
    try:
        message = messages.decode(TOPIC, json.dumps(changed).encode(), EventMessage)
    except MessageError:
        return
    assert getattr(message, field) == value


def test_topics() -> None:
    assert messages.topic("school", "north-1", "evt") == "gate/v1/school/north-1/evt"
    assert messages.every_gate("school", "evt") == "gate/v1/school/+/evt"
    assert messages.parse_topic("gate/v1/school/north-1/ack") == ("school", "north-1", "ack")


@pytest.mark.parametrize("name", ["", "North", "a/b", "+", "#", "a b", "a\n", "ä", "-a", "x" * 33])
def test_names_that_cannot_stand_in_a_topic(name: str) -> None:
    with pytest.raises(MessageError, match="is no name for a campus or gate"):
        messages.topic("school", name, "evt")


@pytest.mark.parametrize(
    "text", ["", "gate/v1/school/north", "gate/v1/school/north/evt/x", "gate/v2/school/north/evt", "gate/v1/S/n/evt"]
)
def test_topics_that_are_not_ours(text: str) -> None:
    with pytest.raises(MessageError, match="is no topic of gate/v1"):
        messages.parse_topic(text)


@pytest.mark.parametrize("field", ["person", "grant_id", "type", "boot_id", "id"])
def test_no_text_holds_what_a_database_cannot(field: str) -> None:
    """PostgreSQL has no NUL: the batch of such an event would never be stored, and nobody's in it."""
    raw = json.loads(messages.encode(EVENT)) | {field: "p\x001"}
    with pytest.raises(MessageError, match=rf"{TOPIC}: Expected `str` matching regex .*{field}"):
        messages.decode(TOPIC, json.dumps(raw).encode(), EventMessage)
    raw[field] = "two\nlines\n"
    assert getattr(messages.decode(TOPIC, json.dumps(raw).encode(), EventMessage), field) == "two\nlines\n"
