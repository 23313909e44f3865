"""A hardware watchdog through the kernel's character device (Documentation/watchdog/watchdog-api.rst)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceDenied, DeviceError, DeviceMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.watchdog_settings import WatchdogSettings

WDIOC_SETTIMEOUT: Final = 0xC0045706
"""_IOWR('W', 6, int): asks for seconds, answers with what the hardware can."""
WDIOC_GETSUPPORT: Final = 0x80285700
"""_IOR('W', 0, struct watchdog_info): u32 options, u32 firmware_version, u8 identity[32]."""
WDIOF_MAGICCLOSE: Final = 0x0100
_INFO: Final = struct.Struct("=II32s")
MAGIC: Final = b"V"
"""Written just before it is closed, it stops the timer; without it a closed watchdog goes on counting."""


class LinuxWatchdog:
    """`hw.ports.HardwareWatchdog` on /dev/watchdogN.

    Args:
        settings: which one, and for how long it waits.
        ioctl: `fcntl.ioctl`, or what stands in for it.
    """

    def __init__(self, settings: WatchdogSettings, ioctl: Callable[[int, int, bytes], bytes] | None = None) -> None:
        self._settings = settings
        self._ioctl = ioctl or _kernel_ioctl
        self._file: int | None = None
        self._magic = False
        self.identity = ""
        """What the hardware calls itself; empty before `open`."""

    def open(self) -> float:
        """Open it, which starts it, and set its timeout. Raises `DeviceError` kinds; then it is not left running."""
        name = self._settings.device
        try:
            self._file = os.open(name, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _explained(name, error) from error
        try:
            options, _, identity = _INFO.unpack(self._ioctl(self._file, WDIOC_GETSUPPORT, bytes(_INFO.size)))
            self._magic = bool(options & WDIOF_MAGICCLOSE)
            self.identity = identity.split(b"\0", 1)[0].decode("ascii", "replace")
            asked = struct.pack("i", self._settings.timeout)
            (seconds,) = struct.unpack("i", self._ioctl(self._file, WDIOC_SETTIMEOUT, asked))
        except OSError as error:
            self._magic = True  # whatever it is, it is not to reset the board for our refusal
            self.close()
            raise DeviceError(
                f"[watchdog] {name}: refuses {self._settings.timeout} s ({error.strerror}); a Raspberry Pi's own can "
                "do 15 s at most, and is better left to systemd (RuntimeWatchdogSec)"
            ) from error
        return float(seconds)

    def feed(self) -> None:
        """Write something; what does not matter, except that it is no `V`."""
        if self._file is None:
            raise DeviceError(f"[watchdog] {self._settings.device} is not open")
        try:
            os.write(self._file, b"\0")
        except OSError as error:
            raise DeviceError(f"[watchdog] {self._settings.device}: can't be fed: {error.strerror}") from error

    def close(self) -> None:
        """Magic close. Hardware with `nowayout` goes on counting all the same."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):
            if self._magic:
                os.write(file, MAGIC)
        os.close(file)


def _kernel_ioctl(file: int, request: int, argument: bytes) -> bytes:
    return fcntl.ioctl(file, request, argument)


def _explained(name: str, error: OSError) -> DeviceError:
    code = error.errno or errno.EIO
    if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return DeviceMissing(
            code,
            f"[watchdog] {name} is not there: put dtparam=watchdog=on into config.txt and restart, or `modprobe "
            "softdog` for one of software",
        )
    if code in (errno.EACCES, errno.EPERM):
        return DeviceDenied(
            code,
            f"[watchdog] {name}: permission denied: DeviceAllow={name} rw in the unit, and a udev rule for its group",
        )
    if code == errno.EBUSY:
        return DeviceError(
            f"[watchdog] {name} is in use: by systemd, where RuntimeWatchdogSec is set; it feeds one watchdog, so take "
            "another"
        )
    return DeviceError(f"[watchdog] {name}: cannot be opened: {error.strerror}")
