"""What a face's heat shows of life: a few figures, each with the error that the sensor's noise leaves in it.

Each is relative to what a living face in this room shows (`usual_contrast`), so that a figure means the same on a cold
and on a warm day; on a warm one its error grows instead. They are judged by `liveness`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.perception.temperature import REFERENCE_ROOM, SHIPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from controller.perception.heat import HeatMap, Levels
    from controller.perception.types import Box, HeatFrame

USUAL: Final = 36.8
"""Mean oral temperature of healthy people, °C (doi 10.13026/3bhc-9065)."""
MIDDLE: Final = 0.89
"""The middle of a face is so far from the room to the face's maximum: in the same data the forehead's mean is 0.88."""
LEAST_CONTRAST: Final = 0.5
"""K that an expected contrast counts as at least, so that nothing is divided by nothing."""
ROOM_ERROR: Final = 0.6
"""Standard error of face less room, K: the array's own unevenness (±1 K in the middle, ±2 K outside, MLX90640 data
sheet, figure 17, taken as uniform and averaged over many pixels), and walls that are not as warm as the air."""
UNEVEN: Final = 0.15
"""Standard deviation of single pixels against their neighbours, K, that no averaging removes (same source)."""
EDGE: Final = 0.62
"""Share of the face's warmth at which its edge is looked for: between hair and hats (0.5) and skin (0.8)."""
REACH: Final = 2.4
"""How far from the middle an edge is looked for, half widths of the box."""
BAND: Final = (0.32, 0.75)
"""Rows over which the width is told, as shares of the box's height: from the eyes to the mouth."""
EYES: Final = (0.5, 0.075)
NOSE: Final = (0.32, 0.075)
BROW: Final = (0.45, 0.055)
MOUTH: Final = (0.32, 0.06)
"""Half-widths, in half widths of the box, and half-heights, in its heights, of bands at eyes, nose, forehead, mouth."""
ABOVE, BELOW = 0.19, 0.17
"""How far the forehead's band is above the eyes', and the mouth's below the nose's, heights of the box."""
CROWN: Final = (0.5, -0.1, 0.03)
"""Half-width, top and bottom of the band in which hair begins, in the same units."""
FAR: Final = 0.87
"""A face that is so much narrower than the newest one stood at another distance."""
LEAST_WARMTH: Final = 1.0
"""K by which a region must be warmer than the room to have edges."""
STEP, STEP_SIGMAS = 0.25, 3.0
"""A frame is off where the face's middle is so many kelvin, and so many standard deviations of it, off the others."""
NOISE_UNKNOWN: Final = 1.0
"""Noise of a sample, K, where too few samples tell it: that of the MLX90640 BAB at 16 Hz."""
FEW: Final = 6
"""Least pixels or frames that say anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A thermal frame that a picture belongs to, and where the face is on it."""

    frame: HeatFrame
    box: Box
    """Thermal pixels."""
    levels: Levels


@dataclass(frozen=True, slots=True)
class Sign:
    """A figure with its standard error by noise; NaN where it cannot be told."""

    value: float
    error: float = 0.0

    @property
    def known(self) -> bool:
        """Whether it could be told."""
        return math.isfinite(self.value)


UNTOLD: Final = Sign(math.nan)


@dataclass(frozen=True, slots=True)
class Signs:
    """All of them. K/K are kelvin per kelvin of the contrast that is usual in this room."""

    room: float
    """°C."""
    usual: float
    """Contrast of a usual face's middle to this room, K."""
    warmth: Sign
    """Face less room, K/K: 1 is usual."""
    excess: Sign
    """How much warmer than usual the face is in this room, K: a fever's is the same kelvin on a hot day."""
    ring: Sign
    """Face less what is beside and above it, K/K: hair and room are cooler, the rest of a warm sheet is not."""
    relief: Sign
    """Band of the eyes less that of the nose's tip, K/K: what pixels of 16 mm leave of the corners of the eyes and of
    a cool nose."""
    brow: Sign
    """Band of the eyes less that of the forehead, K/K: hats, fringes and glasses."""
    mouth: Sign
    """Band of the eyes less that of the mouth, K/K: masks, beards and breath."""
    crown: Sign
    """Face less the upper edge of the box, K/K: hair, a hat or the end of the face."""
    shift: Sign
    """Middle of the warm region less that of the camera's box, across, in widths of the box."""
    width: Sign
    """Logarithm of the warm region's width over the box's."""
    drift: Sign
    """Change of the face's middle, K/K a second."""
    far_shift: Sign
    """As `shift`, in frames in which the face was further away."""
    far_width: Sign
    """As `width`, there."""


