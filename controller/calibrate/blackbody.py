"""The black body in a thermal picture: where it is, what it surely fills, and whether it holds its temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.calibrate.radiance import reading_of
from controller.calibrate.refusal import CalibrationError, Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.calibrate.stillness import StillMap

NEAR: Final = 4.0
"""Kelvin from the set point within which something can be the source: four times the sensor's data sheet."""
CONTRAST: Final = 5.0
"""Kelvin between the source and the room; less, and the room itself is near the set point."""
BLUR: Final = 0.55
"""Standard deviation of an edge in a thermal picture, pixels: the optics' 0.45 and the pixel's own width."""
EDGE_LOSS: Final = 0.1
"""Kelvin that the outermost pixel which the source `surely fills` may read too little."""
LEAST_RADIUS: Final = 1.0
"""Thermal pixels that it must surely fill."""
UNIFORM: Final = 0.5
"""Standard deviation over the filled pixels, K, beyond noise: a person or a lamp is less even."""
DRIFT: Final = 0.2
"""Kelvin by which it may drift or swing while it is looked at."""
BLOCKS: Final = 8
"""Parts of the time that are compared for that."""


@dataclass(frozen=True, slots=True)
class Source:
    """A black body as it was found."""

    column: float
    row: float
    """Its middle in thermal pixels; pixel i covers i..i+1."""
    edge: float
    """Radius of a disc of its area, thermal pixels."""
    radius: float
    """Thermal pixels that it surely fills around its middle."""
    reading: float
    """Mean of the filled pixels, °C, for the emissivity that the sensor is told."""
    expected: float
    """What the sensor would read there were it without error, °C."""
    noise: float
    """Standard uncertainty of `reading` by noise, K."""
    unevenness: float
    """Standard deviation over the filled pixels beyond noise, K."""
    drift: float
    """Change over the time it was looked at, K, by a straight line."""
    swing: float
    """Standard deviation of its blocks' means about that line, K."""
    seconds: float
    """How long it was looked at."""

    @property
    def error(self) -> float:
        """Reading less what it should be, K: what a correction by this source takes out."""
        return self.reading - self.expected


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the source and the sensor before it is looked for."""

    temperature: float
    """Set point, °C."""
    emissivity: float = 0.98
    """Of its surface."""
    told: float = 0.98
    """Emissivity that the sensor is told."""
    reflected: float | None = None
    """Reflected temperature, °C; None: as the driver takes it, Ta − 8."""

    def expected(self, ambient: float) -> float:
        """What a sensor without error reads on it, °C, at a die temperature in °C."""
        reflected = ambient - 8.0 if self.reflected is None else self.reflected
        return reading_of(self.temperature, self.emissivity, told=self.told, reflected=reflected, assumed=reflected)


def find_source(heat: StillMap, known: Known, at: tuple[float, float] | None = None) -> Source:
    """The black body in a still scene; `at` (column, row) says where it is when several things could be meant.

    Raises `CalibrationError`: NO_TARGET, TWO_CANDIDATES, CUT_OFF, TOO_SMALL, UNSTEADY, OFF_SET_POINT.
    """
    expected = known.expected(heat.ambient)
    patches = _patches(heat, expected)
    if at is not None:
        patches = [patch for patch in patches if patch[int(at[1]), int(at[0])]]
    if not patches:
        raise CalibrationError(Refusal.NO_TARGET, _nothing(heat, expected, at))
    if len(patches) > 1:
        shown = "; ".join(_shown(heat, patch) for patch in patches[:4])
        raise CalibrationError(
            Refusal.TWO_CANDIDATES,
            f"{len(patches)} things are near {expected:.1f} °C: {shown}. Take away what is not the source (people "
            "too), or say which with --at COLUMN,ROW",
        )
    return _measured(heat, patches[0], expected)


def _patches(heat: StillMap, expected: float) -> list[NDArray[np.bool_]]:
    """Even, compact things near the temperature, the largest first."""
    room = heat.room
    contrast = expected - room
    if abs(contrast) < CONTRAST:
        raise CalibrationError(
            Refusal.BADLY_CONDITIONED,
            f"the source at {expected:.1f} °C is too near to the room at {room:.1f} °C to be told from it; set it to "
            f"a temperature {CONTRAST:g} K away at least, best that of skin, 35 to 38 °C",
        )
    near = (np.abs(heat.mean - expected) <= NEAR).astype(np.uint8)
    count, labels = cv2.connectedComponents(near, connectivity=4)
    apart = [patch for patch in (labels == number for number in range(1, count)) if _stands_out(heat, patch)]
    found = [patch for patch in apart if _is_compact(patch)]
    if not found:
        for patch in apart:
            if patch.sum() > 3 and (patch[[0, -1]].any() or patch[:, [0, -1]].any()):
                raise CalibrationError(
                    Refusal.CUT_OFF, f"{_shown(heat, patch)} reaches beyond the thermal picture's edge; move it inwards"
                )
    return sorted(found, key=lambda patch: -int(patch.sum()))


def _stands_out(heat: StillMap, patch: NDArray[np.bool_]) -> bool:
    """Whether a patch is a thing of its own: a slope around something hotter has one side warmer and one colder."""
    grown = cv2.dilate(patch.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~patch
    around = heat.mean[grown]
    if patch.sum() < 2 or not around.size:
        return False
    inside = float(np.median(heat.mean[patch]))
    warmer, colder = float((around > inside + 1.0).mean()), float((around < inside - 1.0).mean())
    return min(warmer, colder) < 0.1 and max(warmer, colder) > 0.7


def _is_compact(patch: NDArray[np.bool_]) -> bool:
    """Whether a patch is about as high as wide, and filled."""
    rows, columns = np.nonzero(patch)
    tall, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
    return bool(max(tall, wide) <= 2.0 * min(tall, wide) + 1 and len(rows) >= 0.5 * tall * wide)


def _measured(heat: StillMap, patch: NDArray[np.bool_], expected: float) -> Source:
    """Middle, edge, evenness and steadiness of the source in a patch."""
    rows, columns = np.indices(patch.shape) + 0.5
    at = (float(columns[patch].mean()), float(rows[patch].mean()))
    reach = math.sqrt(patch.sum() / math.pi) + 1.5
    edge, plateau, around = 0.0, 0.0, 0.0
    share = patch.astype(np.float64)
    for _ in range(10):
        far = np.hypot(columns - at[0], rows - at[1])
        ring = (far > reach + 0.8) & (far < reach + 2.5)
        plateau = float(np.median(np.sort(heat.mean[far <= max(0.45 * reach, 0.75)])))
        around = float(np.median(heat.mean[ring])) if ring.any() else heat.room
        share = np.where(far <= reach + 0.8, np.clip((heat.mean - around) / (plateau - around), 0, 1), 0.0)
        # Below a fifth it is the surroundings' own pattern that would pull the middle.
        share = np.where(share > 0.2, share, 0.0)
        at = (float((share * columns).sum() / share.sum()), float((share * rows).sum() / share.sum()))
        edge = math.sqrt(float(share.sum()) / math.pi)
    rows_there, columns_there = patch.shape
    if edge + 0.3 > min(at[0], at[1], columns_there - at[0], rows_there - at[1]):
        raise CalibrationError(
            Refusal.CUT_OFF,
            f"the source at column {at[0]:.1f}, row {at[1]:.1f} reaches beyond the thermal picture's edge; move it "
            "inwards",
        )
    radius = _filled(heat, at, edge * _narrowness(share, rows - at[1], columns - at[0]), plateau, abs(plateau - around))
    if radius < LEAST_RADIUS:
        raise CalibrationError(
            Refusal.TOO_SMALL,
            f"the source at column {at[0]:.1f}, row {at[1]:.1f} surely fills {radius:.1f} thermal pixels around its "
            f"middle (its edge is at {edge:.1f}), {LEAST_RADIUS:.1f} are needed: put it nearer, or take a larger one",
        )
    return _read(heat, at, edge, radius, expected)


def _narrowness(share: NDArray[np.float64], down: NDArray[np.float64], across: NDArray[np.float64]) -> float:
    """Half the shorter axis of an ellipse over the radius of a disc of its area: the array's pixels are not square."""
    moments = np.array([[(share * a * b).sum() for a in (across, down)] for b in (across, down)])
    low, high = np.linalg.eigvalsh(moments)
    return float((max(low, 1e-9) / max(high, 1e-9)) ** 0.25)


