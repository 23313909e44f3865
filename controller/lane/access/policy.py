"""A policy that holds together: every name is somebody's, every zone can be left; ready to be asked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import PolicyError
from controller.lane.access import document as doc
from controller.lane.access.times import Week, time_zone

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from controller.lane.access.document import Document, Point

LONGEST_HOLIDAY = 366
"""Days; a longer one was mistyped."""


@dataclass(frozen=True, slots=True)
class Permit:
    """A rule at one point."""

    number: int
    """Its place in the document, from 1."""
    groups: frozenset[str]
    schedule: str | None
    first: dt.date | None
    last: dt.date | None


class Policy:
    """A checked document. Raises `PolicyError` naming the path of what is wrong.

    Attributes:
        document: as it is written.
        digest: what tells it from another.
        zone: its time zone; None: the board's own.
        weeks: its schedules.
        permits: the rules of each point.
    """

    def __init__(self, document: Document) -> None:
        _check(document)
        self.document = document
        self.digest = doc.digest(document)
        self.zone = time_zone(document.timezone)
        self.weeks: Mapping[str, Week] = {
            name: Week(one, () if one.holidays is None else document.holidays[one.holidays])
            for name, one in document.schedules.items()
        }
        self.permits: Mapping[str, tuple[Permit, ...]] = {
            name: tuple(_permits(document, name, point)) for name, point in document.points.items()
        }
        self._steps_out = _steps_out(document)

    @property
    def revision(self) -> int:
        """What it is called by."""
        return self.document.revision

    def leads_out(self, point: str) -> bool:
        """Whether who goes through this point comes nearer to the outside: no policy stands in that way."""
        passed = self.document.points[point]
        return self._steps_out[passed.to] < self._steps_out[passed.from_]

    def ways_out_of(self, zone: str) -> frozenset[str]:
        """Points by which a zone can be left, either way round."""
        return frozenset(name for name, one in self.document.points.items() if zone in dict(_edges(one)))


def simple(point: str, *, groups: Iterable[str] | None = None, anti_passback: float = 0.0) -> Policy:
    """The policy of a gate that has none of its own: people of any of `groups` (None: everybody) pass at any time.

    `anti_passback`: seconds in which nobody enters twice; 0: off.
    """
    named = tuple(groups) if groups is not None else (doc.EVERYBODY,)
    return Policy(
        doc.Document(
            format=1,
            revision=0,
            groups=() if groups is None else named,
            zones={"outside": doc.Zone(outside=True), "inside": doc.Zone()},
            points={
                point: doc.Point(
                    from_="outside",
                    to="inside",
                    anti_passback="timed" if anti_passback > 0 else "off",
                    anti_passback_seconds=anti_passback,
                )
            },
            rules=(doc.Rule(groups=named, points=(point,)),) if named else (),
            without_clock="ignore_schedules",
        )
    )


def _permits(document: Document, name: str, point: Point) -> Iterator[Permit]:
    for number, rule in enumerate(document.rules, start=1):
        if name in rule.points or point.to in rule.zones:
            yield Permit(number, frozenset(rule.groups), rule.schedule, rule.first, rule.last)


def _edges(point: Point) -> tuple[tuple[str, str], ...]:
    forth = (point.from_, point.to)
    return (forth,) if point.one_way else (forth, (point.to, point.from_))


def _steps_out(document: Document) -> dict[str, int]:
    """Points between each zone and the outside; those that have no way there are left out."""
    edges = [edge for point in document.points.values() for edge in _edges(point)]
    found = {name: 0 for name, zone in document.zones.items() if zone.outside}
    for distance in itertools.count(1):
        nearer = {begin for begin, end in edges if end in found and begin not in found}
        if not nearer:
            return found
        found |= dict.fromkeys(nearer, distance)
    raise AssertionError("unreachable")


def _check(document: Document) -> None:
    for path, name, known, what in _names(document):
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise PolicyError(f"{path}: there is no {what} {name!r} (there are: {there})")
    _check_points(document)
    _check_times(document)
    _check_schedules(document)
    _check_ways(document)


def _names(document: Document) -> Iterator[tuple[str, str, Collection[str], str]]:
    """Every name that stands for something else: its path, itself, what there is, and of what kind."""
    zones, points, groups = document.zones, document.points, {*document.groups, doc.EVERYBODY}
    for key, point in points.items():
        yield f"points.{key}.from", point.from_, zones, "zone"
        yield f"points.{key}.to", point.to, zones, "zone"
        for part, holder in (("first_card", point.first_card), ("two_person", point.two_person)):
            for name in () if holder is None else holder.groups:
                yield f"points.{key}.{part}.groups", name, groups, "group"
        for name in () if point.first_card is None else point.first_card.after:
            yield f"points.{key}.first_card.after", name, document.groups, "group"
    for number, rule in enumerate(document.rules):
        at = f"rules[{number}]"
        yield from ((f"{at}.groups", name, groups, "group") for name in rule.groups)
        yield from ((f"{at}.points", name, points, "point") for name in rule.points)
        yield from ((f"{at}.zones", name, zones, "zone") for name in rule.zones)
        if rule.schedule is not None:
            yield f"{at}.schedule", rule.schedule, document.schedules, "schedule"
    for key, schedule in document.schedules.items():
        if schedule.holidays is not None:
            yield f"schedules.{key}.holidays", schedule.holidays, document.holidays, "calendar of holidays"
    for key, visitor in document.visitors.items():
        yield from ((f"visitors.{key}.groups", name, document.groups, "group") for name in visitor.groups)


def _check_points(document: Document) -> None:
    for key, point in document.points.items():
        if point.from_ == point.to:
            raise PolicyError(f"points.{key}: leads from {point.to!r} to itself")
        if (point.anti_passback == "timed") != (point.anti_passback_seconds > 0):
            raise PolicyError(
                f'points.{key}.anti_passback_seconds: goes with anti_passback = "timed", and only with it'
            )
    for number, rule in enumerate(document.rules):
        if not (rule.points or rule.zones):
            raise PolicyError(f"rules[{number}]: names neither points nor zones, so it would let nobody in anywhere")


def _check_times(document: Document) -> None:
    for number, rule in enumerate(document.rules):
        if rule.first is not None and rule.last is not None and rule.last < rule.first:
            raise PolicyError(f"rules[{number}].last: {rule.last} is before `first`, {rule.first}")
    for key, visitor in document.visitors.items():
        if visitor.until <= visitor.from_:
            raise PolicyError(f"visitors.{key}.until: {visitor.until} is not after `from`, {visitor.from_}")
    for key, calendar in document.holidays.items():
        _check_holidays(f"holidays.{key}", calendar)


def _check_schedules(document: Document) -> None:
    for key, schedule in document.schedules.items():
        if schedule.holiday_hours and schedule.holidays is None:
            raise PolicyError(f"schedules.{key}.holiday_hours: of which calendar? `holidays` is not given")
        for part, spans in (("hours", schedule.hours), ("holiday_hours", schedule.holiday_hours)):
            for number, hours in enumerate(spans):
                if hours.from_ in {hours.to, "24:00"}:
                    raise PolicyError(f"schedules.{key}.{part}[{number}]: from {hours.from_} to {hours.to} is no span")


def _check_holidays(path: str, calendar: tuple[doc.Holiday, ...]) -> None:
    for number, one in enumerate(calendar):
        if one.end < one.first:
            raise PolicyError(f"{path}[{number}].last: {one.last} is before `first`, {one.first}")
        if (one.end - one.first).days >= LONGEST_HOLIDAY:
            raise PolicyError(f"{path}[{number}]: {one.name} is longer than a year")
    for first, second in itertools.pairwise(sorted(calendar, key=lambda one: one.first)):
        if second.first <= first.end:
            raise PolicyError(f"{path}: {first.name} and {second.name} overlap on {second.first}")


def _check_ways(document: Document) -> None:
    if not any(zone.outside for zone in document.zones.values()):
        raise PolicyError("zones: none is `outside`, so it cannot be told which way is out")
    if stuck := sorted(document.zones.keys() - _steps_out(document).keys()):
        raise PolicyError(f"zones.{stuck[0]}: nobody could leave it: no point leads on to the outside")
