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


def to_row(entry: Entry, boot_id: str) -> Row:
    """Check `entry` and turn it into columns. Raises `StoreError` naming what cannot be stored."""
    if not (math.isfinite(entry.monotonic) and math.isfinite(entry.wall)):
        raise StoreError(f"entry {entry.kind!r}: its times must be finite, not {entry.monotonic} and {entry.wall}")
    detail = _encode_detail(entry.kind, entry.detail)
    monotonic, wall = float(entry.monotonic), float(entry.wall)
    return Row(boot_id, entry.kind, monotonic, wall, entry.clock, entry.grant_id, entry.person, detail)


def anchor(epoch: int) -> bytes:
    """The chain value before the first entry of `epoch`."""
    return hashlib.sha256(f"thermogate journal {epoch:016x}".encode()).digest()


def link(previous: bytes, seq: int, row: Row) -> bytes:
    """The chain value of `row` at `seq`, after one whose value is `previous`: 32 bytes.

    SHA-256 over the previous value and the row as JSON, so that no earlier row can be changed, left out or put in
    without every later value changing.
    """
    return hashlib.sha256(previous + msgspec.json.encode((seq, *row))).digest()


def to_stored(epoch: int, seq: int, row: Row, chain: bytes) -> Stored:
    """A row that was read, as a value."""
    detail = msgspec.json.decode(row.detail, type=dict[str, Scalar])
    entry = Entry(row.kind, row.monotonic, row.wall, row.clock, row.grant_id, row.person, detail)
    return Stored(epoch, seq, row.boot_id, entry, chain.hex())


def refiled(row: Row, old_place: str) -> Row:
    """A row that is written a second time, naming its old place in `refiled` of its detail."""
    detail = msgspec.json.decode(row.detail, type=dict[str, Scalar])
    return row._replace(detail=msgspec.json.encode({**detail, "refiled": old_place}).decode())


def _encode_detail(kind: str, detail: Mapping[str, Scalar]) -> str:
    plain = {key: _plain(kind, key, value) for key, value in detail.items()}
    text = msgspec.json.encode(plain).decode()
    if len(text) > DETAIL_LIMIT:
        raise StoreError(f"entry {kind!r}: its detail has {len(text)} bytes, more than {DETAIL_LIMIT}")
    return text


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