def _filled(heat: StillMap, at: tuple[float, float], edge: float, plateau: float, contrast: float) -> float:
    """Radius within which a pixel's middle is so far from the edge that it loses EDGE_LOSS at most, thermal pixels."""
    share = min(max(EDGE_LOSS / max(contrast, 1e-6), 1e-6), 0.5)
    modelled = edge - BLUR * NormalDist().inv_cdf(1 - share)
    rows, columns = np.indices(heat.mean.shape) + 0.5
    far = np.hypot(columns - at[0], rows - at[1])
    limit = UNIFORM + 4 * heat.left
    outside = far[(np.abs(heat.mean - plateau) > limit) | heat.dead]
    # A dead pixel, or one the reality is less kind to than the model, bounds it as well.
    return float(max(0.0, min(modelled, outside.min() - 0.05 if outside.size else modelled)))


def _read(heat: StillMap, at: tuple[float, float], edge: float, radius: float, expected: float) -> Source:
    """Read the source's filled pixels, over place and time. Raises UNSTEADY and OFF_SET_POINT."""
    rows, columns = np.indices(heat.mean.shape) + 0.5
    inside = (np.hypot(columns - at[0], rows - at[1]) <= radius) & ~heat.dead
    pixels = heat.mean[inside]
    if not pixels.size:
        raise CalibrationError(Refusal.TOO_SMALL, "the source fills no whole thermal pixel")
    noise = heat.left / math.sqrt(pixels.size)
    beyond = math.sqrt(max(float(pixels.var()) - heat.left**2, 0.0))
    drift, swing, expected_swing = _in_time(heat, inside)
    seconds = float(heat.times[-1] - heat.times[0])
    place = f"the source at column {at[0]:.1f}, row {at[1]:.1f}"
    if abs(drift) > DRIFT + 3 * expected_swing or swing > DRIFT / 2 + 2 * expected_swing:
        raise CalibrationError(
            Refusal.UNSTEADY,
            f"{place} changed by {drift:+.2f} K in {seconds:.0f} s and swings by {swing:.2f} K: let it settle (and "
            "the sensor for four minutes after power-on), keep draughts and hands away",
        )
    reading = float(pixels.mean())
    if abs(reading - expected) > NEAR / 2:
        raise CalibrationError(
            Refusal.OFF_SET_POINT,
            f"{place} reads {reading:.2f} °C where {expected:.2f} °C is right: {NEAR / 2:g} K are twice what the "
            "sensor's data sheet allows. Is the set point right, has it settled, is the right thing looked at?",
        )
    return Source(at[0], at[1], edge, radius, reading, expected, noise, beyond, drift, swing, seconds)


