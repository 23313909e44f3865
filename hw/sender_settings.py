"""Settings of what tells another controller who passed: [wiegand_out] of gate.toml."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hw.settings import WIEGAND_FORMATS, Gpio, WiegandFormat

BAUD = 115_200
"""Of the serial ports: a bit takes 8.68 us, so the start bit and the zeros after it make pulses of 26 to 78 us."""


class WiegandOutSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two wires to a turnstile controller or access panel that takes this gate for a reader."""

    d0: Gpio | None = None
    """GPIO lines of the gate's chip, timed by the processor: 3.3 V, the panel's 5 V goes through a driver stage."""
    d1: Gpio | None = None
    port0: str | None = None
    """In place of them, a serial port for each wire, whose hardware times the pulses (docs/gate-wiring.md)."""
    port1: str | None = None
    sense0: Gpio | None = None
    """Inputs behind the driver stage: what came out is then what they saw fall, by the kernel's timestamps."""
    sense1: Gpio | None = None
    format: Literal["w26", "w34", "w37", "w37n"] = "w26"
    custom: WiegandFormat | None = None
    """In place of `format`."""
    facility: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The facility of numbers that are kept without one."""
    pulse: Annotated[float, msgspec.Meta(ge=25e-6, le=80e-6)] = 50e-6
    """Seconds for which a wire is low."""
    spacing: Annotated[float, msgspec.Meta(ge=0.0005, le=0.005)] = 0.002
    """Seconds from one bit's start to the next one's."""
    inverted: bool = False
    """A transistor stage turns the level round: the lines rest low, and a high level is a pulse."""
    pause: Annotated[float, msgspec.Meta(ge=0.1, le=5)] = 0.5
    """Seconds between two cards, and before one is sent again."""
    priority: Annotated[int, msgspec.Meta(ge=0, le=98)] = 50
    """Of the real-time scheduling that is asked for while a card is sent; 0: none."""

    def __post_init__(self) -> None:
        """Refuse a sender that is not wired, or that cannot be."""
        lines, ports = (self.d0, self.d1), (self.port0, self.port1)
        by_lines = None not in lines and lines[0] != lines[1] and ports == (None, None)
        by_ports = None not in ports and ports[0] != ports[1] and lines == (None, None)
        if not (by_lines or by_ports):
            raise ValueError("needs `d0` and `d1`, two different lines, or `port0` and `port1`, two different ports")
        if by_ports and self.inverted:
            raise ValueError("a serial port rests high and cannot be `inverted`; take a driver stage that does not")
        if (self.sense0 is None) != (self.sense1 is None):
            raise ValueError("`sense0` and `sense1` are given together or not at all")
        used = [line for line in (*lines, self.sense0, self.sense1) if line is not None]
        if len(set(used)) < len(used):
            raise ValueError("a GPIO line is given twice")
        if self.facility is not None:
            span = self.form.facility
            if span is None or self.facility >= 1 << span[1] - span[0] + 1:
                raise ValueError(f"`facility` {self.facility} does not fit into the format")

    @property
    def form(self) -> WiegandFormat:
        """The format that is sent."""
        return self.custom or WIEGAND_FORMATS[self.format]
