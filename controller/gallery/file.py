"""The gallery's SQLite file: opened, checked, brought up to date, its transactions and its root. Belongs to one thread.

The root is one sealed record: it proves the key, says which key seals, holds the gallery's own secret (for what must
survive a change of the key) and the register: a sum over every person's record as it stands (a multiset hash, HMAC-
SHA256 of each added modulo 2^256), by which a person's record that was removed, added or put back is noticed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from controller.errors import GalleryError, StoreError
from controller.gallery.keyfile import read_ring
from controller.gallery.schema import APPLICATION_ID, CREATE, SCHEMA_VERSION, statements
from controller.gallery.sealing import Sealed, Sealer, SealError
from controller.gallery.upgrade import take_first_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from controller.gallery.model import Enrolment
    from controller.gallery.sealing import Label

BUSY_SECONDS = 5.0
SECRET_BYTES = 32
_MODULUS = 1 << 256
_ROOT = ("gallery",)


class HubState(msgspec.Struct, forbid_unknown_fields=True):
    """What a gate has from its hub (`controller.gallery.install`)."""

    versions: dict[str, int] = msgspec.field(default_factory=dict)
    """Of the documents that are installed, by kind."""
    fresh_until: float = 0.0
    """Unix seconds until which it counts, as the hub said last; 0: it has said nothing yet."""
    fresh_for: float = 0.0
    """Seconds for which it counts from when that was heard."""
    unheard: float = 0.0
    """Seconds that the gate has run since it heard from the hub."""


class Root(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the gallery knows of itself."""

    secret: bytes
    register: str = "0"
    """The sum, hexadecimal."""
    people: int = 0
    hub: HubState | None = None
    """None: its people are its own."""

    def count(self, person: str, record: Sealed, *, times: int) -> None:
        """Add a person's record to the register (`times` 1), or take it out (-1)."""
        self.register = f"{(int(self.register, 16) + times * self.digest(person, record)) % _MODULUS:x}"
        self.people += times

    def digest(self, person: str, record: Sealed) -> int:
        """A person's record as a number."""
        text = msgspec.json.encode((person, record.key)) + record.nonce + record.sealed
        return int.from_bytes(self.mac(b"register", text), "big")

    def mac(self, purpose: bytes, text: bytes) -> bytes:
        """HMAC-SHA256 by the gallery's secret; no two purposes share a message."""
        return hmac.digest(self.secret, purpose + b"\0" + text, hashlib.sha256)


