"""What doors and barriers have in gate.toml beside what every lane has: [lane.door] and [lane.barrier]."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86400)]
Others = Literal["refuse", "allow", "guard"]
"""What further faces beside the one that is judged mean: nobody passes, they are noted, or the guard looks at them."""


class DoorTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times of a door, seconds."""

    relock: Literal["close", "open"] = "close"
    """When a lock that was released for somebody locks again: as the door shuts behind them, or as it opens. Not used,
    it locks when the grant or the request has run out."""
    rex_release: Seconds = 5.0
    """How long a request to exit releases the lock after the button is let go."""
    rex_stuck: Annotated[float, msgspec.Meta(ge=5, le=600)] = 30.0
    """A request to exit that lasts longer is a stuck button or sensor."""
    on_rex_stuck: Literal["release", "lock"] = "release"
    """What the lock does then: stay released, as the way out must be; or lock, where a handle opens it from inside."""
    rebound: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """A door that opens again so soon after it shut has bounced off its latch; nobody opened it."""
    open_warning: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 20.0
    """Open for so long, the door asks to be shut."""
    open_alarm: Annotated[float, msgspec.Meta(ge=2, le=7200)] = 30.0
    """Open for so long, it is held open: an alarm, and another one each time that passes again."""
    secure_within: Annotated[float, msgspec.Meta(ge=0.2, le=60)] = 3.0
    """How long a lock may take to say that it holds."""

    def __post_init__(self) -> None:
        """Refuse an alarm before its warning."""
        if self.open_alarm <= self.open_warning:
            raise ValueError("`open_alarm` must be longer than `open_warning`")


class BarrierTimes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times and policy of a barrier, seconds."""

    clear_for: Annotated[float, msgspec.Meta(ge=0.2, le=60)] = 1.0
    """Loop and photocell must both be clear for so long before the arm comes down."""
    open_within: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 8.0
    """An arm that is not up by then is stuck."""
    close_within: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 8.0
    """An arm that is not down by then goes up again and is stuck."""
    occupied: Annotated[float, msgspec.Meta(ge=5, le=3600)] = 120.0
    """A loop or photocell occupied for longer is stuck, or the car under the arm is; either way somebody must look."""
    exit_wait: Annotated[float, msgspec.Meta(ge=1, le=120)] = 10.0
    """How long the arm waits for a car that asked to leave and rolled back."""
    needs_vehicle: bool = True
    """Nobody is let in where the loop before the arm shows no vehicle; without that loop nothing is known."""
    passengers: Literal["allow", "guard"] = "allow"
    """Only the driver is screened. Others in the car are noted, or wait for the guard's word."""
