"""A panel whose memory we write: turns RGB pictures the way the panel hangs and packs them as its memory holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from hw.errors import DeviceClosed, DeviceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.bus import PixelLayout, PixelMemory

Turn = Literal[0, 90, 180, 270]


class ScreenDriver:
    """`hw.output_ports.ScreenPanel` on a panel's memory.

    Args:
        memory: its real or simulated end.
        rotate: degrees clockwise by which the picture is turned.
    """

    def __init__(self, memory: PixelMemory, rotate: Turn = 0) -> None:
        self._memory = memory
        self._turns = rotate // 90
        self._layout: PixelLayout | None = None
        self._rows: NDArray[np.uint8] | None = None

    def open(self) -> tuple[int, int]:
        """Map the memory; returns width and height as they are seen. Raises `DeviceError` for a layout that is none."""
        layout, bytes_ = self._memory.open()
        try:
            _check(layout, len(bytes_))
        except ValueError as error:
            self._memory.close()
            raise DeviceError(f"{self._memory.name}: {error}") from error
        flat = np.frombuffer(bytes_, np.uint8, count=layout.stride * layout.height)
        self._layout, self._rows = layout, flat.reshape(layout.height, layout.stride)
        width, height = layout.width, layout.height
        return (height, width) if self._turns % 2 else (width, height)

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Show uint8[height, width, 3], RGB. Raises ValueError for another size, `DeviceClosed` when not open."""
        layout, rows = self._layout, self._rows
        if layout is None or rows is None:
            raise DeviceClosed(f"{self._memory.name} is closed")
        turned = np.rot90(pixels, -self._turns)
        if turned.shape != (layout.height, layout.width, 3):
            raise ValueError(f"{self._memory.name} has {layout.width} x {layout.height} pixels, not {turned.shape}")
        packed = pack(turned, layout)
        rows[:, : packed.shape[1]] = packed

    def close(self) -> None:
        """Let the memory go."""
        self._layout = self._rows = None
        self._memory.close()


def pack(pixels: NDArray[np.uint8], layout: PixelLayout) -> NDArray[np.uint8]:
    """RGB uint8[height, width, 3] as rows of the panel's bytes, uint8[height, width * bits / 8]."""
    height, width, _ = pixels.shape
    if layout.bits == 24:
        packed = np.empty((height, width, 3), np.uint8)
        for channel, (offset, _length) in enumerate((layout.red, layout.green, layout.blue)):
            packed[:, :, offset // 8] = pixels[:, :, channel]
        return packed.reshape(height, width * 3)
    words = np.zeros((height, width), np.uint32)
    for channel, (offset, length) in enumerate((layout.red, layout.green, layout.blue)):
        words |= (pixels[:, :, channel] >> (8 - length)).astype(np.uint32) << offset
    return words.astype("<u2" if layout.bits == 16 else "<u4").view(np.uint8)


def _check(layout: PixelLayout, size: int) -> None:
    """Raise ValueError for a memory that can't be written by `pack`."""
    colours = (layout.red, layout.green, layout.blue)
    fits = all(0 < length <= 8 and offset + length <= layout.bits for offset, length in colours)
    whole = layout.bits != 24 or all(offset % 8 == 0 and length == 8 for offset, length in colours)
    if layout.bits not in (16, 24, 32) or not fits or not whole:
        raise ValueError(
            f"its pixels have {layout.bits} bits, red {layout.red}, green {layout.green}, blue {layout.blue}: true "
            "colour of 16, 24 or 32 bits is needed"
        )
    if layout.stride * 8 < layout.width * layout.bits or size < layout.stride * layout.height:
        raise ValueError(f"its {size} bytes are too few for {layout.width} x {layout.height} pixels")
