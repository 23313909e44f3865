"""From a face's heat to a temperature and a verdict, with the uncertainty said.

value = surface + what pixels of this size miss of the warmest spot (`spot`) + oral less face maximum in this room
(`temperature`): slope 1 in the surface, because any shrinking towards the usual loses fevers. Pure functions;
`ScreeningAttempt` collects the frames.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from controller.lane.model import Remark, Screening, Uncertainty, Verdict
from controller.perception import spot
from controller.perception.cold import minutes_to_wait
from controller.perception.cover import Cover, find_cover
from controller.perception.decision import judge, pooled, risk
from controller.perception.frame_checks import DIE_RANGE, frame_fault
from controller.perception.heat import HeatMap, Levels, average, leave_one_out, smooth
from controller.perception.registration import FACE_BREADTH
from controller.perception.temperature import FITTED_ROOM, Readings, estimate
from controller.perception.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.screening_settings import ScreeningSettings
    from controller.perception.types import HeatFrame

HOTTEST = 4
"""Pixels whose mean is the face's surface value: one alone would be a lottery of the noise."""
CHOICE_BLUR = 0.7
"""Pixels by which a map is smoothed before its hottest pixels are looked for (not before they are read)."""
CHOICE_LOSS, CHOICE_NOISE = 0.07, 1.15
"""Reading beside the true hottest pixels costs so many kelvin, which are added back, and multiplies the noise so. Both
are measured on 16 simulated faces at 0.4-0.6 m, noise 0.3-0.8 K, 12-24 frames: loss 0.04-0.10 K, factor 0.94-1.22."""
FINE = 0.005
"""Pixels up to this width on the face, m, tell the inner corners of the eyes, some 10 mm each, from what is beside."""
ROOMS = (5.0, 40.0)
"""Rooms, °C, outside of which nothing is known of the way from surface to body."""
USUAL = 36.8
"""Mean oral-equivalent temperature of afebrile people, °C: what a cold face is measured against, never a reading."""
USUAL_SPREAD = 0.3
"""Standard deviation of the same, K (606 people, doi 10.13026/3bhc-9065)."""
COLD_SIGMAS = 1.8
"""A lower bound of 27 in 28 healthy people. A warm round thing in a recorded scene still passes at times (its test)."""
INSIDE = 0.8
"""Least share of what is read that must be on the array."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What the absolute value of a look rests on; frames come with `correction` added already."""

    uncertainty: float
    """Standard uncertainty of the frames' absolute value, K."""
    correction: float | None = None
    """What was added to the frames, K; None: nothing, there is neither a reference nor a crowd."""
    unfit: Remark | None = None
    """Why no reading may be taken now."""
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Surface:
    """The warmest part of a face."""

    value: float
    """°C."""
    noise: float
    """Its standard uncertainty by the sensor's noise, K."""
    room: float
    """°C."""
    size: float
    """Width of a pixel on the face, m."""
    canthi: float = math.nan
    """Inner corners of the eyes, °C, where pixels are fine enough to tell them from what is beside them; else NaN."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An oral-equivalent temperature, before anything is said about it."""

    value: float
    """°C."""
    parts: Uncertainty


def plain_footing(settings: ScreeningSettings) -> Footing:
    """The sensor's own calibration, or the site's, and nothing else."""
    measured = settings.offset_uncertainty
    return Footing(settings.accuracy / math.sqrt(3) if measured is None else measured, remarks=(Remark.NO_REFERENCE,))


def surface(heat: HeatMap, settings: ScreeningSettings, hot: NDArray[np.bool_] | None = None) -> Surface | None:
    """The mean of the HOTTEST pixels of the upper face; None where too few were measured twice.

    Picking the hottest pixels of a noisy map also picks the luckiest noise. So each sample is read where the *others*
    are hottest (leave one out), and what is read knows nothing of the noise that chose its place. `hot`: bool[rows,
    columns] of pixels to leave out.
    """
    if not np.isfinite(heat.noise):
        return None
    left_out = np.zeros_like(heat.region.read) if hot is None else hot
    value = _warmest(heat, heat.region.read & ~left_out)
    if math.isnan(value):
        return None
    room = heat.room if settings.room is None else settings.room
    size = pixel_size(heat.region.pitch)
    canthi = _warmest(heat, heat.region.eyes & ~left_out) if size <= FINE else math.nan
    noise = noise_left(heat.noise, heat.samples)
    return Surface(value + settings.offset, noise, room, size, canthi + settings.offset)


def _warmest(heat: HeatMap, allowed: NDArray[np.bool_]) -> float:
    """The mean of the HOTTEST of these pixels, °C; NaN where too few were measured twice."""
    read = []
    for others, own in zip(*leave_one_out(heat.readings), strict=True):
        usable = allowed & np.isfinite(others) & np.isfinite(own)
        if usable.sum() >= HOTTEST:
            places = np.argsort(-smooth(others, CHOICE_BLUR)[usable], kind="stable")[:HOTTEST]
            read.append(own[usable][places].mean())
    return float(np.mean(read)) + CHOICE_LOSS if len(read) >= 2 else math.nan


