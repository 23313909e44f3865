"""The black body in view: what it says of the sensor's absolute value, frame by frame, and when it says nothing."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.perception.linearity import Linearity, LinearityResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.reference_settings import ReferenceSettings
    from controller.perception.types import HeatFrame

KELVIN: Final = 273.15
WINDOW: Final = 10.0
"""Seconds whose mean is the correction: long against the noise, short against a warm-up of minutes."""
ENOUGH: Final = 8
"""Frames before it is believed."""
SILENT: Final = 3.0
"""Seconds without a usable frame after which it counts as missing."""
UNEVEN: Final = 1.0
"""Spread of its pixels, K, beyond that of their noise: part of it is covered, or it has moved."""
SMOOTH: Final = 8
"""Frames over which its pixels are averaged to see that spread: in one frame a hand over a third is lost in the
noise, and shifts the mean by a kelvin all the same."""
SMOOTHED: Final = 0.37
"""Noise of a pixel after that, as a share of one frame's: a pixel is renewed in every second frame."""
LEAP: Final = 0.5
"""A frame that is so far from the window's median, K, and five of its deviations, is left out: a hand before it."""
RELEARN: Final = 5.0
"""Seconds of such frames, steady among themselves, after which they are the truth: the sensor has leapt."""
OPEN_AIR: Final = 8.0
"""Tr = Ta - 8 K: what the driver takes for the reflected temperature when it was told none (data sheet 11.2.2.9)."""


@dataclass(frozen=True, slots=True)
class Optics:
    """What the thermal sensor was told about what it looks at."""

    emissivity: float = 0.98
    reflected: float | None = None
    """Tr, °C; None: Ta - 8."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """The wall clock, where it is set."""

    day: int
    """Counts days."""
    seconds: float
    """Since midnight, 0..86400."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the reference says now."""

    correction: float
    """To add to temperatures, K."""
    uncertainty: float
    """Of that, K (1 sigma): the source's own, and what noise is left."""


def apparent(temperature: float, emissivity: float, optics: Optics, die: float) -> float:
    """What a sensor with these optics shows of a surface of this temperature (°C) and emissivity, °C.

    Stefan-Boltzmann for grey bodies: the sensor sees e·T⁴ + (1 - e)·Tr⁴ and takes it for E·To⁴ + (1 - E)·Tr⁴.
    """
    reflected = _fourth(die - OPEN_AIR if optics.reflected is None else optics.reflected)
    arriving = emissivity * _fourth(temperature) + (1 - emissivity) * reflected
    return math.sqrt(math.sqrt(max(arriving - (1 - optics.emissivity) * reflected, 0.0) / optics.emissivity)) - KELVIN


def _fourth(celsius: float) -> float:
    return (celsius + KELVIN) ** 4


