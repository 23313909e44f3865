"""A journal read by another program than the one that writes it: the gate may be running, or dead for a year.

Read-only, without the writer's lock, its write-ahead log included. Where no program has the journal open (SQLite's
`-shm` file is not there, as beside a copy that was pulled from a card), a private copy is read, so that nothing appears
beside what may be evidence, and a read-only medium serves as well.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import StoreError
from controller.record import files
from controller.record.schema import APPLICATION_ID, UPGRADE, VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "journal.sqlite3"
LOCK_WAIT = 2.0
"""Seconds to wait where another program recovers the log just now."""


def place_of(path: Path) -> Path:
    """The journal's file, of itself or of the store's folder."""
    return path / NAME if path.is_dir() else path


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads the journal at `path`.

    Raises `StoreError` naming the file and why: absent, not to be read, damaged, no journal, of a newer program. Errors
    of SQLite within the block become the same.
    """
    _look(path)
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(contextlib.closing(_open(path, stack)))
            yield connection
        except sqlite3.Error as error:
            raise files.explain(path, error) from error


def damage(query: sqlite3.Connection) -> str | None:
    """What SQLite itself finds wrong with the file's pages; None: nothing."""
    try:
        found = str(query.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in files.DAMAGED:
            raise
        return str(error)
    return None if found == "ok" else " ".join(found.split())


def _look(path: Path) -> None:
    """Say plainly what SQLite would say obscurely."""
    try:
        with path.open("rb") as file:
            begun = file.read(1)
    except FileNotFoundError:
        raise StoreError(f"journal {path}: there is no such file") from None
    except OSError as error:
        hint = "; its owner and root may" if isinstance(error, PermissionError) else ""
        raise StoreError(f"journal {path}: cannot be read: {error.strerror}{hint}") from error
    if not begun and not _beside(path, "-wal").exists():
        raise StoreError(f"journal {path}: is empty: nothing was ever written to it")


def _open(path: Path, stack: contextlib.ExitStack) -> sqlite3.Connection:
    if not _beside(path, "-shm").exists():
        copy = _copied(path, stack)
        if not _beside(path, "-shm").exists():  # else a gate has started meanwhile
            path = copy
    connection = _connect(path)
    try:
        version = _version(connection, path)
        return connection if version == VERSION else _upgraded(connection, stack)
    except BaseException:
        connection.close()
        raise


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT)
    # A byte that is no UTF-8 is a change like any other: the entry's chain value shows where.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    if owner != APPLICATION_ID:
        raise StoreError(f"journal {path}: is a database of another program")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not 1 <= version <= VERSION:
        raise StoreError(f"journal {path}: has version {version}; this program knows up to version {VERSION}")
    return version


def _copied(path: Path, stack: contextlib.ExitStack) -> Path:
    """Database and log in a folder of their own, until `stack` ends."""
    try:
        copy = _folder(stack) / path.name
        for suffix in ("", "-wal"):
            if _beside(path, suffix).exists():
                shutil.copyfile(_beside(path, suffix), _beside(copy, suffix))
    except OSError as error:
        raise StoreError(
            f"journal {path}: cannot be copied to be read: {error} (TMPDIR names another place)"
        ) from error
    return copy


def _upgraded(connection: sqlite3.Connection, stack: contextlib.ExitStack) -> sqlite3.Connection:
    """A copy as this program writes it, of an older one."""
    path = _folder(stack) / NAME
    with contextlib.closing(connection), contextlib.closing(sqlite3.connect(path)) as target:
        connection.backup(target)
        target.executescript(UPGRADE)
    return _connect(path)


def _folder(stack: contextlib.ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="thermogate-journal-")))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
