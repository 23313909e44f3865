"""What goes over the wire between gates and campus: topics, messages and their strict reading.

Both sides use this file, so it knows no board: only msgspec and the standard library. Unknown fields are tolerated, so
that a newer gate can talk to an older campus; wrong ones are refused with their path.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple, TypeVar, get_args

import msgspec

from controller.errors import MessageError

PREFIX = "gate/v1"
PAYLOAD_LIMIT = 65_536
"""Bytes of a message; more is not one of ours."""

Scalar = str | float | int | bool | None
# The length keeps out the line break that `$` lets through.
Epoch = Annotated[str, msgspec.Meta(pattern="^[0-7][0-9a-f]{15}$", max_length=16)]
"""63 bits as text, as a JSON number above 2**53 is rounded by many readers (RFC 8259, 6)."""
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
"""As far as every reader of JSON counts exactly; a database counts further, so the one behind it is a number too."""
Mark = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Chain = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
ChainOrNone = Annotated[str, msgspec.Meta(pattern="^(?!\n)([0-9a-f]{64})?$", max_length=64)]
ClockState = Literal["synchronised", "unsynchronised", "unknown"]
TEXT_LIMIT = 256
Text = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT)]
Word = Annotated[str, msgspec.Meta(max_length=TEXT_LIMIT, pattern=r"^[^\u0000]*$")]
"""By which something is found again. PostgreSQL's texts have no character 0, and a batch with one is never stored."""