def pixel_size(across: float) -> float:
    """Width of a thermal pixel on a face that is `across` pixels wide, m."""
    return FACE_BREADTH / max(across, 1e-6)


def noise_left(noise: float, samples: float) -> float:
    """Standard uncertainty of the surface value, K, for a pixel noise in K and so many samples of each pixel."""
    return CHOICE_NOISE * noise / math.sqrt(HOTTEST * max(samples, 1.0))


def reading(seen: Surface, footing: Footing) -> Reading:
    """The oral-equivalent temperature of a surface, with its uncertainty by cause."""
    lost = spot.loss(seen.size, seen.room)
    found = estimate(Readings(face=seen.value + lost, canthi=seen.canthi + lost, room=seen.room))
    region = math.hypot(spot.scatter(seen.size, seen.room), found.region)
    return Reading(found.value, Uncertainty(seen.noise, footing.uncertainty, region, found.compensation))


def screen(
    heat: HeatMap | None,
    settings: ScreeningSettings,
    look: int = 1,
    footing: Footing | None = None,
    earlier: tuple[tuple[float, float], ...] = (),
) -> Screening:
    """The screening that a heat map amounts to.

    `look` counts the person's looks from 1; `earlier` is (value, noise) of those before, pooled, which this one is
    pooled with. `footing` None: the sensor's own calibration.
    """
    footing = plain_footing(settings) if footing is None else footing
    if heat is None:
        return no_result(Verdict.SENSOR_UNFIT, 0, Remark.NO_FRAME)
    bar = _bar(heat, settings, footing)
    if bar is not None:
        return no_result(bar[0], heat.frames, bar[1])
    cover = find_cover(heat, settings)
    if cover.hot_share > settings.hot_share:
        return no_result(Verdict.TOO_HOT, heat.frames, Remark.HOT_OBJECT, wait=1)
    seen = surface(heat, settings, cover.hot)
    if seen is None or seen.noise > settings.noise:
        return no_result(Verdict.UNSTABLE, heat.frames, Remark.NOISY)
    if not ROOMS[0] <= seen.room <= ROOMS[1]:
        return no_result(Verdict.SENSOR_UNFIT, heat.frames, Remark.IMPOSSIBLE_AMBIENT)
    found = reading(seen, footing)
    bar = _cover_bar(cover, found, settings)
    if bar is not None:
        wait = _wait(bar[0], found.value, settings)
        return no_result(bar[0], heat.frames, bar[1], surface_value=seen.value, wait=wait)
    value, noise = pooled([*earlier, (found.value, found.parts.noise)])
    parts = Uncertainty(noise, found.parts.reference, found.parts.region, found.parts.compensation)
    verdict = judge(value, noise, settings, final=look >= settings.looks)
    return Screening(
        verdict,
        value,
        parts.combined,
        seen.value,
        heat.frames,
        parts=parts,
        risk=risk(verdict, value, parts.combined, settings.alarm),
        remarks=(*_remarks(heat, cover), *footing.remarks, *_room_remarks(seen.room)),
        correction=footing.correction,
        room=seen.room,
        looks=look if earlier else 1,
    )


def no_result(
    verdict: Verdict,
    frames: int,
    *remarks: Remark,
    surface_value: float | None = None,
    wait: int | None = None,
) -> Screening:
    """A screening that measured nothing, with the reason."""
    return Screening(verdict, None, None, surface_value, frames, remarks=remarks, wait_minutes=wait)


def _bar(heat: HeatMap, settings: ScreeningSettings, footing: Footing) -> tuple[Verdict, Remark] | None:
    """Why these frames can give no reading; None when they can."""
    face = heat.mean[heat.region.face]
    if footing.unfit is not None:
        return Verdict.SENSOR_UNFIT, footing.unfit
    if not np.isfinite(heat.mean).any():
        return Verdict.SENSOR_UNFIT, Remark.NOT_A_NUMBER
    if not DIE_RANGE[0] <= heat.ambient <= DIE_RANGE[1]:
        return Verdict.SENSOR_UNFIT, Remark.IMPOSSIBLE_AMBIENT
    if heat.frozen:
        return Verdict.SENSOR_UNFIT, Remark.FROZEN
    if heat.region.inside < INSIDE:
        return Verdict.UNSTABLE, Remark.FACE_AT_EDGE
    if face.size < settings.pixels:
        return Verdict.TOO_FAR, Remark.FEW_PIXELS
    if np.isfinite(face).mean() < 0.8:
        return Verdict.SENSOR_UNFIT, Remark.NOT_A_NUMBER
    # A minority that disagrees is left out; when most frames disagree, nobody knows which are right.
    if heat.frames <= heat.rejected:
        return Verdict.UNSTABLE, Remark.MOVED
    if heat.frames < settings.frames:
        return Verdict.UNSTABLE, Remark.FEW_FRAMES
    return None


