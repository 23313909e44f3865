"""The wiring of a lane, as it stands in gate.toml: which line is what, and how each one is wired; and a turnstile's.

What can't work is refused here, with the key and the fix, before any line is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

import msgspec

Gpio = Annotated[int, msgspec.Meta(ge=0, le=53, description="BCM number of a GPIO line")]
Pull = Literal["up", "down", "none"]
Debounce = Annotated[float, msgspec.Meta(ge=0, le=0.2)]

POTENTIAL_CAP = 15.0
"""Longest unlock in potential mode, seconds: the passage wait of an accessible lane."""

READBACK_LIMIT: Final = 0.2
"""Seconds for which a relay's read-back may differ from the command: a relay takes 5 to 20 ms."""

FIXED_PULLS: Final = frozenset({2, 3})
"""GPIO 2 and 3 have pull-ups of 1.8 kΩ soldered to the board."""

LAMPS: Final = ("lamp_go", "lamp_stop", "buzzer")
"""Outputs that move nothing."""

DebounceLimit = tuple[float, str]
"""Longest debounce of an input, seconds, and why it may not be longer."""

FIRE_DEBOUNCE: Final[DebounceLimit] = (0.08, "a fire frees both ways within 100 ms")
READBACK_DEBOUNCE: Final[DebounceLimit] = (0.1, f"a relay that disagrees is told after {READBACK_LIMIT:g} s")
PASS_DEBOUNCE: Final[DebounceLimit] = (0.1, "turnstiles close a passage contact for 0.1 s")


class LineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In what one line differs from the others, under [gate.line.NAME]; None: in nothing."""

    active_low: bool | None = None
    """An output's relay is on, an input's contact is closed, while the line is low."""
    pull: Pull | None = None
    """An input's resistor inside the board; None: towards the open contact. none: there is one outside."""
    debounce: Debounce | None = None
    """Seconds an input must keep its level before it counts."""


