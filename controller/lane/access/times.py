"""What the clock says: moments, days and schedules, by the clock on the wall of a policy's time zone.

A schedule is read on local time, so on the day a clock is put forward an hour does not come, and on the day it is put
back one comes twice; both are as people at the gate read their watches.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import PolicyError
from controller.lane.access.document import DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from controller.lane.access.document import Holiday, Hours, Schedule

ONE_DAY = dt.timedelta(days=1)
YEARS = range(1970, 9999)
"""In which every time zone's clock can be reckoned with."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of the wall clock."""

    unix: float
    """Seconds, right or wrong."""
    known: bool
    """The clock is synchronised."""


UNKNOWN = Moment(0.0, known=False)
"""Long ago: no end has come by it."""


def time_zone(name: str | None) -> dt.tzinfo | None:
    """A time zone of the IANA database; None is the board's own. Raises `PolicyError`."""
    if name is None:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PolicyError(f"timezone: {name!r} is no time zone that this machine knows, as Asia/Shanghai is") from error


def local(unix: float, zone: dt.tzinfo | None) -> dt.datetime:
    """What a clock on the wall shows."""
    return dt.datetime.fromtimestamp(unix, zone)


def unix_of(wall: dt.datetime, zone: dt.tzinfo | None) -> float:
    """When a clock on the wall shows this, Unix seconds; the first time, where it does so twice."""
    try:
        return wall.replace(tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        # The first and the last day there are, as "for ever" is often written, are beyond both ends in the board's own
        # time zone: a day more or less is nothing then.
        return wall.replace(tzinfo=dt.UTC).timestamp()


def local_time(text: str) -> dt.datetime:
    """Read `2026-12-01T08:00`, a time by the clock on the wall. Raises `ValueError`."""
    found = dt.datetime.fromisoformat(text)
    if found.year not in YEARS:
        raise ValueError(f"{text}: the year has to be from {YEARS.start} to {YEARS[-1]}")
    if found.tzinfo is not None:
        raise ValueError(f"{text}: without a time zone")
    return found


class Week:
    """A schedule with its calendar."""

    def __init__(self, schedule: Schedule, calendar: Sequence[Holiday] = ()) -> None:
        self._usual = tuple(_span(hours) for hours in schedule.hours)
        self._holiday = tuple(_span(hours) for hours in schedule.holiday_hours)
        self._special: Mapping[dt.date, Holiday] = {day: one for one in calendar for day in days_of(one)}

    def is_open(self, wall: dt.datetime) -> bool:
        """Whether it is open when a clock on the wall shows `wall`."""
        minute, today = wall.hour * 60 + wall.minute, wall.date()
        return self._covers(today, minute) or self._covers(today - ONE_DAY, minute + 24 * 60)

    def holiday(self, day: dt.date) -> str | None:
        """The name of the holiday, or of the day of work in place of another, that a day is."""
        special = self._special.get(day)
        return None if special is None else special.name

    def _covers(self, day: dt.date, minute: int) -> bool:
        """Whether a span that begins on `day` has `minute`, counted from that day's midnight."""
        special = self._special.get(day)
        if special is None or special.as_day is not None:
            name, spans = DAYS[day.weekday()] if special is None else special.as_day, self._usual
        else:
            name, spans = DAYS[day.weekday()], self._holiday
        return any(name in days and begin <= minute < end for days, begin, end in spans)


def _span(hours: Hours) -> tuple[frozenset[str], int, int]:
    begin, end = minutes(hours.from_), minutes(hours.to)
    return frozenset(hours.days), begin, end if end > begin else end + 24 * 60


def minutes(clock: str) -> int:
    """Minutes since midnight of `07:30`."""
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def days_of(holiday: Holiday) -> Iterator[dt.date]:
    """Each of its days."""
    # Not day by day: there is none behind the last of the year 9999, which often stands for "for ever".
    return map(dt.date.fromordinal, range(holiday.first.toordinal(), holiday.end.toordinal() + 1))
