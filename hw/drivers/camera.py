"""Driver of a camera: any `FrameSource` as `hw.ports.Camera`, turned upright, numbered, never going back in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw.errors import DeviceClosed, DeviceError, DeviceTimeout
from hw.ports import ImageFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.bus import FrameSource
    from hw.clock import Clock
    from hw.settings import CameraSettings


class CameraDriver:
    """A camera.

    Args:
        source: owned by the driver, opened and closed with it.
        settings: rotation and delay; the rest is the source's.
        clock: bounds the waits; the source's timestamps are its monotonic seconds.
    """

    def __init__(self, source: FrameSource, settings: CameraSettings, clock: Clock) -> None:
        self.stale = 0
        """Pictures that were not newer than the one before, and were left out."""
        self._source = source
        self._settings = settings
        self._clock = clock
        self._open = False
        self._given = 0
        self._newest = float("-inf")

    def open(self) -> str:
        """Open the source, again if it was open. Raises `DeviceMissing` or another `DeviceError`."""
        self.close()
        self._source.open()
        self._given = 0
        self._newest = float("-inf")
        self._open = True
        turned = f", turned by {self._settings.rotate}°" if self._settings.rotate else ""
        return f"{self._source.name}{turned}"

    def read(self, timeout: float) -> ImageFrame:
        """Wait for the next picture.

        Raises:
            DeviceTimeout: none newer than the last within `timeout` seconds.
            FrameError: one that is not whole; the next call goes on.
            DeviceClosed: not open, closed meanwhile, or a recording's end.
            DeviceError: the source failed; open again.
        """
        deadline = self._clock.monotonic() + timeout
        while self._open:
            pixels, timestamp = self._grab(max(0.0, deadline - self._clock.monotonic()))
            if timestamp > self._newest:
                return self._frame(pixels, timestamp)
            self.stale += 1
            if self._clock.monotonic() >= deadline:
                raise DeviceTimeout(f"{self._source.name}: shows the same picture for {timeout:g} s")
        raise DeviceClosed(f"{self._source.name} is not open")

    def close(self) -> None:
        """End a wait in another thread and release the source; harmless when closed."""
        self._open = False
        self._source.close()

    def _grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        try:
            return self._source.grab(timeout)
        except DeviceError as error:
            if self._open or isinstance(error, DeviceClosed):
                raise
            # What a source says while it is pulled away under a waiting thread is no fault of it.
            raise DeviceClosed(f"{self._source.name} was closed") from error

    def _frame(self, pixels: NDArray[np.uint8], timestamp: float) -> ImageFrame:
        # `timestamp` orders pictures; what is known to have passed before it is taken off.
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
            raise DeviceError(f"{self._source.name}: gave {pixels.dtype}{list(pixels.shape)}, not BGR uint8[h, w, 3]")
        upright = np.rot90(pixels, -self._settings.rotate // 90) if self._settings.rotate else pixels
        self._newest = timestamp
        number = self._given + self._source.lost
        self._given += 1
        return ImageFrame(np.ascontiguousarray(upright), timestamp - self._settings.delay, number)
