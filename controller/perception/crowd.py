"""What a crowd says about the sensor: a causal, shrunk baseline of one lane's afebrile passers-by.

Most people at a gate are healthy, so their estimates less what healthy people have at that hour tell the sensor's own
error. It is a Kalman filter of three numbers: `slow`, which stays for weeks (the camera, the site), `today`, which
starts anew after a pause (the warm-up, this morning's calibration), and what the compensation's room slope is wrong by.
They begin at no correction, and in a room of REFERENCE_ROOM are pulled towards it by PRIOR_WEIGHT people.

- Time: `today` ends with a pause of hours and drifts within a day; the other two fade over weeks.
- People: evidence never counts more than WINDOW of them.
- Room: evidence from a warm room says less about a cold one, by as much as the slope is doubtful.
- Hour: healthy people are warmer in the afternoon (`expected`), which is no drift of the sensor. Without a clock that
  is unknown, and each reading counts less.

How much the days differ is itself learned from earlier days, and only ever *lowers* the prior's weight: a steady sensor
is hardly corrected, one that wakes up different every day is corrected after a few people. Readings that alarm are left
out; those that remain may move the baseline only as far as CLIP allows. Pure: time comes with each call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from controller.perception.temperature import REFERENCE_ROOM

if TYPE_CHECKING:
    from collections.abc import Sequence

Vector: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Vector, Vector, Vector]

PRIOR_WEIGHT = 10.0
"""People's worth of belief in no correction."""
SCATTER = 0.34
"""Standard deviation of healthy people's estimates about `expected`, K (afebrile, training part, one shot), on a camera
that resolves a face. A reading that scatters more (`Passer.scatter`) is worth less than one person."""
EXPECTED, EXPECTED_SLOPE, EXPECTED_HOUR = 36.89, 0.027, 13.0
"""Mean oral temperature of the afebrile, °C, at EXPECTED_HOUR, and its rise per hour (0.027 ± 0.007; training part)."""
HOURS = (8.0, 17.0)
"""Hours in the data; earlier and later are taken for these."""
HOUR_DOUBT = 0.07
"""Standard uncertainty of `expected` when the hour is not known, K: EXPECTED_SLOPE times the spread of HOURS."""
SLOW_SHARE = 0.5
"""Share of the prior's variance that is the slow part's."""
SLOW_DAYS = 10.0
"""Days in which the slow part fades to 1/e: two school weeks. The training part was indifferent from 5 to 90."""
PAUSE = 6 * 3600.0
"""Seconds without anybody that end `today`."""
DRIFT = 0.02
"""Standard deviation of the sensor's drift within a day, K per √hour."""
WINDOW = 200.0
"""People beyond whom evidence does not grow."""
SLOPE_DOUBT = 0.02
"""Standard uncertainty of the room's slope at a new site, K/K: −0.08 for the face, −0.13 for the forehead, ± 0.01 each
in the same data."""
CLIP = 2.5
"""Standard deviations (of a reading about the baseline) that one person may count."""
DAYS_PRIOR = 2.0
"""Earlier days' worth of belief that days do not differ."""
DAYS_KEPT = 12.0
"""Days of which the spread between days is remembered."""
ALARM_MARGIN = 2.0
"""Standard uncertainties of the correction by which a reading must pass the alarm to be left out: on a sensor that has
not seen anybody today, healthy people may seem to alarm."""
HOPELESS = 20.0
"""An error, K, that no sensor in service has."""
RECENT = 20
"""People of whom it is remembered whether they alarmed."""
MAJORITY = 0.5
"""A crowd of which so many are feverish is a sensor that jumped."""


def _prior() -> Matrix:
    """Covariance of nothing seen yet."""
    variance = SCATTER**2 / PRIOR_WEIGHT
    slow, today = variance * SLOW_SHARE, variance * (1 - SLOW_SHARE)
    return ((slow, 0.0, 0.0), (0.0, today, 0.0), (0.0, 0.0, SLOPE_DOUBT**2))