Kind = Literal["evt", "evt/live", "state", "online", "ack", "cmd", "cmd/reply", "peers", "cfg/desired", "cfg/reported"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Protocol = Literal["5", "3.1.1"]
"""Of MQTT, by which a broker is reached."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_TOPIC = re.compile(rf"{PREFIX}/({_NAME.pattern})/({_NAME.pattern})/({'|'.join(KINDS)})")


class EventMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`evt`: one journal entry. QoS 1, not retained, sent in order until the campus acknowledges it.

    `evt/live` carries the same bytes at once while older entries are still on their way; they come again in `evt`.
    """

    id: Word
    """`{gate}-{epoch}-{seq}`; the same each time this event is sent."""
    epoch: Epoch
    seq: Seq
    """Counts the entries of an epoch from 1, without gaps."""
    boot_id: Word
    time: float
    """Unix seconds by the gate's clock; `clock` says what is known of it."""
    monotonic: float
    """Seconds since the boot that `boot_id` names."""
    clock: ClockState
    type: Word
    """What happened: a `RecordKind` value."""
    chain: Chain
    """The journal's hash chain at this entry; the campus hands it back with its acknowledgement."""
    grant_id: Word | None = None
    person: Word | None = None
    """A stable id; never a name."""
    detail: dict[str, Scalar] = msgspec.field(default_factory=dict)
    thinned: Chain | msgspec.UnsetType = msgspec.UNSET
    """Set where the gate ran out of room and threw the screening part of `detail` away: that part's SHA-256, which its
    chain value was made with. Since 1.1."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far the gate has heard the campus: it never sends `acked` or anything before it again."""

    epoch: Epoch
    acked: Mark


class Online(msgspec.Struct, frozen=True, kw_only=True):
    """`online`: retained; the birth message, and with `online` false the last will."""

    online: bool
    boot_id: Word
    cursors: list[Cursor] = msgspec.field(default_factory=list)
    """One for each epoch that has something left to send, and for the present one."""


class Device(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one device of the gate is."""

    name: Word
    """`thermal`, `camera`, `reader`, `journal`, `link` or `certificate`; a newer gate may know more."""
    health: Text
    """`ok`, `degraded`, `lost`, `recovering` or `failed`; a newer gate may know more, so this is no enumeration."""
    reason: Text = ""
    """In words; empty while it is `ok`."""
    tries: Mark = 0
    """Times it was opened, or tried, in vain since it last was well."""


class Alarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What calls for the guard; on the list until it has been acknowledged and what it is about is over."""

    reason: Text
    """`intrusion`, `door_held_open` and the like; a newer gate may know more."""
    acknowledged: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: retained; how the gate is now."""

    boot_id: Text
    time: float
    monotonic: float | None = None
    """Seconds since the boot that `boot_id` names, at `time`: dates that boot's events once `clock` is right. Since
    1.1."""
    clock: ClockState
    lane: Text
    """The lane's state."""
    fault: Text | None = None
    """What is broken, if the lane is out of service."""
    outbox: Mark = 0
    """Events the campus does not have yet."""
    passages: Mark = 0
    """Completed since the program started. Since 1.1, as `denials`."""
    denials: Mark = 0
    version: Text = ""
    """Of the program."""
    devices: list[Device] = msgspec.field(default_factory=list)
    """How each device is. Since 0.1; a gate that does not say leaves it out, and a campus that does not know it
    ignores it."""
    alarms: list[Alarm] = msgspec.field(default_factory=list)
    """Since 0.1, as `devices`."""
    challenge: Text = ""
    """What a command has to answer now; empty: this gate takes none."""
    reply_key: Text = ""
    """Base64 of the public key that signs its replies."""
    point: Text = ""
    """Which point of the access policy this gate is."""
    policy: Text = ""
    """Revision and digest of the access policy in force."""
    policy_fault: Text = ""
    """Why a newer one is not in force; empty: there is none."""


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """`ack`: the campus has, in its database, every event of `epoch` up to `seq`. QoS 1, never retained.

    Also sent, with an unchanged `seq`, to ask for what comes after it: when there is a gap, and when a gate appears.
    """

    epoch: Epoch
    seq: Mark
    chain: ChainOrNone
    """The chain value of event `seq`, as proof that it is the same one; empty at 0."""


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody went through a point of the access policy, at another gate."""

    point: Text
    direction: Literal["entry", "exit"]
    time: float
    """Unix seconds, by a clock that was right."""
    person: Text | None = None
    """None: nobody knows who."""


class Peers(msgspec.Struct, frozen=True, kw_only=True):
    """What other gates have just seen; `controller.link.peers` has the message that carries it."""

    passed: Annotated[list[Passed], msgspec.Meta(max_length=200)]


class Topic(NamedTuple):
    """The parts of a topic."""

    campus: str
    gate: str
    kind: Kind


Message = TypeVar("Message", bound=EventMessage | Online | State | Ack)

_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {
    kind: msgspec.json.Decoder(kind) for kind in (EventMessage, Online, State, Ack)
}


def check_name(name: str) -> str:
    """`name`, if it can stand in a topic: at most 32 of a-z, 0-9, `-` and `_`. Raises `MessageError`."""
    if not _NAME.fullmatch(name):
        raise MessageError(f"{name!r} is no name for a campus or gate: use a-z, 0-9, - and _, at most 32 of them")
    return name


def topic(campus: str, gate: str, kind: Kind) -> str:
    """The topic of a gate's messages of one kind. Raises `MessageError` for a name that cannot stand in a topic."""
    return f"{PREFIX}/{check_name(campus)}/{check_name(gate)}/{kind}"


def every_gate(campus: str, kind: Kind) -> str:
    """The filter for one kind of message from every gate of a campus."""
    return f"{PREFIX}/{check_name(campus)}/+/{kind}"


def parse_topic(text: str) -> Topic:
    """Take a topic apart. Raises `MessageError` when it is not one of ours."""
    found = _TOPIC.fullmatch(text)
    if found is None:
        raise MessageError(f"{_short(text)}: is no topic of {PREFIX}")
    campus, gate, kind = found.groups()
    return Topic(campus, gate, kind)  # type: ignore[arg-type] # the pattern allows these kinds only


def epoch_text(epoch: int) -> str:
    """An epoch as it goes over the wire."""
    return f"{epoch:016x}"


def event_id(gate: str, epoch: str, seq: int) -> str:
    """The id of an event: the same each time it is sent."""
    return f"{gate}-{epoch}-{seq}"


def encode(message: EventMessage | Online | State | Ack) -> bytes:
    """A message as JSON; equal messages give equal bytes."""
    return _encoder.encode(message)


def decode(where: str, payload: bytes | bytearray, kind: type[Message]) -> Message:
    """Read a message strictly. Raises `MessageError` naming the topic `where` and the field's path."""
    if len(payload) > PAYLOAD_LIMIT:
        raise MessageError(f"{_short(where)}: {len(payload)} bytes are more than {PAYLOAD_LIMIT}")
    try:
        message = _decoders[kind].decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{_short(where)}: {error}") from error
    if not isinstance(message, kind):  # for the type checker; the decoder made it
        raise TypeError(kind.__name__)
    return message


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}…"
