"""What a board knows about its own time: the boot it counts from, and whether the wall clock can be believed."""

from __future__ import annotations

import contextlib
import ctypes
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ClockState = Literal["synchronised", "unsynchronised", "unknown"]
"""What is known of the wall clock."""

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
"""Changes with each start of the kernel, as the zero of CLOCK_MONOTONIC does (random(4))."""
SERIAL_FILE = Path("/sys/firmware/devicetree/base/serial-number")
"""The board's serial number by its firmware's device tree; a Raspberry Pi has one, a PC has none."""

_TIMEX_BYTES = 512
"""Room for `struct timex` on any architecture; 208 bytes on 64-bit Linux."""
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised to a reliable server."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One reading of the board's clocks."""

    monotonic: float
    """Seconds since boot."""
    wall: float
    """Unix seconds, right or wrong."""
    clock: str
    """`synchronised`, `unsynchronised` or `unknown`: what is known of `wall`."""


def read_boot_id(path: Path = BOOT_ID_FILE) -> str:
    """The kernel's boot id, a UUID; a random one where the kernel tells none."""
    with contextlib.suppress(OSError, ValueError):
        return str(uuid.UUID(path.read_text(encoding="ascii").strip()))
    return str(uuid.uuid4())


def read_serial(path: Path = SERIAL_FILE) -> str:
    """The board's serial number; empty where it tells none."""
    try:
        return path.read_bytes().strip(b"\0 \n").decode("ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def clock_state() -> ClockState:
    """Whether the kernel says that the wall clock is synchronised: `synchronised`, `unsynchronised` or `unknown`.

    Any time service sets this (systemd-timesyncd, chrony, ntpd), through adjtimex(2); asking changes nothing.
    """
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return "unknown"
    if state < 0:
        return "unknown"
    return "unsynchronised" if state == _TIME_ERROR else "synchronised"


def stamp() -> Stamp:
    """Read the system's clocks."""
    return Stamp(time.monotonic(), time.time(), clock_state())
