"""Who is inside, by the gates' stored events: a count for each zone, and for a fire a list of whom to look for.

Leaving is free and needs no name. So whoever came in is on the list until a gate has seen *them* leave, or a day is
over; how many left unnamed stands beside it, and the count by contacts, in less out, says how many there should be.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import sqlalchemy as sa

from campus import tables
from campus.gates.told import state_of
from campus.intake.dating import moment_of
from controller.lane.access.times import local, unix_of
from controller.lane.access.whereabouts import FORGOTTEN_AFTER
from controller.lane.effects import RecordKind
from controller.lane.model import Direction, Outcome
from controller.link.messages import EventMessage, decode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from controller.lane.access.policy import Policy

AHEAD: Final = 120.0
"""Seconds by which a gate's clock may be ahead of the hub's before it is not believed."""


class Passage(NamedTuple):
    """Somebody who went through a point."""

    person: str | None
    """None: nobody knows who."""
    point: str
    begin: str
    end: str
    time: float
    """Unix seconds, as `campus.intake.dating` finds it; where it cannot, when the hub heard of it."""


class Seen(NamedTuple):
    """Where somebody is, as far as is known."""

    person: str
    zone: str
    point: str
    time: float


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """How many are in a zone."""

    zone: str
    named: int
    """People who went in and were not seen to leave."""
    counted: int
    """In less out since midnight, by the contacts, whoever it was; not below 0."""
    left_unnamed: int
    """How many left since midnight of whom nobody knows who."""


@dataclass(frozen=True, slots=True)
class Muster:
    """Who is inside."""

    zones: tuple[ZoneCount, ...]
    people: tuple[Seen, ...]
    """By zone, then who was seen last first."""
    strangers: tuple[str, ...]
    """Gates whose passages belong to no point of the policy, and are left out."""


async def muster(query: AsyncConnection, policy: Policy, *, now: float) -> Muster:
    """Who is inside at `now` (Unix seconds)."""
    places: dict[str, Seen] = {}
    into, out_of, unnamed = Counter[str](), Counter[str](), Counter[str]()
    midnight = unix_of(dt.datetime.combine(local(now, policy.zone).date(), dt.time()), policy.zone)
    strangers: set[str] = set()
    async for one in passages(query, policy, now=now, strangers=strangers):
        if one.person is not None and one.time >= places.get(one.person, _NEVER).time:
            places[one.person] = Seen(one.person, one.end, one.point, one.time)
        if one.time >= midnight:
            into[one.end] += 1
            out_of[one.begin] += 1
            unnamed[one.begin] += one.person is None
    indoors = [name for name, zone in policy.document.zones.items() if not zone.outside]
    inside = [seen for seen in places.values() if seen.zone in indoors]
    named = Counter(seen.zone for seen in inside)
    return Muster(
        zones=tuple(ZoneCount(zone, named[zone], max(0, into[zone] - out_of[zone]), unnamed[zone]) for zone in indoors),
        people=tuple(sorted(inside, key=lambda seen: (indoors.index(seen.zone), -seen.time))),
        strangers=tuple(sorted(strangers)),
    )


_NEVER: Final = Seen("", "", "", 0.0)


async def passages(
    query: AsyncConnection, policy: Policy, *, now: float, strangers: set[str] | None = None
) -> AsyncIterator[Passage]:
    """Completed passages of the last day, in the order the hub heard of them.

    `strangers`: takes the gates that are no point of the policy.
    """
    points = await points_of_gates(query)
    event = tables.arrived.c
    columns = event.gate, event.received, event.person, event.payload
    chosen = sa.select(*columns, *tables.dates)
    lately = chosen.where(event.type == RecordKind.PASSAGE.value, event.received >= now - FORGOTTEN_AFTER)
    for row in await query.execute(lately.order_by(event.received, event.gate, event.seq)):
        name = points.get(row.gate, row.gate)
        point = policy.document.points.get(name)
        if point is None:
            if strangers is not None:
                strangers.add(row.gate)
            continue
        detail = decode("evt", row.payload, EventMessage).detail
        time = moment.time if (moment := moment_of(row)).time <= row.received + AHEAD else row.received
        if detail.get("outcome") != Outcome.COMPLETED.value or now - time >= FORGOTTEN_AFTER:
            continue
        entered = detail.get("direction") == Direction.ENTRY.value
        begin, end = (point.from_, point.to) if entered else (point.to, point.from_)
        yield Passage(row.person, name, begin, end, time)


async def points_of_gates(query: AsyncConnection) -> dict[str, str]:
    """Which point of the policy each gate is: the one it says, else the one of its name."""
    found = {}
    for row in await query.execute(sa.select(tables.gate.c.gate, tables.gate.c.state)):
        state = state_of(row.gate, row.state)
        found[row.gate] = row.gate if state is None else state.point or row.gate
    return found


async def board_of(query: AsyncConnection, point: str) -> set[str]:
    """The points on the same board: those whose gates count from the same boot."""
    points = await points_of_gates(query)
    boots = {row.gate: row.boot_id for row in await query.execute(sa.select(tables.gate.c.gate, tables.gate.c.boot_id))}
    own = {boots[gate] for gate, name in points.items() if name == point and boots[gate]}
    return {point, *(name for gate, name in points.items() if boots[gate] in own)}
