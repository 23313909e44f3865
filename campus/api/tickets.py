"""`/tickets`: who was flagged at a gate, what the doctor measured, and what became of it."""

from __future__ import annotations

import datetime as dt
import enum
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.problems import Problem
from campus.api.times import Moment, moment, moment_or_none
from campus.auth import audit
from campus.auth.roles import Actor, Permission
from campus.doctor import tickets
from campus.doctor.tickets import Action, Entry, Outcome, TicketRow

router = APIRouter(prefix="/tickets", tags=["tickets"], responses=problems.responses(404))

Reader = Annotated[Actor, allowed(Permission.HEALTH_READ)]
Doctor = Annotated[Actor, allowed(Permission.HEALTH_WRITE)]
Number = Annotated[int, Path(ge=1, lt=2**31)]
Line = Annotated[str, Field(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
EARLIEST = 86_400.0
"""A measurement more seconds before its ticket than this was given a wrong date."""
LATEST = 60.0
"""Seconds that a doctor's clock may be ahead."""


class Site(enum.StrEnum):
    """Where a temperature was taken."""

    ORAL = "oral"
    AXILLARY = "axillary"
    TYMPANIC = "tympanic"
    TEMPORAL = "temporal"
    RECTAL = "rectal"


class Reading(BaseModel):
    """What a gate measured, or a guard beside it."""

    gate: str
    event: str
    """The event's id, as in `/events` and on the wire."""
    time: dt.datetime | None
    """By the gate's clock; null: it was no date."""
    clock: str
    """What the gate knew of its clock: `synchronised`, `unsynchronised` or `unknown`."""
    received: dt.datetime
    temperature: float | None
    """An estimate of the oral temperature, °C; null: the gate had none, and the guard's counts."""
    uncertainty: float | None
    """Its standard uncertainty, K."""
    risk: float | None
    """Chance that the alarm is wrong, before one knows how rare fevers are."""
    manual_temperature: float | None
    """By the guard's thermometer, °C."""
    remarks: str | None


class NewMeasurement(BaseModel):
    """A temperature taken in contact."""

    value: float = Field(ge=30, le=45, strict=True)
    """°C. Beyond 30 to 45 it was mistyped."""
    site: Site
    device: Line
    """Which thermometer: its inventory or serial number."""
    time: Moment


class Measurement(NewMeasurement):
    """The same, once it stands."""

    by: str
    entered: dt.datetime


class Change(BaseModel):
    """One entry of a ticket's history, which only grows."""

    version: int
    time: dt.datetime
    by: str
    action: Action
    outcome: Outcome | None = None
    note: str | None = None


class Ticket(BaseModel):
    """One person, one day, as it stands."""

    id: int
    version: int
    """Ask for a change with this: `If-Match: "3"`."""
    person: str
    day: dt.date
    """In the hub's time zone."""
    dated: bool
    """False: a gate's clock was not right, and the day is that of its event's arrival."""
    opened: dt.datetime
    outcome: Outcome | None
    """Null: it is open."""
    closed: dt.datetime | None
    closed_by: str | None
    readings: list[Reading]
    measurements: list[Measurement]
    history: list[Change]


class Closing(BaseModel):
    """How a ticket is closed."""

    outcome: Outcome
    note: Note = ""


class Reopening(BaseModel):
    """Why a ticket is opened again."""

    reason: Note = Field(min_length=1)


def _version(if_match: Annotated[str, Header(pattern=r'^("[0-9]{1,9}")?$')] = "") -> int:
    """Which version whoever asks has seen."""
    if not if_match:
        raise Problem(428, 'say which version you have seen: If-Match: "3" (its ETag)')
    return int(if_match.strip('"'))


Seen = Annotated[int, Depends(_version)]
CHANGES = problems.responses(409, 412, 428)
AS_SEEN = problems.further_rules("The ticket is of the version in If-Match, and open or closed as the change wants it.")
MEASURED = problems.further_rules(f"{AS_SEEN[problems.RULES]} A time lies between a day before the ticket and now.")


@router.get("")
async def list_tickets(
    reader: Reader,
    database: Data,
    open: Annotated[bool | None, Query()] = None,  # noqa: A002 - the query's name
    person: Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$")] = None,
    before: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[Ticket]:
    """Tickets, newest first; `before` a ticket's id for the older ones. Who asked for which is in the audit log."""
    async with database.transaction() as query:
        rows = await tickets.find(query, is_open=open, person=person, before=before, limit=limit)
        history = await tickets.entries(query, [row.id for row in rows])
        seen = {"tickets": [row.id for row in rows], "person": person}
        await audit.append(query, reader, "tickets_read", "tickets", seen, now=time.time())
    return [_ticket(row, [entry for entry in history if entry.ticket == row.id]) for row in rows]


@router.get("/{number}")
async def read_ticket(reader: Reader, database: Data, answer: Response, number: Number) -> Ticket:
    """One ticket, with its version as ETag. Recorded in the audit log."""
    async with database.transaction() as query:
        row = await _there(query, number)
        await audit.append(query, reader, "ticket_read", str(number), {}, now=time.time())
        return await _answer(query, answer, row.id)


@router.post("/{number}/measurements", status_code=201, responses=CHANGES, openapi_extra=MEASURED)
async def add_measurement(
    doctor: Doctor, database: Data, answer: Response, number: Number, seen: Seen, asked: NewMeasurement
) -> Ticket:
    """Add a temperature that was taken in contact."""
    now = time.time()
    async with database.transaction() as query:
        row = await _there(query, number, seen)
        if not row.opened - EARLIEST <= asked.time.timestamp() <= now + LATEST:
            raise Problem(422, "body.time: lies in the future, or more than a day before the ticket")
        await tickets.measure(query, doctor, row, asked.model_dump(mode="json"), now=now)
        await audit.append(query, doctor, "ticket_measured", str(number), {"version": seen + 1}, now=now)
        return await _answer(query, answer, number)


@router.post("/{number}/close", responses=CHANGES, openapi_extra=AS_SEEN)
async def close_ticket(
    doctor: Doctor, database: Data, answer: Response, number: Number, seen: Seen, asked: Closing
) -> Ticket:
    """Say what became of the person."""
    now = time.time()
    async with database.transaction() as query:
        row = await _there(query, number, seen)
        await tickets.close(query, doctor, row, asked.outcome, asked.note, now=now)
        await audit.append(query, doctor, "ticket_closed", str(number), {"version": seen + 1}, now=now)
        return await _answer(query, answer, number)


@router.post("/{number}/reopen", responses=CHANGES, openapi_extra=AS_SEEN)
async def reopen_ticket(
    doctor: Doctor, database: Data, answer: Response, number: Number, seen: Seen, asked: Reopening
) -> Ticket:
    """Take the closing back; it stays in the history."""
    now = time.time()
    async with database.transaction() as query:
        row = await _there(query, number, seen)
        await tickets.reopen(query, doctor, row, asked.reason, now=now)
        await audit.append(query, doctor, "ticket_reopened", str(number), {"version": seen + 1}, now=now)
        return await _answer(query, answer, number)


async def _there(query: AsyncConnection, number: int, seen: int | None = None) -> TicketRow:
    """The ticket; as it was seen, where it matters."""
    row = await tickets.get(query, number)
    if row is None:
        raise Problem(404, f"there is no ticket {number}")
    if seen not in (None, row.version):
        raise Problem(412, f"ticket {number} has version {row.version} by now, not {seen}: look at it again")
    return row


async def _answer(query: AsyncConnection, answer: Response, number: int) -> Ticket:
    row = await _there(query, number)
    answer.headers["ETag"] = f'"{row.version}"'
    return _ticket(row, await tickets.entries(query, [number]))


def _ticket(row: TicketRow, history: list[Entry]) -> Ticket:
    readings = [_reading(entry) for entry in history if entry.action == Action.READING]
    measured = [entry for entry in history if entry.action == Action.MEASUREMENT]
    measurements = [Measurement(**entry.detail, by=entry.actor, entered=moment(entry.time)) for entry in measured]
    return Ticket(
        id=row.id,
        version=row.version,
        person=row.person,
        day=dt.date.fromisoformat(row.day),
        dated=row.dated,
        opened=moment(row.opened),
        outcome=None if row.outcome is None else Outcome(row.outcome),
        closed=moment_or_none(row.closed),
        closed_by=row.closed_by,
        readings=readings,
        measurements=measurements,
        history=[_change(entry) for entry in history],
    )


def _reading(entry: Entry) -> Reading:
    told: dict[str, Any] = entry.detail
    return Reading(
        gate=told["gate"],
        event=f"{told['gate']}-{told['epoch']}-{told['seq']}",
        time=moment_or_none(told["time"]),
        clock=told["clock"],
        received=moment(entry.time),
        temperature=told.get("temperature"),
        uncertainty=told.get("uncertainty"),
        risk=told.get("risk"),
        manual_temperature=told.get("manual_temperature"),
        remarks=told.get("remarks"),
    )


def _change(entry: Entry) -> Change:
    note = entry.detail.get("note") or entry.detail.get("reason")
    return Change(
        version=entry.version,
        time=moment(entry.time),
        by=entry.actor,
        action=Action(entry.action),
        outcome=entry.detail.get("outcome"),
        note=note,
    )
