"""What a gate without a reference source has learned of one chip from those who passed it that morning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.sensor_trial import SHIPPED, Setup, reading, stand
from controller.lane.model import Screening, Uncertainty, Verdict
from controller.perception import spot
from controller.perception.crowd import EXPECTED, EXPECTED_HOUR, SCATTER, CrowdBaseline
from controller.perception.footing import CROWD_FLOOR, FootingKeeper
from controller.perception.reference import LocalTime
from controller.perception.resolution import pixels_on_face
from controller.perception.screening import coldest
from hw.sim.mount import LENSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MEASURED: Final = 5
"""Healthy people who are read through the whole chain, to know what the chip adds to a face; the other passers-by are
drawn: one of these errors, and how much people differ."""
APART: Final = 20.0
"""Seconds between passers-by."""
NOISE, COMPENSATION = 0.12, 0.3
"""Stated uncertainties of such a reading, K."""
SECONDS: Final = 2.0
"""That each of the MEASURED stands."""


def chip_errors(setup: Setup, chip: int, room: float) -> NDArray[np.float64]:
    """What the chip adds to people's readings without a source, float64[MEASURED], K."""
    healthy = Setup(
        lens=setup.lens,
        distance=setup.distance,
        rate=setup.rate,
        since_power_on=setup.since_power_on,
        flaws=setup.flaws,
        aged=setup.aged,
        source=False,
        cores=(36.4, 37.2),
        rooms=(room,),
        lead=1.0,
    )
    found = []
    for k in range(MEASURED):
        seen = stand(healthy, 10_000 + MEASURED * chip + k, SECONDS, chip)
        found.append(reading(seen, SECONDS, reference=False).value - seen.core)
    known = np.array(found)
    return np.asarray(known[np.isfinite(known)])


def learned(
    setup: Setup, chip: int, room: float, errors: NDArray[np.float64], people: Iterable[int]
) -> dict[int, tuple[CrowdBaseline, float]]:
    """The crowd after so many passers-by (ascending) of whom all are healthy, and the time of the last, s.

    The school's own mean is drawn about the expected one by CROWD_FLOOR. As in the gate, whoever got no temperature
    (TOO_COLD) taught nothing.
    """
    rng = np.random.default_rng((0xC0D, chip))
    pixel = pixels_on_face(LENSES[setup.lens], (24, 32), setup.distance).pixel[0]
    scatter = math.hypot(SCATTER, spot.scatter(pixel, room))
    crowd, at = CrowdBaseline(), 0.0
    keeper = FootingKeeper(
        SHIPPED, None, crowd=crowd, unix=lambda: at, local=lambda: LocalTime(0, 3600 * EXPECTED_HOUR)
    )
    usual = EXPECTED + float(rng.normal(0.0, CROWD_FLOOR))
    parts = Uncertainty(NOISE, 0.0, spot.scatter(pixel, room), COMPENSATION)
    limit = coldest(SHIPPED, parts)
    kept: dict[int, tuple[CrowdBaseline, float]] = {}
    for k in range(max(people, default=0)):
        at += APART
        correction = crowd.correction(at).value
        value = usual + float(rng.normal(0.0, scatter)) + float(errors[k % errors.size]) + correction
        if value >= limit:
            verdict = Verdict.NORMAL if value < SHIPPED.alarm else Verdict.ELEVATED
            keeper.learn(Screening(verdict, value, parts.combined, value, 16, parts=parts, correction=correction), room)
        if k + 1 in people:
            kept[k + 1] = CrowdBaseline(crowd.state), at
    return kept
