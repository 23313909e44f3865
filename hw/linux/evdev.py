"""A keyboard by Linux's event interface, grabbed: what it types reaches nobody else, not even a console.

The kernel's structures and ioctl numbers are those of linux/input.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
import struct
import threading
from pathlib import Path
from typing import Final

from hw.bus import LOST, KeyEvent
from hw.errors import DeviceClosed, DeviceDenied, DeviceError, DeviceMissing

EVENT: Final = struct.Struct("@llHHi")
"""struct input_event: seconds, microseconds, type, code, value; native longs, so 24 bytes on a 64-bit system."""
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED: Final = 3
UP, DOWN = 0, 1
GRAB: Final = 0x40044590
"""EVIOCGRAB, _IOW('E', 0x90, int)."""
NAME: Final = 0x81004506
"""EVIOCGNAME(256), _IOC(_IOC_READ, 'E', 0x06, 256)."""
AT_ONCE: Final = 64
"""Events of one read."""


class EvdevSource:
    """`hw.bus.KeySource` of an event node.

    Args:
        path: e.g. `/dev/input/by-id/usb-…-event-kbd`.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self._lost = False

    def open(self) -> str:
        """Open and grab. Raises `DeviceMissing`, `DeviceDenied`, or `DeviceError`: no event device, or grabbed."""
        try:
            descriptor = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            found = [node for by in ("by-id", "by-path") for node in Path("/dev/input", by).glob("*-event-kbd")]
            others = ", ".join(sorted(str(node) for node in found)) or "none"
            raise DeviceMissing(errno.ENOENT, f"[reader] {self.name} is not there; there is: {others}") from error
        except PermissionError as error:
            raise DeviceDenied(
                errno.EACCES, f"[reader] {self.name}: permission denied: the service's user must be in group input"
            ) from error
        except OSError as error:
            raise DeviceError(f"[reader] {self.name}: cannot be opened: {error.strerror}") from error
        try:
            name = self._grab(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        with self._lock:
            self._descriptor, self._lost = descriptor, False
        return name

    def read(self, timeout: float) -> list[KeyEvent]:
        """Wait for keys. Raises `DeviceClosed`, or `DeviceError` when it was unplugged."""
        descriptor = self._descriptor
        if descriptor is None:
            raise DeviceClosed(f"[reader] {self.name} is closed")
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        try:
            if not poll.poll(1000 * timeout):
                return []
            data = os.read(descriptor, EVENT.size * AT_ONCE)
        except BlockingIOError:
            return []
        except OSError as error:
            raise DeviceError(f"[reader] {self.name}: {error.strerror}") from error
        if not data:
            raise DeviceError(f"[reader] {self.name}: ended")
        events, self._lost = parse_events(data, lost=self._lost)
        return events

    def close(self) -> None:
        """Let it go; the grab ends with it."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(descriptor, GRAB, 0)
            os.close(descriptor)

    def _grab(self, descriptor: int) -> str:
        if not stat.S_ISCHR(os.fstat(descriptor).st_mode):
            raise DeviceError(f"[reader] {self.name}: is no event device")
        try:
            name = fcntl.ioctl(descriptor, NAME, bytes(256)).split(b"\0", 1)[0].decode(errors="replace")
            fcntl.ioctl(descriptor, GRAB, 1)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise DeviceError(f"[reader] {self.name}: another program has grabbed it") from error
            raise DeviceError(f"[reader] {self.name}: is no event device: {error.strerror}") from error
        return str(name)


def parse_events(data: bytes, *, lost: bool = False) -> tuple[list[KeyEvent], bool]:
    """(keys that went down or up, whether what follows is to be skipped) of whole input_events.

    After SYN_DROPPED the kernel's own buffer overflowed: all up to the next SYN_REPORT is void (linux/input.h).
    """
    found: list[KeyEvent] = []
    for _, _, kind, code, value in EVENT.iter_unpack(data[: len(data) // EVENT.size * EVENT.size]):
        if kind == EV_SYN:
            if code == SYN_DROPPED:
                found.append(KeyEvent(LOST, down=True))
            lost = code == SYN_DROPPED
        elif kind == EV_KEY and not lost and value in (UP, DOWN):  # 2 is auto-repeat
            found.append(KeyEvent(code, value == DOWN))
    return found, lost
