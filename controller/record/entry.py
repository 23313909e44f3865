"""A journal entry as it stands on disk and goes to the campus."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Scalar = str | float | int | bool | None


@dataclass(frozen=True, slots=True, weakref_slot=True)
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
    """Random number of one life of the journal, 0 <= epoch < 2**63."""
    seq: int
    """Counts entries of an epoch from 1, without gaps."""
    boot_id: str
    entry: Entry
    chain: str = ""
    """Hex SHA-256 over this entry and the chain value of the one before: it vouches for the epoch's whole history."""
    thinned: str | None = None
    """Hex SHA-256 of the screening part of its detail, where that was thrown away for want of room."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.epoch, self.seq)


class Place(NamedTuple):
    """A position in the journal; `seq` 0 is before the first entry of its epoch."""

    epoch: int
    seq: int


class AckOutcome(enum.Enum):
    """What came of an acknowledgement. All but the first leave the outbox as it was."""

    ADVANCED = "advanced"
    REPEATED = "repeated"
    """Known already: it equals the mark."""
    BEHIND = "behind"
    """Below the mark: the campus has lost what it once had."""
    UNKNOWN_EPOCH = "unknown_epoch"
    BEYOND_NEWEST = "beyond_newest"
    """The campus knows entries that this journal does not: a forgery, or a restored or cloned card."""
    OTHER_HISTORY = "other_history"
    """Its chain value is not ours at that place: a forgery, or another journal with the same epoch."""
