"""Erases what was kept long enough: whole months on PostgreSQL, batches of rows on SQLite.

The marks stay, so a gate that sends again what was erased is acknowledged and nothing is stored anew. Each run that
erases has an entry in the audit log before it and one after it. The audit log itself is kept.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import msgspec
import sqlalchemy as sa
import structlog

from campus import tables
from campus.auth import audit
from campus.auth.roles import Actor, Role
from campus.doctor.tables import ticket, ticket_entry
from campus.errors import HubStoreError
from campus.outward.tables import change
from campus.policy import versions as policy
from campus.policy.tables import visitor

if TYPE_CHECKING:
    from campus.database import Database

DAY = 86_400.0
AGAIN = 3600.0
"""Seconds before a look that failed is tried again."""
BATCH = 1000
"""Rows of one transaction."""
SCHEDULE = Actor("retention", Role.ADMIN)

log = structlog.stdlib.get_logger("hub")


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retention]`: for how long events and tickets are kept."""

    events_days: Annotated[int, msgspec.Meta(ge=180, le=36_500)] = 180
    """Days since an event came; a centre keeps 180 at least (GB 50396-2007, 5.2.2). PostgreSQL: by whole months."""
    health_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = None
    """Days since a doctor's ticket was closed; None: they stay. An open one stays anyway."""
    check_hours: Annotated[float, msgspec.Meta(gt=0, le=168)] = 24.0
    """Hours between two looks."""


class Due(NamedTuple):
    """What was kept long enough."""

    before: float
    """Unix seconds: everything that came earlier."""
    months: dict[str, int]
    """Partitions of `event`, and their rows; PostgreSQL."""
    rows: dict[str, int]
    """Rows by table; of `event` on SQLite alone, of `ticket` and `visitor` by when they closed or left."""

    @property
    def total(self) -> int:
        """Rows."""
        return sum(self.months.values()) + sum(self.rows.values())


class Retention:
    """Keeps one database's events for as long as is said."""

    def __init__(self, database: Database, settings: RetentionSettings) -> None:
        self._database = database
        self._settings = settings
        deleted = (tables.pending, tables.conflict, change)
        self._tables = deleted if database.is_postgresql else (tables.event, *deleted)

    async def run(self) -> NoReturn:
        """Erase what is due, now and again, until cancelled."""
        while True:
            pause = self._settings.check_hours * 3600
            try:
                await self.erase(SCHEDULE, time.time())
            except HubStoreError as error:
                # A dump that is made at this hour of each night keeps its months from being dropped meanwhile.
                log.error("retention failed", error=str(error))
                pause = min(pause, AGAIN)
            await asyncio.sleep(pause)

    async def due(self, now: float) -> Due:
        """What would be erased. Raises `HubStoreError`."""
        before = now - self._settings.events_days * DAY
        months, rows = {}, {}
        async with self._database.transaction() as query:
            for month in await self._database.months_before(query, before):
                count = await query.execute(sa.select(sa.func.count()).select_from(sa.table(month)))
                months[month] = count.scalar_one()
            for table in self._tables:
                count = await query.execute(sa.select(sa.func.count()).where(table.c.received < before))
                rows[table.name] = count.scalar_one()
            if (closed := self._closed(now)) is not None:
                count = await query.execute(sa.select(sa.func.count()).where(closed))
                rows[ticket.name] = count.scalar_one()
            count = await query.execute(sa.select(sa.func.count()).where(policy.long_over(now)))
            rows[visitor.name] = count.scalar_one()
        return Due(before, months, {name: number for name, number in rows.items() if number})

    async def erase(self, by: Actor, now: float) -> Due:
        """Erase what is due; what that was. Raises `HubStoreError`; what went before it is gone, and noted as begun."""
        due = await self.due(now)
        if not due.total and not due.months:
            return due
        told = {"before": due.before, **due.months, **due.rows}
        async with self._database.transaction() as query:
            await audit.append(query, by, "retention_began", "events", told, now=now)
        for month in due.months:
            async with self._database.transaction() as query:
                await self._database.drop_month(query, month)
        for table in self._tables:
            await self._erase_rows(table, table.c.received < due.before)
        if (closed := self._closed(now)) is not None:
            await self._erase_tickets(closed)
        async with self._database.transaction() as query:
            await audit.append(query, by, "retention_ended", "events", told, now=time.time())
            await policy.forget_visitors(query, now=now)
        log.info("erased", rows=due.total, before=due.before)
        return due

    def _closed(self, now: float) -> sa.ColumnElement[bool] | None:
        """Tickets that were closed long enough ago; None: they stay."""
        days = self._settings.health_days
        return None if days is None else ticket.c.closed < now - days * DAY

    async def _erase_tickets(self, closed: sa.ColumnElement[bool]) -> None:
        """Each with its whole history: one that is reopened meanwhile keeps both."""
        some = sa.select(ticket.c.id).where(closed).limit(BATCH).with_for_update()
        erased = BATCH
        while erased == BATCH:
            async with self._database.transaction() as query:
                chosen = list((await query.execute(some)).scalars())
                erased = len(chosen)
                await query.execute(sa.delete(ticket_entry).where(ticket_entry.c.ticket.in_(chosen)))
                await query.execute(sa.delete(ticket).where(ticket.c.id.in_(chosen)))

    async def _erase_rows(self, table: sa.Table, chosen: sa.ColumnElement[bool]) -> None:
        """Batch by batch, as an intake may be waiting."""
        key = sa.tuple_(*table.primary_key.columns)
        some = sa.select(*table.primary_key.columns).where(chosen).limit(BATCH)
        erased = BATCH
        while erased == BATCH:
            async with self._database.transaction() as query:
                erased = (await query.execute(sa.delete(table).where(key.in_(some)))).rowcount
