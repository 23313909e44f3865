"""What a crowd says about the sensor: a causal, shrunk baseline of one lane's afebrile passers-by.

Most people at a gate are healthy, so their estimates less what healthy people have at that hour tell the sensor's own
error. It is a Kalman filter of two numbers: `slow`, which stays for weeks (the camera, the site), and `today`, which
starts anew after a pause (the warm-up, this morning's calibration). Both begin at no correction and are pulled towards
it by PRIOR_WEIGHT people. Evidence fades:

- by time: `today` ends with a pause of hours, drifts within a day, and `slow` fades over weeks;
- by people: it never counts more than WINDOW of them;
- by room: the compensation's slope is only known to ROOM_DOUBT, so a change of the room takes evidence away;
- by hour: healthy people are warmer in the afternoon (`expected`), so the hour is no drift of the sensor. Without a
  clock that is unknown, and each reading counts less.

How much the days differ is itself learned from earlier days, and only ever *lowers* the prior's weight: a steady sensor
is hardly corrected, one that wakes up different every day is corrected after a few people. Readings that alarm are left
out; those that remain may move the baseline only as far as CLIP allows. Pure: time comes with each call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

PRIOR_WEIGHT = 10.0
"""People's worth of belief in no correction."""
SCATTER = 0.34
"""Standard deviation of healthy people's estimates about `expected`, K (afebrile, training part, one shot)."""
EXPECTED, EXPECTED_SLOPE, EXPECTED_HOUR = 36.89, 0.027, 13.0
"""Mean oral temperature of the afebrile, °C, at EXPECTED_HOUR, and its rise per hour (0.027 ± 0.007; training part)."""
HOURS = (8.0, 17.0)
"""Hours in the data; earlier and later are taken for these."""
HOUR_DOUBT = 0.07
"""Standard uncertainty of `expected` when the hour is not known, K: EXPECTED_SLOPE times the spread of HOURS."""
SLOW_SHARE = 0.5
"""Share of the prior's variance that is the slow part's."""
SLOW_DAYS = 30.0
"""Days in which the slow part fades to 1/e."""
PAUSE = 6 * 3600.0
"""Seconds without anybody that end `today`."""
DRIFT = 0.02
"""Standard deviation of the sensor's drift within a day, K per √hour."""
WINDOW = 200.0
"""People beyond whom evidence does not grow."""
ROOM_DOUBT = 0.04
"""Standard uncertainty of the room's slope, K/K: −0.08 for the face, −0.13 for the forehead in the same data."""
CLIP = 2.5
"""Standard deviations (of a reading about the baseline) that one person may count."""
DAYS_PRIOR = 2.0
"""Earlier days' worth of belief that days do not differ."""
DAYS_KEPT = 12.0
"""Days of which the spread between days is remembered."""
ALARM_MARGIN = 2.0
"""Standard uncertainties of the correction by which a reading must pass the alarm to be left out: on a sensor that has
not seen anybody today, healthy people may seem to alarm."""
RECENT = 20
"""People of whom it is remembered whether they alarmed."""
MAJORITY = 0.5
"""A crowd of which so many are feverish is a sensor that jumped."""


class CrowdState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a restart must keep. Temperatures in K, variances in K², time in s."""

    slow: float = 0.0
    today: float = 0.0
    slow_variance: float = SCATTER**2 / PRIOR_WEIGHT * SLOW_SHARE
    today_variance: float = SCATTER**2 / PRIOR_WEIGHT * (1 - SLOW_SHARE)
    covariance: float = 0.0
    time: float | None = None
    """Of the last passer-by; None before the first."""
    room: float | None = None
    """The last known room, °C."""
    day_sum: float = 0.0
    """Today's deviations, from the slow part as it was this morning."""
    day_people: int = 0
    day_slow: float = 0.0
    day_slow_variance: float = SCATTER**2 / PRIOR_WEIGHT * SLOW_SHARE
    spread_sum: float = 0.0
    """Weighted squares by which earlier days differed, beyond what chance explains, K²."""
    spread_weight: float = 0.0
    recent: tuple[bool, ...] = ()
    """Whether the last RECENT people alarmed, oldest first."""


