"""Settings of the devices, as they stand in gate.toml under [thermal], [camera], [gate] and [reader]."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Gpio = Annotated[int, msgspec.Meta(ge=0, le=53, description="BCM number of a GPIO line")]

REFRESH_RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Subpage renewals a second that an MLX90640 can be set to, hertz."""


POTENTIAL_CAP = 15.0
"""Longest unlock in potential mode, seconds: the passage wait of an accessible lane."""


class ThermalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thermal sensor."""

    driver: Literal["mlx90640"] = "mlx90640"
    bus: str = "/dev/i2c-1"
    """An I2C character device."""
    address: Annotated[int, msgspec.Meta(ge=0x08, le=0x77)] = 0x33
    refresh_hz: float = 16
    """Subpage renewals a second: one of REFRESH_RATES."""
    pattern: Literal["chess", "interleaved"] = "chess"
    emissivity: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.98
    """0.98 is human skin (ISO/TR 13154)."""
    reflected: float | None = None
    """Reflected temperature Tr in °C; None: Ta - 8, right for a sensor in open air."""
    flip: bool = False
    """Mirror left to right, where the sensor looks from behind a mirror or is mounted upside down."""

    def __post_init__(self) -> None:
        """Refuse a rate the sensor does not have."""
        if self.refresh_hz not in REFRESH_RATES:
            rates = ", ".join(f"{rate:g}" for rate in REFRESH_RATES)
            raise ValueError(f"`refresh_hz` must be one of {rates}, not {self.refresh_hz:g}")


class CameraSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The camera."""

    source: str = "/dev/video0"
    """A V4L2 node, a video file, or a folder of pictures."""
    width: Annotated[int, msgspec.Meta(ge=160, le=3840)] = 640
    height: Annotated[int, msgspec.Meta(ge=120, le=2160)] = 480
    fps: Annotated[float, msgspec.Meta(gt=0, le=120)] = 15
    rotate: Literal[0, 90, 180, 270] = 0


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
    fire: Gpio | None = None
    tamper: Gpio | None = None
    key: Gpio | None = None
    outputs_active_low: bool = False
    inputs_active_low: bool = True
    """Passage contacts are usually dry contacts to ground with a pull-up."""
    normally_closed: tuple[Literal["pass_a", "pass_b", "ready", "fire", "tamper", "key"], ...] = ()
    """Inputs whose contact opens when they become active, as fire and tamper loops do: a cut wire reads as active."""
    mode: Literal["pulse", "potential"] = "pulse"
    """pulse: the turnstile latches the unlock itself; potential: the line is held until passage or expiry."""
    pulse_cap: Annotated[float, msgspec.Meta(gt=0, le=1.5)] = 1.5
    """Hard cap of an unlock pulse, seconds: over 3 s some turnstiles read HOLD OPEN (FREE)."""
    debounce: Annotated[float, msgspec.Meta(ge=0, le=0.2)] = 0.03
    """Seconds an input must keep its level before it counts."""

    def __post_init__(self) -> None:
        """Refuse a GPIO line that is given twice."""
        lines: dict[int, str] = {}
        for key in GATE_LINES:
            line = getattr(self, key)
            if line is not None and line in lines:
                raise ValueError(f"GPIO line {line} is given twice: as {lines[line]} and as {key}")
            lines[line] = key


Bit = Annotated[int, msgspec.Meta(ge=0, le=127)]
Span = tuple[Bit, Bit]
"""First and last bit, both counted, from 0."""


class WiegandFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the bits of a card are laid out, first bit first. A parity span holds its parity bit."""

    bits: Annotated[int, msgspec.Meta(ge=9, le=128)]
    even: Span | None = None
    """Bits with an even number of ones."""
    odd: Span | None = None
    """Bits with an odd number of ones."""
    facility: Span | None = None
    number: Span

    def __post_init__(self) -> None:
        """Refuse a span that is not in the card."""
        for name in ("even", "odd", "facility", "number"):
            span = getattr(self, name)
            if span is not None and not span[0] <= span[1] < self.bits:
                raise ValueError(f"`{name}` is first and last of bits 0 to {self.bits - 1}, not {list(span)}")


class ReaderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A card, code or PIN reader at the entry."""

    driver: Literal["wiegand", "wedge"]
    """wiegand: two wires on GPIO lines; wedge: a USB reader or scanner that types."""
    d0: Gpio | None = None
    """Wiegand's wires: 3.3 V only, a reader's 5 V goes through a level shifter (docs/gate-wiring.md)."""
    d1: Gpio | None = None
    formats: tuple[Literal["w26", "w34", "w37", "w37n"], ...] = ("w26",)
    """Formats that are read; only those in use, for a card cut short may look like one of a shorter format."""
    custom: tuple[WiegandFormat, ...] = ()
    keypad: bool = False
    """Bursts of 4 or 8 bits are keys."""
    frame_gap: Annotated[float, msgspec.Meta(ge=0.005, le=0.5)] = 0.05
    """Seconds of silence that end a card; its bits are 0.2 to 20 ms apart."""
    glitch: Annotated[float, msgspec.Meta(ge=0, le=0.001)] = 0.0001
    """An edge so many seconds after the last one of its wire is ringing, no bit."""
    key_timeout: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 5.0
    """Seconds between two keys of a PIN."""
    device: str | None = None
    """The wedge: /dev/input/by-id/…-event-kbd, which stays the same over reboots."""
    kind: Literal["auto", "card", "qr", "plate"] = "auto"
    """What the wedge types; plate: a camera that reads number plates; auto: digits are a card, NUMBER*PIN is a PIN,
    anything else is a code."""
    layout: Literal["us", "de", "fr"] = "us"
    """The keyboard that the wedge was set to play."""
    terminator: Literal["enter", "tab", "none"] = "enter"
    """The key that ends what is typed; none: `type_timeout` does."""
    type_timeout: Annotated[float, msgspec.Meta(ge=0.05, le=30)] = 0.5
    """Seconds between two keys of the wedge after which what was typed is dropped; 5 for a keypad."""

    def __post_init__(self) -> None:
        """Refuse a reader that is not wired."""
        if self.driver == "wiegand" and (self.d0 is None or self.d1 is None or self.d0 == self.d1):
            raise ValueError("a wiegand reader needs `d0` and `d1`, two different lines")
        if (self.driver == "wedge") != bool(self.device):
            raise ValueError("a wedge reader, and no other, needs `device`; /dev/input/by-id lists them")
        lengths = [WIEGAND_FORMATS[name].bits for name in self.formats] + [one.bits for one in self.custom]
        if len(set(lengths)) < len(lengths):
            raise ValueError("two of `formats` and `custom` have the same number of bits")


WIEGAND_FORMATS = {
    "w26": WiegandFormat(bits=26, even=(0, 12), odd=(13, 25), facility=(1, 8), number=(9, 24)),
    "w34": WiegandFormat(bits=34, even=(0, 16), odd=(17, 33), facility=(1, 16), number=(17, 32)),
    "w37": WiegandFormat(bits=37, even=(0, 18), odd=(18, 36), facility=(1, 16), number=(17, 35)),
    "w37n": WiegandFormat(bits=37, even=(0, 18), odd=(18, 36), number=(1, 35)),
}
"""HID H10301, the usual 34 bits (H10306), H10304 and H10302 (HID, How an HID card is read)."""

GATE_OUTPUTS = ("unlock_a", "unlock_b", "stop", "lamp_go", "lamp_stop", "buzzer")
GATE_INPUTS = ("pass_a", "pass_b", "ready", "fire", "tamper", "key")
GATE_LINES = (*GATE_OUTPUTS, *GATE_INPUTS)
"""Fields of `GateSettings` that name a GPIO line."""
