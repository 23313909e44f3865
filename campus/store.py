"""The hub's events: every gate's once each, and how far each gate is complete.

An event is known by (gate, epoch, seq), so that what is sent again is stored once. The mark of a (gate, epoch) is the
highest seq up to which nothing is missing; it is what the hub acknowledges, and only after COMMIT. Several intakes may
write at once: who holds a mark's row moves it, the others wait.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from campus import tables
from controller.link.messages import EventMessage, Online, State, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database

EVERYTHING = -1
Place = tuple[str, str]
"""Gate and epoch."""


class Incoming(NamedTuple):
    """A message of good form from a gate."""

    gate: str
    message: EventMessage | Online | State
    payload: bytes


class Mark(NamedTuple):
    """Nothing of (gate, epoch) up to `seq` is missing; `chain` is the gate's chain value there, empty where unknown."""

    gate: str
    epoch: str
    seq: int
    chain: str


class StoredEvent(NamedTuple):
    """An event as it is in the database."""

    gate: str
    epoch: str
    seq: int
    received: float
    payload: bytes


class GateRow(NamedTuple):
    """What is known of a gate."""

    gate: str
    online: bool | None
    boot_id: str | None
    seen: float
    events: int
    missing: int
    """Events beyond a gap, kept until it closes."""
    state: bytes | None


class _Waiting(NamedTuple):
    """An event that is not complete yet."""

    chain: str
    payload: bytes
    received: float


