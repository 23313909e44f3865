"""What the lane wants done. The runner performs a list in its order and stops at an `Append` that fails.

With `on_journal_failure_deny = false` it doesn't stop: the record is kept in memory and counts as written.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.lane.model import Direction


class Prompt(enum.Enum):
    """What the passer-by and the guard are shown."""

    IDLE = "idle"
    LOOK_HERE = "look_here"
    PRESENT_CARD = "present_card"
    WAIT = "wait"
    PASS = "pass"
    DENIED = "denied"
    SEE_DOCTOR = "see_doctor"
    SEE_GUARD = "see_guard"
    ASK_GUARD = "ask_guard"
    WARM_UP = "warm_up"
    COOL_DOWN = "cool_down"
    UNCOVER = "uncover"
    COME_CLOSER = "come_closer"
    ONE_AT_A_TIME = "one_at_a_time"
    CLOSE_DOOR = "close_door"
    OUT_OF_SERVICE = "out_of_service"
    FREE = "free"
    EMERGENCY = "emergency"
    ALARM = "alarm"


class RecordKind(enum.Enum):
    """Kinds of journal records; the value is the stable name on the wire."""

    STATE = "state"
    GRANT = "grant"
    DENY = "deny"
    PASSAGE = "passage"
    TAILGATE = "tailgate"
    INTRUSION = "intrusion"
    REVERSE = "reverse"
    FAULT = "fault"
    FAULT_CLEARED = "fault_cleared"
    EMERGENCY = "emergency"
    COMMAND = "command"
    TAMPER = "tamper"
    WARNING = "warning"
    TICKET = "ticket"
    """Somebody is to see the doctor."""
    SELF_TEST = "self_test"
    """A sensor was tested against its reference."""


@dataclass(frozen=True, slots=True)
class Append:
    """Write a record to the journal; what follows it in the list waits for the disk."""

    kind: RecordKind
    grant_id: str | None = None
    person: str | None = None
    detail: Mapping[str, str | float | int | bool | None] = field(default_factory=dict)
    """Flat, JSON-able. No name, picture or embedding."""


@dataclass(frozen=True, slots=True)
class Unlock:
    """Unlock `direction` for one passage."""

    direction: Direction
    seconds: float
    """Length of the pulse, for a turnstile that latches the unlock itself (pulse mode)."""
    grant_id: str
    window: float
    """Seconds until the grant expires: how long a line in potential mode is held, unless a `Relock` comes first."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold `direction` free, or end that. Takes the place of an unlock under way."""

    direction: Direction
    on: bool


@dataclass(frozen=True, slots=True)
class Relock:
    """End any unlock of `direction` at once."""

    direction: Direction


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """Assert or release the turnstile's STOP."""

    on: bool


@dataclass(frozen=True, slots=True)
class Lower:
    """Let the arm of a barrier down. Its driver looks once more whether anything is under it, and may refuse."""


@dataclass(frozen=True, slots=True)
class Lift:
    """Send an arm that comes down up again, at once."""


@dataclass(frozen=True, slots=True)
class Indicate:
    """Show a prompt."""

    prompt: Prompt
    reason: str | None = None
    """A `DenyReason` value; after a slash, where there is more to say, a `LivenessReason` value."""
    silent: bool = False
    """Without the buzzer: the guard knows of this alarm."""


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Send `TimerFired(name, token)` after `seconds`, in place of an earlier timer of that name."""

    name: str
    seconds: float
    token: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class Reassess:
    """Perception starts a fresh attempt for whoever stands there (`hold_off` seconds from now)."""

    hold_off: float = 0.0


@dataclass(frozen=True, slots=True)
class Expect:
    """From the next attempt on, perception compares a face with this person's alone, or with everybody's (None).

    Without `face` it takes the temperature only, and neither computes nor compares a face.
    """

    person: str | None
    face: bool


Effect = (
    Append | Unlock | Hold | Relock | BlockEntry | Lower | Lift | Indicate | ArmTimer | CancelTimer | Reassess | Expect
)