def usual_contrast(room: float) -> float:
    """Middle of a usual bare face less a room of `room` °C, K; at least LEAST_CONTRAST."""
    fit = SHIPPED.face_only
    maximum = USUAL - fit.offset - fit.room_slope * (room - REFERENCE_ROOM)
    return max(LEAST_CONTRAST, MIDDLE * (maximum - room))


def read_signs(heat: HeatMap, seen: Sequence[Seen]) -> Signs:
    """The signs of a map, and of all frames that went into it or were taken on the way there, oldest first."""
    usual = usual_contrast(heat.room) if math.isfinite(heat.room) else math.nan
    noise = heat.noise if math.isfinite(heat.noise) else NOISE_UNKNOWN
    pixel = math.hypot(noise / math.sqrt(max(heat.samples, 1.0)), UNEVEN)
    face, around = _values(heat, heat.region.inner), _values(heat, heat.region.around)
    if face.size < FEW or not math.isfinite(usual) or not seen:
        return Signs(heat.room, usual, *[UNTOLD] * 12)
    level = float(np.median(face))
    error = math.hypot(1.25 * pixel / math.sqrt(face.size), ROOM_ERROR) / usual
    beside = float(np.median(around)) if around.size >= FEW else math.nan
    newest = seen[-1].box.width
    near = _steady([each for each in seen if each.box.width > FAR * newest], heat.region.inner, noise)
    if not near:
        return Signs(heat.room, usual, *[UNTOLD] * 12)
    far = [each for each in seen if each.box.width <= FAR * newest]
    shift, width = _place(near, heat.room, level - heat.room, noise)
    far_shift, far_width = _place(far, heat.room, level - heat.room, noise)
    box, levels = near[-1].box, near[-1].levels
    eyes, nose = _Band.at(box, levels.eyes, EYES), _Band.at(box, levels.nose, NOSE)
    brow, mouth = _Band.at(box, levels.eyes - ABOVE, BROW), _Band.at(box, levels.nose + BELOW, MOUTH)
    return Signs(
        room=heat.room,
        usual=usual,
        warmth=Sign((level - heat.room) / usual, error),
        excess=Sign(level - heat.room - usual, error * usual),
        ring=Sign((level - beside) / usual, error),
        relief=_less(heat.mean, eyes, nose, pixel, usual),
        brow=_less(heat.mean, eyes, brow, pixel, usual),
        mouth=_less(heat.mean, eyes, mouth, pixel, usual),
        crown=_less(heat.mean, eyes, _Band(box, *CROWN), pixel, usual),
        shift=shift,
        width=width,
        drift=_drift(near, heat.region.inner, noise, usual),
        far_shift=far_shift,
        far_width=far_width,
    )