class CrowdState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a restart must keep."""

    mean: Vector = (0.0, 0.0, 0.0)
    """The sensor's error: slow, K; today, K; of the room's slope, K/K."""
    covariance: Matrix = _prior()
    """Of the mean, row by row."""
    time: float | None = None
    """Of the last passer-by, s; None before the first."""
    day_sum: float = 0.0
    """Today's deviations from the slow part as it was this morning, K."""
    day_people: int = 0
    day_squares: float = 0.0
    """Sum of the variances of today's readings, K²."""
    day_slow: float = 0.0
    """The slow part this morning, K, and its variance, K²."""
    day_slow_variance: float = SCATTER**2 / PRIOR_WEIGHT * SLOW_SHARE
    spread_sum: float = 0.0
    """Weighted squares by which earlier days differed, beyond what chance explains, K²."""
    spread_weight: float = 0.0
    recent: tuple[bool, ...] = ()
    """Whether the last RECENT people of today alarmed, oldest first."""

    @property
    def plausible(self) -> bool:
        """Whether a baseline can have been in this state; what a damaged file holds may be none."""
        variances = (self.covariance[index][index] for index in range(3))
        times = self.time is None or math.isfinite(self.time)
        kept = math.isfinite(self.day_sum + self.day_slow + self.spread_sum) and 0 <= self.spread_weight < math.inf
        known = all(0 < part < HOPELESS**2 for part in variances) and all(abs(part) < HOPELESS for part in self.mean)
        return known and times and kept and self.day_people >= 0 and self.day_slow_variance >= 0


@dataclass(frozen=True, slots=True)
class Passer:
    """One person's reading."""

    time: float
    """Seconds on an axis that goes on over a restart, or a night is not seen as one; a step back counts as no time."""
    room: float
    """°C; NaN where it is not known."""
    hour: float
    """Time of day, 0 to 24; NaN where the clock is not set."""
    deviation: float
    """The uncorrected estimate less `expected(hour)`, K."""
    flagged: bool
    """Whether it alarms (see `alarms`): such a reading says nothing about the sensor."""
    scatter: float = SCATTER
    """Standard deviation of healthy people's estimates, K, as this sensor reads them."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What to add to the next estimate."""

    value: float
    """K."""
    uncertainty: float
    """Its standard uncertainty, K."""
    people: float
    """Evidence: how many healthy passers-by of this moment it is worth."""
    jumped: bool
    """At least MAJORITY of the last RECENT people alarmed: no crowd does that, the sensor is not fit."""

    def alarms(self, value: float, alarm: float) -> bool:
        """Whether an uncorrected estimate, °C, is so far above the alarm, °C, that it is no evidence."""
        return value + self.value >= alarm + ALARM_MARGIN * self.uncertainty


def expected(hour: float) -> float:
    """Mean oral temperature of healthy people at this hour, °C; at an unknown hour (NaN) that of EXPECTED_HOUR."""
    if math.isnan(hour):
        return EXPECTED
    low, high = HOURS
    return EXPECTED + EXPECTED_SLOPE * (min(max(hour, low), high) - EXPECTED_HOUR)


class CrowdBaseline:
    """The baseline of one lane. `observe` people in the order of their times; ask for the `correction` before that."""

    def __init__(self, state: CrowdState | None = None) -> None:
        """Begin anew, or where a state left off."""
        self._state = state or CrowdState()

    @property
    def state(self) -> CrowdState:
        """All that a restart must keep."""
        return self._state

    def correction(self, time: float, room: float = math.nan) -> Correction:
        """What to add to an estimate at this time (s) in this room (°C).

        Raises:
            ValueError: the time is not finite or the room is infinite.
        """
        now = _forecast(self._state, time, room)
        error, variance, _ = _predicted(now, room)
        alarmed = sum(now.recent)
        return Correction(
            value=-error,
            uncertainty=math.sqrt(variance),
            people=max(SCATTER**2 / variance - PRIOR_WEIGHT, 0.0),
            jumped=len(now.recent) == RECENT and alarmed >= MAJORITY * RECENT,
        )

    def observe(self, passer: Passer) -> None:
        """Learn from one person.

        Raises:
            ValueError: as in `correction`, or the deviation is not finite, or the scatter not positive; nothing has
                changed then.
        """
        if not (math.isfinite(passer.deviation) and 0 < passer.scatter < math.inf):
            raise ValueError(f"a deviation of {passer.deviation} K ± {passer.scatter} K is no evidence")
        now = _forecast(self._state, passer.time, passer.room)
        now = msgspec.structs.replace(now, recent=(*now.recent, passer.flagged)[-RECENT:])
        self._state = now if passer.flagged else _learn(now, passer)


def _seen_by(room: float) -> Vector:
    """How much of each part an estimate in this room shows; a room that is not known hides the slope."""
    return (1.0, 1.0, 0.0 if math.isnan(room) else room - REFERENCE_ROOM)


