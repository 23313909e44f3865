"""`/events`: what happened at the gates."""

from __future__ import annotations

import datetime as dt
import time
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel

from campus import tables
from campus.api.auth import Data, allowed
from campus.api.times import moment, moment_or_none
from campus.auth import audit
from campus.auth.roles import Actor, Permission
from campus.intake.dating import Moment, Source, moment_of
from controller.link.messages import EventMessage, decode

router = APIRouter(prefix="/events", tags=["events"])

Reader = Annotated[Actor, allowed(Permission.EVENTS_READ)]
TICKET = "ticket"
"""The kind whose detail is a person's health."""
HEALTH_KEYS = frozenset({"manual_temperature", "temperature", "surface", "correction", "risk"})
"""What other kinds have of it; a surface and its correction are a temperature."""
PERSONAL = "personal_"
"""How the keys begin that compare with a person's own history."""
CURSOR = r"^[0-9]{1,10}(\.[0-9]{1,9})?~[a-z0-9_-]{1,32}~[0-9a-f]{16}~[0-9]{1,18}$"
"""A place in the order of events: received, gate, epoch, seq."""
Text = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class Event(BaseModel):
    """One entry of a gate's journal."""

    gate: str
    epoch: str
    seq: int
    received: dt.datetime
    """By the hub's clock."""
    time: dt.datetime | None
    """By the gate's clock, of which `clock` says what is known; null: it was no date."""
    clock: str
    happened: dt.datetime | None
    """By a gate's clock that was right, or from another moment of the same start; null: nobody knows yet."""
    happened_error: float | None
    """Seconds by which that may be off at most."""
    happened_source: Source
    boot_id: str
    monotonic: float
    type: str
    person: str | None
    grant_id: str | None
    detail: dict[str, str | float | bool | None]
    """Without measurements for who may not see them."""


class EventPage(BaseModel):
    """Some events, newest first."""

    events: list[Event]
    before: str | None
    """Ask with this for the older ones; null: there are none."""


@router.get("")
async def list_events(
    reader: Reader,
    database: Data,
    gate: Text | None = None,
    person: Text | None = None,
    type: Text | None = None,  # noqa: A002 - the field's name
    before: Annotated[str | None, Query(pattern=CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EventPage:
    """Events in the order they came, newest first; those sent live are ahead of older ones of their gate.

    Asking for one person's is recorded in the audit log, and whatever is asked by who is shown measurements.
    """
    event = tables.arrived.c
    chosen = sa.select(event.gate, event.received, event.payload, event.epoch, event.seq, *tables.dates)
    for column, value in ((event.gate, gate), (event.person, person), (event.type, type)):
        if value is not None:
            chosen = chosen.where(column == value)
    order = (event.received, event.gate, event.epoch, event.seq)
    if before is not None:
        chosen = chosen.where(sa.tuple_(*order) < sa.tuple_(*map(sa.literal, _read_cursor(before))))
    chosen = chosen.order_by(*(column.desc() for column in order)).limit(limit + 1)
    async with database.transaction() as query:
        rows = (await query.execute(chosen)).all()
        if person is not None or reader.may(Permission.HEALTH_READ):
            asked = {name: value for name, value in (("gate", gate), ("type", type)) if value is not None}
            await audit.append(query, reader, "events_read", person or "events", asked, now=time.time())
    shown = rows[:limit]
    last = shown[-1] if len(rows) > limit else None
    return EventPage(
        events=[_event(row.gate, row.received, row.payload, moment_of(row), reader) for row in shown],
        before=last and _cursor(last.received, last.gate, last.epoch, last.seq),
    )


def _of_health(key: str) -> bool:
    """Whether a part of an event's detail is the doctor's."""
    return key in HEALTH_KEYS or key.startswith(PERSONAL)


def _event(gate: str, received: float, payload: bytes, happened: Moment, reader: Actor) -> Event:
    event = decode("evt", payload, EventMessage)
    detail = event.detail
    if not reader.may(Permission.HEALTH_READ):
        detail = {} if event.type == TICKET else {key: detail[key] for key in detail if not _of_health(key)}
    return Event(
        gate=gate,
        epoch=event.epoch,
        seq=event.seq,
        received=moment(received),
        time=moment_or_none(event.time),
        clock=event.clock,
        happened=None if happened.source == "unknown" else moment_or_none(happened.time),
        happened_error=happened.error,
        happened_source=happened.source,
        boot_id=event.boot_id,
        monotonic=event.monotonic,
        type=event.type,
        person=event.person,
        grant_id=event.grant_id,
        detail=detail,
    )


def _cursor(received: float, gate: str, epoch: str, seq: int) -> str:
    return f"{received!r}~{gate}~{epoch}~{seq}"


def _read_cursor(text: str) -> tuple[float, str, str, int]:
    received, gate, epoch, seq = text.split("~")
    return float(received), gate, epoch, int(seq)
