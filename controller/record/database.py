"""The journal's SQLite file: opened, checked, replaced when damaged, and its transactions. Belongs to one thread.

WAL with synchronous=FULL: COMMIT returns after the log's fsync, one sequential write for all entries of a batch.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import StoreError
from controller.record import files
from controller.record.schema import APPLICATION_ID, CREATE, UPGRADE, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUTOCHECKPOINT_PAGES = 2000
"""The log's bound (8 MB) on a board that never has an idle moment; otherwise `checkpoint` empties it long before."""

_PRAGMAS = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;  -- what retention drops is overwritten
PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES};
"""


@dataclass(frozen=True, slots=True)
class Replaced:
    """A damaged journal that was moved aside."""

    moved_to: Path
    reason: str


class Database:
    """One open journal file.

    Args:
        path: the database file; made if it is not there, with its folder.
        lock_wait: seconds to wait for another program's lock.
    """

    def __init__(self, path: Path, *, lock_wait: float) -> None:
        self.path = path
        self._lock_wait = lock_wait
        self._lock = files.ProcessLock(path)
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a file to work on."""
        return self._connection is not None

    def open(self) -> Replaced | None:
        """Open and check the file, make it where there is none, replace it where it is damaged.

        Raises `StoreError` when it is in use, is no journal of ours, or cannot be read or written.
        """
        files.create(self.path)
        self._lock.acquire()
        files.lend_if_full(self.path)
        try:
            replaced = self._open_or_replace()
        except BaseException:
            self.close()
            raise
        files.hold_reserve(self.path)
        return replaced

    def close(self) -> None:
        """Close the file and let others have it; harmless when closed."""
        self._drop_connection()
        self._lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, on disk when the block is left, undone when it raises.

        SQLite's errors become `StoreError` naming file and reason; after `JournalDamagedError` the file is closed.
        """
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The bare connection, outside of a transaction; errors as in `transaction`."""
        if self._connection is None:
            raise StoreError(f"journal {self.path}: is not open")
        try:
            yield self._connection
        except sqlite3.Error as error:
            failure = files.explain(self.path, error)
            if isinstance(failure, files.JournalDamagedError):
                self._drop_connection()
            raise failure from error

    def checkpoint(self) -> None:
        """Move the log into the database and empty it. Takes seconds on a slow card: for idle moments."""
        with self.connection() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def relieve(self) -> int:
        """Empty the log on a full disk, which gives its bytes back; the reserve is lent for that. What is free then."""
        files.give_reserve(self.path)
        try:
            self.checkpoint()
        finally:
            files.hold_reserve(self.path)
        return files.free(self.path)

    def size(self) -> int:
        """Bytes in use, with the log at its bound. A file does not shrink: what is freed is taken by new entries."""
        with self.connection() as connection:
            page, count, free = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("page_size", "page_count", "freelist_count")
            )
        return (count - free + AUTOCHECKPOINT_PAGES) * page

    def _open_or_replace(self) -> Replaced | None:
        try:
            self._connect()
        except files.JournalDamagedError as error:
            self._drop_connection()
            aside = files.move_aside(self.path)
            files.create(self.path)
            self._connect()
            return Replaced(aside, str(error))
        return None

    def _connect(self) -> None:
        try:
            self._connection = sqlite3.connect(self.path, timeout=self._lock_wait, isolation_level=None)
        except sqlite3.Error as error:
            raise files.explain(self.path, error) from error
        with self.connection() as connection:
            connection.executescript(_PRAGMAS)
            self._check_schema(connection)
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise files.JournalDamagedError(f"journal {self.path}: it is damaged ({found})")

    def _check_schema(self, connection: sqlite3.Connection) -> None:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            connection.executescript(CREATE)
            return
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if owner != APPLICATION_ID:
            raise StoreError(f"journal {self.path}: is a database of another program")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            connection.executescript(UPGRADE)
        elif version != VERSION:
            raise StoreError(f"journal {self.path}: has version {version}; this program knows version {VERSION}")

    def _drop_connection(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
