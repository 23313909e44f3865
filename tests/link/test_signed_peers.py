"""News of other gates, forged: whatever is wrong with it, nobody is refused for it, and it is counted."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controller.follow.peers import peers_desk
from controller.gallery.model import Person
from controller.lane.access import document as doc
from controller.lane.access.keeper import Access
from controller.lane.access.policy import Policy
from controller.lane.access.times import Moment
from controller.link import signing
from controller.link.messages import PAYLOAD_LIMIT, Passed
from controller.link.peers import LIFETIME, PREFIX, SKEW, News, PeersMessage, PeersRefusedError, PeersSigner
from controller.link.settings import LinkSettings, RosterSettings

HUB, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NOW = 1_796_000_000.0
STARTED, RUNNING = 5_000.0, 1_000.0


def lane() -> Access:
    point = doc.Point(from_="street", to="school", anti_passback="timed", anti_passback_seconds=600.0)
    document = doc.Document(
        format=1,
        revision=1,
        zones={"street": doc.Zone(outside=True), "school": doc.Zone()},
        points={"here": point, "there": point},
        rules=(doc.Rule(groups=("*",), zones=("school",)),),
    )
    return Access(Policy(document), "here", find={"p": Person("p")}.get)


class Gate:
    """The gate that is lied to."""

    def __init__(self, *, pinned: bool = True, since: float = RUNNING) -> None:
        self.access, self.unix, self.known, self.now = lane(), NOW, True, STARTED
        roster = RosterSettings(hub_key=signing.public_text(HUB.public_key()), url="https://hub") if pinned else None
        link = LinkSettings(campus="school", host="broker")
        self._take = peers_desk(link, roster, "south", lambda: self.now, lambda: self.access, moment=self._moment)
        self.now = STARTED + since

    def later(self, seconds: float) -> None:
        self.unix, self.now = self.unix + seconds, self.now + seconds

    def _moment(self) -> Moment:
        return Moment(self.unix, known=self.known)

    def hear(self, payload: bytes) -> str | None:
        """Why it is refused; None: it is taken."""
        try:
            self._take(payload)
        except PeersRefusedError as error:
            return error.reason
        return None

    @property
    def refuses(self) -> bool:
        """Whether anti-passback keeps the person out now."""
        return self.access.decide("p", self.now, Moment(self.unix, known=True)).reason is not None


def passed(person: str | None = "p", time: float = NOW - 1, direction: str = "entry") -> Passed:
    return Passed(point="there", direction=direction, time=time, person=person)  # type: ignore[arg-type]


def from_hub(*told: Passed, gate: str = "south", campus: str = "school", now: float = NOW) -> bytes:
    (message,) = PeersSigner(campus, HUB).messages(gate, told or [passed()], now)
    return message


def forged(key: Ed25519PrivateKey = HUB, prefix: bytes = PREFIX, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "campus": "school", "gate": "south", "issued": NOW, "stream": "0" * 16, "seq": 1,
        "passed": [{"point": "there", "direction": "entry", "time": NOW, "person": "p"}],
    } | changes  # fmt: skip
    body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
    return msgspec.json.encode({"passed": [], "signed": json.loads(signing.sign(key, prefix, body))})


def test_the_hubs_word_counts_once() -> None:
    gate, message = Gate(), from_hub()
    assert (gate.hear(message), gate.refuses) == (None, True)
    assert gate.hear(message) == "peers_replayed"


def test_a_gate_that_pins_no_key_takes_what_is_written_there_as_ever() -> None:
    for message in (
        from_hub(),
        b'{"passed": [{"point": "there", "direction": "entry", "time": 1795999999.0, "person": "p"}]}',
    ):
        gate = Gate(pinned=False)
        assert (gate.hear(message), gate.refuses) == (None, True)
    (plain,) = PeersSigner("school", None).messages("south", [passed()], NOW)
    assert b"signed" not in plain
    assert (Gate(pinned=False).hear(plain), Gate().hear(plain)) == (None, "peers_unsigned")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"[]", "malformed"),
        (b'{"passed": [], "signed": {"key": "0", "body": "", "signature": ""}}', "malformed"),
        (b'{"passed": []}' + b" " * PAYLOAD_LIMIT, "malformed"),
        (b'{"passed": [{"point": "there", "direction": "entry", "time": 1796000000.0, "person": "p"}]}', "unsigned"),
        (forged(OTHER), "bad_signature"),
        (forged(prefix=b"thermogate desired 1\0"), "bad_signature"),
        (forged(prefix=signing.COMMAND), "bad_signature"),
        (forged(gate="north"), "other_gate"),
        (forged(campus="college"), "other_gate"),
        (forged(issued=NOW - LIFETIME - 0.1), "stale"),
        (forged(issued=NOW + SKEW + 0.1), "stale"),
        (forged(issued=float("nan")), "malformed"),
        (forged(seq=0), "malformed"),
        (forged(stream="x"), "malformed"),
        (forged(passed=None), "malformed"),
        (forged(issued=None), "malformed"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name_and_refuses_nobody(payload: bytes, reason: str) -> None:
    gate = Gate()
    assert (gate.hear(payload), gate.refuses) == (f"peers_{reason}", False)
    assert (gate.hear(from_hub()), gate.refuses) == (None, True), "the hub's own word still counts"


def test_what_was_recorded_is_worth_nothing_later() -> None:
    """By sequence while the program runs, by age after that, and by the start of the program in between."""
    hub = PeersSigner("school", HUB)
    entered, left = (hub.messages("south", [told], NOW - 1)[0] for told in (passed(), passed(direction="exit")))
    gate = Gate()
    assert [gate.hear(one) for one in (left, entered)] == [None, "peers_replayed"], "in another order"
    assert not gate.refuses
    gate.later(LIFETIME + 2 * SKEW)
    assert gate.hear(entered) == "peers_stale", "when the stream is forgotten it is old"
    restarted = Gate(since=0.0)
    restarted.later(1.0)
    assert (restarted.hear(entered), restarted.refuses) == ("peers_stale", False), "issued before this start"
    assert restarted.hear(from_hub(now=NOW + 1)) is None


def test_two_hub_programs_do_not_disturb_each_other() -> None:
    first, second = PeersSigner("school", HUB), PeersSigner("school", HUB)
    gate = Gate()
    for number in range(3):
        for hub in (first, second):
            (message,) = hub.messages("south", [passed(time=NOW + number)], NOW + number)
            assert gate.hear(message) is None
    (message,) = first.messages("north", [passed()], NOW)
    assert gate.hear(message) == "peers_other_gate"


def test_without_a_clock_nothing_is_taken_and_nothing_used_up() -> None:
    gate, message = Gate(), from_hub()
    gate.known = False
    assert (gate.hear(message), gate.refuses) == (None, False)
    assert gate.hear(b"[]") == "peers_malformed"
    gate.known = True
    assert (gate.hear(message), gate.refuses) == (None, True)


def test_much_news_goes_in_as_many_messages_as_it_takes_and_in_order() -> None:
    told = [passed(f"p-{number}" + "x" * 200, NOW - 200 + number) for number in range(200)]
    messages = PeersSigner("school", HUB).messages("south", [*told, passed()], NOW)
    assert 1 < len(messages) < 100
    assert all(len(one) <= PAYLOAD_LIMIT for one in messages)
    gate = Gate()
    assert {gate.hear(one) for one in messages} == {None}
    assert gate.refuses
    assert len(gate.access.whereabouts) == 201
    longest = "\0" * 256
    (one,) = PeersSigner("school", HUB).messages(
        "south", [Passed(point=longest, direction="entry", time=NOW, person=longest)], NOW
    )
    assert Gate().hear(one) is None


MESSAGE = from_hub()


@given(position=st.integers(0, len(MESSAGE) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_refuses_nobody_that_the_hub_did_not(position: int, byte: int) -> None:
    changed = bytearray(MESSAGE)
    changed[position] = byte
    gate = Gate()
    told, reason = _signed_part(bytes(changed)), gate.hear(bytes(changed))
    assert gate.refuses == (reason is None)
    if reason is None:
        assert told == _signed_part(MESSAGE), "only what nobody reads may differ"


@given(data=st.binary(max_size=200), cut=st.integers(0, len(MESSAGE)), end=st.integers(0, len(MESSAGE)))
def test_bytes_put_in_or_taken_out_refuse_nobody(data: bytes, cut: int, end: int) -> None:
    spliced = MESSAGE[:cut] + data + MESSAGE[end:]
    gate = Gate()
    reason = gate.hear(spliced)
    assert gate.refuses == (reason is None)
    assert reason is not None or _signed_part(spliced) == _signed_part(MESSAGE)


TEXTS = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=20), st.lists(st.integers(), max_size=2)
)


@given(field=st.sampled_from([*News.__struct_fields__, "extra"]), value=TEXTS, key=st.sampled_from([HUB, OTHER]))
def test_a_changed_field_is_refused_unless_the_hub_itself_signed_it_and_it_is_right(
    field: str, value: Any, key: Ed25519PrivateKey
) -> None:
    gate = Gate()
    reason = gate.hear(forged(key, **{field: value}))
    assert gate.refuses == (reason is None and field != "passed")
    if key is OTHER:
        assert reason == "peers_bad_signature"
    elif field in ("campus", "gate", "stream"):
        assert reason is not None
    elif field == "passed":
        assert (reason is None) == (value == [])
    elif field == "issued" and reason is None:
        assert NOW - LIFETIME <= value <= NOW + SKEW


@given(field=st.sampled_from(["key", "body", "signature"]), value=TEXTS)
def test_a_changed_envelope_is_refused(field: str, value: Any) -> None:
    message = json.loads(MESSAGE)
    message["signed"][field] = value
    gate = Gate()
    reason = gate.hear(json.dumps(message).encode())
    assert (reason in {"peers_malformed", "peers_bad_signature"}, gate.refuses) == (True, False)


def test_the_key_of_another_message_lends_no_signature() -> None:
    message = json.loads(MESSAGE)
    body = base64.b64decode(message["signed"]["body"])
    for prefix in (signing.COMMAND, signing.REPLY, b"thermogate desired 1\0", b""):
        message["signed"] = json.loads(signing.sign(HUB, prefix, body))
        gate = Gate()
        assert (gate.hear(json.dumps(message).encode()), gate.refuses) == ("peers_bad_signature", False)


def _signed_part(payload: bytes) -> object:
    try:
        signed = msgspec.json.decode(payload, type=PeersMessage).signed
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if signed is None else (signed.body, signed.signature)
