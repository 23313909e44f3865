"""From surface temperatures of a face to an oral-equivalent temperature, with its standard uncertainty by cause.

value = Σ weight · surface + offset + room_slope · (room − REFERENCE_ROOM). The weights sum to 1: if every region is a
kelvin warmer, so is the value. Nothing is ever pulled towards the usual, because that loses fevers. Pure functions,
used by the board and by the evaluation (`thermogate eval fever`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REFERENCE_ROOM = 24.0
"""°C at which an offset holds."""
ROOM_UNKNOWN = 2.5
"""Standard uncertainty of a room temperature that nobody measured, K: a school's rooms lie within about 24 ± 5 °C."""
FITTED_ROOM = (20.2, 28.2)
"""Rooms in the data of the fit, °C."""
FITTED_DISTANCE = (0.5, 0.95)
"""Distances in the data of the fit, m."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Surface temperatures of one face, °C, and where it stood. NaN where something is not known."""

    face: float
    """Warmest part of the whole face; always known, or there is no reading."""
    canthi: float = math.nan
    """Warmest inner corner of an eye. A sensor of few pixels often cannot resolve it."""
    forehead: float = math.nan
    """Warmest part of the forehead."""
    room: float = math.nan
    """Air temperature."""
    distance: float = math.nan
    """Metres from the sensor."""


@dataclass(frozen=True, slots=True)
class RegionFit:
    """Coefficients for one choice of regions."""

    face: float
    """Weight of the face's maximum; the three weights sum to 1."""
    canthi: float
    forehead: float
    offset: float
    """Oral less surface temperature at REFERENCE_ROOM, K."""
    room_slope: float
    """Change of that per kelvin of the room, K/K."""
    compensation: float
    """Standard deviation of people about the line that the choice of region does not explain, K."""
    region: float
    """Standard uncertainty that this choice of regions adds, K."""


@dataclass(frozen=True, slots=True)
class FeverModel:
    """A frozen fit for each choice of regions that may be there."""

    face_only: RegionFit
    with_canthi: RegionFit
    with_forehead: RegionFit
    """Face, canthi and forehead."""
    name: str = field(default="refitted")

    def __post_init__(self) -> None:
        """Check the promise of slope 1.

        Raises:
            ValueError: the weights of a choice of regions do not sum to 1.
        """
        for fit in (self.face_only, self.with_canthi, self.with_forehead):
            if not math.isclose(fit.face + fit.canthi + fit.forehead, 1.0, abs_tol=1e-9):
                raise ValueError(f"region weights must sum to 1: {fit}")

    def choose(self, readings: Readings) -> RegionFit:
        """The fit for the regions that were measured; a forehead without canthi adds nothing to a face."""
        if math.isnan(readings.canthi):
            return self.face_only
        return self.with_canthi if math.isnan(readings.forehead) else self.with_forehead


SHIPPED = FeverModel(
    name="face-canthi-1",
    face_only=RegionFit(1.0, 0.0, 0.0, 1.089, -0.0830, 0.30, 0.08),
    with_canthi=RegionFit(0.7, 0.3, 0.0, 1.147, -0.0824, 0.29, 0.03),
    with_forehead=RegionFit(0.7, 0.3, 0.0, 1.147, -0.0824, 0.29, 0.03),
)
"""Fitted on the afebrile people of the chronological training part (doi 10.13026/3bhc-9065, until 2017-10-10),
rounds 1 to 3: `thermogate eval fever --data FILE --fit train` prints these figures. The forehead weighs nothing on
purpose: it makes the afebrile scatter less, but stays cool in a fever; every weight above 0 lost training fevers.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An oral-equivalent temperature."""

    value: float
    """°C."""
    compensation: float
    """Standard uncertainty, K: people differ in oral less surface temperature, and the room may not be known."""
    region: float
    """Standard uncertainty, K: what the choice of regions costs."""
    outside: tuple[str, ...]
    """What lies outside the fit's data, where the compensation is an extrapolation: "room", "distance"."""

    @property
    def uncertainty(self) -> float:
        """Both causes together, K. The sensor's own noise and calibration come on top."""
        return math.hypot(self.compensation, self.region)


def estimate(readings: Readings, model: FeverModel = SHIPPED) -> Estimate:
    """The oral-equivalent temperature of a face.

    The distance decides nothing within FITTED_DISTANCE (its coefficient there found no fever more); beyond, it is
    named in `outside`.

    Raises:
        ValueError: the face is not known, or a value is infinite.
    """
    _check(readings)
    fit = model.choose(readings)
    surface = fit.face * readings.face
    # A region that weighs nothing may be NaN, which times 0 would still be NaN.
    if fit.canthi:
        surface += fit.canthi * readings.canthi
    if fit.forehead:
        surface += fit.forehead * readings.forehead
    known = not math.isnan(readings.room)
    room = fit.room_slope * (readings.room - REFERENCE_ROOM) if known else 0.0
    guess = 0.0 if known else fit.room_slope * ROOM_UNKNOWN
    return Estimate(
        value=surface + fit.offset + room,
        compensation=math.hypot(fit.compensation, guess),
        region=fit.region,
        outside=_outside(readings),
    )


def average(rounds: Sequence[Readings]) -> Readings:
    """Several readings of one person as one: each value's mean over the rounds that have it, NaN where none has.

    Raises:
        ValueError: there are no rounds.
    """
    if not rounds:
        raise ValueError("no rounds to average")
    return Readings(
        face=_mean([each.face for each in rounds]),
        canthi=_mean([each.canthi for each in rounds]),
        forehead=_mean([each.forehead for each in rounds]),
        room=_mean([each.room for each in rounds]),
        distance=_mean([each.distance for each in rounds]),
    )


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _check(readings: Readings) -> None:
    if math.isnan(readings.face):
        raise ValueError("a face temperature is needed")
    for name in ("face", "canthi", "forehead", "room", "distance"):
        if math.isinf(getattr(readings, name)):
            raise ValueError(f"{name} is infinite")


def _outside(readings: Readings) -> tuple[str, ...]:
    limits = (("room", readings.room, FITTED_ROOM), ("distance", readings.distance, FITTED_DISTANCE))
    return tuple(name for name, value, (low, high) in limits if value < low or value > high)
