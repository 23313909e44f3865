"""What a batch of messages says of its gates' boots: when their events happened, and which older ones it dates."""

from __future__ import annotations

import zlib
from collections import defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from campus import tables
from campus.intake.dating import Anchor, Moment, estimate, is_right, moment
from controller.link.messages import EventMessage, Online, event_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from controller.link.messages import State

Boot = tuple[str, str]
"""Gate and boot_id."""
LOCKS = 8251
"""The class of advisory locks of boots (the first of their two numbers)."""


class Boots:
    """The boots that one batch tells of.

    Args:
        query: the transaction that stores the batch.
        received: Unix seconds when it came.
        postgresql: the database's kind.
    """

    def __init__(self, query: AsyncConnection, received: float, *, postgresql: bool) -> None:
        self._query = query
        self._received = received
        self._postgresql = postgresql
        self._anchors: dict[Boot, tuple[Anchor, Anchor]] = {}

    def moment(self, gate: str, event: EventMessage) -> Moment:
        """When an event of the batch happened, once `learn` has read that."""
        anchors = self._anchors.get((gate, event.boot_id), ())
        return moment(event.time, event.clock, event.monotonic, anchors, received=self._received)

    async def learn(self, batch: Iterable[tuple[str, EventMessage | Online | State]]) -> dict[str, Moment]:
        """Learn from gates' messages; which of the events that are here are dated by them, by id."""
        moments: dict[Boot, list[Anchor]] = defaultdict(list)
        unsure: set[Boot] = set()
        for gate, message in batch:
            if isinstance(message, Online) or message.monotonic is None:
                continue
            if is_right(message.time, message.clock, self._received):
                moments[gate, message.boot_id].append(Anchor(message.monotonic, message.time))
            elif isinstance(message, EventMessage):
                unsure.add((gate, message.boot_id))
        before = await self._anchors_of(moments.keys() | unsure)
        new = moments.keys() - before.keys()
        if (new or unsure) and self._postgresql:
            # What another intake does not see yet of the same boot would stay undated.
            for boot in sorted(new | unsure):
                await self._query.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCKS, _number(boot))))
            before = await self._anchors_of(moments.keys() | unsure)
            new = moments.keys() - before.keys()
        await self._keep_anchors(moments)
        self._anchors = dict(before)
        for boot, found in moments.items():
            known = [*found, *before.get(boot, ())]
            self._anchors[boot] = min(known), max(known)
        return await self._date_again({boot: self._anchors[boot] for boot in new})

    async def _anchors_of(self, boots: Iterable[Boot]) -> dict[Boot, tuple[Anchor, Anchor]]:
        """The first and the last moment of each boot at which its gate knew the time."""
        boot = tables.boot.c
        wanted = sa.select(tables.boot).where(sa.tuple_(boot.gate, boot.boot_id).in_(sorted(boots)))
        return {(row[0], row[1]): (Anchor(*row[2:4]), Anchor(*row[4:6])) for row in await self._query.execute(wanted)}

    async def _keep_anchors(self, moments: Mapping[Boot, Sequence[Anchor]]) -> None:
        if not moments:
            return
        boot = tables.boot
        rows = [
            dict(zip(boot.c.keys(), (*place, *min(known), *max(known)), strict=True))
            for place, known in sorted(moments.items())
        ]
        statement = insert_postgresql(boot) if self._postgresql else insert_sqlite(boot)
        new = statement.excluded
        earlier = new.first_monotonic < boot.c.first_monotonic
        later = new.last_monotonic > boot.c.last_monotonic
        news = {name: sa.case((earlier, new[name]), else_=boot.c[name]) for name in ("first_monotonic", "first_time")}
        news |= {name: sa.case((later, new[name]), else_=boot.c[name]) for name in ("last_monotonic", "last_time")}
        await self._query.execute(statement.on_conflict_do_update(index_elements=["gate", "boot_id"], set_=news), rows)

    async def _date_again(self, boots: Mapping[Boot, tuple[Anchor, Anchor]]) -> dict[str, Moment]:
        """Date what came of these boots before anything was known of them; by the event's id."""
        found = {}
        for (gate, boot_id), anchors in boots.items():
            for table in (tables.event, tables.pending):
                mine = table.c.gate == gate, table.c.boot_id == boot_id
                undated = table.c.happened.is_not(None), table.c.happened_error.is_(None)
                # Of a gate that knows the time no earlier moment can be nearer: what is undated came before it did.
                values = estimate(table.c.monotonic, anchors[0])
                told = table.c.epoch, table.c.seq, table.c.happened, table.c.happened_error
                again = sa.update(table).where(*mine, *undated).values(**values).returning(*told)
                for epoch, seq, happened, error in await self._query.execute(again):
                    found[event_id(gate, epoch, seq)] = Moment(happened, error, "estimated")
        return found


def _number(boot: Boot) -> int:
    """A lock's second number: 31 bits of the name."""
    return zlib.crc32("\0".join(boot).encode()) >> 1
