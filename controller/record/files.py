"""The journal as files: made private, held by one process, moved aside when damaged, never deleted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import time
from typing import TYPE_CHECKING

from controller.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "another program has locked it",
    sqlite3.SQLITE_LOCKED: "another program has locked it",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_NOTADB: "it is damaged: this is no database",
}
RESERVE = 1_048_576
"""Bytes kept for a full disk: what a log of single entries adds to the database when it is emptied."""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class JournalDamagedError(StoreError):
    """The file's content is not what was written; opening it again replaces it."""


class DiskFullError(StoreError):
    """There is no room left on the disk."""


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """Our error for SQLite's, naming the file and the reason."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # the primary code; the rest is the extended one
    reason = REASONS.get(code)
    kind = JournalDamagedError if code in DAMAGED else DiskFullError if code == sqlite3.SQLITE_FULL else StoreError
    return kind(f"journal {path}: {reason} ({error})" if reason else f"journal {path}: {error}")


class ProcessLock:
    """Only one process appends to a journal; others may read it.

    A second writer would give the same sequence numbers to other entries. The kernel lets the lock go with the process,
    however it ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise `StoreError` naming the process that has it."""
        if self._file is not None:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"journal {self._path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise StoreError(f"journal {self._path}: is in use by another process (pid {holder})") from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Let it go; harmless when not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def create(path: Path) -> None:
    """Make an empty file that only its owner can read, and its name durable; harmless when it exists.

    Raises `StoreError` naming the file and the reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"journal {path}: cannot be opened: {error.strerror}") from error


def hold_reserve(path: Path) -> None:
    """Take up some of the disk, to have it when it is full; nothing where there is no room."""
    with contextlib.suppress(OSError):
        file = os.open(_reserve(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, RESERVE)
        except OSError:
            os.ftruncate(file, 0)  # a part of it would leave nothing to whoever it is for
        finally:
            os.close(file)


def lend_if_full(path: Path) -> None:
    """Let a full disk have the reserve back, before a database on it is opened: SQLite makes a log and its index."""
    if free(path) < RESERVE:
        give_reserve(path)


def free(path: Path) -> int:
    """Bytes that may still be written where `path` is; none where nobody knows."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return 0


def give_reserve(path: Path) -> None:
    """Let the disk have it back; harmless where there is none."""
    with contextlib.suppress(OSError):
        _reserve(path).unlink(missing_ok=True)


def _reserve(path: Path) -> Path:
    return path.with_name(path.name + ".reserve")


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def move_aside(path: Path) -> Path:
    """Rename a damaged journal and its write-ahead log, and tell the new name. Raises `StoreError`."""
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    aside = path.with_name(stem)
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{stem}-{number}")
    try:
        # The log goes first: a database without its log is still damaged at the next start, but an old log beside a
        # new database must never be.
        for suffix in ("-wal", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"journal {path}: is damaged and cannot be moved aside: {error.strerror}") from error
    return aside
