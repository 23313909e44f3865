"""Checks that every picture passes before an engine touches it, and the letterbox that the detectors share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.errors import ImageError
from controller.perception.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SIDE, MAX_SIDE = 32, 8192
"""Sides in pixels between which a picture is taken."""


def require_picture(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`pixels`, made contiguous. Raises `ImageError` unless it is BGR uint8[height, width, 3] of a sensible size."""
    if not isinstance(pixels, np.ndarray):
        raise ImageError(f"a picture must be an array, not {type(pixels).__name__}")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"a picture must be uint8[height, width, 3], not {pixels.dtype}{list(pixels.shape)}")
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
        raise ImageError(f"a picture's sides must be {MIN_SIDE}..{MAX_SIDE} pixels, not {width}×{height}")
    return np.ascontiguousarray(pixels)


@dataclass(frozen=True, slots=True, eq=False)
class Letterbox:
    """A square part of a picture, scaled to a detector's input; what lies outside the picture is black."""

    left: float
    top: float
    side: float
    """Pixels of the picture that the input's width covers."""

    @classmethod
    def whole(cls, width: int, height: int) -> Letterbox:
        """The smallest square around the whole picture, concentric with it."""
        side = float(max(width, height))
        return cls((width - side) / 2, (height - side) / 2, side)

    @classmethod
    def around(cls, box: Box, factor: float) -> Letterbox:
        """A square `factor` times the longer side of `box`, concentric with it."""
        side = max(box.width, box.height) * factor
        x, y = box.centre
        return cls(x - side / 2, y - side / 2, side)

    def cut(self, pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """The part as uint8[size, size, 3]."""
        scale = size / self.side
        # Pixel centres: input (u + .5) = (x + .5 - left) · scale.
        matrix = np.array(
            [[scale, 0, (0.5 - self.left) * scale - 0.5], [0, scale, (0.5 - self.top) * scale - 0.5]], dtype=np.float64
        )
        if scale < 0.5:  # bilinear sampling alone would skip pixels
            return self._shrink(pixels, size)
        return np.asarray(cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR), dtype=np.uint8)

    def _shrink(self, pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """As `cut` by area averaging, for parts more than twice the input's size."""
        left, top, side = round(self.left), round(self.top), max(1, round(self.side))
        height, width = pixels.shape[:2]
        x0, y0 = max(0, left), max(0, top)
        x1, y1 = min(width, left + side), min(height, top + side)
        if x1 <= x0 or y1 <= y0:
            return np.zeros((size, size, 3), np.uint8)
        part = cv2.copyMakeBorder(
            pixels[y0:y1, x0:x1], y0 - top, top + side - y1, x0 - left, left + side - x1, cv2.BORDER_CONSTANT
        )
        return np.asarray(cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def points(self, unit: NDArray[np.floating]) -> NDArray[np.float32]:
        """Points in 0..1 of the input, [..., 2], as float32 pixels of the picture."""
        return (np.asarray(unit) * self.side + (self.left, self.top)).astype(np.float32)

    def box(self, unit: NDArray[np.floating]) -> Box:
        """A box (x0, y0, x1, y1) in 0..1 of the input, in pixels of the picture."""
        x0, y0, x1, y1 = (float(value) * self.side for value in unit)
        return Box(x0 + self.left, y0 + self.top, x1 - x0, y1 - y0)