def _predicted(state: CrowdState, room: float) -> tuple[float, float, Vector]:
    """(error, its variance, its covariance with each part) of an estimate in this room, K and K²."""
    seen = _seen_by(room)
    shared = [_dot(row, seen) for row in state.covariance]
    return _dot(state.mean, seen), _dot(shared, seen), (shared[0], shared[1], shared[2])


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def _scaled(matrix: Matrix, factors: Vector, added: Vector) -> Matrix:
    """The covariance after each part was multiplied by its factor and got an independent variance on top."""
    rows = [
        tuple(cell * factors[row] * factors[column] + (added[row] if row == column else 0.0) for column, cell in cells)
        for row, cells in ((row, enumerate(line)) for row, line in enumerate(matrix))
    ]
    return (_vector(rows[0]), _vector(rows[1]), _vector(rows[2]))


def _vector(values: Sequence[float]) -> Vector:
    first, second, third = values
    return (first, second, third)


def _forecast(state: CrowdState, time: float, room: float) -> CrowdState:
    """The state at a later time, before anybody has been seen then."""
    if not math.isfinite(time) or math.isinf(room):
        raise ValueError(f"no time or no room: {time} s, {room} °C")
    if state.time is None:
        return msgspec.structs.replace(state, time=time)
    # A clock that was set back has not made the evidence younger.
    passed = max(time - state.time, 0.0)
    ended = passed >= PAUSE
    now = _end_day(state) if ended else state
    kept = math.exp(-passed / (86400 * SLOW_DAYS))
    prior = _prior()
    covariance = _scaled(
        now.covariance,
        (kept, 1.0, kept),
        (
            (1 - kept**2) * prior[0][0],
            0.0 if ended else DRIFT**2 * passed / 3600,
            (1 - kept**2) * prior[2][2],
        ),
    )
    slow = kept * now.mean[0]
    return msgspec.structs.replace(
        now,
        mean=(slow, now.mean[1], kept * now.mean[2]),
        covariance=covariance,
        time=max(time, state.time),
        day_slow=slow if ended else now.day_slow,
        day_slow_variance=covariance[0][0] if ended else now.day_slow_variance,
    )


def _end_day(state: CrowdState) -> CrowdState:
    """Learn how much days differ, and begin a new one."""
    spread_sum, spread_weight = state.spread_sum, state.spread_weight
    if state.day_people:
        chance = state.day_squares / state.day_people**2 + state.day_slow_variance
        excess = (state.day_sum / state.day_people) ** 2 - chance
        weight = state.day_people / (state.day_people + 2)
        fade = 1 - 1 / DAYS_KEPT
        spread_sum, spread_weight = fade * spread_sum + weight * excess, fade * spread_weight + weight
    prior = _prior()[1][1]
    learned = (spread_sum + DAYS_PRIOR * prior) / (spread_weight + DAYS_PRIOR)
    return msgspec.structs.replace(
        state,
        mean=(state.mean[0], 0.0, state.mean[2]),
        # Never less than the prior's: a few quiet days are no proof that none will differ.
        covariance=_scaled(state.covariance, (1.0, 0.0, 1.0), (0.0, max(prior, learned), 0.0)),
        day_sum=0.0,
        day_people=0,
        day_squares=0.0,
        spread_sum=spread_sum,
        spread_weight=spread_weight,
        # A sensor that was called out yesterday would never be asked again: nobody is measured while it is.
        recent=(),
    )


def _learn(now: CrowdState, passer: Passer) -> CrowdState:
    """One person's update."""
    # So much is forgotten with each person that the evidence levels off at WINDOW of them.
    loosened = _scaled(now.covariance, (1.0, 1.0, 1.0), (0.0, (SCATTER / WINDOW) ** 2, 0.0))
    now = msgspec.structs.replace(now, covariance=loosened)
    error, variance, shared = _predicted(now, passer.room)
    total = variance + passer.scatter**2 + (HOUR_DOUBT**2 if math.isnan(passer.hour) else 0.0)
    limit = CLIP * math.sqrt(total)
    surprise = min(max(passer.deviation - error, -limit), limit)
    mean = [value + part / total * surprise for value, part in zip(now.mean, shared, strict=True)]
    rows = [
        [cell - shared[row] * shared[column] / total for column, cell in enumerate(line)]
        for row, line in enumerate(loosened)
    ]
    # What the room's slope explains is no difference between days.
    by_room = now.mean[2] * _seen_by(passer.room)[2]
    return msgspec.structs.replace(
        now,
        mean=_vector(mean),
        covariance=(_vector(rows[0]), _vector(rows[1]), _vector(rows[2])),
        day_sum=now.day_sum + error + surprise - by_room - now.day_slow,
        day_people=now.day_people + 1,
        day_squares=now.day_squares + passer.scatter**2,
    )
