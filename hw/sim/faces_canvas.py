"""The sheet on which a person is drawn: a grid in face units, soft edges, smooth noise and linear light."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""A colour as sRGB (red, green, blue), each 0..1."""

GAMMA = 2.2
MARGIN = 0.2
"""How far a bent sheet may move what is drawn, face units."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A sheet in face units, or a window of one whose arrays are views into it.

    A face unit is half the width of the face; the origin is the midpoint between the eyes, x right, y down.

    Attributes:
        x: float32[h, w] abscissa of each pixel in face units.
        y: float32[h, w] ordinate, downwards.
        light: float32[h, w, 3] BGR in linear light, already multiplied by coverage.
        alpha: float32[h, w] coverage, 0..1.
        scale: pixels of one face unit.
        origin: pixel (x, y) of the midpoint between the eyes of the undistorted sheet.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    light: NDArray[np.float32]
    alpha: NDArray[np.float32]
    scale: float
    origin: tuple[float, float]

    @classmethod
    def blank(cls, scale: float, half_width: float, top: float, bottom: float) -> Canvas:
        """An empty sheet of `scale` pixels per face unit from -half_width to half_width and from top to bottom."""
        left, first = -round(half_width * scale), round(top * scale)
        columns = np.arange(left, -left + 1, dtype=np.float32) / scale
        rows = np.arange(first, round(bottom * scale), dtype=np.float32) / scale
        x, y = np.meshgrid(columns, rows)
        light, alpha = np.zeros((*x.shape, 3), np.float32), np.zeros(x.shape, np.float32)
        return cls(x, y, light, alpha, scale, (-left, -first))

    def bent(self, dx: NDArray[np.float32], dy: NDArray[np.float32]) -> Canvas:
        """The same sheet, on which what belongs to (x + dx, y + dy) is painted at (x, y)."""
        return Canvas(self.x + dx, self.y + dy, self.light, self.alpha, self.scale, self.origin)

    def part(self, x: float, y: float, half_width: float, half_height: float) -> tuple[slice, slice]:
        """Rows and columns around (x, y), at least one of each, cut at the sheet's edge; a margin allows for a bend."""
        half_width, half_height = half_width + MARGIN, half_height + MARGIN
        rows, columns = self.x.shape
        ox, oy = self.origin
        c0 = min(max(0, int((x - half_width) * self.scale + ox)), columns - 1)
        c1 = min(columns, max(c0 + 1, int((x + half_width) * self.scale + ox)))
        r0 = min(max(0, int((y - half_height) * self.scale + oy)), rows - 1)
        r1 = min(rows, max(r0 + 1, int((y + half_height) * self.scale + oy)))
        return slice(r0, r1), slice(c0, c1)

    def window(self, x: float, y: float, half_width: float, half_height: float) -> Canvas:
        """The part around (x, y), as views: what is painted there is painted on the sheet."""
        part = self.part(x, y, half_width, half_height)
        origin = (self.origin[0] - part[1].start, self.origin[1] - part[0].start)
        return Canvas(self.x[part], self.y[part], self.light[part], self.alpha[part], self.scale, origin)

    def soft(self, distance: NDArray[np.floating], feather: float = 0.0) -> NDArray[np.float32]:
        """Coverage 0..1 of the region where `distance` (face units, positive inside) > 0, with an edge of `feather`."""
        width = max(1.2 / self.scale, feather)
        return cast("NDArray[np.float32]", np.clip(distance / width + 0.5, 0, 1).astype(np.float32))

    def paint(self, colour: NDArray[np.floating], coverage: NDArray[np.floating]) -> None:
        """Lay linear BGR `colour` ([3] or [h, w, 3]) over the sheet."""
        self.light[...] += (colour - self.light) * coverage[..., None]
        self.alpha[...] += (1 - self.alpha) * coverage

    def tint(self, colour: NDArray[np.floating], coverage: NDArray[np.floating]) -> None:
        """Lay `colour` over what is already covered."""
        self.light[...] += (colour * self.alpha[..., None] - self.light) * coverage[..., None]

    def shade(self, factor: NDArray[np.floating]) -> None:
        """Multiply the light by `factor` [h, w]."""
        self.light[...] *= factor[..., None]

    def polygon(self, corners: tuple[tuple[float, float], ...], feather: float = 0.0) -> NDArray[np.float32]:
        """Coverage of a convex polygon, given clockwise as seen (y down)."""
        inside = np.full_like(self.x, np.inf)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            length = math.hypot(x1 - x0, y1 - y0)
            inside = np.minimum(inside, ((x1 - x0) * (self.y - y0) - (y1 - y0) * (self.x - x0)) / length)
        return self.soft(inside, feather)


def linear(colour: Colour) -> NDArray[np.float32]:
    """Linear-light BGR float32[3] of an sRGB colour."""
    red, green, blue = colour
    return np.asarray((blue, green, red), np.float32) ** np.float32(GAMMA)


def encode(light: NDArray[np.floating]) -> NDArray[np.uint8]:
    """BGR uint8 of linear light."""
    return cast("NDArray[np.uint8]", (np.clip(light, 0, 1) ** np.float32(1 / GAMMA) * 255 + 0.5).astype(np.uint8))


def bump(canvas: Canvas, x: float, y: float, sx: float, sy: float) -> NDArray[np.float32]:
    """A Gaussian hill of height 1 around (x, y)."""
    return np.exp(-0.5 * (((canvas.x - x) / sx) ** 2 + ((canvas.y - y) / sy) ** 2)).astype(np.float32)


def smooth_field(rng: np.random.Generator, shape: tuple[int, ...], cells: float) -> NDArray[np.float32]:
    """Smooth noise float32[shape] of about zero mean and unit deviation, with `cells` lattice cells along the width."""
    rows, columns = shape[:2]
    across = max(2, round(cells))
    down = max(2, round(cells * rows / columns))
    lattice = rng.standard_normal((down + 1, across + 1)).astype(np.float32)
    return cast("NDArray[np.float32]", cv2.resize(lattice, (columns, rows), interpolation=cv2.INTER_CUBIC))


def blur(field: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur of standard deviation `sigma` pixels."""
    return cast("NDArray[np.float32]", cv2.GaussianBlur(field, (0, 0), max(0.3, sigma)))
