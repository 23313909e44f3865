"""The target in the camera's picture: a black disc, ring or cross on a white board, to a fraction of a pixel.

All three look the same after a quarter turn, and hardly anything else in an entrance does; so one test serves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.calibrate.refusal import CalibrationError, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cv2.typing import MatLike
    from numpy.typing import NDArray

    from controller.perception.types import Picture

LEVELS: Final = tuple(range(40, 221, 12))
"""Grey levels below which a pixel is tried as black: light in an entrance is uneven, no single one will do."""
LEAST_RADIUS: Final = 5.0
"""Pixels; a smaller mark has no centre worth a hundredth of the array."""
LEAST_CONTRAST: Final = 50.0
"""Grey levels between the board and the mark."""
LEAST_SYMMETRY: Final = 0.92
"""Correlation of the mark with itself after a quarter turn."""
RIVAL: Final = 0.85
"""A second mark with this share of the best one's score could be meant just as well."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in the camera's picture."""

    x: float
    y: float
    """Its middle in pixels; pixel i covers i..i+1."""
    radius: float
    """Of the circle around it, pixels."""
    contrast: float
    """Grey levels between board and mark."""
    symmetry: float
    """Correlation with itself after a quarter turn, at most 1."""

    @property
    def score(self) -> float:
        """How surely it is the target."""
        return self.contrast * self.symmetry


def mean_picture(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """The mean of pictures of one size: float32[height, width, 3] BGR. Raises `CalibrationError` (SENSOR) for none."""
    if not pictures:
        raise CalibrationError(Refusal.SENSOR, "the camera gave no picture")
    total = np.zeros(pictures[0].pixels.shape, np.float32)
    for picture in pictures:
        total += picture.pixels
    return total / np.float32(len(pictures))


def find_mark(picture: NDArray[np.float32] | NDArray[np.uint8]) -> Mark:
    """The target in a BGR picture [height, width, 3].

    Raises `CalibrationError`: NO_TARGET, or TWO_CANDIDATES when two marks look alike.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(np.asarray(picture, np.float32), cv2.COLOR_BGR2GRAY), (0, 0), 0.8)
    found = _distinct(_candidates(np.asarray(grey, np.float32)))
    if not found:
        raise CalibrationError(
            Refusal.NO_TARGET,
            "no black disc, ring or cross on white is in the camera's picture; hold the board upright, whole and "
            "without glare, and give it light",
        )
    if len(found) > 1 and found[1].score > RIVAL * found[0].score:
        places = " and ".join(f"x {mark.x:.0f}, y {mark.y:.0f}" for mark in found[:2])
        raise CalibrationError(
            Refusal.TWO_CANDIDATES, f"two marks in the camera's picture look alike: at {places}; cover one"
        )
    return found[0]


def _candidates(grey: NDArray[np.float32]) -> Iterable[Mark]:
    height, width = grey.shape
    for level in LEVELS:
        dark = (grey < level).astype(np.uint8)
        contours, _ = cv2.findContours(dark, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            (x, y), radius = cv2.minEnclosingCircle(contour)
            inside = 1.6 * radius < min(x, y, width - x, height - y)
            if LEAST_RADIUS <= radius <= min(width, height) / 4 and inside and _is_full(contour, radius):
                mark = _measured(grey, x + 0.5, y + 0.5, radius)
                if mark is not None:
                    yield mark


def _is_full(contour: MatLike, radius: float) -> bool:
    """Whether a contour has a cross's share of its circle at least (five ninths of a square in a wider circle)."""
    return bool(cv2.contourArea(contour) > 0.3 * np.pi * radius**2)


def _measured(grey: NDArray[np.float32], x: float, y: float, radius: float) -> Mark | None:
    """A dark thing as a mark; None when it is none."""
    reach = int(np.ceil(1.6 * radius)) + 1
    left, top = int(x) - reach, int(y) - reach
    part = grey[max(0, top) : top + 2 * reach + 1, max(0, left) : left + 2 * reach + 1].astype(np.float64)
    rows, columns = np.indices(part.shape) + 0.5
    rows, columns = rows + max(0, top), columns + max(0, left)
    far = np.hypot(columns - x, rows - y)
    board = part[(far > 1.2 * radius) & (far < 1.5 * radius)]
    mark = part[far < radius]
    if not board.size or not mark.size:
        return None
    white, black = float(np.median(board)), float(np.quantile(mark, 0.15))
    contrast = white - black
    # White all around: a shadow, a hand or the board's edge this near would pull the centre.
    if contrast < LEAST_CONTRAST or float(np.quantile(board, 0.03)) < black + 0.6 * contrast:
        return None
    cover = np.clip((white - part) / contrast, 0, 1) * (far < 1.25 * radius)
    # What is hardly darker than the board is its shading, not the mark.
    cover = np.where(cover > 0.15, cover, 0.0)
    total = float(cover.sum())
    centre = float((cover * columns).sum()) / total, float((cover * rows).sum()) / total
    symmetry = _symmetry(grey, centre, radius)
    if symmetry < LEAST_SYMMETRY:
        return None
    return Mark(centre[0], centre[1], radius, contrast, symmetry)


def _symmetry(grey: NDArray[np.float32], centre: tuple[float, float], radius: float) -> float:
    """Correlation of the mark, cut out around its middle, with itself after a quarter turn."""
    side = 2 * int(np.ceil(1.15 * radius)) + 1
    # getRectSubPix counts from the middle of the first pixel.
    patch = cv2.getRectSubPix(grey, (side, side), (centre[0] - 0.5, centre[1] - 0.5)).astype(np.float64)
    patch -= patch.mean()
    return float((patch * np.rot90(patch)).sum() / max(float((patch * patch).sum()), 1e-9))


def _distinct(marks: Iterable[Mark]) -> list[Mark]:
    """The best of those that were found at several levels, best first."""
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: -mark.score):
        if all(np.hypot(mark.x - other.x, mark.y - other.y) > max(mark.radius, other.radius) for other in kept):
            kept.append(mark)
    return kept
