"""The wiring of a gate, as it stands in gate.toml under [gate]: which line is what, and how each one is wired.

What can't work is refused here, with the key and the fix, before any line is claimed.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

Gpio = Annotated[int, msgspec.Meta(ge=0, le=53, description="BCM number of a GPIO line")]
Pull = Literal["up", "down", "none"]

POTENTIAL_CAP = 15.0
"""Longest unlock in potential mode, seconds: the passage wait of an accessible lane."""

READBACK_LIMIT: Final = 0.2
"""Seconds for which a relay's read-back may differ from the command: a relay takes 5 to 20 ms."""

FIRE_DEBOUNCE: Final = 0.08
"""Longest debounce of the fire line, seconds: both ways are free within 100 ms of its edge."""

CONTACT_DEBOUNCE: Final = 0.1
"""Longest debounce of a passage contact or read-back, seconds: a passage of 100 ms has to be seen."""

FIXED_PULLS: Final = frozenset({2, 3})
"""GPIO 2 and 3 have pull-ups of 1.8 kΩ soldered to the board."""

GATE_OUTPUTS = ("unlock_a", "unlock_b", "stop", "lamp_go", "lamp_stop", "buzzer")
GATE_CONTACTS = ("pass_a", "pass_b", "ready", "intrusion", "fire", "tamper", "mains", "key")
"""Inputs that the lane is told of: `hw.ports.Signal` values."""
READBACKS = ("readback_a", "readback_b")
"""Inputs that the driver compares with what it commanded."""
GATE_INPUTS = (*GATE_CONTACTS, *READBACKS)
GATE_LINES = (*GATE_OUTPUTS, *GATE_INPUTS, "spare")
"""Fields of `GateSettings` that name a GPIO line."""

_DEBOUNCE_LIMITS = {
    "fire": (FIRE_DEBOUNCE, "a fire frees both ways within 100 ms"),
    **dict.fromkeys(("pass_a", "pass_b"), (CONTACT_DEBOUNCE, "turnstiles close a passage contact for 0.1 s")),
    **dict.fromkeys(READBACKS, (CONTACT_DEBOUNCE, f"a relay that disagrees is told after {READBACK_LIMIT:g} s")),
}


class LineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In what one line differs from the others, under [gate.line.NAME]; None: in nothing."""

    active_low: bool | None = None
    """An output's relay is on, an input's contact is closed, while the line is low."""
    pull: Pull | None = None
    """An input's resistor inside the board; None: towards the open contact. none: there is one outside."""
    debounce: Annotated[float, msgspec.Meta(ge=0, le=0.2)] | None = None
    """Seconds an input must keep its level before it counts."""


class GateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The turnstile's wiring. A line that is None is not wired."""

    chip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number N of /dev/gpiochipN."""
    unlock_a: Gpio | None = 17
    unlock_b: Gpio | None = 27
    stop: Gpio | None = None
    lamp_go: Gpio | None = 22
    lamp_stop: Gpio | None = 23
    buzzer: Gpio | None = None
    pass_a: Gpio | None = 5
    pass_b: Gpio | None = 6
    ready: Gpio | None = None
    """Active while the barrier is home and the turnstile has no fault."""
    intrusion: Gpio | None = None
    """The turnstile's own sensor for whoever climbs or crawls through."""
    fire: Gpio | None = None
    tamper: Gpio | None = None
    mains: Gpio | None = None
    """Active while there is mains; inactive, the gate runs on its battery."""
    key: Gpio | None = None
    readback_a: Gpio | None = None
    """An auxiliary contact of the relay of side A, closed with it."""
    readback_b: Gpio | None = None
    spare: Gpio | None = None
    """A line with nothing on it, on which the self-test finds out what the kernel does with released outputs."""
    outputs_active_low: bool = False
    inputs_active_low: bool = True
    """Passage contacts are usually dry contacts to ground with a pull-up."""
    normally_closed: tuple[
        Literal[
            "pass_a",
            "pass_b",
            "ready",
            "intrusion",
            "fire",
            "tamper",
            "mains",
            "key",
            "readback_a",
            "readback_b",
        ],
        ...,
    ] = ()
    """Inputs whose contact opens when they become active, as fire and tamper loops do: a cut wire reads as active."""
    line: dict[str, LineSettings] = {}
    """Lines that are wired differently from the others."""
    mode: Literal["pulse", "potential"] = "pulse"
    """pulse: the turnstile latches the unlock itself; potential: the line is held until passage or expiry."""
    pulse_cap: Annotated[float, msgspec.Meta(gt=0, le=1.5)] = 1.5
    """Hard cap of an unlock pulse, seconds: over 3 s some turnstiles read HOLD OPEN (FREE)."""
    debounce: Annotated[float, msgspec.Meta(ge=0, le=0.2)] = 0.03
    """Seconds an input must keep its level before it counts."""

    def __post_init__(self) -> None:
        """Refuse what can't work: a line given twice, one that is said more of than it is wired for."""
        self._check_twice()
        for name, line in self.line.items():
            self._check_line(name, line)
        for name in self.normally_closed:
            if getattr(self, name) is None:
                raise ValueError(f"`normally_closed` names {name}, which is not wired: give `{name}` its GPIO line")
        for name in GATE_INPUTS:
            if getattr(self, name) is not None:
                self._check_input(name)
        for side in ("a", "b"):
            if getattr(self, f"readback_{side}") is not None and getattr(self, f"unlock_{side}") is None:
                raise ValueError(f"`readback_{side}` is the read-back of `unlock_{side}`, which is not wired")

    def active_low(self, name: str) -> bool:
        """Whether the line `name` is low when an output is active, or an input's contact closed."""
        own = self.line.get(name, LineSettings()).active_low
        if own is not None:
            return own
        return self.outputs_active_low if name in GATE_OUTPUTS else self.inputs_active_low

    def pull_of(self, name: str) -> Pull:
        """Where the resistor inside the board draws the input `name`."""
        own = self.line.get(name, LineSettings()).pull
        return own or ("up" if self.active_low(name) else "down")

    def debounce_of(self, name: str) -> float:
        """Seconds the input `name` must keep its level before it counts."""
        own = self.line.get(name, LineSettings()).debounce
        return self.debounce if own is None else own

    def _check_twice(self) -> None:
        lines: dict[int, str] = {}
        for key in GATE_LINES:
            line = getattr(self, key)
            if line is not None and line in lines:
                raise ValueError(f"GPIO line {line} is given twice: as {lines[line]} and as {key}")
            lines[line] = key

    def _check_line(self, name: str, line: LineSettings) -> None:
        if name not in (*GATE_OUTPUTS, *GATE_INPUTS):
            raise ValueError(f"`line.{name}`: there is no such line; lines are {', '.join(GATE_OUTPUTS + GATE_INPUTS)}")
        if getattr(self, name) is None:
            raise ValueError(f"`line.{name}` is about a line that is not wired: give `{name}` its GPIO line")
        if name in GATE_OUTPUTS and (line.pull is not None or line.debounce is not None):
            raise ValueError(f"`line.{name}` has a pull or a debounce, but {name} is an output: only `active_low` fits")

    def _check_input(self, name: str) -> None:
        number, pull, low = getattr(self, name), self.pull_of(name), self.active_low(name)
        if pull != "none" and (pull == "up") is not low:
            to = "ground" if low else "3.3 V"
            fits = "up" if low else "down"
            raise ValueError(
                f"`{name}`: a contact to {to} with a pull-{pull} reads the same open and closed; "
                f'`line.{name}` takes pull = "{fits}", or "none" with a resistor outside'
            )
        if number in FIXED_PULLS and pull != "up":
            raise ValueError(f"`{name}`: GPIO line {number} has a pull-up on the board; take another line for it")
        limit, why = _DEBOUNCE_LIMITS.get(name, (0.2, ""))
        if self.debounce_of(name) > limit:
            raise ValueError(
                f"`{name}`: a debounce of {self.debounce_of(name):g} s is too long, {why}; "
                f"at most {limit:g} s, as `debounce` in [gate.line.{name}]"
            )
