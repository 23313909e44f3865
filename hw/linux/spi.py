"""An SPI device through the kernel's character device, with spidev."""

from __future__ import annotations

import errno
import importlib
import os
from typing import TYPE_CHECKING, Any, Final

from hw.errors import BusError, DeviceDenied, DeviceMissing

if TYPE_CHECKING:
    from types import ModuleType

LONGEST: Final = 4096
"""Bytes of a transfer that every kernel allows by default, and all that spidev's `xfer2` takes."""


class LinuxSpiBus:
    """`hw.bus.SpiBus` over `/dev/spidevB.C`. It opens at the first read, and again at the first one after `close`.

    Args:
        path: the character device.
        clock_hz: SCLK in hertz.
        mode: clock polarity and phase, 0 to 3.
        library: spidev, or what stands in for it; None imports it at the first read.
    """

    def __init__(
        self,
        path: str,
        clock_hz: int,
        *,
        mode: int = 3,
        library: ModuleType | Any | None = None,
    ) -> None:
        self.name = path
        self.clock_hz = clock_hz
        self.longest = LONGEST
        self._mode = mode
        self._library = library
        self._device: Any = None

    def read(self, count: int) -> bytes:
        """Clock `count` bytes in with MOSI low. Raises `BusError`, `DeviceMissing` or `DeviceDenied`."""
        device = self._open()
        try:
            # Not `readbytes`: that holds the interpreter while the bytes come, which is half of the time with a Lepton.
            data = bytes(device.xfer2([0] * count))
        except OSError as error:
            self.close()
            code = error.errno or errno.EIO
            raise BusError(code, f"{self.name}: transfer failed: {os.strerror(code)}") from error
        if len(data) != count:
            raise BusError(errno.EIO, f"{self.name}: {len(data)} bytes instead of {count}")
        return data

    def close(self) -> None:
        """Close the character device; harmless when closed."""
        device, self._device = self._device, None
        if device is not None:
            try:
                device.close()
            except OSError:
                # The controller is gone; so is what was to be closed.
                return

    def _spidev(self) -> Any:
        if self._library is None:
            try:
                self._library = importlib.import_module("spidev")
            except ImportError as error:
                raise DeviceMissing(
                    f"{self.name}: Python's spidev is not installed: pip install 'thermogate[lepton]'"
                ) from error
        return self._library

    def _open(self) -> Any:
        if self._device is None:
            device = self._spidev().SpiDev()
            try:
                device.open_path(self.name)
                device.mode = self._mode
                device.max_speed_hz = self.clock_hz
            except OSError as error:
                device.close()
                raise self._explained(error) from error
            self._device = device
        return self._device

    def _explained(self, error: OSError) -> BusError | DeviceMissing | DeviceDenied:
        if error.errno == errno.ENOENT:
            return DeviceMissing(
                errno.ENOENT, f"{self.name}: no such SPI device: put dtparam=spi=on into config.txt and restart"
            )
        if error.errno in {errno.EACCES, errno.EPERM}:
            return DeviceDenied(
                errno.EACCES, f"{self.name}: permission denied: the service needs group spi and DeviceAllow=char-spi"
            )
        code = error.errno or errno.EIO
        return BusError(code, f"{self.name}: cannot be set up: {os.strerror(code)}")
