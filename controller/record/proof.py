"""Whether a journal is what was written: its chain recomputed, a page at a time, so that a gate at work is not held up.

Used by the program on its own journal, and by `thermogate journal` on one that may belong to a running gate.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from controller.record import rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = 1000
"""Entries of one read transaction: a checkpoint of the gate's waits for no more than that."""
THINNED = "journal_thinned"
"""The `warning` of an entry that says which screening parts were thrown away."""

_ROWS = f"SELECT seq, {rows.COLUMNS}, chain FROM {rows.SOURCE} WHERE era = ? AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608 - made of constants
_MARKS = "SELECT number, epoch, serial, reason, started, acked, pruned, pruned_chain, thinned FROM epoch"
_ENDS = "SELECT max(seq) FROM entry WHERE era = ?"
_NOTES = "SELECT detail FROM entry WHERE kind = 'warning'"


class Marks(NamedTuple):
    """An epoch as the journal knows it."""

    number: int
    """Order of the epochs of the file."""
    epoch: int
    serial: str
    """Of the board it was begun on; empty: not known."""
    reason: str
    """Why it was begun."""
    started: float
    """Unix seconds by the board's clock then."""
    acked: int
    pruned: int
    """Entries up to here are no longer kept; the campus has them."""
    pruned_chain: bytes
    thinned: int


class Range(NamedTuple):
    """Entries of one epoch, both ends included."""

    epoch: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place of an epoch that is not as it was written."""

    epoch: int
    seq: int
    what: str
    """What differs, in words that follow the entry's name."""

    def __str__(self) -> str:
        """As a message says it."""
        return f"entry {self.seq} of epoch {self.epoch:016x} {self.what}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What looking through one epoch found."""

    marks: Marks
    last: int
    """The newest entry; `marks.pruned` where there is none."""
    checked: int
    """Entries whose chain value was recomputed."""
    fault: Fault | None

    @property
    def waiting(self) -> int:
        """Entries the campus does not have yet."""
        return max(0, self.last - self.marks.acked)


def epochs(query: sqlite3.Connection) -> list[Marks]:
    """Every epoch, in order."""
    return [Marks(*row) for row in query.execute(f"{_MARKS} ORDER BY number")]


def pages(query: sqlite3.Connection, era: int, after: int) -> Iterator[list[tuple[int, rows.Row, bytes]]]:
    """The entries of an epoch behind `after`: place, columns and chain value, a page for each read transaction."""
    while page := query.execute(_ROWS, (era, after, PAGE)).fetchall():
        yield [(seq, rows.Row(*columns), chain) for seq, *columns, chain in page]
        after = page[-1][0]


def prove(query: sqlite3.Connection, known: Mapping[tuple[int, int], bytes] | None = None) -> list[Proof]:
    """Recompute every chain value.

    `known`: chain values that somebody else has, as the campus does, by epoch and place. Each epoch is looked at up to
    its first fault. What a gate at work appends or drops meanwhile is no fault.
    """
    numbered = enumerate(epochs(query), start=1)
    return [_Epoch(query, marks, known or {}, number).prove() for number, marks in numbered]


def thinned(query: sqlite3.Connection) -> list[Range]:
    """What was thrown away for want of room, by the entries that say so."""
    found = []
    for (text,) in query.execute(_NOTES):
        with suppress(msgspec.DecodeError, ValueError):
            note = msgspec.json.decode(text, type=_Note)
            if note.warning == THINNED:
                found.append(Range(int(note.epoch, 16), note.first, note.last))
    return found


class _Note(msgspec.Struct):
    warning: str = ""
    epoch: str = ""
    first: int = 0
    last: int = 0


