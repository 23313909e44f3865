"""An I2C bus through the kernel's character device, with smbus2."""

from __future__ import annotations

import errno
import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw.errors import BusError, BusStuck, BusTimeout, DeviceDenied, DeviceMissing

if TYPE_CHECKING:
    from types import ModuleType

ADAPTERS: Final = Path("/sys/class/i2c-adapter")
NO_ACKNOWLEDGE: Final = frozenset({errno.ENXIO, errno.EREMOTEIO})
LINE_HELD: Final = frozenset({errno.EAGAIN, errno.EBUSY})
"""Arbitration lost, or the bus never free: someone holds SDA."""


class LinuxI2cBus:
    """`hw.bus.I2cBus` over `/dev/i2c-N`. It opens at the first transfer, and again at the first one after `close`.

    Args:
        path: the character device; a symbolic link is followed.
        library: smbus2, or what stands in for it; None imports it at the first transfer.
        adapters: where sysfs lists the adapters.
    """

    def __init__(self, path: str, *, library: ModuleType | Any | None = None, adapters: Path = ADAPTERS) -> None:
        self.name = path
        self.clock_hz = clock_frequency(path, adapters)
        self._library = library
        self._bus: Any = None

    def write(self, address: int, data: bytes) -> None:
        """Write `data` to `address`. Raises `BusError` kinds, `DeviceMissing` or `DeviceDenied`."""
        self._transfer(address, self._smbus2().i2c_msg.write(address, data))

    def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write `data` and read `count` bytes in one transaction; raises as `write`."""
        message = self._smbus2().i2c_msg
        answer = message.read(address, count)
        self._transfer(address, message.write(address, data), answer)
        return bytes(answer)

    def recover(self) -> None:
        """Reopen at the next transfer; nine clocks are the kernel driver's to give, where it can."""
        self.close()

    def close(self) -> None:
        """Close the character device; harmless when closed."""
        bus, self._bus = self._bus, None
        if bus is not None:
            try:
                bus.close()
            except OSError:
                # The adapter is gone; so is what was to be closed.
                return

    def _transfer(self, address: int, *messages: Any) -> None:
        bus = self._open()
        try:
            bus.i2c_rdwr(*messages)
        except OSError as error:
            raise self._explained(error, address) from error

    def _smbus2(self) -> Any:
        if self._library is None:
            try:
                self._library = importlib.import_module("smbus2")
            except ImportError as error:
                raise DeviceMissing(
                    f"{self.name}: Python's smbus2 is not installed: pip install 'thermogate[board]'"
                ) from error
        return self._library

    def _open(self) -> Any:
        if self._bus is None:
            try:
                self._bus = self._smbus2().SMBus(self.name)
            except FileNotFoundError as error:
                raise DeviceMissing(
                    errno.ENOENT,
                    f"{self.name}: no such I2C bus: put dtparam=i2c_arm=on,i2c_arm_baudrate=400000 into config.txt, "
                    "load i2c-dev and restart",
                ) from error
            except PermissionError as error:
                raise DeviceDenied(
                    errno.EACCES, f"{self.name}: permission denied: the service's user must be in group i2c"
                ) from error
            except OSError as error:
                raise BusError(error.errno or errno.EIO, f"{self.name}: cannot be opened: {error.strerror}") from error
        return self._bus

    def _explained(self, error: OSError, address: int) -> BusError:
        code = error.errno or errno.EIO
        where = f"{self.name}: 0x{address:02x}"
        if code in NO_ACKNOWLEDGE:
            return BusError(code, f"{where} did not acknowledge: not connected, without supply, or another address")
        if code in LINE_HELD:
            return BusStuck(code, f"{where}: bus not free: SDA is held low; switch the sensor's supply off and on")
        if code == errno.ETIMEDOUT:
            return BusTimeout(code, f"{where}: transfer did not end: SCL is held low or stretched for too long")
        if code in {errno.ENODEV, errno.EBADF}:
            self.close()
            return BusError(code, f"{where}: the I2C adapter is gone: {os.strerror(code)}")
        if code == errno.EOPNOTSUPP:
            return BusError(code, f"{where}: the adapter cannot do such a transfer (SMBus only, or too long)")
        return BusError(code, f"{where}: transfer failed: {os.strerror(code)}")


def clock_frequency(path: str, adapters: Path = ADAPTERS) -> int | None:
    """SCL frequency in hertz from the device tree (`clock-frequency`, a big-endian u32); None where it is not told."""
    match = re.search(r"i2c-(\d+)$", os.path.realpath(path))
    if match is None:
        return None
    try:
        cell = (adapters / f"i2c-{match[1]}" / "of_node" / "clock-frequency").read_bytes()
    except OSError:
        return None
    return int.from_bytes(cell, "big") or None if len(cell) == 4 else None
