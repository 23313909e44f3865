"""The hub's database: every gate's events once each, and how far each gate is complete. SQLite; blocks.

An event is known by (gate, epoch, seq), so that what is sent again is stored once. The mark of a (gate, epoch) is the
highest seq up to which nothing is missing; it is what the hub acknowledges, and only after COMMIT.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from campus.errors import HubStoreError
from controller.link.messages import EventMessage, Online, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

VERSION = 1

_SCHEMA = """
CREATE TABLE hub (campus TEXT NOT NULL) STRICT;
CREATE TABLE event (
    gate TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    time REAL NOT NULL,
    clock TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    grant_id TEXT,
    person TEXT,
    chain TEXT NOT NULL,
    payload BLOB NOT NULL,  -- as it came
    received REAL NOT NULL,
    PRIMARY KEY (gate, epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE mark (  -- nothing up to seq is missing
    gate TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, chain TEXT NOT NULL, PRIMARY KEY (gate, epoch)
) STRICT, WITHOUT ROWID;
CREATE TABLE conflict (  -- another event at a place that was taken: a restored card, or a forgery
    gate TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, chain TEXT NOT NULL, payload BLOB NOT NULL,
    received REAL NOT NULL, PRIMARY KEY (gate, epoch, seq, chain)
) STRICT, WITHOUT ROWID;
CREATE TABLE hole (  -- events that a gate has forgotten on the word of a hub that had them, and this one has not
    gate TEXT NOT NULL, epoch TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, found REAL NOT NULL,
    PRIMARY KEY (gate, epoch, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE gate (  -- what each gate said last of itself
    gate TEXT PRIMARY KEY, online INTEGER, boot_id TEXT, seen REAL NOT NULL, state BLOB
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Incoming:
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
    """Events beyond a gap, stored and not yet complete."""
    state: bytes | None


class HubStore:
    """One campus' database. Belongs to the thread that opens it.

    Args:
        path: the database file; made if it is not there.
        campus: whose events it holds; a database of another campus is refused. None: whichever, for reading.
    """

    def __init__(self, path: Path, campus: str | None) -> None:
        self._path = path
        self._campus = campus
        self._connection: sqlite3.Connection | None = None
        self.counts: Counter[str] = Counter()
        """Since it was opened: `stored`, `duplicates`, `conflicts`, `holes`."""

    def open(self) -> None:
        """Open the file, and make it where there is none. Raises `HubStoreError` naming it and the reason."""
        if self._campus is None and not self._path.exists():
            raise HubStoreError(f"{self._path}: there is no such database")
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        with self._explained():
            self._connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None)
            self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._create(self._connection)
            elif version != VERSION:
                raise HubStoreError(f"{self._path}: has version {version}; this program knows version {VERSION}")
            found = self._connection.execute("SELECT campus FROM hub").fetchone()[0]
        if self._campus not in (None, found):
            raise HubStoreError(f"{self._path}: holds the events of campus {found!r}, not of {self._campus!r}")

    def close(self) -> None:
        """Close the file; harmless when closed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def apply(self, batch: Sequence[Incoming], received: float) -> list[Mark]:
        """Store a batch in one transaction and return, after COMMIT, the mark of every (gate, epoch) it speaks of.

        Raises `HubStoreError` when nothing of it was stored.
        """
        touched: dict[tuple[str, str], None] = {}  # a set that keeps its order
        counts: Counter[str] = Counter()
        with self._explained(), self._transaction() as query:
            for incoming in batch:
                gate, message = incoming.gate, incoming.message
                if isinstance(message, EventMessage):
                    counts[_insert(query, gate, message, incoming.payload, received)] += 1
                    touched[gate, message.epoch] = None
                elif isinstance(message, Online):
                    counts["holes"] += _introduce(query, gate, message, received)
                    touched |= {(gate, cursor.epoch): None for cursor in message.cursors}
                else:
                    seen = "INSERT INTO gate (gate, seen, state) VALUES (?, ?, ?)"
                    query.execute(f"{seen} {_UPSERT.format('state')}", (gate, received, incoming.payload))
            marks = [_advance(query, gate, epoch) for gate, epoch in touched]
        self.counts += counts
        return marks

    def events(self, *, gate: str | None = None, limit: int = -1) -> Iterator[StoredEvent]:
        """Events in the order they were received, the newest `limit` of them; -1: all."""
        where = "WHERE gate = ?" if gate is not None else "WHERE ? IS NULL"
        newest = f"SELECT * FROM event {where} ORDER BY received DESC, gate DESC, epoch DESC, seq DESC LIMIT ?"  # noqa: S608 - constants
        wanted = f"SELECT gate, epoch, seq, received, payload FROM ({newest}) ORDER BY received, gate, epoch, seq"  # noqa: S608 - constants
        with self._explained():
            for row in self._query.execute(wanted, (gate, limit)):
                yield StoredEvent(*row)

    def gates(self) -> list[GateRow]:
        """What is known of each gate."""
        wanted = """
            SELECT name, online, boot_id, coalesce(seen, last), coalesce(events, 0),
                (SELECT count(*) FROM event JOIN mark USING (gate, epoch) WHERE gate = name AND event.seq > mark.seq),
                state
            FROM (SELECT gate AS name FROM gate UNION SELECT gate FROM event)
            LEFT JOIN gate ON gate.gate = name
            LEFT JOIN (SELECT gate AS g, count(*) AS events, max(received) AS last FROM event GROUP BY gate) ON g = name
            ORDER BY name"""
        with self._explained():
            found = self._query.execute(wanted).fetchall()
        return [GateRow(row[0], None if row[1] is None else bool(row[1]), *row[2:]) for row in found]

    def _create(self, query: sqlite3.Connection) -> None:
        if self._campus is None:
            raise HubStoreError(f"{self._path}: is no hub's database")
        query.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION};")
        query.execute("INSERT INTO hub VALUES (?)", (self._campus,))
        query.execute("COMMIT")

    @property
    def _query(self) -> sqlite3.Connection:
        if self._connection is None:
            raise HubStoreError(f"{self._path}: is not open")
        return self._connection

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        query = self._query
        query.execute("BEGIN IMMEDIATE")
        try:
            yield query
            query.execute("COMMIT")
        except BaseException:
            if query.in_transaction:
                query.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise HubStoreError(f"{self._path}: {error}") from error


_UPSERT = "ON CONFLICT (gate) DO UPDATE SET seen = excluded.seen, {0} = excluded.{0}"


def _insert(query: sqlite3.Connection, gate: str, event: EventMessage, payload: bytes, received: float) -> str:
    """Store an event once; what came of it, as the name of its count."""
    row = (
        gate, event.epoch, event.seq, event.type, event.time, event.clock, event.boot_id, event.grant_id, event.person,
        event.chain, payload, received,
    )  # fmt: skip
    places = ", ".join("?" * len(row))
    if query.execute(f"INSERT OR IGNORE INTO event VALUES ({places})", row).rowcount:  # noqa: S608 - only question marks
        return "stored"
    place = (gate, event.epoch, event.seq)
    (chain,) = query.execute("SELECT chain FROM event WHERE gate = ? AND epoch = ? AND seq = ?", place).fetchone()
    if chain == event.chain:
        return "duplicates"
    values = (*place, event.chain, payload, received)
    query.execute("INSERT OR IGNORE INTO conflict VALUES (?, ?, ?, ?, ?, ?)", values)
    return "conflicts"


def _introduce(query: sqlite3.Connection, gate: str, online: Online, received: float) -> int:
    """Note who came or went; how many holes were found: events it will not send again and that are not here."""
    seen = "INSERT INTO gate (gate, seen, online, boot_id) VALUES (?, ?, ?, ?)"
    update = f"{_UPSERT.format('online')}, boot_id = excluded.boot_id"
    query.execute(f"{seen} {update}", (gate, received, online.online, online.boot_id))
    holes = 0
    for cursor in online.cursors:
        mark = _advance(query, gate, cursor.epoch)
        if cursor.acked > mark.seq:
            hole = (gate, cursor.epoch, mark.seq + 1, cursor.acked, received)
            query.execute("INSERT OR IGNORE INTO hole VALUES (?, ?, ?, ?, ?)", hole)
            query.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, '')", (gate, cursor.epoch, cursor.acked))
            holes += 1
    return holes


def _advance(query: sqlite3.Connection, gate: str, epoch: str) -> Mark:
    """Move the mark over everything that is complete now."""
    found = query.execute("SELECT seq, chain FROM mark WHERE gate = ? AND epoch = ?", (gate, epoch)).fetchone()
    first, chain = found or (0, "")
    mark = first
    behind = "SELECT seq, chain FROM event WHERE gate = ? AND epoch = ? AND seq > ? ORDER BY seq"
    for seq, its_chain in query.execute(behind, (gate, epoch, first)):
        if seq != mark + 1:
            break
        mark, chain = seq, its_chain
    if mark > first:
        query.execute("INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)", (gate, epoch, mark, chain))
    return Mark(gate, epoch, mark, chain)
