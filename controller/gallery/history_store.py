"""Each person's readings on disk: SQLite, every reading sealed by AES-256-GCM, every person under a keyed pseudonym.

Keys are derived from the gallery's (HKDF, RFC 5869), one for the readings and one for the pseudonyms, so neither opens
anything else. In the clear are, of each reading, the pseudonym (HMAC-SHA256 of the id, 16 bytes) and the day, which
retention needs; no id, temperature or time. A seal's associated data is what its row says it is, so a row that was
altered, or moved to another person or day, does not open.

A damaged file is named and left as it is: nothing is replaced, and the lane goes on without history.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import sqlite3
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from controller.errors import GalleryError, StoreError
from controller.gallery.keyfile import key_place, make_file, read_ring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from controller.gallery.keyfile import Keyring

DATABASE = "history.sqlite3"
SCHEMA_VERSION = 1
APPLICATION_ID = 0x54474831
"""`TGH1` in the file's header."""
NONCE_BYTES, PSEUDONYM_BYTES = 12, 16
BUSY_SECONDS = 5.0

_PLAIN = struct.Struct("<dff?")
"""Unix time, deviation (K), noise (K), flagged: every reading has one length, so a seal's tells nothing."""
_SCHEMA = """
CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 1), nonce BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE reading (
    id INTEGER PRIMARY KEY,
    who BLOB NOT NULL,
    day INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX reading_who ON reading (who, id);
CREATE INDEX reading_day ON reading (day);
"""


class HistoryDamagedError(StoreError):
    """The file's content is not what was written. It was left as it is: move it away to begin a new history."""


class Reading(NamedTuple):
    """One reading of one person."""

    who: bytes
    """`HistoryStore.pseudonym` of the person."""
    day: int
    """Ordinal of the local date (`datetime.date.toordinal`)."""
    at: float
    """Unix seconds."""
    deviation: float
    """Oral-equivalent estimate less what was expected of anybody then, K."""
    noise: float
    """Its standard uncertainty by the sensor's noise, K."""
    flagged: bool
    """An alarm, or decided upon as one."""