@dataclass(frozen=True, slots=True)
class Passer:
    """One person's reading."""

    time: float
    """Seconds on an axis that only grows."""
    room: float
    """°C; NaN where it is not known."""
    hour: float
    """Time of day, 0 to 24; NaN where the clock is not set."""
    deviation: float
    """The uncorrected estimate less `expected(hour)`, K."""
    flagged: bool
    """Whether it alarms (see `alarms`): such a reading says nothing about the sensor."""


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
        variance = _variance(now)
        alarmed = sum(now.recent)
        return Correction(
            value=-(now.slow + now.today),
            uncertainty=math.sqrt(variance),
            people=max(SCATTER**2 / variance - PRIOR_WEIGHT, 0.0),
            jumped=len(now.recent) == RECENT and alarmed >= MAJORITY * RECENT,
        )

    def observe(self, passer: Passer) -> None:
        """Learn from one person.

        Raises:
            ValueError: as in `correction`, or the deviation is not finite; nothing has changed then.
        """
        if not math.isfinite(passer.deviation):
            raise ValueError(f"a deviation of {passer.deviation} K is no evidence")
        now = _forecast(self._state, passer.time, passer.room)
        now = msgspec.structs.replace(now, recent=(*now.recent, passer.flagged)[-RECENT:])
        self._state = now if passer.flagged else _learn(now, passer.deviation, known_hour=not math.isnan(passer.hour))


def _variance(state: CrowdState) -> float:
    return state.slow_variance + state.today_variance + 2 * state.covariance


def _forecast(state: CrowdState, time: float, room: float) -> CrowdState:
    """The state at a later time and in another room, before anybody has been seen there."""
    if not math.isfinite(time) or math.isinf(room):
        raise ValueError(f"no time or no room: {time} s, {room} °C")
    if state.time is None:
        return msgspec.structs.replace(state, time=time, room=None if math.isnan(room) else room)
    # A clock that was set back has not made the evidence younger.
    passed = max(time - state.time, 0.0)
    ended = passed >= PAUSE
    now = _end_day(state) if ended else state
    kept = math.exp(-passed / (86400 * SLOW_DAYS))
    prior = SCATTER**2 / PRIOR_WEIGHT * SLOW_SHARE
    slow_variance = kept**2 * now.slow_variance + (1 - kept**2) * prior
    today_variance = now.today_variance + (0.0 if ended else DRIFT**2 * passed / 3600)
    if now.room is not None and not math.isnan(room):
        today_variance += (ROOM_DOUBT * (room - now.room)) ** 2
    return msgspec.structs.replace(
        now,
        slow=kept * now.slow,
        slow_variance=slow_variance,
        today_variance=today_variance,
        covariance=kept * now.covariance,
        time=max(time, state.time),
        room=now.room if math.isnan(room) else room,
        day_slow=kept * now.slow if ended else now.day_slow,
        day_slow_variance=slow_variance if ended else now.day_slow_variance,
    )


def _end_day(state: CrowdState) -> CrowdState:
    """Learn how much days differ, and begin a new one."""
    spread_sum, spread_weight = state.spread_sum, state.spread_weight
    if state.day_people:
        chance = SCATTER**2 / state.day_people + state.day_slow_variance
        excess = (state.day_sum / state.day_people) ** 2 - chance
        weight = state.day_people / (state.day_people + 2)
        fade = 1 - 1 / DAYS_KEPT
        spread_sum, spread_weight = fade * spread_sum + weight * excess, fade * spread_weight + weight
    prior = SCATTER**2 / PRIOR_WEIGHT * (1 - SLOW_SHARE)
    learned = (spread_sum + DAYS_PRIOR * prior) / (spread_weight + DAYS_PRIOR)
    return msgspec.structs.replace(
        state,
        today=0.0,
        # Never less than the prior's: a few quiet days are no proof that none will differ.
        today_variance=max(prior, learned),
        covariance=0.0,
        day_sum=0.0,
        day_people=0,
        spread_sum=spread_sum,
        spread_weight=spread_weight,
    )


def _learn(now: CrowdState, deviation: float, *, known_hour: bool) -> CrowdState:
    """One person's update."""
    # So much is forgotten with each person that the evidence levels off at WINDOW of them.
    today_variance = now.today_variance + (SCATTER / WINDOW) ** 2
    slow_gain, today_gain = now.slow_variance + now.covariance, today_variance + now.covariance
    noise = SCATTER**2 + (0.0 if known_hour else HOUR_DOUBT**2)
    total = slow_gain + today_gain + noise
    limit = CLIP * math.sqrt(total)
    surprise = min(max(deviation - now.slow - now.today, -limit), limit)
    seen = now.slow + now.today + surprise
    return msgspec.structs.replace(
        now,
        slow=now.slow + slow_gain / total * surprise,
        today=now.today + today_gain / total * surprise,
        slow_variance=now.slow_variance - slow_gain**2 / total,
        today_variance=today_variance - today_gain**2 / total,
        covariance=now.covariance - slow_gain * today_gain / total,
        day_sum=now.day_sum + seen - now.day_slow,
        day_people=now.day_people + 1,
    )
