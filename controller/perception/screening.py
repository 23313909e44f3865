"""From a face's heat to a temperature and a verdict, with the uncertainty said.

value = surface + OFFSET + OFFSET_SLOPE · (room − OFFSET_ROOM): slope 1 in the surface, because any shrinking towards
the usual loses fevers. Pure functions; `ScreeningAttempt` collects the frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np

from controller.lane.model import Screening, Verdict
from controller.perception.heat import HeatMap, average, leave_one_out, smooth

if TYPE_CHECKING:
    from controller.perception.types import Box, HeatFrame

OFFSET, OFFSET_SLOPE, OFFSET_ROOM = 1.20, -0.085, 24.0
"""Oral less warmest-face temperature, K, at a room of OFFSET_ROOM °C, and its change per kelvin of the room. Fitted on
606 afebrile people's first reading (`python -m benchmarks.fever_offset`; Wang et al., Sensors 2022, 22, 215)."""
COMPENSATION_SCATTER = 0.31
"""Standard deviation of a person about that line, K (same fit)."""

HOTTEST = 4
"""Pixels whose mean is the face's surface value: one alone would be a lottery of the noise."""
CHOICE_BLUR = 0.7
"""Pixels by which a map is smoothed before its hottest pixels are looked for (not before they are read)."""
CHOICE_LOSS, CHOICE_NOISE = 0.07, 1.15
"""Reading beside the true hottest pixels costs so many kelvin, which are added back, and multiplies the noise so. Both
are measured on 16 simulated faces at 0.4-0.6 m, noise 0.3-0.8 K, 12-24 frames: loss 0.04-0.10 K, factor 0.94-1.22."""


class ScreeningSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a reading counts, and what it means. Temperatures are oral-equivalent °C unless said otherwise."""

    alarm: Annotated[float, msgspec.Meta(ge=36.5, le=39.5)] = 37.45
    """From here on a temperature is elevated. Of people read once it stops 5 % of the afebrile and finds 36 of 49 with
    an oral temperature from 37.5 (`python -m benchmarks.fever_offset`); 37.3 stops 10 % and finds 40."""
    guard: Annotated[float, msgspec.Meta(ge=0, le=3)] = 1.645
    """Half-width of the band around `alarm` that asks for a second look, in standard deviations of the noise: a second
    look changes noise, not a calibration error."""
    looks: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2
    """The look that decides without a band, so that nobody is asked for ever."""
    coldest: Annotated[float, msgspec.Meta(ge=30, le=37)] = 35.7
    """Below, the face is still cold from outside, or it is no face: 1 of 606 afebrile people indoors reads lower."""
    hottest_surface: Annotated[float, msgspec.Meta(ge=38, le=60)] = 41.0
    """A surface above, °C, is no skin: a lamp, a cup, a heater."""
    warm_surface: Annotated[float, msgspec.Meta(ge=20, le=35)] = 29.5
    """Skin indoors is at least so warm, °C of the surface."""
    warm_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.55
    """Least share of the face's pixels that must be `warm_surface`; less is covered, or no face."""
    contrast: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
    """Kelvin by which the face must be warmer than what is beside it."""
    pixels: Annotated[int, msgspec.Meta(ge=4, le=768)] = 24
    """Least pixels on the face: an adult at about 0.9 m from an MLX90640 BAB."""
    frames: Annotated[int, msgspec.Meta(ge=2, le=512)] = 12
    """Least frames that agree: 0.75 s at 16 renewals a second."""
    noise: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.3
    """Largest standard uncertainty by noise of a usable surface value, K."""
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=5)] = 1.0
    """Half-width of the sensor's calibration error, K, taken as uniform: ±1 is the MLX90640's data sheet in its
    centre; with a reference source in view, what that leaves (about ±0.2)."""
    offset: Annotated[float, msgspec.Meta(ge=-5, le=5)] = 0.0
    """Added to every surface value, K: the site's own calibration against a clinical thermometer."""
    room: Annotated[float, msgspec.Meta(ge=0, le=45)] | None = None
    """Air temperature, °C, where it is known; None: the coolest fifth of the picture, where walls are."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The warmest part of a face."""

    value: float
    """°C."""
    noise: float
    """Its standard uncertainty by the sensor's noise, K."""
    room: float
    """°C."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Standard uncertainties of an estimated temperature, K, by cause (after the GUM, JCGM 100)."""

    noise: float
    """Sensor noise left after averaging; the only part that a second look changes."""
    accuracy: float
    """Calibration of the sensor: uniform within ±a, a / √3."""
    compensation: float
    """How much people differ in oral less surface temperature."""

    @property
    def combined(self) -> float:
        """Root of the sum of squares."""
        return math.sqrt(self.noise**2 + self.accuracy**2 + self.compensation**2)


