"""What the journal's tables mean: entries behind each other in epochs, and the mark up to which the campus has them.

Blocks, and belongs to one thread; `Journal` and `Outbox` are its faces towards the program.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from controller.errors import StoreError
from controller.record import proof, rows
from controller.record.entry import AckOutcome, Entry, Place, Stored
from controller.record.files import RESERVE, DiskFullError, JournalDamagedError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from controller.record.boot import Stamp
    from controller.record.database import Database, Replaced
    from controller.record.entry import Scalar
    from controller.record.settings import JournalSettings

_INSERT = """
    INSERT INTO entry
    (era, seq, boot_id, kind, monotonic, wall, clock, grant_id, person, detail, screening_digest, chain)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_SELECT = f"SELECT seq, {rows.COLUMNS}, chain FROM {rows.SOURCE} WHERE era = ?"  # noqa: S608 - made of constants
_WAITING = """
    SELECT number, epoch, acked FROM epoch
    WHERE acked < coalesce((SELECT max(seq) FROM entry WHERE era = number), pruned) ORDER BY number"""
_DAY = 86_400.0
_MEGABYTE = 1_000_000
GIVEN_UP = "journal_epoch"
ENOUGH = RESERVE // 2
"""Bytes free on a full disk, once its log is empty, from which nothing has to give way; thinning needs some itself."""
KEEP_LEAST = 1000
"""Entries kept though room is short (GB 50396-2007, 5.2.2: a portal's own memory)."""

log = structlog.stdlib.get_logger("journal")


@dataclass(slots=True)
class _Head:
    """The present epoch and the last place taken in it."""

    era: int
    epoch: int
    seq: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """What was thrown away for want of room."""

    what: str
    """As the entry's `warning` names it."""
    epoch: int
    first: int
    last: int
    count: int


