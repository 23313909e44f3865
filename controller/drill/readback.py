"""The journal as another program sees it: read from its file, past the program that wrote it."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

from controller.errors import StoreError
from controller.lane.effects import RecordKind
from controller.record import rows

if TYPE_CHECKING:
    from pathlib import Path

    from controller.record.entry import Stored


def read_journal(path: Path) -> tuple[Stored, ...]:
    """All entries in their order, with the hash chain recomputed. Raises `StoreError` naming the first wrong entry."""
    try:
        connection = _connect(path)
        try:
            return tuple(_entries(connection, path))
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"journal {path}: cannot be read back: {error}") from error


def _entries(connection: sqlite3.Connection, path: Path) -> list[Stored]:
    found = []
    for era, epoch in connection.execute("SELECT number, epoch FROM epoch ORDER BY number").fetchall():
        chain = rows.anchor(epoch)
        query = f"SELECT seq, {rows.COLUMNS}, chain FROM {rows.SOURCE} WHERE era = ? ORDER BY seq"  # noqa: S608 - constants
        for seq, *columns, kept in connection.execute(query, (era,)):
            row = rows.Row(*columns)
            chain = rows.link(chain, seq, row)
            if chain != kept:
                raise StoreError(f"journal {path}: entry {seq} is not what was written")
            found.append(rows.to_stored(epoch, seq, row, chain))
    return found


class DiskWitness:
    """Counts the grants that are committed in a journal's file, at any moment, from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = _connect(path)
        except sqlite3.Error as error:
            raise StoreError(f"journal {path}: cannot be watched: {error}") from error

    def grants(self) -> int:
        """Grants that a reader finds in the file now."""
        query = "SELECT count(*) FROM entry WHERE kind = ?"
        with self._lock:
            return int(self._connection.execute(query, (RecordKind.GRANT.value,)).fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None, timeout=2.0)