def compensation(room: float) -> float:
    """Oral less warmest-face temperature in a room of `room` °C, K."""
    return OFFSET + OFFSET_SLOPE * (room - OFFSET_ROOM)


def uncertainty(settings: ScreeningSettings, noise: float) -> Uncertainty:
    """The named parts, for a surface value with this much noise left."""
    return Uncertainty(noise, settings.accuracy / math.sqrt(3), COMPENSATION_SCATTER)


def surface(heat: HeatMap, settings: ScreeningSettings) -> Surface | None:
    """The mean of the HOTTEST pixels of the face; None where too few were measured twice.

    Picking the hottest pixels of a noisy map also picks the luckiest noise. So each sample is read where the *others*
    are hottest (leave one out), and what is read knows nothing of the noise that chose its place.
    """
    if not np.isfinite(heat.noise):
        return None
    read = []
    for others, own in zip(*leave_one_out(heat.readings), strict=True):
        usable = heat.region.face & np.isfinite(others) & np.isfinite(own)
        if usable.sum() >= HOTTEST:
            places = np.argsort(-smooth(others, CHOICE_BLUR)[usable], kind="stable")[:HOTTEST]
            read.append(own[usable][places].mean())
    if len(read) < 2:
        return None
    room = heat.room if settings.room is None else settings.room
    return Surface(float(np.mean(read)) + CHOICE_LOSS + settings.offset, noise_left(heat.noise, heat.samples), room)


def noise_left(noise: float, samples: float) -> float:
    """Standard uncertainty of the surface value, K, for a pixel noise in K and so many samples of each pixel."""
    return CHOICE_NOISE * noise / math.sqrt(HOTTEST * max(samples, 1.0))


def judge(settings: ScreeningSettings, value: float, noise: float, look: int) -> Verdict:
    """The verdict on an estimated temperature, °C, with so much noise left, K, at the person's `look`-th look."""
    if value < settings.coldest:
        return Verdict.TOO_COLD
    band = guard_band(settings, noise, look)
    if value >= settings.alarm + band:
        return Verdict.ELEVATED
    return Verdict.NORMAL if value < settings.alarm - band else Verdict.RECHECK


def guard_band(settings: ScreeningSettings, noise: float, look: int) -> float:
    """Half-width of the band around the alarm that asks for a second look, K; none at the deciding look."""
    return 0.0 if look >= settings.looks else settings.guard * noise


def screen(heat: HeatMap | None, settings: ScreeningSettings, look: int = 1) -> Screening:
    """The screening that a heat map amounts to; `look` counts the person's looks from 1."""
    if heat is None:
        return _no_result(Verdict.SENSOR_UNFIT, 0)
    unfit = _unfit(heat, settings)
    if unfit is not None:
        return _no_result(unfit, heat.frames)
    seen = surface(heat, settings)
    if seen is None or seen.noise > settings.noise or not math.isfinite(seen.room):
        return _no_result(Verdict.UNSTABLE, heat.frames)
    value = seen.value + compensation(seen.room)
    verdict = judge(settings, value, seen.noise, look)
    if verdict is not Verdict.TOO_COLD and not _is_bare_face(heat, settings):
        verdict = Verdict.OBSTRUCTED
    if not verdict.is_result:
        return Screening(verdict, None, None, seen.value, heat.frames)
    return Screening(verdict, value, uncertainty(settings, seen.noise).combined, seen.value, heat.frames)


def _no_result(verdict: Verdict, frames: int) -> Screening:
    return Screening(verdict, None, None, None, frames)