class GalleryFile:
    """One open file.

    Args:
        connection: in autocommit mode.
        key_path: where the key is; read again when another program has changed the key.
        path: the file, for errors.
    """

    def __init__(self, connection: sqlite3.Connection, key_path: Path, path: Path) -> None:
        self.connection = connection
        self.key_path = key_path
        self.path = path
        self._sealer = Sealer(read_ring(key_path))

    def run(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self.connection.execute(statement, values)

    def rows(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        """All rows of a query. Raises `StoreError`."""
        with disk(self.path):
            return self.run(statement, values).fetchall()

    def prepare(self, write: Callable[[Root, Enrolment], None], *, create: bool) -> None:
        """Check whose file it is, and make its tables; an older version's people are written anew by `write`.

        Raises `GalleryError` or `StoreError`; the file is as it was then.
        """
        version = self.run("PRAGMA user_version").fetchone()[0]
        application = self.run("PRAGMA application_id").fetchone()[0]
        fresh = self._is_empty()
        if application != APPLICATION_ID and not (fresh and application == 0):
            raise GalleryError(f"{self.path}: is another program's database")
        if version > SCHEMA_VERSION:
            raise GalleryError(
                f"{self.path}: was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})"
            )
        if fresh and not create:
            raise GalleryError(f"{self.path}: is empty; make a gallery with `thermogate enrol`")
        self.run("PRAGMA journal_mode = WAL")
        self.run("PRAGMA synchronous = FULL")
        self.run("PRAGMA foreign_keys = ON")
        # Deleted templates are overwritten, not merely unlinked.
        self.run("PRAGMA secure_delete = ON")
        if fresh:
            self._create()
        elif version < SCHEMA_VERSION:
            self._upgrade(write)

    def root(self) -> Root:
        """The root as of now; from here on its key seals. Raises `GalleryError` for a wrong key or a damaged root."""
        found = self.rows("SELECT key, nonce, sealed FROM seal WHERE id = 1")
        if not found:
            raise GalleryError(f"{self.path}: is damaged: its seal is missing")
        record = Sealed(*found[0])
        if not self._sealer.knows(record.key):
            # Another program may have changed the key since this one read it.
            self._sealer = Sealer(read_ring(self.key_path))
        plain = self.unseal(record, _ROOT, f"with {self.key_path}, the gallery")
        self._sealer.active = record.key
        return msgspec.json.decode(plain, type=Root)

    @contextmanager
    def reading(self) -> Iterator[Root]:
        """All of the block's queries see one moment."""
        with self._transaction("DEFERRED"):
            yield self.root()

    @contextmanager
    def writing(self) -> Iterator[Root]:
        """All of the block's statements or none of them, and the root as the block leaves it."""
        with self._transaction("IMMEDIATE"):
            root = self.root()
            before = msgspec.json.encode(root)
            yield root
            if msgspec.json.encode(root) != before:
                self.set_root(root)

    def set_root(self, root: Root) -> None:
        """Write the root, within a transaction, sealed by the active key."""
        record = self.seal(msgspec.json.encode(root), _ROOT)
        self.run("INSERT OR REPLACE INTO seal VALUES (1, ?, ?, ?)", record)

    def seal(self, plain: bytes, label: Label) -> Sealed:
        """Seal by the key in force."""
        return self._sealer.seal(plain, label)

    def unseal(self, record: Sealed, label: Label, what: str) -> bytes:
        """Open. Raises `GalleryError` that names the file and `what`."""
        try:
            return self._sealer.unseal(record, label)
        except SealError as error:
            raise GalleryError(f"{self.path}: {what} does not open: {error}") from error

    @property
    def active(self) -> str:
        """Id of the key that seals."""
        return self._sealer.active

    def use(self, key: str) -> None:
        """Seal by this key from now on."""
        self._sealer.active = key

    def reload(self) -> None:
        """Read the keys again."""
        active = self._sealer.active
        self._sealer = Sealer(read_ring(self.key_path))
        if self._sealer.knows(active):
            self._sealer.active = active

    def checkpoint(self) -> bool:
        """Empty the write-ahead log, which still holds what was deleted; False where another program is reading it."""
        return not self.rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]

    def rebuild(self) -> bool:
        """Write the file anew, without the free pages that once held what was deleted, and empty the log.

        False where another program is reading it. Raises `StoreError`, also where another program is writing.
        """
        with disk(self.path):
            # secure_delete has overwritten the rows; this drops their pages as well.
            self.run("VACUUM")
        return self.checkpoint()

    def _is_empty(self) -> bool:
        return self.run("SELECT 1 FROM sqlite_schema").fetchone() is None

    def _create(self) -> None:
        with self._transaction("IMMEDIATE"):
            if not self._is_empty():  # another process was first
                return
            self._make_tables(Root(os.urandom(SECRET_BYTES)))
            self.run(f"PRAGMA application_id = {APPLICATION_ID}")

    def _make_tables(self, root: Root) -> None:
        for statement in statements(CREATE):
            self.run(statement)
        self.set_root(root)
        self.run(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _upgrade(self, write: Callable[[Root, Enrolment], None]) -> None:
        with self._transaction("IMMEDIATE"):
            if self.run("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:  # another process was first
                return
            everybody = take_first_version(self.connection, read_ring(self.key_path), self.path)
            root = Root(os.urandom(SECRET_BYTES))
            self._make_tables(root)
            for enrolment in everybody:
                write(root, enrolment)
            self.set_root(root)

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        with disk(self.path):
            self.run(f"BEGIN {kind}")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                self.connection.rollback()
                raise


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """SQLite's and the system's complaints as `StoreError` that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path}: {error}") from error