def _in_time(heat: StillMap, inside: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Drift over the whole time, swing about it, and the swing that noise alone makes, K."""
    # Each pixel about its own mean, so that it does not matter which of them a frame renewed.
    relative = heat.readings[:, inside] - heat.mean[inside]
    blocks = np.array_split(np.arange(len(relative)), BLOCKS)
    means, counts = [], []
    for block in blocks:
        values = relative[block][np.isfinite(relative[block])]
        if values.size:
            means.append(float(values.mean()))
            counts.append(values.size)
    at = np.linspace(-0.5, 0.5, len(means))
    if len(means) < 4:
        return 0.0, 0.0, 0.0
    slope, level = np.polyfit(at, means, 1)
    swing = float(np.std(np.array(means) - slope * at - level, ddof=2))
    return float(slope), swing, heat.noise / math.sqrt(float(np.mean(counts)))


def _shown(heat: StillMap, patch: NDArray[np.bool_]) -> str:
    rows, columns = np.nonzero(patch)
    return (
        f"{float(np.median(heat.mean[patch])):.1f} °C at column {columns.mean() + 0.5:.1f}, row "
        f"{rows.mean() + 0.5:.1f} ({len(rows)} pixels)"
    )


def _nothing(heat: StillMap, expected: float, at: tuple[float, float] | None) -> str:
    if at is not None:
        here = float(heat.mean[int(at[1]), int(at[0])])
        return (
            f"at column {at[0]:g}, row {at[1]:g} it is {here:.1f} °C, and no even disc near {expected:.1f} °C is there"
        )
    row, column = np.unravel_index(int(np.argmin(np.abs(heat.mean - expected))), heat.mean.shape)
    return (
        f"no even disc within {NEAR:g} K of {expected:.1f} °C is in the thermal picture (nearest: "
        f"{heat.mean[row, column]:.1f} °C at column {column + 0.5:.1f}, row {row + 0.5:.1f}; warmest: "
        f"{heat.mean.max():.1f} °C); is the source on, settled and in view?"
    )
