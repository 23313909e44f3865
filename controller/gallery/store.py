"""The gallery on disk: SQLite, with every person's data and every template sealed by AES-256-GCM.

A seal's associated data is what the row says it is (kind, person, model, record), so a row that was swapped,
relabelled or altered does not open. What a seal cannot tell is a row that was deleted, and a row or a whole file put
back as it was yesterday.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controller.errors import GalleryError, StoreError
from controller.gallery.keyfile import create_key, read_key
from controller.gallery.model import Enrolment, Origin, Person, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

DATABASE, KEY = "gallery.sqlite3", "gallery.key"
SCHEMA_VERSION = 1
APPLICATION_ID = 0x54474741
"""`TGGA` in the file's header: another program's database is not taken for a gallery."""
NONCE_BYTES = 12
BUSY_SECONDS = 5.0

_SCHEMA = """
CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 1), nonce BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE person (person TEXT PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE template (
    record TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES person (person) ON DELETE CASCADE,
    model TEXT NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX template_person ON template (person);
"""


class _Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed of a person."""

    valid_from: dt.date | None
    valid_until: dt.date | None
    groups: tuple[str, ...]
    second_factor: bool = False
    origin: Origin = Origin()


class GalleryStore:
    """One open gallery. Belongs to the thread that opened it; use as a context manager."""

    def __init__(self, connection: sqlite3.Connection, cipher: AESGCM, path: Path) -> None:
        """Use `open`."""
        self._connection = connection
        self._cipher = cipher
        self.path = path

    @classmethod
    def open(cls, folder: Path, key: Path | None = None, *, create: bool = False) -> Self:
        """Open `folder`/gallery.sqlite3 with the key in `key`, by default `folder`/gallery.key.

        `create` makes a new gallery and key where there is none; a key is never made for a gallery that exists. Raises
        `GalleryError` (missing, wrong or exposed key, another program's or a newer file) or `StoreError` (disk, or no
        database at all).
        """
        path, key_path = folder / DATABASE, key or folder / KEY
        with _disk(path):
            exists = path.exists()
            if not exists and not create:
                raise GalleryError(f"{path}: there is no gallery; make one with `thermogate enrol`")
            secret = read_key(key_path) if exists or key_path.exists() else create_key(key_path)
            if not exists:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        store = cls(connection, AESGCM(secret), path)
        try:
            with _disk(path):
                store._prepare(create=create)
            store._check_key(key_path)
        except BaseException:
            connection.close()
            raise
        return store

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the database; harmless when closed."""
        self._connection.close()

    def enrolments(self) -> list[Enrolment]:
        """Everybody with all their templates, as of one moment. Raises `GalleryError` like `people` and `templates`."""
        # Two queries: without a transaction, another process could enrol somebody in between.
        with self._transaction("DEFERRED"):
            people, origins = self.people(), self.origins()
            templates: dict[str, list[Template]] = {person: [] for person in people}
            for person, template in self.templates():
                if person not in templates:
                    raise GalleryError(f"{self.path}: is damaged: has a template of {person}, who is not enrolled")
                templates[person].append(template)
        return [Enrolment(people[person], tuple(theirs), origins[person]) for person, theirs in templates.items()]

    def people(self) -> dict[str, Person]:
        """Everybody, by id. Raises `GalleryError` that names a person whose record does not open."""
        return {
            person: Person(person, known.valid_from, known.valid_until, known.groups, known.second_factor)
            for person, known in self._details()
        }

    def origins(self) -> dict[str, Origin]:
        """By what right, since when and from what everybody is enrolled. Raises `GalleryError` like `people`."""
        return {person: known.origin for person, known in self._details()}

    def _details(self) -> Iterator[tuple[str, _Details]]:
        with _disk(self.path):
            rows = self._connection.execute("SELECT person, nonce, sealed FROM person ORDER BY person").fetchall()
        for person, nonce, sealed in rows:
            plain = self._unseal(nonce, sealed, ("person", person), f"person {person}")
            yield person, msgspec.json.decode(plain, type=_Details)

    def templates(self) -> Iterator[tuple[str, Template]]:
        """(person, template) of every record. Raises `GalleryError` that names a record that does not open."""
        query = "SELECT record, person, model, nonce, sealed FROM template ORDER BY person, record"
        with _disk(self.path):
            rows = self._connection.execute(query).fetchall()
        for record, person, model, nonce, sealed in rows:
            plain = self._unseal(nonce, sealed, ("template", person, model, record), f"template {record} of {person}")
            yield person, Template(model, np.frombuffer(plain, dtype="<f4").astype(np.float32))

    def write(self, enrolments: Iterable[Enrolment]) -> None:
        """Add these people, or replace those that are there, with all their templates: all of it or nothing."""
        everybody = tuple(enrolments)  # not made while other processes wait for the lock
        with self._transaction():
            for enrolment in everybody:
                self._write(enrolment)

    def remove(self, person: str) -> bool:
        """Forget a person and their templates; False where there was no such person.

        The file is rebuilt and its log emptied, so that no page of theirs is left, not even a free one. Raises
        `StoreError` also when somebody else reads the gallery for so long that this is not possible.
        """
        return bool(self.remove_all((person,)))

    def remove_all(self, people: Iterable[str]) -> int:
        """As `remove`, of several at once; how many there were."""
        leaving = tuple(people)
        with self._transaction():
            run = self._connection.execute
            found = sum(run("DELETE FROM person WHERE person = ?", (person,)).rowcount for person in leaving)
        try:
            with _disk(self.path):
                # secure_delete has overwritten the rows; rebuilding drops the pages that once held them as well.
                self._connection.execute("VACUUM")
                busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except StoreError as error:
            raise StoreError(f"{self._remains(leaving)}: {error}") from error
        if busy:
            raise StoreError(self._remains(leaving))
        return found

    def _remains(self, leaving: tuple[str, ...]) -> str:
        who = f"{leaving[0]} is" if len(leaving) == 1 else f"{len(leaving)} people are"
        return (
            f"{self.path}: {who} removed, but their sealed data stays in the write-ahead log until the other program "
            "that is reading the gallery closes it"
        )

    def traces(self, person: str) -> list[bytes]:
        """Byte strings that occur in the gallery's files only because of this person: every record's number and nonce.

        What erases them looks for these in the files afterwards.
        """
        with _disk(self.path):
            run = self._connection.execute
            own = run("SELECT nonce FROM person WHERE person = ?", (person,)).fetchall()
            rows = run("SELECT record, nonce FROM template WHERE person = ?", (person,)).fetchall()
        return [nonce for (nonce,) in own] + [part for record, nonce in rows for part in (record.encode(), nonce)]

    def _write(self, enrolment: Enrolment) -> None:
        person = enrolment.person
        details = _Details(person.valid_from, person.valid_until, person.groups, person.second_factor, enrolment.origin)
        nonce, sealed = self._seal(msgspec.json.encode(details), ("person", person.person))
        self._connection.execute("DELETE FROM person WHERE person = ?", (person.person,))
        self._connection.execute("INSERT INTO person VALUES (?, ?, ?)", (person.person, nonce, sealed))
        for template in enrolment.templates:
            record = secrets.token_hex(16)
            plain = np.ascontiguousarray(template.embedding, dtype="<f4").tobytes()
            nonce, sealed = self._seal(plain, ("template", person.person, template.model, record))
            row = (record, person.person, template.model, nonce, sealed)
            self._connection.execute("INSERT INTO template VALUES (?, ?, ?, ?, ?)", row)

    def _prepare(self, *, create: bool) -> None:
        run = self._connection.execute
        version = run("PRAGMA user_version").fetchone()[0]
        application = run("PRAGMA application_id").fetchone()[0]
        fresh = self._is_empty()
        if application != APPLICATION_ID and not (fresh and application == 0):
            raise GalleryError(f"{self.path}: is another program's database")
        if version > SCHEMA_VERSION:
            raise GalleryError(
                f"{self.path}: was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})"
            )
        if fresh and not create:
            raise GalleryError(f"{self.path}: is empty; make a gallery with `thermogate enrol`")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        # Deleted templates are overwritten, not merely unlinked.
        run("PRAGMA secure_delete = ON")
        if fresh:
            self._create()

    def _is_empty(self) -> bool:
        return self._connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None

    def _create(self) -> None:
        nonce, sealed = self._seal(b"", ("gallery",))
        with self._transaction():
            if not self._is_empty():  # another process was first
                return
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO seal VALUES (1, ?, ?)", (nonce, sealed))
            self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check_key(self, key_path: Path) -> None:
        with _disk(self.path):
            row = self._connection.execute("SELECT nonce, sealed FROM seal WHERE id = 1").fetchone()
        if row is None:
            raise GalleryError(f"{self.path}: is damaged: its seal is missing")
        nonce, sealed = row
        self._unseal(nonce, sealed, ("gallery",), f"with {key_path}, the gallery")

    def _seal(self, plain: bytes, label: tuple[str, ...]) -> tuple[bytes, bytes]:
        nonce = os.urandom(NONCE_BYTES)
        return nonce, self._cipher.encrypt(nonce, plain, _associated(label))

    def _unseal(self, nonce: bytes, sealed: bytes, label: tuple[str, ...], what: str) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, _associated(label))
        except (InvalidTag, ValueError) as error:
            raise GalleryError(
                f"{self.path}: {what} does not open: altered, swapped, or sealed by another key"
            ) from error

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """All of the block's statements or none of them; `DEFERRED` does not take the writer's lock."""
        with _disk(self.path):
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise


def _associated(label: tuple[str, ...]) -> bytes:
    """An unambiguous encoding: no two labels share one."""
    return msgspec.json.encode(label)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """SQLite's and the system's complaints as `StoreError` that names the file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path}: {error}") from error
