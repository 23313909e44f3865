"""A keyboard of the kernel's own, made through /dev/uinput: what a scanner or a USB card reader types with."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Final

from hw.linux.evdev import EVENT

UINPUT: Final = "/dev/uinput"
UI_SET_EVBIT, UI_SET_KEYBIT = 0x40045564, 0x40045565
UI_DEV_CREATE, UI_DEV_DESTROY = 0x5501, 0x5502
UI_GET_SYSNAME: Final = 0x8040552C
"""UI_GET_SYSNAME(64), _IOC(_IOC_READ, 'U', 44, 64) of linux/uinput.h."""
USER_DEV: Final = struct.Struct("80sHHHHI256i")
"""struct uinput_user_dev: name, bus, vendor, product, version, ff_effects_max, four arrays of 64."""
EV_SYN, EV_KEY, EV_REP = 0, 1, 20
PATIENCE: Final = 10.0
DIGITS: Final = {"1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11}


class Keyboard:
    """One that types. Raises OSError where /dev/uinput is not to be had."""

    def __init__(self, name: str) -> None:
        self._descriptor = os.open(UINPUT, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        for kind in (EV_KEY, EV_REP):
            fcntl.ioctl(self._descriptor, UI_SET_EVBIT, kind)
        for code in range(1, 128):
            fcntl.ioctl(self._descriptor, UI_SET_KEYBIT, code)
        os.write(self._descriptor, USER_DEV.pack(name.encode(), 3, 0x1234, 0x5678, 1, 0, *[0] * 256))
        fcntl.ioctl(self._descriptor, UI_DEV_CREATE)
        sysname = fcntl.ioctl(self._descriptor, UI_GET_SYSNAME, bytes(64)).split(b"\0", 1)[0].decode()
        folder = Path("/sys/devices/virtual/input", sysname)
        (node,) = (entry.name for entry in folder.iterdir() if entry.name.startswith("event"))
        self.path = f"/dev/input/{node}"
        deadline = time.monotonic() + PATIENCE
        while not os.access(self.path, os.R_OK):  # devtmpfs or udev makes it
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{self.path} did not come")
            time.sleep(0.01)

    def send(self, code: int, value: int) -> None:
        """A key of this code goes down (1), up (0), or repeats (2)."""
        os.write(self._descriptor, EVENT.pack(0, 0, EV_KEY, code, value) + EVENT.pack(0, 0, EV_SYN, 0, 0))

    def scan(self, digits: str) -> None:
        """Type a number, and Enter."""
        for code in [*(DIGITS[one] for one in digits), 28]:
            self.send(code, 1)
            self.send(code, 0)

    def unplug(self) -> None:
        """Take it away."""
        if self._descriptor >= 0:
            fcntl.ioctl(self._descriptor, UI_DEV_DESTROY)
            os.close(self._descriptor)
            self._descriptor = -1
