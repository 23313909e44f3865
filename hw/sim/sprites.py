"""Pictures of figures, ready to be laid into a frame: pre-multiplied, in falling sizes, blended in integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 12.0


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A cut-out picture and its smaller copies.

    Attributes:
        levels: BGRA uint8 pictures, colours multiplied by coverage, each half the size of the one before.
        scale: pixels of one unit in the largest.
        origin: pixel (x, y) of the unit system's origin in the largest.
        grounded: the lowest row goes on down to the frame's edge, as a person's body does.
    """

    levels: tuple[NDArray[np.uint8], ...]
    scale: float
    origin: tuple[float, float]
    grounded: bool = False

    @classmethod
    def of(
        cls,
        image: NDArray[np.uint8],
        alpha: NDArray[np.float32],
        scale: float,
        origin: tuple[float, float],
        *,
        grounded: bool = False,
    ) -> Sprite:
        """From a BGR picture and its coverage 0..1."""
        layer = np.dstack([image * alpha[..., None], alpha * 255])
        levels = [cast("NDArray[np.uint8]", (layer + 0.5).astype(np.uint8))]
        while scale / 2 ** len(levels) > _SMALLEST and min(levels[-1].shape[:2]) > 8:
            half = (levels[-1].shape[1] // 2, levels[-1].shape[0] // 2)
            levels.append(cast("NDArray[np.uint8]", cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA)))
        return cls(tuple(levels), scale, origin, grounded)

    def lay(self, frame: NDArray[np.uint8], u: float, v: float, scale: float, angle: float = 0.0) -> None:
        """Blend into BGR `frame`: origin at pixel (u, v), `scale` pixels per unit, turned by `angle` radians."""
        depth = min(max(0, math.floor(math.log2(self.scale / scale))), len(self.levels) - 1)
        layer, ratio = self.levels[depth], scale / (self.scale / 2**depth)
        ox, oy = self.origin[0] / 2**depth, self.origin[1] / 2**depth
        cos, sin = ratio * math.cos(angle), ratio * math.sin(angle)
        matrix = np.array([[cos, -sin, u - cos * ox + sin * oy], [sin, cos, v - sin * ox - cos * oy]])
        rows, columns = layer.shape[:2]
        corners = np.array([[0, columns, 0, columns], [0, 0, rows, rows], [1, 1, 1, 1]])
        reach = matrix @ corners
        x0, y0 = (max(0, math.floor(float(edge))) for edge in reach.min(axis=1))
        x1 = min(frame.shape[1], math.ceil(float(reach[0].max())))
        y1 = min(frame.shape[0], math.ceil(float(reach[1].max())))
        if self.grounded:
            y1 = frame.shape[0]
        if x1 <= x0 or y1 <= y0:
            return
        matrix[:, 2] -= (x0, y0)
        # A grounded sprite's other edges are clear, so that only its lowest row goes on.
        border = cv2.BORDER_REPLICATE if self.grounded else cv2.BORDER_CONSTANT
        part = cv2.warpAffine(layer, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=border)
        under = frame[y0:y1, x0:x1]
        clear = cv2.cvtColor(255 - part[..., 3], cv2.COLOR_GRAY2BGR)
        cv2.add(cv2.multiply(under, clear, scale=1 / 255), part[..., :3], dst=under)


class Grain:
    """Sensor noise of a camera: Gaussian, mostly in brightness, from one tile shifted at random for each frame."""

    def __init__(self, seed: int, width: int, height: int, sigma: float = 2.2) -> None:
        """`sigma`: grey levels."""
        rng = np.random.default_rng((0x6A41, seed))
        self._seed = seed
        self._margin = 64
        rows, columns = height + self._margin, width + self._margin
        grey = rng.normal(0, sigma, (rows, columns, 1))
        noise = np.rint(grey + rng.normal(0, 0.5 * sigma, (rows, columns, 3)))
        self._brighter = np.clip(noise, 0, 255).astype(np.uint8)
        self._darker = np.clip(-noise, 0, 255).astype(np.uint8)

    def add(self, frame: NDArray[np.uint8], time: float) -> None:
        """Add the noise of the frame exposed at `time` seconds, in place; equal times give equal noise."""
        tick = round(time * 1e4) + 7919 * self._seed
        dx, dy = (tick * 2654435761 >> 7) % self._margin, (tick * 40503 * 65537 >> 11) % self._margin
        part = np.s_[dy : dy + frame.shape[0], dx : dx + frame.shape[1]]
        cv2.add(frame, self._brighter[part], dst=frame)
        cv2.subtract(frame, self._darker[part], dst=frame)