class HistoryStore:
    """One open history. Belongs to the thread that opened it; use as a context manager.

    Commits survive the end of the process at once, and the loss of power from the next checkpoint on: a lost reading
    costs little, and the journal's disk is not made to wait.
    """

    def __init__(self, connection: sqlite3.Connection, key: bytes, path: Path) -> None:
        """Use `open`."""
        self._connection = connection
        self._cipher, self._naming = _sub_keys(key)
        self.path = path

    @classmethod
    def open(cls, folder: Path, key: Path | None = None, *, create: bool = False) -> Self:
        """Open `folder`/history.sqlite3 with the gallery's key (`keyfile.key_place`).

        `create` makes a new history where there is none; never a key. Raises `GalleryError` (missing, wrong or exposed
        key, no history), `HistoryDamagedError`, or `StoreError` (disk, another program's or a newer file).
        """
        path, key_path = folder / DATABASE, key_place(folder, key)
        ring = read_ring(key_path)
        with _disk(path):
            if not path.exists():
                if not create:
                    raise GalleryError(f"{path}: there is no history")
                make_file(path)
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        store = cls(connection, ring.keys[ring.first], path)
        try:
            with _disk(path):
                store._prepare(create=create)
            store._choose_key(ring)
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

    def pseudonym(self, person: str) -> bytes:
        """What a person is called here: HMAC-SHA256 of the id, 16 bytes. May be asked from any thread."""
        return _pseudonym(self._naming, person)

    def append(self, readings: Iterable[Reading], *, keep: int) -> None:
        """Add these, all or nothing, and keep the newest `keep` of each person. Raises `StoreError`."""
        new = list(readings)
        with self._transaction():
            if not self._has_key():
                raise GalleryError(f"{self.path}: its key was changed since it was opened; start anew")
            for reading in new:
                row = self._seal(_PLAIN.pack(*reading[2:]), ("reading", reading.who.hex(), str(reading.day)))
                self._run("INSERT INTO reading (who, day, nonce, sealed) VALUES (?, ?, ?, ?)", (*reading[:2], *row))
            for who in {reading.who for reading in new}:
                self._run(
                    "DELETE FROM reading WHERE who = ? AND id NOT IN "
                    "(SELECT id FROM reading WHERE who = ? ORDER BY id DESC LIMIT ?)",
                    (who, who, keep),
                )

    def readings(self) -> Iterator[Reading]:
        """All of them, each person's in the order of recording.

        Raises `HistoryDamagedError` that names a record which does not open, or `StoreError`.
        """
        for _, reading in self._numbered():
            yield reading

    def erase(self, person: str) -> int:
        """Forget all readings of a person, from the file and from its log; how many there were. Raises `StoreError`."""
        with self._transaction():
            count = self._run("DELETE FROM reading WHERE who = ?", (self.pseudonym(person),)).rowcount
        try:
            with _disk(self.path):
                self._run("VACUUM")
        except HistoryDamagedError:
            raise
        except StoreError:  # in use: the checkpoint says so
            pass
        if not self.empty_log():
            raise StoreError(
                f"{self.path}: {person}'s readings are erased, but stay sealed in the write-ahead log until the other "
                "program that is using the history closes it"
            )
        return int(count)

    def traces(self, person: str) -> list[bytes]:
        """Byte strings in the files only because of this person: their readings' nonces. Raises `StoreError`."""
        with _disk(self.path):
            rows = self._run("SELECT nonce FROM reading WHERE who = ?", (self.pseudonym(person),)).fetchall()
        return [nonce for (nonce,) in rows]

    def keep_only(self, people: Iterable[str]) -> int:
        """Forget everybody else; how many readings that were.

        For the start of a gate: of somebody removed while it ran it may have written another reading. Raises
        `StoreError`. While another program reads, what is forgotten stays sealed in the log until the next checkpoint.
        """
        known = {self.pseudonym(person) for person in people}
        with self._transaction():
            strangers = [row for row in self._run("SELECT DISTINCT who FROM reading") if row[0] not in known]
            count = sum(self._run("DELETE FROM reading WHERE who = ?", row).rowcount for row in strangers)
        if count:
            self.empty_log()
        return count

    def prune(self, before: int) -> int:
        """Forget the readings of days before `before` (ordinal); how many there were. Raises `StoreError`."""
        with self._transaction():
            count = int(self._run("DELETE FROM reading WHERE day < ?", (before,)).rowcount)
        if count:
            self.empty_log()
        return count

    def change_key(self, new: bytes, people: Iterable[str]) -> int:
        """Seal everything under another key's sub-keys: all or nothing; how many readings that were.

        `people` get their new pseudonyms; readings of anybody else are erased, as `keep_only` would. Raises
        `HistoryDamagedError` that names a record which does not open, or `StoreError`.
        """
        cipher, naming = _sub_keys(new)
        names = {self.pseudonym(person): _pseudonym(naming, person) for person in people}
        with self._transaction():
            if self._opens_seal(cipher):  # an interrupted change had come this far
                self._cipher, self._naming = cipher, naming
                return 0
            rows = [(number, reading) for number, reading in self._numbered() if reading.who in names]
            self._run("DELETE FROM reading")
            for number, reading in rows:
                who = names[reading.who]
                sealed = _seal(cipher, _PLAIN.pack(*reading[2:]), ("reading", who.hex(), str(reading.day)))
                self._run("INSERT INTO reading VALUES (?, ?, ?, ?, ?)", (number, who, reading.day, *sealed))
            self._run("UPDATE seal SET nonce = ?, sealed = ? WHERE id = 1", _seal(cipher, b"", ("history",)))
        self._cipher, self._naming = cipher, naming
        return len(rows)

    def _numbered(self) -> Iterator[tuple[int, Reading]]:
        for number, who, day, nonce, sealed in self._rows():
            plain = self._unseal(nonce, sealed, ("reading", who.hex(), str(day)))
            if plain is None or len(plain) != _PLAIN.size:
                raise HistoryDamagedError(f"{self.path}: record {number} does not open: altered, moved or damaged")
            at, deviation, noise, flagged = _PLAIN.unpack(plain)
            if not (math.isfinite(deviation) and math.isfinite(noise)):
                raise HistoryDamagedError(f"{self.path}: record {number} holds no temperature")
            yield number, Reading(who, day, at, deviation, noise, flagged)

    def _rows(self) -> Iterator[tuple[int, bytes, int, bytes, bytes]]:
        """The table in order, some at a time: a school's whole history would fill a small board's memory."""
        with _disk(self.path):
            cursor = self._run("SELECT id, who, day, nonce, sealed FROM reading ORDER BY who, id")
        while True:
            with _disk(self.path):
                some = cursor.fetchmany(1000)
            if not some:
                return
            yield from some

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def empty_log(self) -> bool:
        """Empty the write-ahead log, which still holds what was deleted; False where another program is reading it."""
        with _disk(self.path):
            return not self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def _prepare(self, *, create: bool) -> None:
        fresh = self._run("SELECT 1 FROM sqlite_schema").fetchone() is None
        application = self._run("PRAGMA application_id").fetchone()[0]
        version = self._run("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID and not (fresh and application == 0):
            raise StoreError(f"{self.path}: is another program's database")
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path}: was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})"
            )
        if fresh and not create:
            raise GalleryError(f"{self.path}: is empty")
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = NORMAL")
        self._run("PRAGMA secure_delete = ON")
        if fresh:
            self._create()
        found = self._run("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise HistoryDamagedError(f"{self.path}: is damaged ({found}); it was left as it is")

    def _create(self) -> None:
        nonce, sealed = self._seal(b"", ("history",))
        with self._transaction():
            if self._run("SELECT 1 FROM sqlite_schema").fetchone() is not None:  # another process was first
                return
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._run(statement)
            self._run("INSERT INTO seal VALUES (1, ?, ?)", (nonce, sealed))
            self._run(f"PRAGMA application_id = {APPLICATION_ID}")
            self._run(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _choose_key(self, ring: Keyring) -> None:
        """Take the key that opens the seal; two are at hand while the key is being changed."""
        if self._seal_row() is None:
            raise HistoryDamagedError(f"{self.path}: is damaged: its seal is missing; it was left as it is")
        for key in ring.keys.values():
            self._cipher, self._naming = _sub_keys(key)
            if self._has_key():
                return
        raise GalleryError(f"{self.path}: does not open with {ring.path}: another key's, or altered")

    def _has_key(self) -> bool:
        return self._opens_seal(self._cipher)

    def _opens_seal(self, cipher: AESGCM) -> bool:
        row = self._seal_row()
        return row is not None and _unseal(cipher, *row, ("history",)) is not None

    def _seal_row(self) -> tuple[bytes, bytes] | None:
        with _disk(self.path):
            row: tuple[bytes, bytes] | None = self._run("SELECT nonce, sealed FROM seal WHERE id = 1").fetchone()
        return row

    def _seal(self, plain: bytes, label: tuple[str, ...]) -> tuple[bytes, bytes]:
        return _seal(self._cipher, plain, label)

    def _unseal(self, nonce: bytes, sealed: bytes, label: tuple[str, ...]) -> bytes | None:
        return _unseal(self._cipher, nonce, sealed, label)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the block's statements or none of them."""
        with _disk(self.path):
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.rollback()
                raise


def erase_person(folder: Path, key: Path | None, person: str) -> int:
    """Forget a person's readings where there is a history; how many there were. Raises as `open` and `erase` do."""
    if not (folder / DATABASE).exists():
        return 0
    with HistoryStore.open(folder, key) as store:
        return store.erase(person)


def _sub_keys(key: bytes) -> tuple[AESGCM, bytes]:
    """For the readings and for the pseudonyms."""
    return AESGCM(_derive(key, b"thermogate history: readings")), _derive(key, b"thermogate history: pseudonyms")


def _pseudonym(naming: bytes, person: str) -> bytes:
    return hmac.digest(naming, person.encode(), hashlib.sha256)[:PSEUDONYM_BYTES]


def _seal(cipher: AESGCM, plain: bytes, label: tuple[str, ...]) -> tuple[bytes, bytes]:
    nonce = os.urandom(NONCE_BYTES)
    return nonce, cipher.encrypt(nonce, plain, msgspec.json.encode(label))


def _unseal(cipher: AESGCM, nonce: bytes, sealed: bytes, label: tuple[str, ...]) -> bytes | None:
    try:
        return cipher.decrypt(nonce, sealed, msgspec.json.encode(label))
    except (InvalidTag, ValueError):
        return None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """SQLite's and the system's complaints as `StoreError` that names the file."""
    try:
        yield
    except StoreError:
        raise
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # the primary code
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise HistoryDamagedError(f"{path}: is damaged ({error}); it was left as it is") from error
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error}") from error
