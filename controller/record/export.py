"""A journal's entries for somebody else to read: dated as well as can be, and without persons unless they are wanted.

A pseudonym is an HMAC under a key that the export keeps to itself: the same person is the same one throughout, and
nobody can try ids out. What would let them be tried out (chain values, the hashes of screening parts) stays away too,
and so does every text that is none of the program's own words.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

import msgspec

from controller.errors import StoreError
from controller.record import proof, rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from controller.record.entry import Scalar, Stored

PSEUDONYM: Final = 16
"""Hex digits of a pseudonym: 64 bits."""
WORDS: Final = frozenset(
    {
        "after", "alarm", "alarms", "barrier", "before", "cause", "clock", "command", "credential", "direction",
        "epoch", "fault", "from", "liveness", "liveness_reasons", "lock", "noted", "outcome", "reason", "refiled",
        "refused", "remarks", "risk", "sensor", "source", "state", "to", "verdict", "warning",
    }
)  # fmt: skip
"""Keys of a detail whose texts are the program's own words, and so tell of no person."""
WRITTEN_BY_PEOPLE: Final = frozenset({"command_received"})
"""Kinds of entries whose `reason` somebody typed."""
NAMES: Final = frozenset({"actor"})
"""Keys whose texts name somebody: they become pseudonyms."""


def iso(unix: float, *, utc: bool, precision: str = "seconds") -> str:
    """A time in words (ISO 8601), UTC or this machine's; a number that is no time, as it is."""
    try:
        time = dt.datetime.fromtimestamp(unix, dt.UTC)
        return (time if utc else time.astimezone()).isoformat("T" if utc else " ", precision)
    except (ValueError, OverflowError):
        return str(unix)


class When(NamedTuple):
    """When an entry was written."""

    unix: float
    told_by: str
    """`clock`: it was right; `boot`: reckoned from a moment of the same start at which it was; `unsure`: neither."""


class Dates:
    """Dates entries.

    Args:
        query: the journal: whatever start of the board had a right clock once dates all of that start's entries.
    """

    def __init__(self, query: sqlite3.Connection) -> None:
        # With max() SQLite takes the other columns from that very row.
        newest = "SELECT boot_id, wall - monotonic, max(era * 1e12 + seq) FROM entry WHERE clock = 'synchronised'"
        self._zero = {boot: zero for boot, zero, _ in query.execute(f"{newest} GROUP BY boot_id")}

    def of(self, stored: Stored) -> When:
        """When that was."""
        entry = stored.entry
        if entry.clock == "synchronised":
            return When(entry.wall, "clock")
        zero = self._zero.get(stored.boot_id)
        return When(entry.wall, "unsure") if zero is None else When(zero + entry.monotonic, "boot")


class Chosen(NamedTuple):
    """Which entries are wanted; None and empty: whichever."""

    kinds: tuple[str, ...] = ()
    person: str | None = None
    grant: str | None = None
    since: float | None = None
    """Unix seconds, included."""
    until: float | None = None
    """Unix seconds, not included."""
    waiting: bool = False
    """Only what the campus does not have."""

    def holds(self, stored: Stored, when: When, marks: proof.Marks) -> bool:
        """Whether an entry is one of them."""
        entry = stored.entry
        return (
            (not self.kinds or entry.kind in self.kinds)
            and self.person in (None, entry.person)
            and self.grant in (None, entry.grant_id)
            and (self.since is None or when.unix >= self.since)
            and (self.until is None or when.unix < self.until)
            and (not self.waiting or stored.seq > marks.acked)
        )


def entries(query: sqlite3.Connection, chosen: Chosen) -> Iterator[tuple[Stored, When]]:
    """The chosen entries in their order, and when they were written. Raises `sqlite3.Error`, `StoreError`."""
    dates = Dates(query)
    for marks in proof.epochs(query):
        for page in proof.pages(query, marks.number, marks.pruned):
            for seq, row, chain in page:
                try:
                    stored = rows.to_stored(marks.epoch, seq, row, chain)
                except msgspec.DecodeError as error:
                    where = proof.Fault(marks.epoch, seq, f"cannot be read ({error}): `thermogate journal verify`")
                    raise StoreError(f"journal: {where}") from error
                when = dates.of(stored)
                if chosen.holds(stored, when, marks):
                    yield stored, when


class Writer:
    """Turns entries into flat records.

    Args:
        key: of the pseudonyms; None: persons, texts and hashes are left in.
    """

    def __init__(self, key: bytes | None) -> None:
        self._key = key

    def record(self, stored: Stored, when: When) -> dict[str, Scalar]:
        """One entry. What belongs to its detail comes after what every entry has, and never under one of its names."""
        entry = stored.entry
        told: dict[str, Scalar] = {
            "epoch": f"{stored.epoch:016x}",
            "seq": stored.seq,
            "time": iso(when.unix, utc=True, precision="milliseconds"),
            "time_by": when.told_by,
            "boot_id": stored.boot_id,
            "monotonic": entry.monotonic,
            "kind": entry.kind,
            "grant_id": entry.grant_id,
            "person": self._named(entry.person),
            "thinned": stored.thinned is not None if self._key else stored.thinned,
        }
        if self._key is None:
            told["chain"] = stored.chain
        told |= {f"{key}_" if key in told else key: value for key, value in self._detail(entry.kind, entry.detail)}
        return told

    def _detail(self, kind: str, detail: Mapping[str, Scalar]) -> Iterator[tuple[str, Scalar]]:
        for key, value in detail.items():
            if self._key is None or not isinstance(value, str):
                yield key, value
            elif key in NAMES:
                yield key, self._named(value)
            elif key in WORDS and not (key == "reason" and kind in WRITTEN_BY_PEOPLE):
                yield key, value

    def _named(self, name: str | None) -> str | None:
        if self._key is None or name is None:
            return name
        return f"x-{hmac.digest(self._key, name.encode(), hashlib.sha256).hex()[:PSEUDONYM]}"


def write_json_lines(records: Iterable[Mapping[str, Scalar]], out: TextIO) -> int:
    """One JSON object a line; how many."""
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - what is returned
        out.write(msgspec.json.encode(record).decode() + "\n")
    return count


def write_csv(records: Iterable[Mapping[str, Scalar]], columns: Iterable[str], out: TextIO) -> int:
    """A table with a header (RFC 4180); how many rows. What a record does not have is an empty cell."""
    table = csv.DictWriter(out, list(columns), extrasaction="ignore")
    table.writeheader()
    count = 0
    for count, record in enumerate(records, start=1):  # noqa: B007 - what is returned
        table.writerow({key: _cell(value) for key, value in record.items()})
    return count


def columns_of(records: Iterable[Mapping[str, Scalar]]) -> list[str]:
    """Every key of the records, in the order in which they first come."""
    return list(dict.fromkeys(key for record in records for key in record))


def fresh_key() -> bytes:
    """A key that is forgotten with the export."""
    return os.urandom(32)


def _cell(value: Scalar) -> Scalar:
    """Spreadsheets take a text that begins so for a formula (OWASP, "CSV Injection"); a quote keeps it a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