class Ledger:
    """Entries and marks.

    Args:
        database: the file.
        settings: retention.
        boot_id: of this start of the board.
        serial: of this board; a journal from another one (a moved or cloned card) begins a new epoch. Empty: not known.
        stamp: reads the board's clocks, for the entries that the journal writes about itself.
    """

    def __init__(
        self, database: Database, settings: JournalSettings, *, boot_id: str, serial: str, stamp: Callable[[], Stamp]
    ) -> None:
        self.boot_id = boot_id
        self.depth = 0
        """Entries that the campus does not have yet; may be read from any thread."""
        self._database = database
        self._settings = settings
        self._serial = serial
        self._stamp = stamp
        self._head = _Head(0, 0, 0, b"")
        self._given_up: dict[int, int] = {}
        """Eras by epoch, whose entries are being written again."""

    @property
    def newest(self) -> Place:
        """The newest entry's place; may be read from any thread."""
        return Place(self._head.epoch, self._head.seq)

    def open(self) -> None:
        """Open the file and find its end; a damaged one was replaced, which is the new one's first entry."""
        replaced = self._database.open()
        self._load(replaced)
        if replaced is not None:
            moved_to = replaced.moved_to.name
            log.error("journal damaged, a new one begun", moved_to=moved_to, reason=replaced.reason)
            self._append([self._note("journal_replaced", moved_to=moved_to, reason=replaced.reason)])

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def append(self, new: Sequence[rows.Row]) -> list[Stored]:
        """Write rows in one transaction and return when they are on disk.

        Raises `StoreError` when none of them was written. A journal found damaged is replaced, and the rows go into
        the new one; on a full disk, room is made first: the log's own, and where that is not enough, by thinning.
        """
        if self._database.is_open:
            try:
                return self._append(new)
            except DiskFullError as error:
                log.warning("journal's disk is full", error=str(error))
                if self._database.relieve() < ENOUGH:
                    self.make_room(force=True)
                return self._append(new)
            except JournalDamagedError:
                log.exception("journal damaged while in use")
        self.open()
        return self._append(new)

    def pending(self, limit: int, after: Place | None) -> list[Stored]:
        """The oldest entries the campus does not have, at most `limit`, all of one epoch; only those behind `after`.

        Of an epoch that was given up as many are written again first.
        """
        self._refile(limit)
        with self._database.connection() as query:
            behind = 0 if after is None else _era(query, after.epoch)
            for era, epoch, acked in query.execute(_WAITING).fetchall():
                if era < behind or epoch in self._given_up:
                    continue
                start = max(acked, after.seq) if after is not None and era == behind else acked
                found = query.execute(f"{_SELECT} AND seq > ? ORDER BY seq LIMIT ?", (era, start, limit))
                if entries := [_stored(epoch, row) for row in found]:
                    return entries
        return []

    def acknowledge(self, epoch: int, seq: int, chain: str) -> AckOutcome:
        """Note that the campus has every entry of `epoch` up to `seq`, whose chain value is `chain` (hex)."""
        with self._database.transaction() as query:
            found = query.execute("SELECT number, acked FROM epoch WHERE epoch = ?", (epoch,)).fetchone()
            if found is None:
                return AckOutcome.UNKNOWN_EPOCH
            era, acked = found
            if epoch in self._given_up:
                return AckOutcome.REPEATED  # it is the other history's
            if seq <= acked:
                return AckOutcome.REPEATED if seq == acked else AckOutcome.BEHIND
            entry = query.execute("SELECT chain FROM entry WHERE era = ? AND seq = ?", (era, seq)).fetchone()
            if entry is None:
                done = epoch != self._head.epoch and found not in _marks_waiting(query)
                return AckOutcome.REPEATED if done else AckOutcome.BEYOND_NEWEST
            if entry[0].hex() != chain:
                return AckOutcome.OTHER_HISTORY
            query.execute("UPDATE epoch SET acked = ? WHERE number = ?", (seq, era))
        self.depth -= seq - acked
        return AckOutcome.ADVANCED

    def cursors(self) -> list[Place]:
        """The acknowledged mark of each epoch that is not done, and of the present one, oldest first."""
        with self._database.connection() as query:
            marks = query.execute(_WAITING).fetchall()
            waiting = [Place(epoch, acked) for _, epoch, acked in marks if epoch not in self._given_up]
            present = Place(*query.execute("SELECT epoch, acked FROM epoch ORDER BY number DESC LIMIT 1").fetchone())
        return waiting if present in waiting else [*waiting, present]

    def retire_epoch(self, epoch: int, reason: str) -> bool:
        """Give up `epoch`, whose places the campus knows otherwise than we do; whether there was anything to do.

        What the campus has not acknowledged of it is written again, in the present epoch or, if that is the one given
        up, in a new one; `refiled` in its detail names the old place. That is done as it is sent, piece by piece: all
        of a long outbox at once takes a card a minute, for which a grant would wait. Nothing is lost, and nothing is
        numbered twice.
        """
        with self._database.transaction() as query:
            found = query.execute("SELECT number, acked FROM epoch WHERE epoch = ?", (epoch,)).fetchone()
            if found is None or epoch in self._given_up:
                return False
            if epoch != self._head.epoch and found not in _marks_waiting(query):
                return False
            head = self._begin_epoch(query, reason) if epoch == self._head.epoch else replace(self._head)
            stored = _insert(query, head, [self._note(GIVEN_UP, reason=reason, epoch=f"{epoch:016x}")])
        self._head = head
        self.depth += len(stored)
        self._given_up[epoch] = found[0]
        log.error("journal epoch given up", epoch=f"{epoch:016x}", reason=reason)
        return True

    def _refile(self, limit: int) -> None:
        """Write up to `limit` of what is left of an epoch that was given up again, behind the newest entry."""
        while self._given_up:
            epoch, era = next(iter(self._given_up.items()))
            head = replace(self._head)
            with self._database.transaction() as query:
                (acked,) = query.execute("SELECT acked FROM epoch WHERE number = ?", (era,)).fetchone()
                found = query.execute(f"{_SELECT} AND seq > ? ORDER BY seq LIMIT ?", (era, acked, limit)).fetchall()
                _insert(query, head, [rows.refiled(rows.Row(*row), f"{epoch:016x}-{seq}") for seq, *row, _ in found])
                if found:
                    query.execute("UPDATE epoch SET acked = ? WHERE number = ?", (found[-1][0], era))
            if found:
                self._head = head
                return
            del self._given_up[epoch]

    def checkpoint(self) -> None:
        """Empty the write-ahead log."""
        self._database.checkpoint()

    def prune(self, limit: int = 500) -> int:
        """Drop up to `limit` of the oldest entries that the campus has and need not be kept; how many it was."""
        with self._database.transaction() as query:
            marks = query.execute("SELECT number, acked, pruned FROM epoch ORDER BY number").fetchall()
            excess = sum(acked - pruned for _, acked, pruned in marks) - self._settings.keep_entries
            for era, acked, pruned in marks:
                oldest = "SELECT seq, wall, clock, chain FROM entry WHERE era = ? AND seq <= ? ORDER BY seq LIMIT ?"
                found = query.execute(oldest, (era, acked, limit)).fetchall()
                count = min(len(found), max(excess, self._too_old(found)))
                if count > 0:
                    seq, _, _, chain = found[count - 1]
                    _drop(query, era, seq, chain)
                    return int(seq - pruned)
        return 0

    def make_room(self, limit: int = 500, *, force: bool = False) -> bool:
        """Where more is in use than `size_limit`, or by `force`, give up what is missed least; whether there was any.

        The oldest screening parts, up to `limit`; where there are none, the oldest entries that the campus has, but for
        the newest 1000. Either is itself an entry, which names the range.
        """
        if not force and self._database.size() <= self._settings.size_limit * _MEGABYTE:
            return False
        head = replace(self._head)
        with self._database.transaction() as query:
            given_up = _thin(query, limit) or _drop_oldest(query, limit)
            if given_up is None:
                return False
            place: dict[str, Scalar] = {"epoch": f"{given_up.epoch:016x}", "first": given_up.first}
            told = place | {"last": given_up.last, "count": given_up.count}
            stored = _insert(query, head, [self._note(given_up.what, **told)])
        self._head = head
        self.depth += len(stored)
        log.warning(given_up.what, **told)
        return True

    def verify(self) -> int:
        """Recompute every chain value; how many entries there are. Raises `StoreError` naming the first wrong one.

        A screening part may be missing only where an entry says that it was thrown away.
        """
        with self._database.connection() as query:
            proofs = proof.prove(query)
        for fault in (found.fault for found in proofs if found.fault is not None):
            raise StoreError(f"journal {self._database.path}: {fault}")
        return sum(found.checked for found in proofs)

    def _load(self, replaced: Replaced | None) -> None:
        newest = "SELECT number, epoch, serial, pruned, pruned_chain FROM epoch ORDER BY number DESC LIMIT 1"
        with self._database.transaction() as query:
            found = query.execute(newest).fetchone()
            if found is None:
                self._head = self._begin_epoch(query, "new journal" if replaced is None else "the journal was damaged")
            elif self._serial not in ("", found[2]):
                self._head = self._begin_epoch(query, "the journal came from another board")
            else:
                era, epoch, _, pruned, anchor = found
                last = query.execute(f"{_SELECT} ORDER BY seq DESC LIMIT 1", (era,)).fetchone()
                self._head = _Head(era, epoch, last[0], last[-1]) if last else _Head(era, epoch, pruned, anchor)
            waiting = "SELECT count(*) FROM entry JOIN epoch ON era = number WHERE seq > acked"
            self.depth = query.execute(waiting).fetchone()[0]
            self._given_up = self._left_to_refile(query)

    def _left_to_refile(self, query: sqlite3.Connection) -> dict[int, int]:
        """Epochs that were given up and are not written again whole, by the entries that say so."""
        old = {epoch: era for era, epoch, _ in query.execute(_WAITING) if era != self._head.era}
        if not old:
            return {}
        said = "SELECT detail ->> 'epoch' FROM entry WHERE kind = 'warning' AND detail ->> 'warning' = ?"
        gone = {int(epoch, 16) for (epoch,) in query.execute(said, (GIVEN_UP,)) if epoch is not None}
        return {epoch: era for epoch, era in old.items() if epoch in gone}

    def _begin_epoch(self, query: sqlite3.Connection, reason: str) -> _Head:
        epoch = secrets.randbits(63)
        anchor = rows.anchor(epoch)
        insert = "INSERT INTO epoch (epoch, serial, reason, started, pruned_chain) VALUES (?, ?, ?, ?, ?)"
        cursor = query.execute(insert, (epoch, self._serial, reason, self._stamp().wall, anchor))
        return _Head(int(cursor.lastrowid or 0), epoch, 0, anchor)

    def _append(self, new: Sequence[rows.Row]) -> list[Stored]:
        head = replace(self._head)
        with self._database.transaction() as query:
            stored = _insert(query, head, new)
        self._head = head  # only now: what was undone gives its places back
        self.depth += len(stored)
        return stored

    def _note(self, warning: str, **detail: Scalar) -> rows.Row:
        """What the journal has to say about itself, as a row."""
        now = self._stamp()
        entry = Entry("warning", now.monotonic, now.wall, now.clock, None, None, {"warning": warning, **detail})
        return rows.to_row(entry, self.boot_id)

    def _too_old(self, found: Sequence[tuple[int, float, str, bytes]]) -> int:
        """How many of the oldest entries are past their days; one of an unsure clock is as old as the next sure one."""
        now = self._stamp()
        if now.clock != "synchronised":
            return 0
        limit = now.wall - self._settings.keep_days * _DAY
        old = [index for index, (_, wall, clock, _) in enumerate(found) if clock == "synchronised" and wall < limit]
        return old[-1] + 1 if old else 0


