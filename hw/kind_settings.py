"""Wiring of a door and of a barrier, as it stands in gate.toml under [door] and [barrier]."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

import msgspec

from hw.gate_settings import (
    FIRE_DEBOUNCE,
    LAMPS,
    POTENTIAL_CAP,
    READBACK_DEBOUNCE,
    READBACK_LIMIT,
    DebounceLimit,
    GateSettings,
    Gpio,
    LaneLines,
)

DOOR_OUTPUTS = ("lock_line", *LAMPS)
DOOR_READBACKS = {"readback": "lock_line"}
DOOR_INPUTS = ("door", "rex", "secure", "fire", "tamper", "key", *DOOR_READBACKS)
BARRIER_OUTPUTS = ("open", "close", *LAMPS)
BARRIER_READBACKS = {"readback_open": "open", "readback_close": "close"}
BARRIER_INPUTS = (
    "loop_front",
    "loop_arm",
    "loop_exit",
    "photocell",
    "loop_fault",
    "photocell_fault",
    "arm_up",
    "arm_down",
    "power_fail",
    "fire",
    "tamper",
    "key",
    *BARRIER_READBACKS,
)

ARM_DEBOUNCE: Final[DebounceLimit] = (0.1, "an arm on its way down has to turn round in time")


class DoorSettings(LaneLines, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A door's wiring."""

    SECTION = "door"
    OUTPUTS = DOOR_OUTPUTS
    INPUTS = DOOR_INPUTS
    READBACKS = DOOR_READBACKS
    DEBOUNCE_LIMITS: ClassVar = {"fire": FIRE_DEBOUNCE, **dict.fromkeys(DOOR_READBACKS, READBACK_DEBOUNCE)}
    USUALLY_CLOSED = ("door",)

    lock: Literal["strike", "magnet"] = "strike"
    """strike: energised to release, locked without power; people leave by the handle. magnet: energised to hold, so its
    line is the other way round, and the door is free without power or program (an escape route)."""
    lock_line: Gpio = 17
    door: Gpio = 5
    """The door contact: active while the door is open."""
    rex: Gpio | None = None
    """The request to exit: a button, a handle's switch or a motion sensor inside."""
    secure: Gpio | None = None
    """The lock's own contact (bond or bolt): active while it holds."""
    readback: Gpio | None = None
    """An auxiliary contact of the lock's relay, closed with it."""
    lamp_go: Gpio | None = 22
    lamp_stop: Gpio | None = 23
    buzzer: Gpio | None = None
    fire: Gpio | None = None
    tamper: Gpio | None = None
    key: Gpio | None = None
    normally_closed: tuple[str, ...] = USUALLY_CLOSED
    """See `LaneLines`. A door contact is one: its magnet keeps it closed while the door is shut."""
    release_cap: Annotated[float, msgspec.Meta(ge=1, le=60)] = POTENTIAL_CAP
    """Longest release for one grant, seconds, whatever happens to the program."""

    def __post_init__(self) -> None:
        """Refuse what can't work, and a magnet that nobody inside could open."""
        super().__post_init__()
        if self.lock == "magnet" and self.rex is None:
            raise ValueError('lock = "magnet" needs `rex`: without a request to exit nobody could leave')

    @property
    def active_at_rest(self) -> frozenset[str]:
        """See `LaneLines`. Without a program a magnet holds nothing."""
        return frozenset({"secure"} if self.lock == "strike" else ())


class BarrierSettings(LaneLines, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vehicle barrier's wiring."""

    SECTION = "barrier"
    OUTPUTS = BARRIER_OUTPUTS
    INPUTS = BARRIER_INPUTS
    READBACKS = BARRIER_READBACKS
    DEBOUNCE_LIMITS: ClassVar = {
        "fire": FIRE_DEBOUNCE,
        **dict.fromkeys(("loop_arm", "photocell", "loop_fault", "photocell_fault"), ARM_DEBOUNCE),
        **dict.fromkeys(BARRIER_READBACKS, READBACK_DEBOUNCE),
    }
    USUALLY_CLOSED = ("loop_arm", "photocell", "loop_fault", "photocell_fault", "power_fail")

    open: Gpio = 17
    close: Gpio = 27
    mode: Literal["impulse", "held"] = "impulse"
    """impulse: a pulse on either line sends the arm all the way. held: a line is held for as long as the arm is to move
    or stay there; with none held it stands still."""
    pulse: Annotated[float, msgspec.Meta(ge=0.1, le=1.5)] = 0.5
    """Length of an impulse, seconds."""
    travel_cap: Annotated[float, msgspec.Meta(ge=1, le=60)] = 10.0
    """Longest time that `close` is held in held mode, seconds, whatever happens to the program."""
    loop_arm: Gpio = 5
    """The loop under the arm. Without it, and the photocell, no arm is let down by this program."""
    photocell: Gpio = 6
    arm_up: Gpio = 13
    arm_down: Gpio = 19
    loop_front: Gpio | None = None
    """The loop before the arm, outside: a vehicle is there."""
    loop_exit: Gpio | None = None
    """The loop before the arm, inside: a vehicle wants to leave."""
    loop_fault: Gpio | None = None
    """The fault relay of the loop's detector."""
    photocell_fault: Gpio | None = None
    power_fail: Gpio | None = None
    """A relay on the barrier's mains: active when they are gone."""
    readback_open: Gpio | None = None
    """An auxiliary contact of the relay on `open`, closed with it."""
    readback_close: Gpio | None = None
    lamp_go: Gpio | None = 22
    lamp_stop: Gpio | None = 23
    buzzer: Gpio | None = None
    fire: Gpio | None = None
    tamper: Gpio | None = None
    key: Gpio | None = None
    normally_closed: tuple[str, ...] = USUALLY_CLOSED
    """See `LaneLines`. A cut wire reads as occupied, which keeps the arm up."""

    def __post_init__(self) -> None:
        """Refuse what can't work, and safety inputs that a cut wire would make clear."""
        super().__post_init__()
        missing = [name for name in ("loop_arm", "photocell") if name not in self.normally_closed]
        if missing:
            raise ValueError(
                f"`normally_closed` must name {' and '.join(missing)}: a cut wire has to read as occupied, or the arm "
                "would come down on whatever is there"
            )
        if self.has_readback and self.mode == "impulse" and self.pulse <= READBACK_LIMIT:
            raise ValueError(
                f"`pulse` is {self.pulse:g} s: with a read-back it must be over {READBACK_LIMIT:g} s, or a relay that "
                "doesn't pull is never told"
            )


Wiring = GateSettings | DoorSettings | BarrierSettings
"""The lines of one lane, of whatever kind."""
