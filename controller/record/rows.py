"""An entry as a row: checked before it is queued, chained to the row before it, and read back."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from controller.errors import StoreError
from controller.record.entry import Entry, Scalar, Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

DETAIL_LIMIT = 16_384
"""Bytes of an entry's detail as JSON; more is not a record of an event."""
SCREENED_KINDS = frozenset({"grant", "deny"})
SCREENING_KEYS = frozenset(
    {
        "correction",
        "frames",
        "liveness",
        "liveness_reasons",
        "looks",
        "personal",
        "personal_days",
        "personal_unusual",
        "personal_z",
        "quality",
        "remarks",
        "risk",
        "room",
        "surface",
        "temperature",
        "u_compensation",
        "u_noise",
        "u_reference",
        "u_region",
        "uncertainty",
        "wait_minutes",
    }
)
"""The part of a decision's detail that says how it was measured: the first to go where room is short. Who, when, what
was decided and why, and every ticket for the doctor, stay whole."""
COLUMNS = "boot_id, kind, monotonic, wall, clock, grant_id, person, entry.detail, screening_digest, screening.detail"
SOURCE = "entry LEFT JOIN screening USING (era, seq)"
"""Where `COLUMNS` are read from."""


class Row(NamedTuple):
    """The columns of an entry that do not depend on its place."""

    boot_id: str
    kind: str
    monotonic: float
    wall: float
    clock: str
    grant_id: str | None
    person: str | None
    detail: str
    digest: bytes | None = None
    """SHA-256 of the screening part of the detail; None: there was none."""
    screening: str | None = None
    """The screening part, as long as it is kept."""


def to_row(entry: Entry, boot_id: str) -> Row:
    """Check `entry` and turn it into columns. Raises `StoreError` naming what cannot be stored."""
    if not (math.isfinite(entry.monotonic) and math.isfinite(entry.wall)):
        raise StoreError(f"entry {entry.kind!r}: its times must be finite, not {entry.monotonic} and {entry.wall}")
    plain = {key: _plain(entry.kind, key, value) for key, value in entry.detail.items()}
    try:
        size = len(msgspec.json.encode(plain))
        msgspec.json.encode((boot_id, entry.kind, entry.clock, entry.grant_id, entry.person))
    except UnicodeEncodeError as error:  # found at the commit, it would take all entries beside it along
        raise StoreError(f"entry {entry.kind!r}: holds text that is no Unicode: {error}") from error
    if size > DETAIL_LIMIT:
        raise StoreError(f"entry {entry.kind!r}: its detail has {size} bytes, more than {DETAIL_LIMIT}")
    apart = plain.keys() & SCREENING_KEYS if entry.kind in SCREENED_KINDS else frozenset()
    screening = _encode({key: value for key, value in plain.items() if key in apart}) if apart else None
    return Row(
        boot_id,
        entry.kind,
        float(entry.monotonic),
        float(entry.wall),
        entry.clock,
        entry.grant_id,
        entry.person,
        _encode({key: value for key, value in plain.items() if key not in apart}),
        None if screening is None else digest(screening),
        screening,
    )


def digest(screening: str) -> bytes:
    """What an entry's chain value knows of its screening part: 32 bytes."""
    return hashlib.sha256(screening.encode()).digest()


def anchor(epoch: int) -> bytes:
    """The chain value before the first entry of `epoch`."""
    return hashlib.sha256(f"thermogate journal {epoch:016x}".encode()).digest()


def link(previous: bytes, seq: int, row: Row) -> bytes:
    """The chain value of `row` at `seq`, after one whose value is `previous`: 32 bytes.

    SHA-256 over the previous value, the row as JSON and its screening part's digest, so that no earlier row can be
    changed, left out or put in without every later value changing; and a screening part can be thrown away.
    """
    return hashlib.sha256(previous + msgspec.json.encode((seq, *row[:8])) + (row.digest or b"")).digest()


def to_stored(epoch: int, seq: int, row: Row, chain: bytes) -> Stored:
    """A row that was read, as a value."""
    detail = _decode(row.detail)
    thinned = detail.pop("thinned", None)  # before it was written again
    if row.screening is not None:
        detail |= _decode(row.screening)
    elif row.digest is not None:
        thinned = row.digest.hex()
    entry = Entry(row.kind, row.monotonic, row.wall, row.clock, row.grant_id, row.person, detail)
    return Stored(epoch, seq, row.boot_id, entry, chain.hex(), None if thinned is None else str(thinned))


def refiled(row: Row, old_place: str) -> Row:
    """A row that is written a second time, naming its old place in `refiled` of its detail."""
    detail = {**_decode(row.detail), "refiled": old_place}
    if row.digest is not None and row.screening is None:
        return row._replace(detail=_encode({**detail, "thinned": row.digest.hex()}), digest=None)
    return row._replace(detail=_encode(detail))


def _encode(detail: Mapping[str, Scalar]) -> str:
    return msgspec.json.encode(detail).decode()


def _decode(text: str) -> dict[str, Scalar]:
    return msgspec.json.decode(text, type=dict[str, Scalar])


def _plain(kind: str, key: str, value: Scalar) -> Scalar:
    """JSON's own types only: no picture or embedding gets into the journal by mistake. NaN and infinity become null."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return int(value)
        raise StoreError(f"entry {kind!r}: detail.{key} is beyond 64 bits")
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    raise StoreError(f"entry {kind!r}: detail.{key} is {type(value).__name__}, not text, number, bool or None")
