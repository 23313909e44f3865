"""Warm things in a thermal picture: where a target is, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.calibrate.refusal import CalibrationError, Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.calibrate.stillness import StillMap

SKIN: Final = 38.5
"""Nothing on a person's outside is warmer, °C (fever included, away from a heater): a target above is told from the
person who holds it."""
LEAST_CONTRAST: Final = 4.0
"""Kelvin by which a target must be warmer than what is around it."""
RIVAL: Final = 0.6
"""A second place with this share of the target's contrast could be meant just as well."""
BACKGROUND: Final = 0.8
"""Quantile of the ring around a target that counts as its background: an arm that holds it covers less of the ring."""
LEAST_PIXELS: Final = 5
"""Of a plate, to be one."""
STEPS: Final = 20


@dataclass(frozen=True, slots=True)
class Spot:
    """A warm disc or cross on the array."""

    column: float
    row: float
    """Its middle in thermal pixels; pixel i covers i..i+1."""
    radius: float
    """Of a disc of the same area, thermal pixels."""
    peak: float
    """°C, the mean of its four hottest pixels."""
    around: float
    """°C of its background."""
    error: float
    """Standard uncertainty of column and of row by noise, thermal pixels."""

    @property
    def contrast(self) -> float:
        """Kelvin above its background."""
        return self.peak - self.around


def find_spot(heat: StillMap, expected: float | None = None) -> Spot:
    """The warm target in a thermal picture.

    `expected` is its radius in thermal pixels where the camera's picture tells it; else it may be 1 to 4. Raises
    `CalibrationError`: NO_TARGET, TWO_CANDIDATES, or CUT_OFF where it reaches beyond the array.
    """
    radius = min(max(expected or 2.0, 0.8), 6.0)
    score = _contrast(heat.mean, radius)
    # Only what is hotter than skin, so that nobody who holds it or stands behind is taken for it.
    score[cv2.dilate(heat.mean, np.ones((3, 3))) <= SKIN] = -np.inf
    column, row, best = _highest(score)
    if best < LEAST_CONTRAST:
        warmest = np.unravel_index(int(heat.mean.argmax()), heat.mean.shape)
        raise CalibrationError(
            Refusal.NO_TARGET,
            f"nothing compact in the thermal picture reads more than {SKIN:g} °C, as a face never does (warmest: "
            f"{heat.mean.max():.1f} °C at column {warmest[1] + 0.5:.1f}, row {warmest[0] + 0.5:.1f}); warm the target "
            "to 45-60 °C, and use a larger one if it is far away",
        )
    spot = _measure(heat, column, row, radius)
    _require_alone(heat, score, spot, radius)
    rows, columns = heat.mean.shape
    edge = min(spot.column, spot.row, columns - spot.column, rows - spot.row)
    if edge < spot.radius + 0.5:
        raise CalibrationError(
            Refusal.CUT_OFF,
            f"the target at column {spot.column:.1f}, row {spot.row:.1f} reaches beyond the thermal picture's edge",
        )
    return spot


def find_plate(heat: StillMap) -> tuple[float, float]:
    """(column, row) of the middle of the one hot thing in the picture, of any size.

    Raises `CalibrationError`: NO_TARGET, TWO_CANDIDATES.
    """
    hot = heat.mean > (heat.room + float(heat.mean.max())) / 2
    count, labels, stats, middles = cv2.connectedComponentsWithStats(hot.astype(np.uint8), connectivity=4)
    things = [number for number in range(1, count) if stats[number, cv2.CC_STAT_AREA] >= LEAST_PIXELS]
    if not things or float(heat.mean.max()) - heat.room < LEAST_CONTRAST:
        raise CalibrationError(
            Refusal.NO_TARGET,
            f"nothing of {LEAST_PIXELS} thermal pixels is warmer than the room (warmest: {heat.mean.max():.1f} °C, "
            f"room {heat.room:.1f} °C); warm the target, or put it nearer",
        )
    if len(things) > 1:
        places = "; ".join(
            f"{heat.mean[labels == number].max():.1f} °C at column {middles[number][0] + 0.5:.1f}, row "
            f"{middles[number][1] + 0.5:.1f}"
            for number in things
        )
        raise CalibrationError(
            Refusal.TWO_CANDIDATES,
            f"{len(things)} hot things are in the picture: {places}; say which with --at COLUMN,ROW",
        )
    column, row = middles[things[0]]
    return float(column) + 0.5, float(row) + 0.5


def _require_alone(heat: StillMap, score: NDArray[np.float64], spot: Spot, radius: float) -> None:
    """Refuse where a second hot thing could be meant."""
    rows, columns = np.indices(score.shape) + 0.5
    elsewhere = np.where(np.hypot(columns - spot.column, rows - spot.row) > 2 * radius + 1.5, score, -np.inf)
    column, row, second = _highest(elsewhere)
    if second <= RIVAL * spot.contrast:
        return
    rival = float(heat.mean[int(row), int(column)])
    raise CalibrationError(
        Refusal.TWO_CANDIDATES,
        f"two warm things could be the target: {spot.peak:.1f} °C at column {spot.column:.1f}, row {spot.row:.1f}, "
        f"and {rival:.1f} °C at column {column:.1f}, row {row:.1f}; take one away",
    )


def _contrast(picture: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """How much warmer the disc around each pixel is than the ring around that disc, K."""
    reach = int(np.ceil(radius + 2.5))
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    far = np.hypot(across, down)
    disc = np.clip(radius - far + 0.5, 0, 1)
    ring = np.clip(far - (radius + 0.8) + 0.5, 0, 1) * np.clip((radius + 2.2) - far + 0.5, 0, 1)
    kernel = disc / disc.sum() - ring / ring.sum()
    return np.asarray(cv2.filter2D(picture, cv2.CV_64F, kernel, borderType=cv2.BORDER_REPLICATE))


def _highest(score: NDArray[np.float64]) -> tuple[float, float, float]:
    """(column, row) of the middle of the pixel with the highest score, and the score."""
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    return float(column) + 0.5, float(row) + 0.5, float(score[row, column])


def _measure(heat: StillMap, column: float, row: float, radius: float) -> Spot:
    """Centroid of what is above half of the contrast, found again around itself until it stands still."""
    rows, columns = np.indices(heat.mean.shape) + 0.5
    weight = np.zeros_like(heat.mean)
    peak = around = level = 0.0
    for _ in range(STEPS):
        far = np.hypot(columns - column, rows - row)
        near = far <= radius + 1.5
        ring = (far > radius + 1.3) & (far <= radius + 3.0)
        peak = float(np.sort(heat.mean[near])[-4:].mean())
        around = float(np.quantile(heat.mean[ring], BACKGROUND))
        level = (peak + around) / 2
        weight = np.where(near, np.clip(heat.mean - level, 0, None), 0.0)
        total = max(float(weight.sum()), 1e-9)
        moved = (float((weight * columns).sum()) / total, float((weight * rows).sum()) / total)
        if abs(moved[0] - column) + abs(moved[1] - row) < 1e-4:
            break
        column, row = moved
    filled = np.clip((heat.mean - around) / max(peak - around, 1e-9), 0, 1)[
        np.hypot(columns - column, rows - row) <= radius + 1.5
    ]
    lever = np.sqrt(((weight > 0) * (columns - column) ** 2).sum())
    error = heat.left * float(lever) / max(float(weight.sum()), 1e-9)
    return Spot(column, row, float(np.sqrt(filled.sum() / np.pi)), peak, around, error)