class _Epoch:
    """One epoch being looked through."""

    def __init__(
        self, query: sqlite3.Connection, marks: Marks, known: Mapping[tuple[int, int], bytes], number: int
    ) -> None:
        self._query, self._marks, self._known, self._number = query, marks, known, number
        self._last, self._chain = marks.pruned, marks.pruned_chain
        self._checked = 0
        self._thinned: list[Range] | None = None

    def prove(self) -> Proof:
        """Look at every entry, and at the marks."""
        fault = self._beginning()
        try:
            fault = fault or self._entries() or self._end()
        except sqlite3.DatabaseError as error:
            fault = self._fault(self._last + 1, f"cannot be read: {error}")
        with suppress(sqlite3.DatabaseError):
            self._last = max(self._last, self._query.execute(_ENDS, (self._marks.number,)).fetchone()[0] or 0)
        return Proof(self._fresh(), self._last, self._checked, fault)

    def _beginning(self) -> Fault | None:
        marks = self._marks
        if marks.pruned == 0 and marks.pruned_chain != rows.anchor(marks.epoch):
            return self._fault(1, "has another beginning before it than this epoch's")
        if marks.number != self._number:
            return self._fault(marks.pruned + 1, "does not come after the epoch before: one is missing")
        if self._known.get((marks.epoch, marks.pruned), marks.pruned_chain) != marks.pruned_chain:
            return self._fault(marks.pruned, "is not the one that is known elsewhere: its chain value is another")
        return None

    def _entries(self) -> Fault | None:
        for page in pages(self._query, self._marks.number, self._last):
            for place, (seq, row, kept) in enumerate(page):
                if seq != self._last + 1:
                    self._skip_dropped(seq)
                if seq != self._last + 1:
                    return self._fault(self._last + 1, f"is missing: {seq} is the next one there is")
                after = page[place + 1] if place + 1 < len(page) else None
                if (what := self._what_differs(seq, row, kept, after)) is not None:
                    return self._fault(seq, what)
                self._last, self._chain = seq, kept
                self._checked += 1
        return None

    def _end(self) -> Fault | None:
        """The marks are no part of the chain, and can tell of a tail that was cut off all the same."""
        marks = self._fresh()
        if marks.acked > self._last:
            return self._fault(self._last + 1, f"is missing: the campus has acknowledged up to {marks.acked}")
        beyond = [seq for epoch, seq in self._known if epoch == marks.epoch and seq > self._last]
        if beyond:
            return self._fault(self._last + 1, f"is missing: entry {max(beyond)} is known to have been there")
        return None

    def _skip_dropped(self, seq: int) -> None:
        """Go on behind what retention has dropped since the page before."""
        marks = self._fresh()
        if self._last < marks.pruned < seq:
            self._last, self._chain = marks.pruned, marks.pruned_chain

    def _what_differs(
        self, seq: int, row: rows.Row, kept: bytes, after: tuple[int, rows.Row, bytes] | None
    ) -> str | None:
        chain = rows.link(self._chain, seq, row)
        if chain != kept:
            return _where(seq, chain, kept, after)
        if row.screening is not None and (row.digest is None or rows.digest(row.screening) != row.digest):
            return "is not what was written: its screening part was changed"
        if row.digest is not None and row.screening is None and not self._is_thinned(seq):
            return "is not what was written: its screening part is gone, and no entry says why"
        known = self._known.get((self._marks.epoch, seq))
        if known is not None and known != kept:
            return "is not the one that is known elsewhere: its chain value is another"
        return None

    def _is_thinned(self, seq: int) -> bool:
        """Whether an entry says so; asked anew where none does, as a gate at work may have thinned since."""
        for again in (False, True):
            if self._thinned is None or again:
                self._thinned = thinned(self._query)
            if any(one.epoch == self._marks.epoch and one.first <= seq <= one.last for one in self._thinned):
                return True
        return False

    def _fresh(self) -> Marks:
        row = self._query.execute(f"{_MARKS} WHERE number = ?", (self._marks.number,)).fetchone()
        return self._marks if row is None else Marks(*row)

    def _fault(self, seq: int, what: str) -> Fault:
        return Fault(self._marks.epoch, seq, what)


def _where(seq: int, chain: bytes, kept: bytes, after: tuple[int, rows.Row, bytes] | None) -> str:
    """What of an entry differs, by which of its two chain values the entry after it was made with."""
    what = "is not what was written"
    if after is None:
        return f"{what}: its content and its chain value do not fit"
    if rows.link(kept, seq + 1, after[1]) == after[2]:
        return f"{what}: its content was changed, or what stood before it; what follows fits its chain value"
    if rows.link(chain, seq + 1, after[1]) == after[2]:
        return f"{what}: its chain value was changed; its content fits what stands around it"
    return f"{what}, and neither is what follows"
