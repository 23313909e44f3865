"""The doctor's tickets: who was flagged at a gate, what was measured since, and what became of it.

A ticket is opened in the transaction that stores its event, so each event opens one once, however often it comes. While
it is open it gathers its person's further readings of the day. Each change is an entry and makes the next version; a
change asked for on another version than the present one is refused, so that no doctor overwrites another.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from campus.doctor.tables import ticket, ticket_entry
from campus.errors import HubConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.intake.dating import Moment
    from controller.link.messages import EventMessage

EVENT = "ticket"
"""The type of event that opens one."""
READ = {
    "temperature": (int, float),
    "manual_temperature": (int, float),
    "uncertainty": (int, float),
    "risk": (int, float),
    "remarks": (str,),
}
"""What a ticket keeps of its event's detail (docs/mqtt.md), and of which kind it must be."""


class Action(enum.StrEnum):
    """What an entry tells of."""

    READING = "reading"
    """A gate's, or by a thermometer at the gate."""
    MEASUREMENT = "measurement"
    """The doctor's, in contact."""
    CLOSED = "closed"
    REOPENED = "reopened"


class Outcome(enum.StrEnum):
    """What became of somebody."""

    RELEASED = "released"
    SENT_HOME = "sent_home"
    HOSPITAL = "hospital"
    ISOLATED = "isolated"
    NO_SHOW = "no_show"
    """Never came to the doctor."""


class Flagged(NamedTuple):
    """An event of the type `EVENT`, as it is being stored."""

    gate: str
    message: EventMessage
    received: float
    moment: Moment


class TicketRow(NamedTuple):
    """A ticket as it stands."""

    id: int
    person: str
    day: str
    opened: float
    version: int
    dated: bool
    outcome: str | None
    closed: float | None
    closed_by: str | None


class Entry(NamedTuple):
    """One change of a ticket."""

    ticket: int
    version: int
    time: float
    actor: str
    action: str
    detail: dict[str, Any]


async def gather(query: AsyncConnection, flagged: Iterable[Flagged]) -> list[int]:
    """Open tickets for events that are being stored, or add to those that are open; the ticket of each.

    Two intakes take persons in one order, so that they do not wait for each other.
    """
    flagged = list(flagged)
    order = sorted(range(len(flagged)), key=lambda place: flagged[place].message.person or "")
    found = {place: await _gather_one(query, flagged[place]) for place in order}
    return [found[place] for place in range(len(flagged))]


async def _gather_one(query: AsyncConnection, event: Flagged) -> int:
    gate, message, received, when = event
    day = dt.datetime.fromtimestamp(when.time, dt.UTC).astimezone().date().isoformat()
    # Nobody is flagged without being known; an event that lacks the person all the same still is somebody's.
    row = {"person": message.person or "", "day": day, "opened": received, "version": 1, "dated": when.dated}
    insert = insert_postgresql if query.dialect.name == "postgresql" else insert_sqlite
    statement = insert(ticket).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=["person", "day"],
        index_where=sa.text("closed IS NULL"),
        set_={"version": ticket.c.version + 1, "dated": sa.and_(ticket.c.dated, statement.excluded.dated)},
    )
    number, version = (await query.execute(statement.returning(ticket.c.id, ticket.c.version))).one()
    told = {name: message.detail[name] for name, kinds in READ.items() if type(message.detail.get(name)) in kinds}
    place = {"gate": gate, "epoch": message.epoch, "seq": message.seq, "time": message.time, "clock": message.clock}
    await _enter(query, Entry(number, version, received, f"gate {gate}", Action.READING, place | told))
    return int(number)


async def find(
    query: AsyncConnection, *, is_open: bool | None, person: str | None, before: int | None, limit: int
) -> list[TicketRow]:
    """Tickets, newest first."""
    wanted = sa.select(ticket).order_by(ticket.c.id.desc()).limit(limit)
    if is_open is not None:
        wanted = wanted.where(ticket.c.closed.is_(None) if is_open else ticket.c.closed.is_not(None))
    if person is not None:
        wanted = wanted.where(ticket.c.person == person)
    if before is not None:
        wanted = wanted.where(ticket.c.id < before)
    return [TicketRow(*row) for row in await query.execute(wanted)]


async def get(query: AsyncConnection, number: int) -> TicketRow | None:
    """One ticket."""
    row = (await query.execute(sa.select(ticket).where(ticket.c.id == number))).first()
    return None if row is None else TicketRow(*row)


async def entries(query: AsyncConnection, numbers: Sequence[int]) -> list[Entry]:
    """Everything that happened to some tickets, by ticket, oldest first."""
    wanted = sa.select(ticket_entry).where(ticket_entry.c.ticket.in_(numbers))
    rows = await query.execute(wanted.order_by(ticket_entry.c.ticket, ticket_entry.c.version))
    return [Entry._make([*row[:-1], msgspec.json.decode(row.detail)]) for row in rows]


async def measure(
    query: AsyncConnection, by: Actor, found: TicketRow, measured: Mapping[str, object], *, now: float
) -> None:
    """Add a doctor's measurement to `found`. Raises `HubConflictError` where it is not that any more, or is closed."""
    if found.closed is not None:
        raise HubConflictError(f"ticket {found.id} is closed; reopen it first")
    await _change(query, by, found, Action.MEASUREMENT, told=measured, changes={}, now=now)


async def close(
    query: AsyncConnection, by: Actor, found: TicketRow, outcome: Outcome, note: str, *, now: float
) -> None:
    """Say what became of `found`'s person. Raises `HubConflictError` as `measure` does."""
    if found.closed is not None:
        raise HubConflictError(f"ticket {found.id} is closed already")
    told = {"outcome": outcome.value, "note": note}
    changes = {"outcome": outcome.value, "closed": now, "closed_by": by.name}
    await _change(query, by, found, Action.CLOSED, told=told, changes=changes, now=now)


async def reopen(query: AsyncConnection, by: Actor, found: TicketRow, reason: str, *, now: float) -> None:
    """Take back the closing of `found`. Raises `HubConflictError` where another one of that day is open."""
    if found.closed is None:
        raise HubConflictError(f"ticket {found.id} is open")
    same = sa.select(ticket.c.id).where(
        ticket.c.person == found.person, ticket.c.day == found.day, ticket.c.closed.is_(None)
    )
    other = (await query.execute(same)).scalar()
    if other is not None:
        raise HubConflictError(f"ticket {other} of this person and day is open")
    changes = {"outcome": None, "closed": None, "closed_by": None}
    await _change(query, by, found, Action.REOPENED, told={"reason": reason}, changes=changes, now=now)


async def _change(
    query: AsyncConnection,
    by: Actor,
    found: TicketRow,
    action: Action,
    *,
    told: Mapping[str, object],
    changes: Mapping[str, object],
    now: float,
) -> None:
    chosen = sa.update(ticket).where(ticket.c.id == found.id, ticket.c.version == found.version)
    if not (await query.execute(chosen.values(version=found.version + 1, **changes))).rowcount:
        raise HubConflictError(f"ticket {found.id} has changed in the meantime")
    await _enter(query, Entry(found.id, found.version + 1, now, by.name, action, dict(told)))


async def _enter(query: AsyncConnection, entry: Entry) -> None:
    detail = msgspec.json.encode(entry.detail).decode()
    await query.execute(ticket_entry.insert().values(**entry._replace(detail=detail)._asdict()))  # type: ignore[arg-type]
