"""Settings of the devices, as they stand in gate.toml under [camera], [gate] and [reader]."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

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
    "WIEGAND_FORMATS",
    "CameraSettings",
    "GateSettings",
    "Gpio",
    "LineSettings",
    "ReaderSettings",
    "Span",
    "WiegandFormat",
]


class CameraSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The camera; docs/cameras.md."""

    source: str = "/dev/video0"
    """`/dev/v4l/by-id/…` or `/dev/videoN`, `picamera2:N` (a Pi's own camera), `rtsp://…`; in rehearsals a video file
    or a folder of pictures as well."""
    width: Annotated[int, msgspec.Meta(ge=160, le=3840)] = 640
    height: Annotated[int, msgspec.Meta(ge=120, le=2160)] = 480
    fps: Annotated[float, msgspec.Meta(gt=0, le=120)] = 15
    rotate: Literal[0, 90, 180, 270] = 0
    format: Literal["auto", "yuyv", "mjpeg"] = "auto"
    """Of a V4L2 camera. auto: uncompressed where the camera is fast enough so, else MJPEG."""
    mains: Literal[50, 60] | None = None
    """Hertz: exposures that do not flicker under lamps; None: as the camera has it."""
    transport: Literal["tcp", "udp"] = "tcp"
    """Of an RTSP stream. UDP loses packets, and with each the pictures up to the next key frame."""
    password_file: Path | None = None
    """A file whose first line is the RTSP password; None: the systemd credential `camera.password`, where there is one.
    It is never in this configuration and never in a log."""
    delay: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0
    """Seconds from exposure to the moment that the source tells: an RTSP camera's own latency (docs/cameras.md)."""

    def __post_init__(self) -> None:
        """Refuse a source that nothing could open."""
        check_source(self.source)
        if self.password_file is not None and not self.source.startswith(RTSP):
            raise ValueError("`password_file` is for an rtsp:// source")


RTSP = "rtsp://"
PICAMERA = "picamera2:"


def check_source(source: str) -> None:
    """Raise ValueError, without the password that may stand in it, for a camera's source that cannot be meant."""
    scheme, separator, _ = source.partition("://")
    if not source.strip():
        raise ValueError("`source` is empty; e.g. /dev/video0, picamera2:0, rtsp://user@host/path")
    if source.startswith(PICAMERA):
        if not source.removeprefix(PICAMERA).isdecimal():
            raise ValueError(f"`source` is picamera2:N, with the camera's number from 0, not {source!r}")
    elif source.startswith(RTSP):
        _check_stream(source)
    elif separator and scheme.isalnum():
        raise ValueError(f"`source` is a path, picamera2:N or rtsp://…; {scheme}:// is none of them")
    elif re.fullmatch(r"\d+|video\d+", source):
        raise ValueError(f"`source` is a path: /dev/video{source.removeprefix('video')}, not {source!r}")


def _check_stream(source: str) -> None:
    try:
        parts = urlsplit(source)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("`source`: the host or port of the rtsp:// address is wrong") from error
    if parts.password is not None:
        raise ValueError(
            "`source` holds a password: leave it out (rtsp://user@host/path) and put it into a file of mode 0600, "
            "named by `password_file`, or into the systemd credential camera.password"
        )
    if not host:
        raise ValueError("`source`: rtsp:// needs a host: rtsp://user@host/path")


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
