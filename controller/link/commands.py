"""Commands from campus to gate, and the gate's replies: what is signed, and the rules that every command meets.

A command is for one gate and one start of its board, answers the challenge that the gate announced last, and says who
ordered it and why. So one that lay in a queue, was recorded, or was meant for another gate opens nothing. Unlike
elsewhere on the wire an unknown field is refused: it may change what the command means.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from controller.errors import MessageError
from controller.link.messages import ClockState, Scalar, Text

LIFETIME = 10.0
"""Seconds for which a command may be carried out; the broker is told to drop it after that too."""

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$", max_length=32)]
CommandId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Challenge = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$", max_length=32)]
Said = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Celsius = Annotated[float, msgspec.Meta(ge=0, le=60)]
Way = Literal["entry", "exit"]


class Action(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """What is to be done; `do` names it."""


class OpenOnce(Action, frozen=True, kw_only=True, tag="open_once"):
    """Let one person pass."""

    direction: Way
    temperature: Celsius | None = None
    """What the guard's own thermometer showed, °C, where the lane asked for it; the lane says what it takes."""


class SetFree(Action, frozen=True, kw_only=True, tag="set_free"):
    """Free passage in these directions; none returns to normal."""

    entry: bool
    exit: bool


class Lockdown(Action, frozen=True, kw_only=True, tag="lockdown"):
    """No entry, or the end of that; egress stays free."""

    active: bool


class Maintenance(Action, frozen=True, kw_only=True, tag="maintenance"):
    """Out of service on purpose, or back."""

    active: bool


class Reset(Action, frozen=True, kw_only=True, tag="reset"):
    """End the latched emergency opening and latched faults; refused while their cause stands."""


class Reread(Action, frozen=True, kw_only=True, tag="reread"):
    """Look now whether the gallery has changed, in place of within ten seconds."""


class SelfTest(Action, frozen=True, kw_only=True, tag="self_test"):
    """Measure what can be measured while people pass, and tell how lane and devices are. Moves nothing."""


class Restart(Action, frozen=True, kw_only=True, tag="restart"):
    """End the program in good order; the service manager starts it anew."""


class Acknowledge(Action, frozen=True, kw_only=True, tag="acknowledge"):
    """Somebody knows of the alarms there are: the buzzer is silent. What they are about stays to be seen."""


class Reboot(Action, frozen=True, kw_only=True, tag="reboot"):
    """Restart the machine. Refused while somebody passes, in a fire, and where the machine does not permit it."""


AnyAction = OpenOnce | SetFree | Lockdown | Maintenance | Reset | Acknowledge | Reread | SelfTest | Restart | Reboot
ACTIONS: tuple[type[AnyAction], ...] = (
    OpenOnce,
    SetFree,
    Lockdown,
    Maintenance,
    Reset,
    Acknowledge,
    Reread,
    SelfTest,
    Restart,
    Reboot,
)


def name_of(action: AnyAction) -> str:
    """The action's name on the wire, as permissions have it."""
    return str(type(action).__struct_config__.tag)


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`cmd`: signed. QoS 1, never retained, dropped by the broker after LIFETIME."""

    cmd_id: CommandId
    campus: Name
    gate: Name
    boot_id: Text
    """The gate's, as its state has it."""
    challenge: Challenge
    """The gate's newest, as its state has it."""
    expires: float
    """Unix seconds; at most LIFETIME ahead. Checked by a gate whose clock is right."""
    actor: Name
    reason: Said
    action: AnyAction


Refusal = Literal[
    "retained",
    "malformed",
    "unknown_key",
    "bad_signature",
    "other_gate",
    "other_boot",
    "old_challenge",
    "expired",
    "not_yet",
    "seen",
    "key_expired",
    "not_permitted",
    "journal_failed",
    "refused_by_lane",
    "not_possible",
    "no_answer",
]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`cmd/reply`: signed by the gate. What came of a command whose signature was good."""

    cmd_id: CommandId
    gate: Name
    boot_id: Text
    accepted: bool
    refused: Text | None = None
    """Why not: a `Refusal`; the lane's own word, or what stands in the way, follows a slash."""
    lane: Text = ""
    """The lane's state afterwards."""
    challenge: Text = ""
    """For the next command."""
    time: float = 0.0
    clock: ClockState = "unknown"
    detail: dict[str, Scalar] = msgspec.field(default_factory=dict)


_encoder = msgspec.json.Encoder()
_commands = msgspec.json.Decoder(Command)
_replies = msgspec.json.Decoder(Reply)


def encode(message: Command | Reply) -> bytes:
    """The bytes to be signed."""
    return _encoder.encode(message)


def read_command(where: str, body: bytes) -> Command:
    """Read a command strictly. Raises `MessageError` naming `where` and the field's path."""
    try:
        return _commands.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{where}: {error}") from error


def read_reply(where: str, body: bytes) -> Reply:
    """Read a reply; unknown fields are tolerated. Raises `MessageError`."""
    try:
        return _replies.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{where}: {error}") from error
