"""The hub's events: every gate's once each, and how far each gate is complete.

An event is known by (gate, epoch, seq), so that what is sent again is stored once. The mark of a (gate, epoch) is the
highest seq up to which nothing is missing; it is what the hub acknowledges, and only after COMMIT. An event ahead of
its mark, sent live or behind a gap, is kept and seen all the same. Several intakes may write at once: who holds a
mark's row moves it, the others wait.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from campus import tables
from campus.doctor import tickets
from campus.intake.boots import Boots
from campus.intake.dating import Moment, moment_of
from campus.outward import changes
from controller.link.messages import EventMessage, Online, State, decode, event_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database

EVERYTHING = -1
REACH = 500
"""Events that are looked for at once behind a gap that has closed."""
Place = tuple[str, str]
"""Gate and epoch."""


class Incoming(NamedTuple):
    """A message of good form from a gate."""

    gate: str
    message: EventMessage | Online | State
    payload: bytes
    live: bool = False
    """Sent ahead of its turn: it comes again, and asks for no acknowledgement."""


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
    complete: bool
    """Nothing before it is missing."""
    moment: Moment
    """When it happened."""


class GateRow(NamedTuple):
    """What is known of a gate."""

    gate: str
    online: bool | None
    boot_id: str | None
    seen: float
    events: int
    """Ever stored, those that were erased since among them."""
    missing: int
    """Events ahead of the mark, kept until what is before them has come."""
    state: bytes | None
    conflicts: int
    """Other events at places that were taken, which the gate has not written again elsewhere."""


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

        `received`: Unix seconds by this hub's clock. Raises `HubStoreError`; then nothing of the batch is stored. It is
        `HubDataError` where one of the messages cannot be, now or later.
        """
        await self.database.provide_months(received)
        async with self.database.transaction() as query:
            work = _Batch(query, received, postgresql=self.database.is_postgresql)
            marks = await work.run(batch)
        self.counts += work.counts
        return marks

    async def events(self, *, gate: str | None = None, limit: int = EVERYTHING) -> list[StoredEvent]:
        """Events in the order they were received, the newest `limit` of them (-1: all), dated as well as can be."""
        event = tables.arrived.c
        place = event.gate, event.epoch, event.seq, event.received, event.payload, event.complete
        chosen = sa.select(*place, *tables.dates)
        if gate is not None:
            chosen = chosen.where(event.gate == gate)
        newest = (event.received, event.gate, event.epoch, event.seq)
        chosen = chosen.order_by(*(column.desc() for column in newest))
        if limit != EVERYTHING:
            chosen = chosen.limit(limit)
        async with self.database.transaction() as query:
            rows = (await query.execute(chosen)).all()
        return [
            StoredEvent(row.gate, row.epoch, row.seq, row.received, row.payload, bool(row.complete), moment_of(row))
            for row in reversed(rows)
        ]

    async def gates(self) -> list[GateRow]:
        """What is known of each gate, by name."""
        pending, marks = tables.pending.c, tables.mark.c
        count = sa.func.count()
        async with self.database.transaction() as query:
            told = {row.gate: row for row in await query.execute(sa.select(tables.gate))}
            # To count millions of events would take seconds, each time that somebody looks.
            stored = sa.select(marks.gate, sa.func.sum(marks.stored)).group_by(marks.gate)
            events = {row[0]: int(row[1]) for row in await query.execute(stored)}
            heard = {name: await _last(query, name) for name in events.keys() - told.keys()}
            waiting = sa.select(pending.gate, count, sa.func.max(pending.received)).group_by(pending.gate)
            behind = {row[0]: row for row in await query.execute(waiting)}
            conflict = tables.conflict.c
            unexplained = sa.select(conflict.gate, count).where(conflict.refiled.is_(None)).group_by(conflict.gate)
            conflicts = {row[0]: int(row[1]) for row in await query.execute(unexplained)}
        found = []
        for name in sorted(told.keys() | events.keys()):
            _, missing, late = behind.get(name, ("", 0, 0.0))
            said = told.get(name)
            last = max(heard.get(name, 0.0), late)
            online, boot_id, seen, state = (None, None, last, None) if said is None else said[1:]
            there, taken = events.get(name, 0), conflicts.get(name, 0)
            found.append(GateRow(name, online, boot_id, seen, there + missing, missing, state, taken))
        return found


async def _last(query: AsyncConnection, gate: str) -> float:
    """When an event of a gate came last; 0: none did."""
    event = tables.event.c
    last = await query.execute(sa.select(sa.func.max(event.received)).where(event.gate == gate))
    return float(last.scalar() or 0.0)


