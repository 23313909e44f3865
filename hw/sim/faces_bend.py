"""A person's own smooth displacement of the face: what measures of eyes, nose and mouth alone do not tell apart."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD = (1.6, -1.75, 2.25)
"""Half-width, top and bottom of a head's sheet, face units."""
EVEN, ODD = 0.065, 0.012
"""Standard deviations of the symmetric and the asymmetric displacement, face units."""
_CELL = 0.32
"""Distance of the field's knots, face units."""
_COARSE = 24


def displacement(seed: int, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Displacement (dx, dy) in face units, float32[shape], over a head's sheet; zero towards its outline.

    What is drawn at (x + dx, y + dy) in the plain face appears at (x, y) in this person's.
    """
    rng = np.random.default_rng((0xBE2D, seed))
    half, top, bottom = HEAD
    columns, rows = round(2 * half / _CELL) | 1, round((bottom - top) / _CELL)
    knots = rng.standard_normal((2, rows, columns))
    skew = rng.standard_normal((2, (rows + 1) // 2, (columns + 1) // 2))
    even_x = (knots[0] - knots[0, :, ::-1]) * 0.5**0.5
    even_y = (knots[1] + knots[1, :, ::-1]) * 0.5**0.5
    y, x = np.linspace(top, bottom, shape[0], dtype=np.float32), np.linspace(-half, half, shape[1], dtype=np.float32)
    inner = np.exp(-(np.hypot(x[None, :] / 0.95, (y[:, None] - 0.35) / 1.1) ** 4))
    inner *= 1 - 0.45 * np.exp(-0.5 * ((y[:, None] - 0.95) / 0.22) ** 2)
    dx = inner * (EVEN * _spread(even_x, shape) + ODD * _spread(skew[0], shape))
    dy = inner * (EVEN * _spread(even_y, shape) + ODD * _spread(skew[1], shape))
    return dx, dy


def _spread(knots: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    size = (shape[1], shape[0])
    return cast("NDArray[np.float32]", cv2.resize(knots.astype(np.float32), size, interpolation=cv2.INTER_CUBIC))


@lru_cache(maxsize=64)
def _coarse(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    half, top, bottom = HEAD
    return displacement(seed, (round((bottom - top) * _COARSE), round(2 * half * _COARSE)))


def moved(seed: int, x: float, y: float) -> tuple[float, float]:
    """Where a point of the plain face appears in this person's face (first order)."""
    dx, dy = _coarse(seed)
    row = int(np.clip((y - HEAD[1]) * _COARSE, 0, dx.shape[0] - 1))
    column = int(np.clip((x + HEAD[0]) * _COARSE, 0, dx.shape[1] - 1))
    return x - float(dx[row, column]), y - float(dy[row, column])
