"""Settings of the devices, as they stand in gate.toml under [thermal], [camera], [gate] and [reader]."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hw.gate_settings import (
    GATE_INPUTS,
    GATE_LINES,
    GATE_OUTPUTS,
    POTENTIAL_CAP,
    GateSettings,
    Gpio,
    LineSettings,
)

__all__ = [
    "GATE_INPUTS",
    "GATE_LINES",
    "GATE_OUTPUTS",
    "POTENTIAL_CAP",
    "REFRESH_RATES",
    "WIEGAND_FORMATS",
    "CameraSettings",
    "GateSettings",
    "Gpio",
    "LineSettings",
    "ReaderSettings",
    "Span",
    "ThermalSettings",
    "WiegandFormat",
]

REFRESH_RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Subpage renewals a second that an MLX90640 can be set to, hertz."""


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

    driver: Literal["wiegand", "wedge", "osdp"]
    """wiegand: two wires on GPIO lines; wedge: a USB reader or scanner that types; osdp: RS-485, encrypted."""
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
    repeat: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0
    """Seconds since a credential was last seen in which it is still the same presentation: a card that is held."""
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
    alt_codes: Literal["unicode", "gbk", "utf-8"] = "unicode"
    """What the numbers mean that a scanner keys in with Alt held: characters, GB 18030 codes, or bytes of UTF-8."""

    port: str | None = None
    """OSDP's serial port, e.g. /dev/serial/by-id/…, through an RS-485 transceiver that turns round by itself."""
    baud: Literal[9600, 19200, 38400, 57600, 115200] = 9600
    address: Annotated[int, msgspec.Meta(ge=0, le=126)] = 0
    key: str | None = None
    """File of mode 0600 with the secure channel's key (SCBK), 32 hex digits; None: the systemd credential osdp.key."""
    secure_channel: Literal["required", "install", "off"] = "required"
    """install: give a new reader the key, in the clear of the standard's default key, while nobody listens."""

    def __post_init__(self) -> None:
        """Refuse a reader that is not wired."""
        if (self.driver == "osdp") != bool(self.port):
            raise ValueError("an osdp reader, and no other, needs `port`; /dev/serial/by-id lists them")
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