class _Batch:
    """One transaction's work."""

    def __init__(self, query: AsyncConnection, received: float, *, postgresql: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._query = query
        self._received = received
        self._insert: Any = insert_postgresql if postgresql else insert_sqlite
        self._marks: dict[Place, tuple[int, str]] = {}
        self._fresh: list[tuple[str, EventMessage]] = []
        self._boots = Boots(query, received, postgresql=postgresql)
        self._moved: set[Place] = set()
        self._stored: Counter[Place] = Counter()
        """Rows of `event` that are not counted yet; where there are some, the mark has moved."""
        self._gaps: set[Place] = set()
        """Where something waits ahead of the mark."""
        self._complete: list[dict[str, Any]] = []
        self._ahead: list[dict[str, Any]] = []

    async def run(self, batch: Sequence[Incoming]) -> list[Mark]:
        """Store everything; the marks of what asks for an acknowledgement, in the order it came."""
        events: dict[Place, list[tuple[EventMessage, bytes]]] = defaultdict(list)
        touched: dict[Place, bool] = {}
        for gate, message, payload, live in batch:
            if isinstance(message, EventMessage):
                place = gate, message.epoch
                events[place].append((message, payload))
                touched[place] = touched.get(place, False) or not live
            elif isinstance(message, Online):
                touched |= {(gate, cursor.epoch): True for cursor in message.cursors}
        await self._lock(sorted(touched))
        dated = await self._boots.learn((gate, message) for gate, message, _, _ in batch)
        before = dict(self._marks)
        for place, arrived in events.items():
            touched[place] |= await self._take(place, arrived)
        await self._write()
        for (gate, _), arrived in events.items():
            await self._settle(gate, (message for message, _ in arrived))
        # By gate, as the marks: two intakes that tell of the same gates in another order would wait for each other.
        for gate, message, payload, _ in sorted(batch, key=lambda incoming: incoming.gate):
            if isinstance(message, Online):
                await self._introduce(gate, message)
            elif isinstance(message, State):
                await self._tell(gate, {"state": payload})
        await self._follow(dated)
        # A live event that moves no mark is not answered: a mark that is repeated asks the gate to start over.
        asked = [place for place, asks in touched.items() if asks or self._marks[place] != before[place]]
        return [Mark(*place, *self._marks[place]) for place in asked]

    async def _lock(self, places: Sequence[Place]) -> None:
        """Hold the marks' rows until the COMMIT, always in the same order: no two intakes wait for each other."""
        if not places:
            return
        mark, pending = tables.mark, tables.pending
        rows = [{"gate": gate, "epoch": epoch, "seq": 0, "chain": ""} for gate, epoch in places]
        await self._query.execute(self._insert(mark).on_conflict_do_nothing(), rows)
        chosen = sa.tuple_(mark.c.gate, mark.c.epoch).in_(places)
        columns = (mark.c[name] for name in Mark._fields)
        wanted = sa.select(*columns).where(chosen).order_by(mark.c.gate, mark.c.epoch).with_for_update()
        for gate, epoch, seq, chain in await self._query.execute(wanted):
            self._marks[gate, epoch] = seq, chain
        # A statement of its own: beside the lock it would tell what was so before another intake let go of it.
        behind = sa.exists().where(pending.c.gate == mark.c.gate, pending.c.epoch == mark.c.epoch)
        gaps = sa.select(mark.c.gate, mark.c.epoch).where(chosen, behind)
        self._gaps = {(gate, epoch) for gate, epoch in await self._query.execute(gaps)}

    async def _take(self, place: Place, arrived: Sequence[tuple[EventMessage, bytes]]) -> bool:
        """Sort what came of one epoch: new, here already, or another event at a taken place.

        Whether it belies what is here. Then the mark stays: what comes behind is of that other history as well, and
        a gate that hears our mark writes all of it again; acknowledged, it would forget what was in the way.
        """
        gate, _ = place
        seq, _ = self._marks[place]
        belies = await self._compare(place, [one for one in arrived if one[0].seq <= seq])
        known = await self._known(place, {message.seq for message, _ in arrived if message.seq > seq})
        fresh: dict[int, dict[str, Any]] = {}
        for message, payload in arrived:
            chain = known.get(message.seq)
            if message.seq <= seq:
                continue
            if chain is None and not belies:
                known[message.seq] = message.chain
                when = self._boots.moment(gate, message)
                fresh[message.seq] = _row(gate, message, payload, self._received) | when.columns
                self._fresh.append((gate, message))
                self.counts["stored"] += 1
            elif chain == message.chain:
                self.counts["duplicates"] += 1
            elif chain is not None:
                await self._contradict(place, message, payload)
        if not belies:
            await self._advance(place, fresh)
        return belies

    async def _known(self, place: Place, ahead: set[int]) -> dict[int, str]:
        """Chain values of what waits already at these places."""
        if not ahead or place not in self._gaps:
            return {}
        pending = tables.pending.c
        wanted = sa.select(pending.seq, pending.chain).where(*_at(tables.pending, place), pending.seq.in_(ahead))
        return {row.seq: row.chain for row in await self._query.execute(wanted)}

    async def _compare(self, place: Place, again: Sequence[tuple[EventMessage, bytes]]) -> bool:
        """Events at places below the mark: the same ones, or others; whether there are others."""
        if not again:
            return False
        event = tables.event.c
        wanted = sa.select(event.seq, event.chain).where(
            event.gate == place[0], event.epoch == place[1], event.seq.in_({message.seq for message, _ in again})
        )
        chains = {row.seq: row.chain for row in await self._query.execute(wanted)}
        belies = False
        for message, payload in again:
            # Of a place in a hole nothing is known, and nothing is asked for any more.
            if chains.get(message.seq, message.chain) == message.chain:
                self.counts["duplicates"] += 1
            else:
                belies = True
                await self._contradict(place, message, payload)
        return belies

    async def _contradict(self, place: Place, message: EventMessage, payload: bytes) -> None:
        gate, epoch = place
        row = {"gate": gate, "epoch": epoch, "seq": message.seq, "chain": message.chain}
        statement = self._insert(tables.conflict).on_conflict_do_nothing()
        await self._query.execute(statement, [row | {"payload": payload, "received": self._received}])
        self.counts["conflicts"] += 1

    async def _advance(self, place: Place, fresh: dict[int, dict[str, Any]]) -> None:
        """Move the mark over everything that is complete now; what is left of the `fresh` rows waits. See `_write`."""
        seq, chain = self._marks[place]
        first = len(self._complete)
        reached = -1
        while reached != seq:
            while seq + 1 in fresh:
                seq += 1
                self._complete.append(fresh.pop(seq))
            reached = seq
            if place in self._gaps:
                seq = await self._close(place, seq)
        self._ahead += fresh.values()
        if len(self._complete) > first:
            chain = self._complete[-1]["chain"]
        self._set_mark(place, (seq, chain))

    async def _follow(self, dated: Mapping[str, Moment]) -> None:
        """What follows from events that were not known before: tickets, and what the school's programs are told.

        `dated`: events that were here, by id, of which it is known now when they happened.
        """
        again = {id(message): event_id(gate, *old) for gate, message in self._fresh if (old := _old_place(message))}
        # What a gate wrote again at another place was told of from its first one.
        known = await changes.known(self._query, again.values())
        fresh = [(gate, message) for gate, message in self._fresh if again.get(id(message)) not in known]
        moments = [self._boots.moment(*event) for event in fresh]
        flagged = [
            tickets.Flagged(*event, self._received, moment)
            for event, moment in zip(fresh, moments, strict=True)
            if event[1].type == tickets.EVENT
        ]
        numbers = iter(await tickets.gather(self._query, flagged))
        told = [
            changes.of_ticket(*event, self._received, moment, next(numbers))
            if event[1].type == tickets.EVENT
            else changes.of_event(*event, self._received, moment)
            for event, moment in zip(fresh, moments, strict=True)
        ]
        again_told = await changes.again(self._query, dated)
        await changes.append(self._query, [*again_told, *(one for one in told if one is not None)])

    async def _close(self, place: Place, seq: int) -> int:
        """Take out what waits right behind `seq`; where that ends."""
        pending = tables.pending
        before, within = seq, pending.c.seq.between(seq + 1, seq + REACH)
        waiting = sa.select(pending).where(*_at(pending, place), within).order_by(pending.c.seq)
        for row in (await self._query.execute(waiting)).mappings():
            if row["seq"] != seq + 1:
                break
            seq += 1
            self._complete.append(dict(row))
        if seq > before:
            await self._query.execute(sa.delete(pending).where(*_at(pending, place), pending.c.seq <= seq))
        return seq

    async def _write(self) -> None:
        """Write what is complete, what waits, and where the marks stand now: a statement each for all gates."""
        if self._complete:
            await self._query.execute(tables.event.insert(), self._complete)
            self._stored.update((row["gate"], row["epoch"]) for row in self._complete)
        if self._ahead:
            await self._query.execute(tables.pending.insert(), self._ahead)
            self._gaps |= {(row["gate"], row["epoch"]) for row in self._ahead}
        if self._moved:
            mark = tables.mark
            statement = (
                sa.update(mark)
                .where(mark.c.gate == sa.bindparam("at_gate"), mark.c.epoch == sa.bindparam("at_epoch"))
                .values(
                    seq=sa.bindparam("to_seq"),
                    chain=sa.bindparam("to_chain"),
                    stored=mark.c.stored + sa.bindparam("more", type_=sa.BigInteger),
                )
            )
            names = "at_gate", "at_epoch", "to_seq", "to_chain", "more"
            rows = [
                dict(zip(names, (*place, *self._marks[place], self._stored[place]), strict=True))
                for place in sorted(self._moved)
            ]
            await self._query.execute(statement, rows)
        self._complete, self._ahead, self._moved, self._stored = [], [], set(), Counter()

    async def _settle(self, gate: str, arrived: Iterable[EventMessage]) -> None:
        """Find what was written again at its old place: a conflict there is explained, and nothing waits there."""
        refiled = (message for message in arrived if "refiled" in message.detail)
        again = {old: message for message in refiled if (old := _old_place(message)) is not None}
        if not again:
            return
        for table in (tables.conflict, tables.pending):
            at = table.c.gate == gate, sa.tuple_(table.c.epoch, table.c.seq).in_(list(again))
            for row in (await self._query.execute(sa.select(table).where(*at))).all():
                message = again[row.epoch, row.seq]
                if not _same(decode("evt", row.payload, EventMessage), message):
                    continue
                there = *_at(table, (gate, row.epoch)), table.c.seq == row.seq, table.c.chain == row.chain
                if table is tables.pending:
                    await self._query.execute(sa.delete(table).where(*there))
                else:
                    place = f"{message.epoch}-{message.seq}"
                    await self._query.execute(sa.update(table).where(*there).values(refiled=place))

    def _set_mark(self, place: Place, now: tuple[int, str]) -> None:
        if now != self._marks[place]:
            self._marks[place] = now
            self._moved.add(place)

    async def _introduce(self, gate: str, online: Online) -> None:
        """Note who came or went, and the holes: events it will not send again and that are not here."""
        await self._tell(gate, {"online": online.online, "boot_id": online.boot_id})
        for cursor in online.cursors:
            place = gate, cursor.epoch
            seq, _ = self._marks[place]
            if cursor.acked <= seq:
                continue
            pending = tables.pending
            inside = *_at(pending, place), pending.c.seq <= cursor.acked
            # What had come of the hole all the same stays.
            came = sa.select(pending).where(*inside)
            stayed = await self._query.execute(tables.event.insert().from_select(list(pending.c.keys()), came))
            self._stored[place] += stayed.rowcount
            await self._query.execute(sa.delete(pending).where(*inside))
            row = {"gate": gate, "epoch": cursor.epoch, "first": seq + 1, "last": cursor.acked, "found": self._received}
            await self._query.execute(self._insert(tables.hole).on_conflict_do_nothing(), [row])
            self._set_mark(place, (cursor.acked, ""))
            await self._advance(place, {})
            await self._write()
            self.counts["holes"] += 1

    async def _tell(self, gate: str, told: Mapping[str, Any]) -> None:
        row = {"gate": gate, "seen": self._received, **told}
        statement = self._insert(tables.gate).values(row)
        news = {name: statement.excluded[name] for name in row if name != "gate"}
        await self._query.execute(statement.on_conflict_do_update(index_elements=["gate"], set_=news))


def _at(table: sa.Table, place: Place) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """The rows of a gate's epoch."""
    return table.c.gate == place[0], table.c.epoch == place[1]


def _row(gate: str, event: EventMessage, payload: bytes, received: float) -> dict[str, Any]:
    """An event as a row of `event` or `pending`."""
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


def _old_place(event: EventMessage) -> tuple[str, int] | None:
    """Where an event stood that its gate has written again."""
    found = _OLD_PLACE.fullmatch(str(event.detail.get("refiled")))
    return None if found is None else (found[1], int(found[2]))


def _same(one: EventMessage, other: EventMessage) -> bool:
    """Whether both tell of the same thing, wherever they stand."""
    return all(getattr(one, name) == getattr(other, name) for name in _TOLD)


_OLD_PLACE = re.compile("([0-9a-f]{16})-([0-9]{1,16})")

_TOLD = ("boot_id", "monotonic", "time", "type", "grant_id", "person")
"""What an event says of what happened, but for its detail."""