def _insert(query: sqlite3.Connection, head: _Head, new: Sequence[rows.Row]) -> list[Stored]:
    """Write rows behind `head`, and move it."""
    stored = []
    for row in new:
        head.seq += 1
        head.chain = rows.link(head.chain, head.seq, row)
        query.execute(_INSERT, (head.era, head.seq, *row[:-1], head.chain))
        if row.screening is not None:
            query.execute("INSERT INTO screening VALUES (?, ?, ?)", (head.era, head.seq, row.screening))
        stored.append(rows.to_stored(head.epoch, head.seq, row, head.chain))
    return stored


def _drop(query: sqlite3.Connection, era: int, seq: int, chain: bytes) -> None:
    """Drop every entry of an era up to `seq`, whose chain value is `chain`."""
    query.execute("UPDATE epoch SET pruned = ?, pruned_chain = ? WHERE number = ?", (seq, chain, era))
    query.execute("DELETE FROM screening WHERE era = ? AND seq <= ?", (era, seq))
    query.execute("DELETE FROM entry WHERE era = ? AND seq <= ?", (era, seq))


def _thin(query: sqlite3.Connection, limit: int) -> _GivenUp | None:
    """Throw away the oldest screening parts of one epoch."""
    for era, epoch in query.execute("SELECT number, epoch FROM epoch ORDER BY number").fetchall():
        oldest = "SELECT seq FROM screening WHERE era = ? ORDER BY seq LIMIT ?"
        found = [seq for (seq,) in query.execute(oldest, (era, limit))]
        if found:
            query.execute("UPDATE epoch SET thinned = ? WHERE number = ?", (found[-1], era))
            query.execute("DELETE FROM screening WHERE era = ? AND seq <= ?", (era, found[-1]))
            return _GivenUp(proof.THINNED, epoch, found[0], found[-1], len(found))
    return None