class Reference:
    """Follows the source. Feed every frame, as it came from the sensor, in order; pure, times come with the frames."""

    def __init__(self, settings: ReferenceSettings, optics: Optics | None = None) -> None:
        """Nothing seen yet."""
        self._settings = settings
        self._optics = optics or Optics()
        self._window: deque[tuple[float, float]] = deque()
        self._leapt: deque[tuple[float, float]] = deque()
        self._first: float | None = None
        self._last = -math.inf
        self._disc: NDArray[np.bool_] | None = None
        self._source: NDArray[np.float64] | None = None
        self._frames = 0
        self._linearity = Linearity(settings.linearity, settings.temperature) if settings.linearity else None

    def feed(self, frame: HeatFrame, local: LocalTime | None = None) -> LinearityResult | None:
        """Take a frame, seen at local time `local` (None: the clock is not set).

        Returns the day's self-test when this frame ended it.
        """
        at = frame.timestamp
        self._first = at if self._first is None else self._first
        set_point, done = self._settings.temperature, None
        if self._linearity is not None and local is not None:
            step = self._linearity.step(local)
            done = step.ended
            if step.set_point is None:
                self._hold(at)
                return done
            set_point = step.set_point
        error = self._error(frame, set_point)
        if error is None:
            return done
        if self._linearity is not None and local is not None:
            self._linearity.add(local, error)
        self._take(at, error)
        return done

    def standing(self, now: float) -> Standing | None:
        """What it says at `now`, monotonic seconds; None where it is missing."""
        if len(self._window) < ENOUGH or now - self._last > SILENT:
            return None
        errors = [error for _, error in self._window]
        # Half of a frame's pixels are the last frame's.
        noise = _deviation(errors) / math.sqrt(len(errors) / 2)
        return Standing(-fmean(errors), math.hypot(noise, self._settings.accuracy / math.sqrt(3)))

    def missing_for(self, now: float) -> float:
        """Seconds for which it has said nothing; 0 while it does, and before the first frame."""
        if self._first is None or self.standing(now) is not None:
            return 0.0
        return now - max(self._last, self._first)

    def _error(self, frame: HeatFrame, set_point: float) -> float | None:
        """Reading less truth, K; None where these pixels are not the source."""
        values = frame.temperatures[self._pixels(frame.temperatures.shape)].astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        finite = values[np.isfinite(values)]
        if finite.size < max(1.0, 0.6 * values.size):
            return None
        die = frame.ambient if math.isfinite(frame.ambient) else 25.0
        error = float(finite.mean()) - apparent(set_point, self._settings.emissivity, self._optics, die)
        uneven = self._uneven(values)
        if abs(error) > self._settings.furthest:
            return None
        return None if uneven > UNEVEN + 4.0 * self._spread(finite.size) else error

    def _uneven(self, values: NDArray[np.float64]) -> float:
        """Spread of the source's pixels over the last frames, K."""
        if self._source is None or self._source.shape != values.shape:
            self._source, self._frames = values.copy(), 0
        self._frames += 1
        self._source += np.nan_to_num(values - self._source) / min(self._frames, SMOOTH)
        fresh = np.isnan(self._source)
        self._source[fresh] = values[fresh]
        low, high = np.nanquantile(self._source, (0.1, 0.9))
        return float(high - low)

    def _spread(self, pixels: int) -> float:
        """Noise of a pixel after smoothing, K, as the window shows it; generous before it is known."""
        if len(self._window) < ENOUGH:
            return 1.0
        return SMOOTHED * _deviation([error for _, error in self._window]) * math.sqrt(pixels)

    def _pixels(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        if self._disc is None or self._disc.shape != shape:
            rows, columns = np.ogrid[: shape[0], : shape[1]]
            distance = np.hypot(columns + 0.5 - self._settings.column, rows + 0.5 - self._settings.row)
            self._disc = np.asarray(distance <= max(self._settings.radius, 0.75))
        return self._disc

    def _hold(self, at: float) -> None:
        """Let what was told last stand, as if it had just been told: between two temperatures there is nothing new."""
        if self.standing(at) is None:
            return
        passed = at - self._last
        self._window = deque((time + passed, error) for time, error in self._window)
        self._last = at

    def _take(self, at: float, error: float) -> None:
        if len(self._window) >= ENOUGH:
            errors = [known for _, known in self._window]
            if abs(error - median(errors)) > max(LEAP, 5 * _deviation(errors)):
                self._note_leap(at, error)
                return
        self._leapt.clear()
        if at - self._last > SILENT:
            # It was away; what it told before is no part of what it tells now.
            self._window.clear()
        self._window.append((at, error))
        self._last = at
        while len(self._window) > ENOUGH and at - self._window[0][0] > WINDOW:
            self._window.popleft()

    def _note_leap(self, at: float, error: float) -> None:
        if self._leapt and at - self._leapt[-1][0] > SILENT:
            self._leapt.clear()
        self._leapt.append((at, error))
        errors = [known for _, known in self._leapt]
        if at - self._leapt[0][0] < RELEARN or len(errors) < ENOUGH:
            return
        # A hand moves; a sensor that has leapt is as steady as it was.
        if _deviation(errors) > 2 * max(_deviation([known for _, known in self._window]), LEAP / 5):
            self._leapt.popleft()
            return
        self._window, self._leapt, self._last = self._leapt, deque(), at


def _deviation(values: list[float]) -> float:
    """Standard deviation of a sample of two or more. `statistics.stdev` is exact, and 50 times as slow."""
    mean = fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
