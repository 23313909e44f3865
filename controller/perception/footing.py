"""What the sensor's absolute value rests on: the black body in view, else the crowd, else its data sheet.

It corrects every frame before anything else looks at it, and says when the sensor is not fit to measure people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from controller.lane.model import Remark
from controller.perception.crowd import PRIOR_WEIGHT, SCATTER, Correction, CrowdBaseline, Passer, expected
from controller.perception.reference import Optics, Reference
from controller.perception.screening import Footing, plain_footing
from controller.perception.types import Corrected

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Screening
    from controller.perception.linearity import LinearityResult
    from controller.perception.reference import LocalTime
    from controller.perception.reference_settings import ReferenceSettings
    from controller.perception.screening_settings import ScreeningSettings
    from controller.perception.types import HeatFrame

MISSING: Final = 30.0
"""Seconds without the black body after which the gate declares itself unfit; a hand before it is nothing to report."""
CROWD_FLOOR: Final = 0.1
"""What a crowd leaves at best, K: nobody knows the mean temperature of a school's healthy people better."""
CROWD_ENOUGH: Final = 30.0
"""People of whose evidence a shift beyond its bound proves a drift."""


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether people may be measured, as it has changed."""

    unfit: Remark | None
    """None: fit again."""


class FootingKeeper:
    """Follows one sensor. Not thread-safe; times are the frames', and `unix` and `local` are asked at each call.

    Args:
        settings: [perception.screening].
        reference: the black body, or None.
        optics: what the sensor was told.
        crowd: what earlier days taught; used where there is no black body.
        local: the wall clock; None where it is not set.
        unix: seconds on an axis that outlasts a restart.
    """

    def __init__(
        self,
        settings: ScreeningSettings,
        reference: ReferenceSettings | None,
        *,
        optics: Optics | None = None,
        crowd: CrowdBaseline | None = None,
        local: Callable[[], LocalTime | None] = lambda: None,
        unix: Callable[[], float] | None = None,
    ) -> None:
        self._settings = settings
        self._reference = None if reference is None else Reference(reference, optics)
        self._drift = math.inf if reference is None else reference.drift
        self.crowd = crowd or CrowdBaseline()
        self._local = local
        self._unix = unix
        self._now = -math.inf
        self._nonlinear = False
        self._declared: Remark | None = None
        self._told: Remark | None = None
        self._tests: list[LinearityResult] = []

    def correct(self, frame: HeatFrame) -> HeatFrame:
        """The frame with its correction, or as it is where there is none."""
        self._now = max(self._now, frame.timestamp)
        if self._reference is not None:
            done = self._reference.feed(frame, self._local())
            if done is not None:
                self._tests.append(done)
                # Only a whole test clears the sensor of what an earlier one found.
                self._nonlinear = done.failed or (self._nonlinear and not done.passed)
        correction = self.footing().correction
        if not correction:
            return frame
        added = frame.temperatures.dtype.type(correction)
        return Corrected(frame.temperatures + added, frame.ambient, frame.timestamp, measured=frame.temperatures)

    def footing(self) -> Footing:
        """What a look at the newest frame rests on."""
        found = self._by_reference(self._reference) if self._reference is not None else self._by_crowd()
        unfit = Remark.NOT_LINEAR if self._nonlinear else self._declared
        return found if unfit is None else replace(found, unfit=unfit)

    def declare(self, unfit: Remark | None) -> None:
        """Say from outside that the sensor cannot measure people here, or (None) that it can. From any thread."""
        self._declared = unfit

    def learn(self, screening: Screening, room: float) -> None:
        """What a passer-by's reading, taken on this footing, says of the crowd. Call it once a person."""
        if self._reference is not None or screening.value is None:
            return
        correction = self._crowd_now(room)
        value = screening.value - (screening.correction or 0.0)
        hour = self._hour()
        passer = Passer(
            time=self._time(),
            room=room,
            hour=hour,
            deviation=value - expected(hour),
            flagged=correction.alarms(value, self._settings.alarm),
            scatter=_scatter(screening),
        )
        self.crowd.observe(passer)

    def expected(self) -> float:
        """Mean oral temperature of healthy people at this hour, °C."""
        return expected(self._hour())

    def news(self) -> Fitness | None:
        """A change of fitness since the last call that the campus should know of; None: none."""
        unfit = self.footing().unfit
        if unfit is Remark.WARMING_UP:
            unfit = None
        if unfit is Remark.REFERENCE_MISSING and self._reference is not None:
            lasting = self._reference.missing_for(self._now) >= MISSING
            unfit = unfit if lasting else self._told
        if unfit is self._told:
            return None
        self._told = unfit
        return Fitness(unfit)

    def tests(self) -> tuple[LinearityResult, ...]:
        """Self-tests that ended since the last call."""
        ended, self._tests = tuple(self._tests), []
        return ended

    def _by_reference(self, reference: Reference) -> Footing:
        standing = reference.standing(self._now)
        if standing is None:
            return Footing(math.inf, unfit=Remark.REFERENCE_MISSING)
        unfit = Remark.REFERENCE_DRIFT if abs(standing.correction) > self._drift else None
        # The source is in one place of the picture, the face in another.
        left = math.hypot(standing.uncertainty, self._settings.pattern)
        return Footing(left, standing.correction, unfit)

    def _by_crowd(self) -> Footing:
        plain = plain_footing(self._settings)
        if self._now < self._settings.settled:
            return replace(plain, unfit=Remark.WARMING_UP)
        crowd = self._crowd_now(math.nan)
        if crowd.people <= 0:
            return plain
        # The baseline believes in no correction as if PRIOR_WEIGHT people had said so. That leaves a share of the
        # sensor's own error, and takes in a share of how people differ.
        taken = crowd.people / (crowd.people + PRIOR_WEIGHT)
        left = math.hypot((1 - taken) * plain.uncertainty, taken * SCATTER / math.sqrt(crowd.people))
        left = max(left, min(plain.uncertainty, CROWD_FLOOR))
        drifted = abs(crowd.value) > self._settings.drift and crowd.people >= CROWD_ENOUGH
        unfit = Remark.CROWD_DRIFT if drifted or crowd.jumped else None
        return replace(plain, uncertainty=left, correction=crowd.value, unfit=unfit)

    def _crowd_now(self, room: float) -> Correction:
        return self.crowd.correction(self._time(), room)

    def _time(self) -> float:
        return self._now if self._unix is None else self._unix()

    def _hour(self) -> float:
        local = self._local()
        return math.nan if local is None else local.seconds / 3600


def _scatter(screening: Screening) -> float:
    """How much such readings of healthy people differ, K: large pixels and noise add to what people do."""
    parts = screening.parts
    return SCATTER if parts is None else math.hypot(SCATTER, parts.region, parts.noise)
