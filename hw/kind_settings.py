"""Wiring of a door and of a barrier, as it stands in gate.toml under [door] and [barrier]."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hw.gate_settings import POTENTIAL_CAP, GateSettings, Gpio

Debounce = Annotated[float, msgspec.Meta(ge=0, le=0.2)]

DOOR_OUTPUTS = ("lock_line", "lamp_go", "lamp_stop", "buzzer")
DOOR_INPUTS = ("door", "rex", "secure", "fire", "tamper", "key")
BARRIER_OUTPUTS = ("open", "close", "lamp_go", "lamp_stop", "buzzer")
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
)

DOOR_LINES = (*DOOR_OUTPUTS, *DOOR_INPUTS)
BARRIER_LINES = (*BARRIER_OUTPUTS, *BARRIER_INPUTS)
"""Keys that name a GPIO line."""

DoorInput = Literal["door", "rex", "secure", "fire", "tamper", "key"]
BarrierInput = Literal[
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
]


class DoorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A door's wiring. A line that is None is not wired."""

    chip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number N of /dev/gpiochipN."""
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
    lamp_go: Gpio | None = 22
    lamp_stop: Gpio | None = 23
    buzzer: Gpio | None = None
    fire: Gpio | None = None
    tamper: Gpio | None = None
    key: Gpio | None = None
    outputs_active_low: bool = False
    inputs_active_low: bool = True
    normally_closed: tuple[DoorInput, ...] = ("door",)
    """Inputs whose contact opens when they become active: a cut wire reads as active. A door contact is one: its magnet
    keeps it closed while the door is shut."""
    release_cap: Annotated[float, msgspec.Meta(ge=1, le=60)] = POTENTIAL_CAP
    """Longest release for one grant, seconds, whatever happens to the program."""
    debounce: Debounce = 0.03

    def __post_init__(self) -> None:
        """Refuse a line given twice, and a magnet that nobody inside could open."""
        refuse_doubles(self, DOOR_LINES)
        if self.lock == "magnet" and self.rex is None:
            raise ValueError('lock = "magnet" needs `rex`: without a request to exit nobody could leave')


class BarrierSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vehicle barrier's wiring. A line that is None is not wired."""

    chip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number N of /dev/gpiochipN."""
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
    lamp_go: Gpio | None = 22
    lamp_stop: Gpio | None = 23
    buzzer: Gpio | None = None
    fire: Gpio | None = None
    tamper: Gpio | None = None
    key: Gpio | None = None
    outputs_active_low: bool = False
    inputs_active_low: bool = True
    normally_closed: tuple[BarrierInput, ...] = ("loop_arm", "photocell", "loop_fault", "photocell_fault", "power_fail")
    """Inputs whose contact opens when they become active: a cut wire reads as occupied, which keeps the arm up."""
    debounce: Debounce = 0.03

    def __post_init__(self) -> None:
        """Refuse a line given twice, and safety inputs that a cut wire would make clear."""
        refuse_doubles(self, BARRIER_LINES)
        missing = [name for name in ("loop_arm", "photocell") if name not in self.normally_closed]
        if missing:
            raise ValueError(
                f"`normally_closed` must name {' and '.join(missing)}: a cut wire has to read as occupied, or the arm "
                "would come down on whatever is there"
            )


Wiring = GateSettings | DoorSettings | BarrierSettings
"""The lines of one lane, of whatever kind."""


def refuse_doubles(settings: msgspec.Struct, keys: tuple[str, ...]) -> None:
    """Raise ValueError for a GPIO line that two of `keys` name."""
    lines: dict[int, str] = {}
    for key in keys:
        line = getattr(settings, key)
        if line is not None and line in lines:
            raise ValueError(f"GPIO line {line} is given twice: as {lines[line]} and as {key}")
        lines[line] = key
