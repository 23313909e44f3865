"""Panels that hang nowhere: a memory to look into, and a picture file that is always whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from hw.bus import PixelLayout
from hw.errors import DeviceError, DeviceMissing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

XRGB8888: Final = ((16, 8), (8, 8), (0, 8))
RGB565: Final = ((11, 5), (5, 6), (0, 5))
BGR888: Final = ((0, 8), (8, 8), (16, 8))
"""Red, green and blue as a panel's memory may hold them."""


class SimulatedPanelMemory:
    """`hw.bus.PixelMemory` of a panel whose rows end with `padding` bytes that are not seen."""

    name = "simulated panel"

    def __init__(
        self,
        width: int,
        height: int,
        *,
        bits: int = 32,
        colours: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] = XRGB8888,
        padding: int = 0,
    ) -> None:
        self.unplugged = False
        self.opened = 0
        self._layout = PixelLayout(width, height, width * bits // 8 + padding, bits, *colours)
        self._memory = bytearray(b"\xa5" * (self._layout.stride * height))

    def open(self) -> tuple[PixelLayout, memoryview]:
        """Map it. Raises `DeviceMissing` while it is unplugged."""
        if self.unplugged:
            raise DeviceMissing("no such panel")
        self.opened += 1
        return self._layout, memoryview(self._memory)

    def close(self) -> None:
        """It keeps what it shows."""

    @property
    def beyond(self) -> set[int]:
        """The bytes between the rows, which nobody may touch; as they were made: 0xA5."""
        stride, used = self._layout.stride, self._layout.width * self._layout.bits // 8
        rows = (self._memory[row * stride : (row + 1) * stride] for row in range(self._layout.height))
        return {byte for row in rows for byte in row[used:]}

    def seen(self) -> NDArray[np.uint8]:
        """What an eye sees: uint8[height, width, 3], RGB, short colours stretched to their full range."""
        layout = self._layout
        size = layout.bits // 8
        rows = np.frombuffer(bytes(self._memory), np.uint8).reshape(layout.height, layout.stride)
        parts = rows[:, : layout.width * size].reshape(layout.height, layout.width, size).astype(np.uint64)
        value = sum(parts[:, :, place] * np.uint64(256**place) for place in range(size))
        picture = np.empty((layout.height, layout.width, 3), np.uint8)
        for channel, (offset, length) in enumerate((layout.red, layout.green, layout.blue)):
            picture[:, :, channel] = (value // 2**offset % 2**length) * 255 // (2**length - 1)
        return picture


class PictureFile:
    """`hw.output_ports.ScreenPanel` that is a PNG file: whoever opens it finds a whole picture, never half of one."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self._path = path
        self._size = size

    def open(self) -> tuple[int, int]:
        """Width and height."""
        return self._size

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Replace the file. Raises `DeviceError` where it can't be written."""
        scratch = self._path.with_name(f".{self._path.name}.part")
        done, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not done:
            raise DeviceError(f"{self._path}: the picture could not be encoded")
        try:
            scratch.write_bytes(encoded.tobytes())
            os.replace(scratch, self._path)  # noqa: PTH105 - one name for both, atomic
        except OSError as error:
            raise DeviceError(f"{self._path}: the picture cannot be written there: {error.strerror}") from error

    def close(self) -> None:
        """The last picture stays."""
