"""One GPIO chip through the kernel's own interface (linux/gpio.h, v2): who has a line, what it is, what it reads.

The gate's lines are driven through gpiozero; this is for looking at the wiring before. It needs the kernel itself: only
a line requested as it is, without a direction, has its direction read from the chip again, where the line information
alone still tells what was last asked for.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from typing import TYPE_CHECKING, Final, Protocol

from hw.bus import LineState
from hw.errors import DeviceDenied, DeviceError, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

CONSUMER: Final = b"thermogate-selftest"

GET_CHIPINFO: Final = 0x8044B401
GET_LINEINFO: Final = 0xC100B405
GET_LINE: Final = 0xC250B407
GET_VALUES: Final = 0xC010B40E

USED: Final = 1 << 0
INPUT: Final = 1 << 2
OUTPUT: Final = 1 << 3
PULLS: Final = {"up": 1 << 8, "down": 1 << 9, "none": 1 << 10}
OUTPUT_VALUES: Final = 2
"""`gpio_v2_line_attribute.id` of the levels of outputs; a level not given there is low."""

CHIPINFO: Final = struct.Struct("=32s32sI")
LINEINFO: Final = struct.Struct("=32s32sIIQ176x")
LINE_REQUEST: Final = struct.Struct("=I252x32sQ264xII20xi")
"""The first of 64 offsets, consumer, flags, number of lines, size of the event buffer, descriptor (out)."""
LINE_VALUES: Final = struct.Struct("=QQ")

SETTLE: Final = 0.002
"""Seconds until a line with 50 kΩ has followed its pull, with some metres of cable on it."""


class Syscalls(Protocol):
    """What is asked of the operating system."""

    def open(self, path: str) -> int:
        """Open for reading and writing; raises OSError."""
        ...

    def ioctl(self, descriptor: int, request: int, data: bytearray) -> None:
        """Perform `request` on `data` in place; raises OSError."""
        ...

    def close(self, descriptor: int) -> None:
        """Close."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        ...


class Kernel:
    """This machine's."""

    def open(self, path: str) -> int:
        """`os.open`."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def ioctl(self, descriptor: int, request: int, data: bytearray) -> None:
        """`fcntl.ioctl`."""
        fcntl.ioctl(descriptor, request, data, True)

    def close(self, descriptor: int) -> None:
        """`os.close`."""
        os.close(descriptor)

    def sleep(self, seconds: float) -> None:
        """`time.sleep`."""
        time.sleep(seconds)


class LinuxGpioLines:
    """`hw.bus.GpioLines` of /dev/gpiochipN, open until `close`.

    Raises DeviceMissing, DeviceDenied or DeviceError when the chip can't be opened; the message says what to do.
    """

    def __init__(self, node: Path, system: Syscalls | None = None) -> None:
        self.name = str(node)
        self._system = system or Kernel()
        try:
            self._chip = self._system.open(self.name)
        except FileNotFoundError as error:
            raise DeviceMissing(f"{self.name} is not there; `gpiodetect` lists the chips of this machine") from error
        except PermissionError as error:
            raise DeviceDenied(f"{self.name} may not be opened: add this user to the group gpio") from error
        except OSError as error:
            raise DeviceError(f"{self.name} can't be opened: {error}") from error
        data = bytearray(CHIPINFO.size)
        try:
            self._system.ioctl(self._chip, GET_CHIPINFO, data)
        except OSError as error:
            self.close()
            raise DeviceError(f"{self.name} is no GPIO chip: {error.strerror}") from error
        _, label, self.count = CHIPINFO.unpack(data)
        self.label = _text(label)
        """What the chip's driver calls it, e.g. `pinctrl-bcm2711`."""

    def state(self, line: int) -> LineState:
        """Who has the line, and what it was last asked to be. Raises DeviceError."""
        data = bytearray(LINEINFO.size)
        LINEINFO.pack_into(data, 0, b"", b"", line, 0, 0)
        self._ask(line, GET_LINEINFO, data)
        _, consumer, _, _, flags = LINEINFO.unpack(data)
        return LineState(bool(flags & USED), _text(consumer), bool(flags & OUTPUT))

    def read(self, line: int, pull: str) -> bool:
        """Claim the line as an input with this `pull`, read its level, and let it go. Raises DeviceError."""
        descriptor = self._request(line, INPUT | PULLS[pull])
        try:
            self._system.sleep(SETTLE)
            data = bytearray(LINE_VALUES.pack(0, 1))
            self._system.ioctl(descriptor, GET_VALUES, data)
        except OSError as error:
            raise DeviceError(f"line {line} of {self.name} can't be read: {error.strerror}") from error
        finally:
            self._system.close(descriptor)
        bits, _ = LINE_VALUES.unpack(data)
        return bool(bits & 1)

    def stays_driven(self, line: int) -> bool:
        """Drive the line low and let it go: whether it is an output still. Raises DeviceError."""
        self._system.close(self._request(line, OUTPUT))
        looking = self._request(line, 0)
        try:
            driven = self.state(line).output
        finally:
            self._system.close(looking)
        if driven:
            # Not left as it was found: an output on a line that somebody may wire later.
            self._system.close(self._request(line, INPUT))
        return driven

    def close(self) -> None:
        """Close the chip."""
        self._system.close(self._chip)

    def _request(self, line: int, flags: int) -> int:
        data = bytearray(LINE_REQUEST.size)
        LINE_REQUEST.pack_into(data, 0, line, CONSUMER, flags, 1, 0, -1)
        self._ask(line, GET_LINE, data)
        return int(LINE_REQUEST.unpack(data)[-1])

    def _ask(self, line: int, request: int, data: bytearray) -> None:
        try:
            self._system.ioctl(self._chip, request, data)
        except OSError as error:
            raise DeviceError(f"line {line} of {self.name}: {_why(error)}") from error


def _why(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return "GPIO busy"
    if error.errno == errno.EINVAL:
        return "the chip has no such line, or its pulls can't be set"
    return error.strerror or str(error)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
