"""Thermal frames collected over a face and averaged into one map, with what that map's noise really is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.perception.frame_checks import SENSOR_RANGE
from controller.perception.types import Corrected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.perception.types import Box, HeatFrame

GLITCH_SIGMAS, GLITCH_FLOOR = 4.0, 1.0
"""A sample is a glitch when it is so many pixel noises, plus so many kelvin, away from its pixel's median."""
STEP_SIGMAS, STEP_FLOOR = 4.0, 0.5
"""A frame disagrees when the face's mean is so far from the median frame's: a shutter event, a step of the sensor."""
NORMAL_MAD = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Heights in a face's box, as shares of it from the top. Defaults: a detector's box, hairline to chin."""

    eyes: float = 0.38
    nose: float = 0.64
    """The nose's tip: below are mouth and breath."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A face's place on the array."""

    face: NDArray[np.bool_]
    """bool[rows, columns]: centres inside the ellipse of the box."""
    inner: NDArray[np.bool_]
    """bool[rows, columns]: inside the ellipse of half the size, where only the face is."""
    around: NDArray[np.bool_]
    """bool[rows, columns]: beside and above the face, not below, where neck and shoulders are."""
    read: NDArray[np.bool_]
    """bool[rows, columns]: the part of the face that is read: above the nose's tip, as an open mouth is warmer than
    skin and a breath colder."""
    eyes: NDArray[np.bool_]
    """bool[rows, columns]: the band that holds the inner corners of the eyes."""
    bridge: NDArray[np.bool_]
    """bool[rows, columns]: between the eyes, where glasses leave skin bare."""
    lenses: NDArray[np.bool_]
    """bool[rows, columns]: where the glasses of someone who wears them are, in the same rows."""
    forehead: NDArray[np.bool_]
    """bool[rows, columns]: above that, within the face."""
    inside: float
    """Share of `read`'s area that is on the array."""
    pitch: float
    """Pixels across the face."""

    @classmethod
    def of(cls, box: Box, shape: tuple[int, int], levels: Levels | None = None) -> Region:
        """The region of a box in thermal pixels on an array of `shape` (rows, columns)."""
        levels = levels or Levels()
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        x, y = box.centre
        across = (columns + 0.5 - x) / max(box.width / 2, 1e-6)
        down = (rows + 0.5 - y) / max(box.height / 2, 1e-6)
        radius = np.hypot(across, down)
        near = (np.abs(across) <= 1.9) & (down >= -1.7) & (down <= 0.8)
        height = (down + 1.0) / 2.0
        face = radius <= 1.0
        # At least a good pixel up and down: the registration is off by one at times.
        band = max(0.11, 1.2 / max(box.height, 1e-6))
        read = face & (height <= levels.nose)
        half = max(box.width / 2, 1e-6)
        eyes = read & (np.abs(height - levels.eyes) <= band)
        return cls(
            face=face,
            inner=radius <= 0.6,
            around=near & (radius >= 1.35),
            read=read,
            eyes=eyes & (np.abs(across) <= 0.62),
            bridge=eyes & (np.abs(across) <= max(0.18, 0.9 / half)),
            lenses=eyes & (np.abs(across) >= 0.28) & (np.abs(across) <= 0.72),
            forehead=face & (height <= levels.eyes - 0.17) & (np.abs(across) <= 0.7),
            inside=_share_inside(box, shape, levels),
            pitch=box.width,
        )


def _share_inside(box: Box, shape: tuple[int, int], levels: Levels) -> float:
    """Share of the upper part of a box that lies on the array."""
    height = box.height * levels.nose
    across = min(box.x + box.width, shape[1]) - max(box.x, 0.0)
    down = min(box.y + height, shape[0]) - max(box.y, 0.0)
    return max(across, 0.0) * max(down, 0.0) / max(box.width * height, 1e-6)


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """What some frames agree on."""

    mean: NDArray[np.float64]
    """float64[rows, columns], °C, NaN where a pixel gave nothing."""
    readings: NDArray[np.float64]
    """float64[n, rows, columns], °C: every pixel's n-th independent sample; NaN where it has none, or a glitch."""
    noise: float
    """Standard deviation of one sample of one pixel, K, pooled over the face; NaN when it cannot be told."""
    samples: float
    """Independent samples of a face pixel (median); a chess-pattern sensor renews half of its pixels a frame."""
    frames: int
    """Frames that agreed."""
    rejected: int
    """Frames that did not."""
    glitches: int
    """Samples on the face that were left out, far from their pixel's median."""
    frozen: bool
    """No pixel changed in the newer half of the frames: that is no sensor's noise."""
    region: Region
    room: float
    """The room behind the person, °C: the lower quintile of the map, where walls are."""
    ambient: float
    """Die temperature, °C."""