def _cover_bar(cover: Cover, found: Reading, settings: ScreeningSettings) -> tuple[Verdict, Remark] | None:
    """Why this temperature is not one of a bare, settled face; None when it is."""
    if cover.sun or found.value > settings.hottest:
        return Verdict.TOO_HOT, Remark.SUN_WARMED
    if cover.eyes:
        return Verdict.OBSTRUCTED, Remark.EYES_COVERED
    if found.value < coldest(settings, found.parts):
        return Verdict.TOO_COLD, Remark.CHILLED
    if cover.face:
        return Verdict.OBSTRUCTED, Remark.FACE_COVERED
    return None


def coldest(settings: ScreeningSettings, parts: Uncertainty) -> float:
    """What is colder than 27 of 28 healthy people read here, °C: chilled, or no face."""
    spread = math.hypot(parts.region, parts.compensation, USUAL_SPREAD)
    return max(settings.coldest, USUAL - COLD_SIGMAS * spread)


def _wait(verdict: Verdict, value: float, settings: ScreeningSettings) -> int | None:
    match verdict:
        case Verdict.TOO_COLD:
            return minutes_to_wait(USUAL - value, warm_up=settings.warm_up_minutes)
        case Verdict.TOO_HOT:
            return math.ceil(settings.warm_up_minutes)
        case _:
            return None


def _remarks(heat: HeatMap, cover: Cover) -> tuple[Remark, ...]:
    found = (
        (Remark.FRAMES_LEFT_OUT, heat.rejected > 0),
        (Remark.GLITCHES_LEFT_OUT, heat.glitches > 0),
        (Remark.HOT_OBJECT_LEFT_OUT, cover.hot_share > 0),
        (Remark.FOREHEAD_COVERED, cover.forehead),
    )
    return tuple(remark for remark, holds in found if holds)


def _room_remarks(room: float) -> tuple[Remark, ...]:
    return () if FITTED_ROOM[0] <= room <= FITTED_ROOM[1] else (Remark.ROOM_OUTSIDE_FIT,)


class ScreeningAttempt:
    """Frames of one person at one look."""

    STILL = 1.5
    """Pixels that the face may have moved between frames that are averaged together."""
    KEEP = 64
    """Newest frames that are kept."""

    def __init__(
        self,
        settings: ScreeningSettings,
        look: int = 1,
        earlier: tuple[tuple[float, float], ...] = (),
        not_before: float = -math.inf,
    ) -> None:
        """`look` counts the person's looks from 1, `earlier` are their (value, noise).

        Frames from before `not_before`, monotonic seconds, are of somebody else.
        """
        self._settings = settings
        self._look = look
        self._earlier = earlier
        self._not_before = not_before
        self._seen: list[tuple[HeatFrame, Box, Levels]] = []
        self._faults: Counter[Remark] = Counter()

    def add(self, frame: HeatFrame, box: Box, levels: Levels | None = None) -> None:
        """One frame, with the face's place on it in thermal pixels. A frame seen before is ignored."""
        if self._seen and frame.timestamp <= self._seen[-1][0].timestamp:
            return
        fault = Remark.STALE if frame.timestamp < self._not_before else frame_fault(frame)
        if fault is not None:
            self._faults[fault] += 1
            return
        self._seen = [*self._seen[1 - self.KEEP :], (frame, box, levels or Levels())]

    def heat(self) -> HeatMap | None:
        """The map over the frames in which the face stood where it stands now; None without a frame."""
        if not self._seen:
            return None
        newest, place, _ = self._seen[-1]
        x, y = place.centre
        still = [
            (frame, box, levels)
            for frame, box, levels in self._seen
            if math.hypot(box.centre[0] - x, box.centre[1] - y) <= self.STILL
            and frame.temperatures.shape == newest.temperatures.shape
        ]
        boxes = [box for _, box, _ in still]
        place = Box(*(float(median(getattr(box, key) for box in boxes)) for key in ("x", "y", "width", "height")))
        levels = Levels(median(each.eyes for *_, each in still), median(each.nose for *_, each in still))
        return average([frame for frame, *_ in still], place, levels)

    def screening(self, heat: HeatMap | None = None, footing: Footing | None = None) -> Screening:
        """What the frames amount to so far; `heat` saves averaging anew when `heat()` was just called."""
        bad = self._faults.total()
        if bad > len(self._seen):
            return no_result(Verdict.SENSOR_UNFIT, len(self._seen), self._faults.most_common(1)[0][0])
        return screen(heat or self.heat(), self._settings, self._look, footing, self._earlier)