def _unfit(heat: HeatMap, settings: ScreeningSettings) -> Verdict | None:
    """Why these frames can give no reading; None when they can."""
    face = heat.mean[heat.region.face]
    if not np.isfinite(heat.mean).any() or not -40.0 <= heat.ambient <= 85.0:
        return Verdict.SENSOR_UNFIT
    if face.size < settings.pixels:
        return Verdict.TOO_FAR
    if np.isfinite(face).mean() < 0.8:
        return Verdict.SENSOR_UNFIT
    # A minority that disagrees is left out; when most frames disagree, nobody knows which are right.
    if heat.frames < settings.frames or heat.frames <= heat.rejected:
        return Verdict.UNSTABLE
    spread = 0.0 if math.isnan(heat.noise) else 3 * heat.noise / math.sqrt(max(heat.samples, 1.0))
    if np.nanmax(face) > settings.hottest_surface + spread:
        return Verdict.TOO_HOT
    return None


def _is_bare_face(heat: HeatMap, settings: ScreeningSettings) -> bool:
    """Whether most of the face is as warm as skin, and warmer than what is beside it."""
    face = heat.mean[heat.region.face]
    around = heat.mean[heat.region.around]
    face, around = face[np.isfinite(face)], around[np.isfinite(around)]
    if (face >= settings.warm_surface).mean() < settings.warm_share:
        return False
    # A face that fills the array has nothing beside it; then its warmth must do.
    return around.size < 4 or bool(np.median(face) - np.median(around) >= settings.contrast)


def prediction(
    settings: ScreeningSettings,
    *,
    true_surface: float,
    room: float,
    noise: float,
    frames: int,
    renewed: float = 0.5,
    bias: float = 0.0,
    spread: float = 0.0,
    look: int = 1,
) -> dict[Verdict, float]:
    """How probable each verdict is for a bare face whose warmest pixels are at `true_surface` °C.

    `noise` is the sensor's NETD of one sample of one pixel, K; `renewed` the share of pixels that a frame measures
    anew. `bias` and `spread` (K) are what is known of the surface value's error besides noise: none in a simulated
    scene whose hottest pixels are known. The noise model is `surface`'s own, with a normal distribution. The values
    sum to 1.
    """
    if true_surface > settings.hottest_surface:
        return {Verdict.TOO_HOT: 1.0}
    left = noise_left(noise, frames * renewed)
    if left > settings.noise:
        return {Verdict.UNSTABLE: 1.0}
    value = NormalDist(true_surface + bias + compensation(room), max(math.hypot(left, spread), 1e-9))
    band = guard_band(settings, left, look)
    cold, low, high = (value.cdf(x) for x in (settings.coldest, settings.alarm - band, settings.alarm + band))
    return {
        Verdict.TOO_COLD: cold,
        Verdict.NORMAL: max(low - cold, 0.0),
        Verdict.RECHECK: high - low,
        Verdict.ELEVATED: 1 - high,
    }


class ScreeningAttempt:
    """Frames of one person at one look."""

    STILL = 1.5
    """Pixels that the face may have moved between frames that are averaged together."""
    KEEP = 64
    """Newest frames that are kept."""

    def __init__(self, settings: ScreeningSettings, look: int = 1) -> None:
        """`look` counts the person's looks from 1."""
        self._settings = settings
        self._look = look
        self._seen: list[tuple[HeatFrame, Box]] = []

    def add(self, frame: HeatFrame, box: Box) -> None:
        """One frame, with the face's place on it in thermal pixels. A frame seen before is ignored."""
        if self._seen and frame.timestamp <= self._seen[-1][0].timestamp:
            return
        self._seen = [*self._seen[1 - self.KEEP :], (frame, box)]

    def heat(self) -> HeatMap | None:
        """The map over the frames in which the face stood where it stands now; None without a frame."""
        if not self._seen:
            return None
        x, y = self._seen[-1][1].centre
        still = [
            (frame, box)
            for frame, box in self._seen
            if math.hypot(box.centre[0] - x, box.centre[1] - y) <= self.STILL
            and frame.temperatures.shape == self._seen[-1][0].temperatures.shape
        ]
        corners = np.median([(box.x, box.y, box.width, box.height) for _, box in still], axis=0)
        return average([frame for frame, _ in still], type(still[0][1])(*(float(value) for value in corners)))

    def screening(self, heat: HeatMap | None = None) -> Screening:
        """What the frames amount to so far; `heat` saves averaging anew when `heat()` was just called."""
        return screen(heat or self.heat(), self._settings, self._look)
