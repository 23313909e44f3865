"""Compares what the gates' journals hold with what the hub's database holds, event by event and byte for byte."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from controller.link.messages import encode, epoch_text
from controller.link.wire import event_message
from controller.record.boot import stamp
from controller.record.database import Database
from controller.record.ledger import Ledger
from controller.record.settings import JournalSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Place(NamedTuple):
    """Where an event stands, as the hub knows it."""

    gate: str
    epoch: str
    seq: int


@dataclass
class Audit:
    """What a comparison found. Without `troubles` each journaled event is stored once, in order, and nothing else."""

    journaled: int = 0
    promised: int = 0
    """Events whose append had returned; the others' process was killed first."""
    stored: int = 0
    epochs: int = 0
    conflicts: int = 0
    holes: int = 0
    waiting: int = 0
    """Events behind a gap."""
    troubles: list[str] = field(default_factory=list)


async def audit(folder: Path, gates: Sequence[str], address: str) -> Audit:
    """Compare the journals and promises in `folder` with the hub's database at `address`; all must be at rest."""
    found = Audit()
    expected: dict[Place, bytes] = {}
    for gate in gates:
        entries = journaled(folder / f"{gate}.sqlite3", gate)
        expected |= {Place(gate, epoch, seq): message for epoch, seq, message in entries}
        found.epochs += len({epoch for epoch, _, _ in entries})
        _check_promises(folder / f"{gate}.promised", gate, expected, found)
    found.journaled = len(expected)
    connection = await asyncpg.connect(address)
    try:
        events = await connection.fetch("SELECT gate, epoch, seq, payload FROM event")
        marks = await connection.fetch("SELECT gate, epoch, seq, chain FROM mark")
        for name in ("conflict", "hole", "pending"):
            count = await connection.fetchval(f"SELECT count(*) FROM {name}")  # noqa: S608 - one of three words
            setattr(found, {"conflict": "conflicts", "hole": "holes", "pending": "waiting"}[name], count)
    finally:
        await connection.close()
    compare(expected, [(Place(*row[:3]), bytes(row[3])) for row in events], found)
    check_marks(expected, {(gate, epoch): (seq, chain) for gate, epoch, seq, chain in marks}, found)
    for what in ("conflicts", "holes", "waiting"):
        if getattr(found, what):
            # Nothing was restored or cloned here, so there is nothing that would explain one.
            found.troubles.append(f"{getattr(found, what)} {what} that nothing explains")
    return found


def journaled(path: Path, gate: str) -> list[tuple[str, int, bytes]]:
    """Every entry of a journal as it should have gone over the wire, acknowledged or not: epoch, seq, message.

    Its hash chain is computed again. Raises `StoreError` naming the first entry that is not as it was written.
    """
    copy = path.with_suffix(".copy")
    for file in path.parent.glob(f"{copy.name}*"):
        file.unlink()
    reader = sqlite3.connect(path, isolation_level=None)
    try:
        reader.execute("VACUUM INTO ?", (str(copy),))
    finally:
        reader.close()
    writer = sqlite3.connect(copy, isolation_level=None)
    # In the copy nothing is acknowledged, so that all of it is pending.
    writer.executescript("DROP TRIGGER epoch_is_monotone; UPDATE epoch SET acked = 0;")
    writer.close()
    ledger = Ledger(Database(copy, lock_wait=1), JournalSettings(), boot_id="reader", serial="", stamp=stamp)
    ledger.open()
    try:
        ledger.verify()
        found: list[tuple[str, int, bytes]] = []
        after = None
        while entries := ledger.pending(1000, after):
            found += [(epoch_text(stored.epoch), stored.seq, encode(event_message(gate, stored))) for stored in entries]
            after = entries[-1].place
    finally:
        ledger.close()
    return found


def _check_promises(path: Path, gate: str, expected: dict[Place, bytes], found: Audit) -> None:
    """Whether everything that a lane was told is on disk stayed there."""
    for line in path.read_text(encoding="utf-8").splitlines():
        epoch, seq, chain = line.split()
        found.promised += 1
        payload = expected.get(Place(gate, epoch_text(int(epoch)), int(seq)))
        if payload is None or chain.encode() not in payload:
            found.troubles.append(f"{gate}: {epoch_text(int(epoch))}-{seq} was promised and is not in the journal")


def compare(expected: dict[Place, bytes], events: Sequence[tuple[Place, bytes]], found: Audit) -> None:
    """Note what is missing, doubled, foreign or changed among the stored events."""
    found.stored = len(events)
    counts = Counter(place for place, _ in events)
    _report(found, "stored twice", (place for place, count in counts.items() if count > 1))
    _report(found, "journaled and not stored", (place for place in expected if place not in counts))
    _report(found, "stored and never journaled", (place for place in counts if place not in expected))
    changed = (place for place, payload in events if expected.get(place, payload) != payload)
    _report(found, "stored otherwise than journaled", changed)


def check_marks(expected: dict[Place, bytes], marks: dict[tuple[str, str], tuple[int, str]], found: Audit) -> None:
    """Each mark stands at its journal's end, with the chain value that is there."""
    ends: dict[tuple[str, str], int] = {}
    for gate, epoch, seq in expected:
        ends[gate, epoch] = max(ends.get((gate, epoch), 0), seq)
    for (gate, epoch), seq in ends.items():
        marked, chain = marks.get((gate, epoch), (0, ""))
        if marked != seq or chain.encode() not in expected[Place(gate, epoch, seq)]:
            found.troubles.append(f"{gate}: the mark of {epoch} is {marked}, its journal ends at {seq}")


def _report(found: Audit, what: str, places: Iterable[Place]) -> None:
    wrong = list(places)
    if wrong:
        found.troubles.append(f"{len(wrong)} {what}, the first at {wrong[0]}")
