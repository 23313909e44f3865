"""What is on, before or beside a face: hats, glasses, hot things, the sun. Judged by one heat map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.heat import HeatMap
    from controller.perception.screening_settings import ScreeningSettings

SIGMAS: Final = 3.0
"""Standard deviations of the noise by which a single hot pixel must stand out."""
HOT_BESIDE: Final = 1.0
"""A spot at the face's edge that is so much warmer than its middle, K, is not the face."""
GLASS_COLD, GLASS_SHARE = 0.5, 0.06
"""Glass that is so much colder than the bridge of the nose between: at least so many K, and this share of what the face
is warmer than the room, as glass stands between the two. On drawn people 0.35, 0.5 and 0.65 m away (60 faces, rooms of
18-28 °C, chips as bad as the data sheet allows, 16 frames) bare eyes are so cold in 1 of 100, glasses in 98, 96 and 73
of 100."""
EYES_COLD: Final = 1.6
"""The band of the eyes that is so much colder than cheeks and forehead, K, is behind hair or a hand."""
FOREHEAD_COLD: Final = 1.5
"""A forehead that is so much colder than the eyes, K, is under a hat or a fringe."""
STANDS_OUT: Final = 0.5
"""A face is warmer than what is beside it by this share of what it is warmer than the room: hair is half as warm."""
UNEVEN: Final = 0.13
"""The middle of the upper face is at most so far below its warmest pixels, as a share of what these are above the room:
in the same data the forehead's mean is 0.12 ± 0.05 of that below the face's maximum, of which pixels of 16 mm show some
0.04. With 0.16 a warm round thing in a recorded scene passes for a cool face by every second noise, with 0.13 by every
sixth."""
SUN: Final = 0.8
"""The forehead's middle that is so much warmer than the bridge of the nose, K, was heated from outside: the corners of
the eyes lie in the shade. In the data of Wang et al. (Sensors 2022, 22, 215) it is 0.62 ± 0.56 K colder than 12 mm at
the warmer corner, which is 0.3 K warmer than the bridge: one bare face of 50 is beyond this."""
FEW: Final = 3
"""Least pixels of a band that say anything."""
FEWER: Final = 2
"""The same for the bridge of the nose, of which there is no more from 0.6 m on."""


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """What was found about one face."""

    hot: NDArray[np.bool_]
    """bool[rows, columns]: pixels of and around something hotter than skin."""
    hot_share: float
    """Share of the part that is read which these are."""
    eyes: bool
    forehead: bool
    face: bool
    """Too little of it is as warm as skin, or it is no warmer than what is beside it."""
    sun: bool


def find_cover(heat: HeatMap, settings: ScreeningSettings) -> Cover:
    """Look at a map with at least some finite pixels on the face."""
    noise = _noise(heat)
    hot = _hot(heat, settings, noise)
    read = heat.region.read & np.isfinite(heat.mean)
    share = float(hot[read].mean()) if read.any() else 0.0
    eyes, forehead = (_values(heat, band & ~hot) for band in (heat.region.eyes, heat.region.forehead))
    rest = _values(heat, heat.region.inner & ~heat.region.eyes & ~hot)
    bare = _is_bare(heat, settings)
    covered = _glasses(heat, hot) or _eyes_covered(eyes, rest, forehead, EYES_COLD + noise)
    return Cover(
        hot=hot,
        hot_share=share,
        eyes=covered,
        forehead=_forehead_covered(forehead, eyes, FOREHEAD_COLD + noise),
        face=not (bare and _is_even(heat, hot, noise)),
        # What covers the face leaves little of a bridge to compare with.
        sun=bare and not covered and _sun(_values(heat, heat.region.bridge & ~hot), forehead),
    )


def _noise(heat: HeatMap) -> float:
    """Standard deviation of a pixel of the map, K."""
    return 0.0 if math.isnan(heat.noise) else heat.noise / math.sqrt(max(heat.samples, 1.0))


def _values(heat: HeatMap, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    values = heat.mean[where]
    return values[np.isfinite(values)]


def _hot(heat: HeatMap, settings: ScreeningSettings, noise: float) -> NDArray[np.bool_]:
    """Pixels that are no skin by their heat, or stand out at the face's edge, and those next to them."""
    with np.errstate(invalid="ignore"):
        burning = heat.mean > settings.hottest_surface + SIGMAS * noise
        middle = _values(heat, (heat.region.inner | heat.region.eyes) & ~burning)
        if middle.size >= FEW:
            edge = heat.region.face & ~heat.region.inner & ~heat.region.eyes & ~heat.region.forehead
            burning |= edge & (heat.mean > middle.max() + HOT_BESIDE + SIGMAS * noise)
    # The lens spreads what is hot over the next pixel.
    return cv2.dilate(burning.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)


def _glasses(heat: HeatMap, hot: NDArray[np.bool_]) -> bool:
    """Glass lets no heat through: it shows its own temperature, on both sides of a warm bridge."""
    bridge, lenses = (_values(heat, where & ~hot) for where in (heat.region.bridge, heat.region.lenses))
    if bridge.size < FEWER or lenses.size < FEW:
        return False
    by = max(GLASS_COLD, GLASS_SHARE * _above_room(heat, hot))
    return bool(lenses.mean() < bridge.mean() - by)


def _above_room(heat: HeatMap, hot: NDArray[np.bool_]) -> float:
    """How much warmer than the room the warmest part of the face is, K; 0 where that is not known."""
    read = _values(heat, heat.region.read & ~hot)
    if read.size < FEW or not math.isfinite(heat.room):
        return 0.0
    return max(float(np.sort(read)[-FEW:].mean()) - heat.room, 0.0)


def _eyes_covered(
    eyes: NDArray[np.float64], rest: NDArray[np.float64], forehead: NDArray[np.float64], by: float
) -> bool:
    """Against the cooler of cheeks and forehead: what cools those as well is no cover of the eyes."""
    beside = [float(np.median(values)) for values in (rest, forehead) if values.size >= FEW]
    return bool(eyes.size >= FEW and beside and np.median(eyes) < min(beside) - by)


def _forehead_covered(forehead: NDArray[np.float64], eyes: NDArray[np.float64], by: float) -> bool:
    return bool(forehead.size >= FEW and eyes.size >= FEW and np.median(forehead) < np.median(eyes) - by)


def _sun(bridge: NDArray[np.float64], forehead: NDArray[np.float64]) -> bool:
    if bridge.size < FEWER or forehead.size < FEW:
        return False
    return bool(np.median(forehead) > bridge.mean() + SUN)


def _is_even(heat: HeatMap, hot: NDArray[np.bool_], noise: float) -> bool:
    """Whether what is read is as even as a face: its middle is not far below its warmest."""
    read = _values(heat, heat.region.read & ~hot)
    if read.size < 2 * FEW or not math.isfinite(heat.room):
        return True
    warmest = float(np.sort(read)[-FEW:].mean())
    return float(np.median(read)) >= warmest - UNEVEN * max(warmest - heat.room, 0.0) - noise


def _is_bare(heat: HeatMap, settings: ScreeningSettings) -> bool:
    """Whether most of the face is as warm as skin, and warmer than what is beside it."""
    face, around = _values(heat, heat.region.face), _values(heat, heat.region.around)
    if not face.size or (face >= settings.warm_surface).mean() < settings.warm_share:
        return False
    # A face that fills the array has nothing beside it; then its warmth must do.
    if around.size < 4:
        return True
    middle = float(np.median(face))
    wanted = settings.contrast if math.isnan(heat.room) else max(settings.contrast, STANDS_OUT * (middle - heat.room))
    return middle - float(np.median(around)) >= wanted