def average(frames: Sequence[HeatFrame], box: Box, levels: Levels | None = None) -> HeatMap | None:
    """One map from frames in which the face stood still at `box` (thermal pixels); None without a frame."""
    if not frames:
        return None
    stack = np.stack([np.asarray(frame.temperatures, dtype=np.float64) for frame in frames])
    region = Region.of(box, (stack.shape[1], stack.shape[2]), levels)
    renewed = _renewed(
        np.stack([frame.measured if isinstance(frame, Corrected) else frame.temperatures for frame in frames])
    )
    stack[(stack < SENSOR_RANGE[0]) | (stack > SENSOR_RANGE[1])] = np.nan
    fresh = np.where(renewed, stack, np.nan)
    noise = _pixel_noise(fresh[:, region.face])
    agree = _agreeing(stack[:, region.face], noise)
    kept = _without_glitches(fresh, noise)
    kept[~agree] = np.nan
    glitches = int((np.isfinite(fresh) & ~np.isfinite(kept))[agree][:, region.face].sum())
    mean = _mean(kept)
    counts = np.isfinite(kept).sum(axis=0)[region.face]
    finite = mean[np.isfinite(mean)]
    return HeatMap(
        mean=mean,
        readings=_by_sample(kept, renewed),
        noise=noise,
        samples=float(np.median(counts)) if counts.size else 0.0,
        frames=int(agree.sum()),
        rejected=int((~agree).sum()),
        glitches=glitches,
        frozen=len(frames) > 2 and not renewed[max(1, len(frames) - max(3, len(frames) // 2)) :].any(),
        region=region,
        room=float(np.quantile(finite, 0.2)) if finite.size else float("nan"),
        ambient=float(np.median([frame.ambient for frame in frames])),
    )


def _renewed(stack: NDArray[np.floating]) -> NDArray[np.bool_]:
    """bool[n, rows, columns]: whether a pixel was measured anew in a frame, rather than carried over from the last.

    Tells subpages apart without knowing the sensor: with noise, a new measurement equals the old one only by accident.
    """
    new = np.ones(stack.shape, dtype=np.bool_)
    new[1:] = stack[1:] != stack[:-1]
    return new


def _by_sample(kept: NDArray[np.float64], renewed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`kept` [frames, ...] as [samples, ...]: a pixel's samples closed up, whichever frames brought them."""
    order = np.cumsum(renewed, axis=0) - 1
    closed = np.full((int(order.max()) + 1, *kept.shape[1:]), np.nan)
    frame, row, column = np.nonzero(renewed)
    closed[order[frame, row, column], row, column] = kept[frame, row, column]
    return closed


def _pixel_noise(samples: NDArray[np.float64]) -> float:
    """Robust standard deviation of a sample, from [n, pixels], by differences in time; NaN below eight of them.

    Differences of neighbours in time know nothing of the face's own pattern, and little of its drift.
    """
    differences = []
    for series in samples.T:
        values = series[np.isfinite(series)]
        differences.append(np.diff(values))
    steps = np.concatenate(differences) if differences else np.empty(0)
    if steps.size < 8:
        return float("nan")
    return float(NORMAL_MAD * np.median(np.abs(steps)) / np.sqrt(2))


def _agreeing(face: NDArray[np.float64], noise: float) -> NDArray[np.bool_]:
    """bool[n]: frames whose face mean agrees with the median frame's. `face` is [n, pixels]."""
    means = _mean(face.T)
    expected = 0.0 if np.isnan(noise) else STEP_SIGMAS * noise / np.sqrt(max(1, face.shape[1]))
    middle = np.median(means[np.isfinite(means)]) if np.isfinite(means).any() else np.nan
    near = np.abs(means - middle) <= max(STEP_FLOOR, expected)
    return np.asarray(near & np.isfinite(means), dtype=np.bool_)


def _without_glitches(stack: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """A copy in which samples far from their pixel's median are NaN."""
    limit = GLITCH_FLOOR + (0.0 if np.isnan(noise) else GLITCH_SIGMAS * noise)
    middle = _median(stack)
    return np.where(np.abs(stack - middle) <= limit, stack, np.nan)


def leave_one_out(readings: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For every sample the mean of all others, and itself: two float64[n, rows, columns] with independent noise."""
    finite = np.isfinite(readings)
    filled = np.where(finite, readings, 0.0)
    count = finite.sum(axis=0) - finite
    others = np.where(count > 0, (filled.sum(axis=0) - filled) / np.maximum(count, 1), np.nan)
    return others, readings


def smooth(picture: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """A Gaussian mean over neighbours that are there, float64[rows, columns]; NaN stays NaN."""
    there = np.isfinite(picture)
    total = cv2.GaussianBlur(np.where(there, picture, 0.0), (0, 0), sigma)
    weight = cv2.GaussianBlur(there.astype(np.float64), (0, 0), sigma)
    return np.asarray(np.where(there, total / np.maximum(weight, 1e-9), np.nan), dtype=np.float64)


def _mean(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the first axis of what is finite; NaN where nothing is (and without NumPy's warning)."""
    finite = np.isfinite(stack)
    count = finite.sum(axis=0)
    total = np.where(finite, stack, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), dtype=np.float64)


def _median(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over the first axis of what is finite; NaN where nothing is (and without NumPy's warning)."""
    ordered = np.sort(stack, axis=0)  # NaN last
    count = np.isfinite(stack).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[np.newaxis], axis=0)[0]
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0).clip(max=len(stack) - 1)[np.newaxis], axis=0)[0]
    return np.asarray(np.where(count > 0, (low + high) / 2, np.nan), dtype=np.float64)