class LaneLines(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the wiring of every kind of lane has. A kind names its lines in fields of its own; None: not wired."""

    SECTION: ClassVar[str]
    """Where it stands in gate.toml."""
    OUTPUTS: ClassVar[tuple[str, ...]]
    """Fields that name an output's line, in the order they are claimed."""
    INPUTS: ClassVar[tuple[str, ...]]
    READBACKS: ClassVar[Mapping[str, str]]
    """Inputs that the driver compares with what it commanded -> the output whose relay they tell of."""
    DEBOUNCE_LIMITS: ClassVar[Mapping[str, DebounceLimit]]
    USUALLY_CLOSED: ClassVar[tuple[str, ...]] = ()
    """Inputs that `normally_closed` names by itself, wired or not."""

    chip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number N of /dev/gpiochipN."""
    spare: Gpio | None = None
    """A line with nothing on it, on which the self-test finds out what the kernel does with released outputs."""
    outputs_active_low: bool = False
    inputs_active_low: bool = True
    """Contacts are usually dry ones to ground with a pull-up."""
    normally_closed: tuple[str, ...] = ()
    """Inputs whose contact opens when they become active, as fire and tamper loops do: a cut wire reads as active."""
    line: dict[str, LineSettings] = {}
    """Lines that are wired differently from the others."""
    debounce: Debounce = 0.03
    """Seconds an input must keep its level before it counts."""

    def __post_init__(self) -> None:
        """Refuse what can't work: a line given twice, one that is said more of than it is wired for."""
        self._check_twice()
        for name, line in self.line.items():
            self._check_line(name, line)
        for name in self.normally_closed:
            self._check_closed(name)
        for name in self.INPUTS:
            if self.number(name) is not None:
                self._check_input(name)
        for name, output in self.READBACKS.items():
            if self.number(name) is not None and self.number(output) is None:
                raise ValueError(f"`{name}` is the read-back of `{output}`, which is not wired")

    @property
    def line_names(self) -> tuple[str, ...]:
        """The fields that name a GPIO line."""
        return (*self.OUTPUTS, *self.INPUTS, "spare")

    @property
    def active_at_rest(self) -> frozenset[str]:
        """Inputs that are active while all is well, nobody passes and no program runs."""
        return frozenset()

    def number(self, name: str) -> int | None:
        """The GPIO line of `name`; None: it is not wired."""
        found: int | None = getattr(self, name)
        return found

    def active_low(self, name: str) -> bool:
        """Whether the line `name` is low when an output is active, or an input's contact closed."""
        own = self.line.get(name, LineSettings()).active_low
        if own is not None:
            return own
        return self.outputs_active_low if name in self.OUTPUTS else self.inputs_active_low

    def pull_of(self, name: str) -> Pull:
        """Where the resistor inside the board draws the input `name`."""
        own = self.line.get(name, LineSettings()).pull
        return own or ("up" if self.active_low(name) else "down")

    def debounce_of(self, name: str) -> float:
        """Seconds the input `name` must keep its level before it counts."""
        own = self.line.get(name, LineSettings()).debounce
        return self.debounce if own is None else own

    @property
    def has_readback(self) -> bool:
        """Whether any relay's read-back is wired."""
        return any(self.number(name) is not None for name in self.READBACKS)

    def _check_twice(self) -> None:
        numbers: dict[int, str] = {}
        for name in self.line_names:
            number = self.number(name)
            if number is None:
                continue
            if number in numbers:
                raise ValueError(f"GPIO line {number} is given twice: as {numbers[number]} and as {name}")
            numbers[number] = name

    def _check_line(self, name: str, line: LineSettings) -> None:
        known = (*self.OUTPUTS, *self.INPUTS)
        if name not in known:
            raise ValueError(f"`line.{name}`: there is no such line; lines are {', '.join(known)}")
        if self.number(name) is None:
            raise ValueError(f"`line.{name}` is about a line that is not wired: give `{name}` its GPIO line")
        if name in self.OUTPUTS and (line.pull is not None or line.debounce is not None):
            raise ValueError(f"`line.{name}` has a pull or a debounce, but {name} is an output: only `active_low` fits")

    def _check_closed(self, name: str) -> None:
        if name not in self.INPUTS:
            raise ValueError(f"`normally_closed` names {name}, which is no input; inputs are {', '.join(self.INPUTS)}")
        if self.number(name) is None and name not in self.USUALLY_CLOSED:
            raise ValueError(f"`normally_closed` names {name}, which is not wired: give `{name}` its GPIO line")

    def _check_input(self, name: str) -> None:
        number, pull, low = self.number(name), self.pull_of(name), self.active_low(name)
        if pull != "none" and (pull == "up") is not low:
            to = "ground" if low else "3.3 V"
            fits = "up" if low else "down"
            raise ValueError(
                f"`{name}`: a contact to {to} with a pull-{pull} reads the same open and closed; "
                f'`line.{name}` takes pull = "{fits}", or "none" with a resistor outside'
            )
        if number in FIXED_PULLS and pull != "up":
            raise ValueError(f"`{name}`: GPIO line {number} has a pull-up on the board; take another line for it")
        limit, why = self.DEBOUNCE_LIMITS.get(name, (0.2, ""))
        if self.debounce_of(name) > limit:
            raise ValueError(
                f"`{name}`: a debounce of {self.debounce_of(name):g} s is too long, {why}; "
                f"at most {limit:g} s, as `debounce` in [{self.SECTION}.line.{name}]"
            )


GATE_OUTPUTS = ("unlock_a", "unlock_b", "stop", *LAMPS)
GATE_CONTACTS = ("pass_a", "pass_b", "ready", "intrusion", "fire", "tamper", "mains", "key")
"""Inputs that the lane is told of: `hw.ports.Signal` values."""
READBACKS = {"readback_a": "unlock_a", "readback_b": "unlock_b"}
GATE_INPUTS = (*GATE_CONTACTS, *READBACKS)
GATE_LINES = (*GATE_OUTPUTS, *GATE_INPUTS, "spare")
"""Fields of `GateSettings` that name a GPIO line."""


class GateSettings(LaneLines, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The turnstile's wiring."""

    SECTION = "gate"
    OUTPUTS = GATE_OUTPUTS
    INPUTS = GATE_INPUTS
    READBACKS = READBACKS
    DEBOUNCE_LIMITS: ClassVar = {
        "fire": FIRE_DEBOUNCE,
        "pass_a": PASS_DEBOUNCE,
        "pass_b": PASS_DEBOUNCE,
        **dict.fromkeys(READBACKS, READBACK_DEBOUNCE),
    }

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
    mode: Literal["pulse", "potential"] = "pulse"
    """pulse: the turnstile latches the unlock itself; potential: the line is held until passage or expiry."""
    pulse_cap: Annotated[float, msgspec.Meta(gt=0, le=1.5)] = 1.5
    """Hard cap of an unlock pulse, seconds: over 3 s some turnstiles read HOLD OPEN (FREE)."""

    @property
    def active_at_rest(self) -> frozenset[str]:
        """See `LaneLines`."""
        return frozenset({"ready", "mains"})
