"""A journal entry as it stands on disk and goes to the campus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, before it has a place in the journal."""

    kind: str
    """A `RecordKind` value."""
    monotonic: float
    """Seconds of the board's clock since boot."""
    wall: float
    """Unix seconds by the board's clock, right or wrong."""
    clock: str
    """`synchronised`, `unsynchronised` or `unknown`: what is known of `wall`."""
    grant_id: str | None
    person: str | None
    detail: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry with its place."""

    epoch: int
    """Random 64-bit number of this journal's life, 0 <= epoch < 2**63."""
    seq: int
    """Counts entries of an epoch from 1, without gaps."""
    boot_id: str
    entry: Entry
