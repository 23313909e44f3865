"""Settings of the journal."""

from __future__ import annotations

from typing import Annotated

import msgspec


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much the journal keeps and how it treats its disk. The defaults suit an SD card."""

    keep_entries: Annotated[int, msgspec.Meta(ge=1000)] = 100_000
    """Entries kept after the campus has them; what it does not have is never dropped."""
    keep_days: Annotated[float, msgspec.Meta(gt=0)] = 180
    """Days after which an entry that the campus has is dropped (counted only while the clock is synchronised)."""
    size_limit: Annotated[int, msgspec.Meta(ge=16)] = 150
    """Megabytes of disk, the write-ahead log included, above which the oldest screening details are thrown away, and
    when none is left the oldest entries that the campus has. What it does not have is never dropped."""
    queue_limit: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Entries that may wait for the disk; the next one is refused at once."""
    batch_limit: Annotated[int, msgspec.Meta(ge=1)] = 200
    """Entries of one commit at most."""
    idle: Annotated[float, msgspec.Meta(gt=0)] = 2.0
    """Seconds without an entry after which checkpoints and pruning may use the disk."""
    lock_wait: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """Seconds to wait for another program's lock on the database."""
    query_timeout: Annotated[float, msgspec.Meta(gt=0)] = 30.0
    """Seconds a read of the outbox or an acknowledgement may take."""