def _drop_oldest(query: sqlite3.Connection, limit: int) -> _GivenUp | None:
    """Drop the oldest entries that the campus has of one epoch."""
    marks = query.execute("SELECT number, epoch, acked, pruned FROM epoch ORDER BY number").fetchall()
    spare = sum(acked - pruned for _, _, acked, pruned in marks) - KEEP_LEAST
    for era, epoch, acked, pruned in marks:
        count = min(spare, acked - pruned, limit)
        if count > 0:
            at = "SELECT chain FROM entry WHERE era = ? AND seq = ?"
            _drop(query, era, pruned + count, query.execute(at, (era, pruned + count)).fetchone()[0])
            return _GivenUp("journal_shortened", epoch, pruned + 1, pruned + count, count)
    return None


def _marks_waiting(query: sqlite3.Connection) -> list[tuple[int, int]]:
    """(number, acknowledged mark) of each epoch that has something left to send."""
    return [(number, acked) for number, _, acked in query.execute(_WAITING)]


def _era(query: sqlite3.Connection, epoch: int) -> int:
    found = query.execute("SELECT number FROM epoch WHERE epoch = ?", (epoch,)).fetchone()
    return 0 if found is None else int(found[0])


def _stored(epoch: int, columns: tuple[object, ...]) -> Stored:
    seq, *row, chain = columns
    return rows.to_stored(epoch, seq, rows.Row(*row), chain)  # type: ignore[arg-type] # columns of a STRICT table