class HubStore:
    """One campus' events.

    Args:
        database: where they lie.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.counts: Counter[str] = Counter()
        """Since it was opened: `stored`, `duplicates`, `conflicts`, `holes`."""

    async def apply(self, batch: Sequence[Incoming], received: float) -> list[Mark]:
        """Store a batch in one transaction, on disk when this returns; the marks of everything it touched.

        `received`: Unix seconds by this hub's clock. Raises `HubStoreError`; then nothing of the batch is stored.
        """
        await self.database.provide_months(received)
        async with self.database.transaction() as query:
            work = _Batch(query, received, postgresql=self.database.is_postgresql)
            marks = await work.run(batch)
        self.counts += work.counts
        return marks

    async def events(self, *, gate: str | None = None, limit: int = EVERYTHING) -> list[StoredEvent]:
        """Complete events in the order they were received, the newest `limit` of them; -1: all."""
        event = tables.event.c
        chosen = sa.select(event.gate, event.epoch, event.seq, event.received, event.payload)
        if gate is not None:
            chosen = chosen.where(event.gate == gate)
        newest = (event.received, event.gate, event.epoch, event.seq)
        chosen = chosen.order_by(*(column.desc() for column in newest))
        if limit != EVERYTHING:
            chosen = chosen.limit(limit)
        async with self.database.transaction() as query:
            rows = (await query.execute(chosen)).all()
        return [StoredEvent(*row) for row in reversed(rows)]

    async def gates(self) -> list[GateRow]:
        """What is known of each gate, by name."""
        event, pending = tables.event.c, tables.pending.c
        count = sa.func.count()
        async with self.database.transaction() as query:
            told = {row.gate: row for row in await query.execute(sa.select(tables.gate))}
            stored = sa.select(event.gate, count, sa.func.max(event.received)).group_by(event.gate)
            events = {row[0]: row for row in await query.execute(stored)}
            waiting = sa.select(pending.gate, count, sa.func.max(pending.received)).group_by(pending.gate)
            behind = {row[0]: row for row in await query.execute(waiting)}
        nothing = ("", 0, 0.0)
        found = []
        for name in sorted(told.keys() | events.keys() | behind.keys()):
            _, there, last = events.get(name, nothing)
            _, missing, late = behind.get(name, nothing)
            said = told.get(name)
            online, boot_id, seen, state = (None, None, max(last, late), None) if said is None else said[1:]
            found.append(GateRow(name, online, boot_id, seen, there + missing, missing, state))
        return found


class _Batch:
    """One transaction's work."""

    def __init__(self, query: AsyncConnection, received: float, *, postgresql: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._query = query
        self._received = received
        self._insert: Any = insert_postgresql if postgresql else insert_sqlite
        self._marks: dict[Place, tuple[int, str]] = {}

    async def run(self, batch: Sequence[Incoming]) -> list[Mark]:
        """Store everything; the marks of what was touched, in the order it came."""
        events: dict[Place, list[tuple[EventMessage, bytes]]] = defaultdict(list)
        touched: dict[Place, None] = {}
        for gate, message, payload in batch:
            if isinstance(message, EventMessage):
                events[gate, message.epoch].append((message, payload))
                touched[gate, message.epoch] = None
            elif isinstance(message, Online):
                touched |= dict.fromkeys((gate, cursor.epoch) for cursor in message.cursors)
        await self._lock(sorted(touched))
        for place, arrived in events.items():
            await self._take(place, arrived)
        # By gate, as the marks: two intakes that tell of the same gates in another order would wait for each other.
        for gate, message, payload in sorted(batch, key=lambda incoming: incoming.gate):
            if isinstance(message, Online):
                await self._introduce(gate, message)
            elif isinstance(message, State):
                await self._tell(gate, {"state": payload})
        return [Mark(*place, *self._marks[place]) for place in touched]

    async def _lock(self, places: Sequence[Place]) -> None:
        """Hold the marks' rows until the COMMIT, always in the same order: no two intakes wait for each other."""
        if not places:
            return
        mark = tables.mark
        rows = [{"gate": gate, "epoch": epoch, "seq": 0, "chain": ""} for gate, epoch in places]
        await self._query.execute(self._insert(mark).on_conflict_do_nothing(), rows)
        wanted = sa.select(mark).where(sa.tuple_(mark.c.gate, mark.c.epoch).in_(places))
        wanted = wanted.order_by(mark.c.gate, mark.c.epoch).with_for_update()
        for gate, epoch, seq, chain in await self._query.execute(wanted):
            self._marks[gate, epoch] = seq, chain

    async def _take(self, place: Place, arrived: Iterable[tuple[EventMessage, bytes]]) -> None:
        """Sort what came of one epoch: complete now, behind a gap, here already, or another event at a taken place."""
        seq, _ = self._marks[place]
        waiting = await self._waiting(place)
        kept = set(waiting)
        again = []
        for message, payload in arrived:
            known = waiting.get(message.seq)
            if message.seq <= seq:
                again.append((message, payload))
            elif known is None:
                waiting[message.seq] = _Waiting(message.chain, payload, self._received)
                self.counts["stored"] += 1
            elif known.chain == message.chain:
                self.counts["duplicates"] += 1
            else:
                await self._contradict(place, message, payload)
        await self._compare(place, again)
        await self._advance(place, waiting, kept)

    async def _waiting(self, place: Place) -> dict[int, _Waiting]:
        pending = tables.pending.c
        wanted = sa.select(pending.seq, pending.chain, pending.payload, pending.received)
        rows = await self._query.execute(wanted.where(pending.gate == place[0], pending.epoch == place[1]))
        return {row.seq: _Waiting(*row[1:]) for row in rows}

    async def _compare(self, place: Place, again: Sequence[tuple[EventMessage, bytes]]) -> None:
        """Events at places below the mark: the same ones, or others."""
        if not again:
            return
        event = tables.event.c
        wanted = sa.select(event.seq, event.chain).where(
            event.gate == place[0], event.epoch == place[1], event.seq.in_({message.seq for message, _ in again})
        )
        chains = {row.seq: row.chain for row in await self._query.execute(wanted)}
        for message, payload in again:
            # Of a place in a hole nothing is known, and nothing is asked for any more.
            if chains.get(message.seq, message.chain) == message.chain:
                self.counts["duplicates"] += 1
            else:
                await self._contradict(place, message, payload)

    async def _contradict(self, place: Place, message: EventMessage, payload: bytes) -> None:
        gate, epoch = place
        row = {"gate": gate, "epoch": epoch, "seq": message.seq, "chain": message.chain}
        statement = self._insert(tables.conflict).on_conflict_do_nothing()
        await self._query.execute(statement, [row | {"payload": payload, "received": self._received}])
        self.counts["conflicts"] += 1

    async def _advance(self, place: Place, waiting: Mapping[int, _Waiting], kept: set[int]) -> None:
        """Move the mark over everything that is complete now; `kept` are those that lie in `pending` already."""
        gate, epoch = place
        seq, chain = first = self._marks[place]
        complete = []
        while seq + 1 in waiting:
            seq += 1
            chain, payload, received = waiting[seq]
            complete.append(_row(gate, payload, received))
        if complete:
            await self._query.execute(tables.event.insert(), complete)
        late = [
            {"gate": gate, "epoch": epoch, "seq": number, **one._asdict()}
            for number, one in waiting.items()
            if number > seq and number not in kept
        ]
        if late:
            await self._query.execute(tables.pending.insert(), late)
        await self._set_mark(place, first, (seq, chain))
        pending = tables.pending
        if any(number <= seq for number in kept):
            done = sa.delete(pending).where(pending.c.gate == gate, pending.c.epoch == epoch, pending.c.seq <= seq)
            await self._query.execute(done)

    async def _set_mark(self, place: Place, before: tuple[int, str], now: tuple[int, str]) -> None:
        if now == before:
            return
        self._marks[place] = now
        mark = tables.mark
        chosen = sa.update(mark).where(mark.c.gate == place[0], mark.c.epoch == place[1])
        await self._query.execute(chosen.values(seq=now[0], chain=now[1]))

    async def _introduce(self, gate: str, online: Online) -> None:
        """Note who came or went, and the holes: events it will not send again and that are not here."""
        await self._tell(gate, {"online": online.online, "boot_id": online.boot_id})
        for cursor in online.cursors:
            place = gate, cursor.epoch
            seq, chain = self._marks[place]
            if cursor.acked <= seq:
                continue
            waiting = await self._waiting(place)
            # What had come of the hole all the same stays.
            inside = [_row(gate, one.payload, one.received) for at, one in waiting.items() if at <= cursor.acked]
            if inside:
                await self._query.execute(tables.event.insert(), inside)
            row = {"gate": gate, "epoch": cursor.epoch, "first": seq + 1, "last": cursor.acked, "found": self._received}
            await self._query.execute(self._insert(tables.hole).on_conflict_do_nothing(), [row])
            await self._set_mark(place, (seq, chain), (cursor.acked, ""))
            await self._advance(place, {at: one for at, one in waiting.items() if at > cursor.acked}, set(waiting))
            self.counts["holes"] += 1

    async def _tell(self, gate: str, told: Mapping[str, Any]) -> None:
        row = {"gate": gate, "seen": self._received, **told}
        statement = self._insert(tables.gate).values(row)
        news = {name: statement.excluded[name] for name in row if name != "gate"}
        await self._query.execute(statement.on_conflict_do_update(index_elements=["gate"], set_=news))


def _row(gate: str, payload: bytes, received: float) -> dict[str, Any]:
    """An event's row; its columns are read from what came."""
    event = decode("evt", payload, EventMessage)
    return {
        "gate": gate,
        "epoch": event.epoch,
        "seq": event.seq,
        "received": received,
        "type": event.type,
        "time": event.time,
        "clock": event.clock,
        "monotonic": event.monotonic,
        "boot_id": event.boot_id,
        "grant_id": event.grant_id,
        "person": event.person,
        "chain": event.chain,
        "payload": payload,
    }