def _values(heat: HeatMap, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = heat.mean[where]
    return values[np.isfinite(values)]


@dataclass(frozen=True, slots=True)
class _Band:
    """A rectangle of a face's box."""

    box: Box
    half: float
    """Half widths of the box, either side of its middle."""
    top: float
    """Heights of the box."""
    bottom: float

    @classmethod
    def at(cls, box: Box, height: float, size: tuple[float, float]) -> _Band:
        """The band of a `size` (half-width, half-height) about a height."""
        return cls(box, size[0], height - size[1], height + size[1])

    @property
    def pixels(self) -> float:
        """Thermal pixels in it."""
        return max(1.0, self.half * self.box.width * (self.bottom - self.top) * self.box.height)

    def mean(self, picture: NDArray[np.float64]) -> float:
        """Mean of float64[rows, columns] over it, between pixels as they are weighted by distance; NaN outside."""
        columns = self.box.centre[0] + np.linspace(-self.half, self.half, 9) * self.box.width / 2 - 0.5
        rows = self.box.y + np.linspace(self.top, self.bottom, 5) * self.box.height - 0.5
        if rows.min() < -0.5 or columns.min() < -0.5:
            return math.nan
        return float(np.nanmean(_sample(picture, columns, rows)))


def _sample(
    picture: NDArray[np.floating], columns: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A picture at places between its pixels, float64[rows, columns]; a pixel that gave nothing takes the median."""
    known = np.isfinite(picture)
    whole = picture if known.all() else np.where(known, picture, np.median(picture[known]) if known.any() else 0.0)
    grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    source = np.asarray(whole, dtype=np.float32)
    found = cv2.remap(source, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float64)


def _less(mean: NDArray[np.float64], one: _Band, other: _Band, pixel: float, usual: float) -> Sign:
    """One band less another, K/K."""
    error = pixel * math.sqrt(1 / one.pixels + 1 / other.pixels)
    return Sign((one.mean(mean) - other.mean(mean)) / usual, error / usual)


def _place(seen: Sequence[Seen], room: float, warmth: float, noise: float) -> tuple[Sign, Sign]:
    """Where the warm region is, across, and how wide, against the box of each frame."""
    if len(seen) < 2 or warmth < LEAST_WARMTH:
        return UNTOLD, UNTOLD
    across = np.linspace(-REACH, REACH, 97)
    profile = np.mean([_profile(each, across) for each in seen], axis=0)
    share = (profile - room) / warmth
    box = seen[-1].box
    rows = max(1.0, (BAND[1] - BAND[0]) * box.height)
    # A chess-pattern frame renews half of its pixels.
    error = noise / math.sqrt(rows * max(1.0, len(seen) / 2)) / warmth
    middle = across.size // 2
    left = _edge(across[middle::-1], share[middle::-1])
    right = _edge(across[middle:], share[middle:])
    if left is None or right is None:
        return UNTOLD, UNTOLD
    # An edge is spread over a pixel and a half; the box is two half widths wide.
    apart = error * 1.5 * 2 / max(box.width, 1.0)
    width = max(right - left, 0.05)
    return Sign((left + right) / 4, apart * math.sqrt(2) / 4), Sign(math.log(width / 2), apart * math.sqrt(2) / width)


def _profile(seen: Seen, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """The face's band, averaged over its rows, at places in half widths from the box's middle."""
    box = seen.box
    columns = box.centre[0] + across * box.width / 2 - 0.5
    rows = box.y + np.linspace(*BAND, 7) * box.height - 0.5
    return np.asarray(_sample(seen.frame.temperatures, columns, rows).mean(axis=0))


def _edge(places: NDArray[np.float64], share: NDArray[np.float64]) -> float | None:
    """Where a profile, from the middle outward, first falls below EDGE; its end where it never does."""
    below = np.flatnonzero(share < EDGE)
    if not below.size:
        return float(places[-1])
    first = int(below[0])
    if first == 0:
        return None
    before, after = share[first - 1], share[first]
    part = (before - EDGE) / max(before - after, 1e-9)
    return float(places[first - 1] + part * (places[first] - places[first - 1]))


def _drift(seen: Sequence[Seen], inner: NDArray[np.bool_], noise: float, usual: float) -> Sign:
    """Slope of the face's middle over time: a warmed sheet gives its heat away within seconds, skin does not."""
    if len(seen) < FEW:
        return UNTOLD
    times, levels = _history(seen, inner)
    spread = float(times @ times)
    if not spread > 0:
        return UNTOLD
    # Half of a chess-pattern frame is the last one's: two frames are as good as one.
    error = noise * math.sqrt(2 / (max(int(inner.sum()), 1) * spread))
    return Sign(float(times @ levels) / spread / usual, error / usual)


def _history(seen: Sequence[Seen], inner: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds from their mean, and the face's middle in each frame, °C."""
    levels = np.array([_mean(each.frame.temperatures[inner]) for each in seen])
    times = np.array([each.frame.timestamp for each in seen])
    return times - times.mean(), levels


def _steady(seen: Sequence[Seen], inner: NDArray[np.bool_], noise: float) -> list[Seen]:
    """The frames that lie on one line of temperature over time.

    A frame from before the face was there, half renewed since, does not, nor one after a step of the sensor.
    """
    times, levels = _history(seen, inner)
    known = np.isfinite(levels)
    if known.sum() < FEW:
        return [each for each, finite in zip(seen, known, strict=True) if finite]
    x, y = times[known], levels[known]
    ahead, behind = np.triu_indices(x.size, 1)
    # The median of all slopes (Theil and Sen): up to a quarter of the frames may be off.
    slope = float(np.median((y[behind] - y[ahead]) / np.maximum(x[behind] - x[ahead], 1e-6)))
    off = levels - slope * times
    off = off - np.median(off[known])
    limit = STEP + STEP_SIGMAS * noise / math.sqrt(max(int(inner.sum()), 1))
    return [each for each, away in zip(seen, off, strict=True) if abs(away) <= limit]


def _mean(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
