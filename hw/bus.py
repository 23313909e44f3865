"""The seams between drivers and the wires: what a driver may ask of I2C, and nothing more.

GPIO's seam is gpiozero's pin factory, a camera's is `FrameSource`. Real ends are in `hw.linux`, simulated ones in
`hw.sim`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class I2cBus(Protocol):
    """One I2C bus. Every call blocks its thread for the length of the transfer and raises `hw.errors.BusError`."""

    name: str
    """How people name it, e.g. `/dev/i2c-1`."""

    clock_hz: int | None
    """SCL frequency in hertz; None where the kernel does not tell."""

    def write(self, address: int, data: bytes) -> None:
        """Write `data` to the 7-bit `address`."""
        ...

    def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write `data`, then, after a repeated start, read `count` bytes."""
        ...

    def recover(self) -> None:
        """Do what this bus can to free a held line (reopen, nine clocks); never raises."""
        ...

    def close(self) -> None:
        """Release the bus; harmless when closed."""
        ...


class FrameSource(Protocol):
    """Where pictures come from: a V4L2 node, a folder, a video, the simulated world."""

    name: str

    def open(self) -> None:
        """Open the source. Raises `hw.errors.DeviceMissing` or `DeviceError`."""
        ...

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """Wait for the next picture: (BGR uint8[height, width, 3], monotonic seconds at exposure).

        Raises `hw.errors.DeviceTimeout` after `timeout` seconds without one, `DeviceClosed` at the end of a recording.
        """
        ...

    def close(self) -> None:
        """Release the source; harmless when closed."""
        ...
