"""How probable each verdict is, by the noise model alone: what a rehearsal compares its readings with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from controller.lane.model import Remark, Verdict
from controller.perception.decision import guard_band
from controller.perception.screening import FINE, Footing, Reading, Surface, coldest, noise_left, reading

if TYPE_CHECKING:
    from controller.perception.screening_settings import ScreeningSettings

STEPS: Final = 400
"""Of the numeric integral over a first look."""
REACH: Final = 6.0
"""Standard deviations that it spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A bare face as it truly is, and the sensor before it."""

    surface: float
    """Mean of its warmest pixels, °C."""
    size: float
    """Width of a pixel on the face, m."""
    room: float
    """°C."""
    noise: float
    """NETD of one sample of one pixel, K."""
    frames: int
    renewed: float = 0.5
    """Share of the pixels that a frame measures anew."""
    bias: float = 0.0
    spread: float = 0.0
    """What is known of the surface value's error besides noise, K: none where the hottest pixels are known."""


def _reading(scene: Scene) -> Reading:
    """What one look finds without noise. Where pixels tell the corners of the eyes, those are what is warmest."""
    left = noise_left(scene.noise, scene.frames * scene.renewed)
    warmest = scene.surface + scene.bias
    seen = Surface(warmest, left, scene.room, scene.size, warmest if scene.size <= FINE else math.nan)
    return reading(seen, Footing(0.0, remarks=(Remark.NO_REFERENCE,)))


def value_of(scene: Scene) -> NormalDist:
    """The oral-equivalent temperature that one look finds, °C. The noise model is `surface`'s own."""
    left = noise_left(scene.noise, scene.frames * scene.renewed)
    return NormalDist(_reading(scene).value, max(math.hypot(left, scene.spread), 1e-9))


def prediction(settings: ScreeningSettings, scene: Scene, *, final: bool = False) -> dict[Verdict, float]:
    """How probable each verdict is at a look that stands alone. The values sum to 1."""
    if scene.surface > settings.hottest_surface:
        return {Verdict.TOO_HOT: 1.0}
    left = noise_left(scene.noise, scene.frames * scene.renewed)
    if left > settings.noise:
        return {Verdict.UNSTABLE: 1.0}
    value = value_of(scene)
    cold = value.cdf(coldest(settings, _reading(scene).parts))
    flagged = 1.0 - value.cdf(settings.alarm - guard_band(settings.guard, left, final=final))
    return {
        Verdict.TOO_COLD: cold,
        Verdict.NORMAL: max(1.0 - cold - flagged, 0.0),
        Verdict.ELEVATED if final else Verdict.RECHECK: flagged,
    }


def elevated_at_last(settings: ScreeningSettings, scene: Scene) -> float:
    """The chance that a first look flags and the mean of both looks is then elevated, 0..1."""
    left = noise_left(scene.noise, scene.frames * scene.renewed)
    value = value_of(scene)
    lowest = settings.alarm - guard_band(settings.guard, left, final=False)
    low, high = value.mean - REACH * value.stdev, value.mean + REACH * value.stdev
    step = (high - low) / STEPS
    total = 0.0
    for index in range(STEPS):
        first = low + (index + 0.5) * step
        if first >= lowest:
            total += step * value.pdf(first) * (1.0 - value.cdf(2 * settings.alarm - first))
    return min(total, 1.0)
