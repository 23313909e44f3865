"""The daily self-test: whether the sensor's slope is 1 over the temperatures that matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from controller.perception.reference import LocalTime
    from controller.perception.reference_settings import LinearitySettings

ENOUGH: Final = 20
"""Frames at a set point before its mean counts."""
MEDIAN_NOISE: Final = 1.25
"""Standard error of a median, of that of a mean (√(π/2)): the price for a hand before the source not to count."""
LEAST_POINTS: Final = 3
CERTAIN: Final = 2.0
"""Standard errors that a point is given before it fails: noise alone fails 1 point of 22."""


@dataclass(frozen=True, slots=True)
class LinearityResult:
    """One day's test."""

    points: tuple[float, ...]
    """Set points that were read, °C."""
    errors: tuple[float, ...]
    """Reading less truth at each, less their mean, K."""
    slope: float
    """Of reading against truth; NaN where too few points were read."""
    worst: float
    """Largest of the errors, K; NaN as above."""
    noise: float
    """Standard error of one point, K (the largest)."""
    complete: bool
    """Whether every set point was read."""
    failed: bool
    """Whether what was read is out of bounds."""

    @property
    def passed(self) -> bool:
        """Whether every set point was read, and all are within bounds."""
        return self.complete and not self.failed


@dataclass(frozen=True, slots=True)
class Step:
    """Where the programme stands."""

    set_point: float | None
    """What the source holds, °C; None: it is on its way."""
    ended: LinearityResult | None = None


class Linearity:
    """Follows the source's programme by the wall clock and collects what the sensor shows of it.

    Args:
        settings: the programme and its bounds.
        temperature: what the source holds outside of it, °C.
    """

    def __init__(self, settings: LinearitySettings, temperature: float) -> None:
        hours, minutes = settings.at.split(":")
        self._settings = settings
        self._temperature = temperature
        self._start = 3600.0 * int(hours) + 60.0 * int(minutes)
        self._end = self._start + settings.dwell * len(settings.points)
        self._day: int | None = None
        self._tested: int | None = None
        self._errors: dict[int, list[float]] = {}

    def step(self, local: LocalTime) -> Step:
        """Where the programme is at this time; the first call after its end brings the day's result."""
        ended = None
        if self._day is not None and (local.day != self._day or local.seconds >= self._end):
            ended, self._tested, self._day, self._errors = self._result(), self._day, None, {}
        if self._start <= local.seconds < self._end:
            # A clock that is set back goes through the programme twice; one result a day is enough.
            self._day = local.day if local.day != self._tested else None
            index = self._index(local.seconds)
            settling = local.seconds - self._start - index * self._settings.dwell < self._settings.settle
            return Step(None if settling else self._settings.points[index], ended)
        # Back to its standing temperature it takes as long as from point to point.
        back = self._end <= local.seconds < self._end + self._settings.settle
        return Step(None if back else self._temperature, ended)

    def add(self, local: LocalTime, error: float) -> None:
        """Reading less truth at this time, K; only what is read during the programme counts."""
        if self._day == local.day and self._start <= local.seconds < self._end:
            self._errors.setdefault(self._index(local.seconds), []).append(error)

    def _index(self, seconds: float) -> int:
        return min(int((seconds - self._start) / self._settings.dwell), len(self._settings.points) - 1)

    def _result(self) -> LinearityResult:
        read = {index: errors for index, errors in sorted(self._errors.items()) if len(errors) >= ENOUGH}
        points = tuple(self._settings.points[index] for index in read)
        complete = len(read) == len(self._settings.points)
        if len(read) < LEAST_POINTS or max(points) - min(points) < 2:
            return LinearityResult(points, (), float("nan"), float("nan"), float("nan"), complete=False, failed=False)
        means = np.array([np.median(errors) for errors in read.values()])
        # A frame's pixels are half the last frame's, so its error is half told already.
        noise = max(MEDIAN_NOISE * float(np.std(each, ddof=1)) / (len(each) / 2) ** 0.5 for each in read.values())
        errors = means - means.mean()
        slope = 1.0 + float(np.polyfit(points, means, 1)[0])
        worst = float(np.abs(errors).max())
        spread = float(np.std(points) * len(points) ** 0.5)
        failed = (
            worst > self._settings.residual + CERTAIN * noise
            or abs(slope - 1.0) > self._settings.slope + CERTAIN * noise / spread
        )
        told = tuple(float(error) for error in errors)
        return LinearityResult(points, told, slope, worst, noise, complete=complete, failed=failed)
