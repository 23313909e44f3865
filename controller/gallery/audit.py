"""The audit log of enrolment: who did what to whose templates, and when. It is only ever appended to.

One JSON object a line. Each carries an HMAC-SHA256 over itself and the one before, so that no line can be changed, left
out or put in without every later one failing; that the end was cut off shows against a head that was noted elsewhere
(each run's summary has it). People are HMAC pseudonyms: the log names nobody, and still answers whether a known id was
erased. Both keys come from a key file of its own (mode 0600), so that a new gallery key does not end the log.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import getpass
import hashlib
import hmac
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from controller.errors import GalleryError, StoreError
from controller.gallery.keyfile import create_key, give_to_owner, read_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

FILE, KEY = "enrolment-audit.jsonl", "enrolment-audit.key"
ERASING, ERASED = "erasing", "erased"
TORN = "torn"
"""The line before was not whole, as a power cut leaves it, and was cut off."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line."""

    seq: int
    """From 1, without gaps."""
    at: str
    """UTC by the machine's clock, ISO 8601."""
    actor: str
    action: str
    who: str = ""
    """Pseudonym of the person; empty where it is of none."""
    counts: dict[str, int] = {}
    mac: str = ""
    """Hex HMAC-SHA256 over the MAC before and this entry without its MAC."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found: an unbroken log."""

    entries: tuple[AuditEntry, ...]

    @property
    def head(self) -> str:
        """The newest MAC, which vouches for all entries before it; empty for an empty log."""
        return self.entries[-1].mac if self.entries else ""

    @property
    def unproven(self) -> tuple[AuditEntry, ...]:
        """Erasures that began and have no proof of their end."""
        proven = {entry.who: entry.seq for entry in self.entries if entry.action == ERASED}
        begun = {entry.who: entry for entry in self.entries if entry.action == ERASING}
        return tuple(entry for who, entry in begun.items() if proven.get(who, 0) < entry.seq)


class AuditLog:
    """The log in a gallery's folder.

    Args:
        folder: the gallery's.
        actor: who acts; None: the user who runs this program.
        create: make the key where there is none.
        now: the time.

    Raises `GalleryError` for a key that is missing or exposed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        actor: str | None = None,
        create: bool = False,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.path = folder / FILE
        key = folder / KEY
        if create and not key.exists() and self.path.exists():
            raise GalleryError(f"{key}: the audit log's key is missing; the log beside it cannot go on without")
        secret = create_key(key) if create and not key.exists() else read_key(key)
        self._chain = hmac.digest(secret, b"thermogate audit: chain", hashlib.sha256)
        self._naming = hmac.digest(secret, b"thermogate audit: pseudonyms", hashlib.sha256)
        self._actor = actor or user()
        self._now = now

    def pseudonym(self, person: str) -> str:
        """What a person is called here: 32 hex digits."""
        return hmac.digest(self._naming, person.encode(), hashlib.sha256).hex()[:32]

    def append(self, action: str, *, who: str | None = None, counts: Mapping[str, int] | None = None) -> AuditEntry:
        """Write one entry, on disk when this returns. `who` is the person's id. Raises `StoreError`."""
        with self._locked() as descriptor:
            last = self._last(descriptor)
            if isinstance(last, int):
                os.ftruncate(descriptor, last)
                last = self._put(descriptor, self._last(descriptor), TORN, "", {})
            entry = self._put(descriptor, last, action, "" if who is None else self.pseudonym(who), dict(counts or {}))
            os.fsync(descriptor)
        return entry

    def verify(self, head: str = "") -> AuditReport:
        """Read all of it. `head`: a MAC that was noted earlier, and must occur.

        Raises `GalleryError` that names the first line which is not what was written, or says that the end is missing.
        """
        try:
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() else [b""]
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be read: {error.strerror}") from error
        if lines.pop():
            raise GalleryError(f"{self.path}:{len(lines) + 1}: is not whole; the next entry cuts it off and says so")
        entries: list[AuditEntry] = []
        for number, line in enumerate(lines, start=1):
            entry = self._entry(line)
            before = entries[-1].mac if entries else ""
            if entry is None or entry.seq != number or not hmac.compare_digest(entry.mac, self._mac(before, entry)):
                raise GalleryError(f"{self.path}:{number}: is not what was written, or a line before it is missing")
            entries.append(entry)
        if head and head not in {entry.mac for entry in entries}:
            raise GalleryError(f"{self.path}: does not contain {head}: entries at its end are missing")
        return AuditReport(tuple(entries))

    def _put(
        self, descriptor: int, last: AuditEntry | int | None, action: str, who: str, counts: dict[str, int]
    ) -> AuditEntry:
        if isinstance(last, int):
            raise StoreError(f"{self.path}: two lines at its end are not whole")
        seq, before = (1, "") if last is None else (last.seq + 1, last.mac)
        at = self._now().isoformat(timespec="seconds")
        entry = AuditEntry(seq=seq, at=at, actor=self._actor, action=action, who=who, counts=counts)
        entry = msgspec.structs.replace(entry, mac=self._mac(before, entry))
        os.lseek(descriptor, 0, os.SEEK_END)
        os.write(descriptor, msgspec.json.encode(entry) + b"\n")
        return entry

    def _mac(self, before: str, entry: AuditEntry) -> str:
        plain = msgspec.json.encode(msgspec.structs.replace(entry, mac=""))
        return hmac.digest(self._chain, before.encode() + b"\n" + plain, hashlib.sha256).hex()

    def _entry(self, line: bytes) -> AuditEntry | None:
        try:
            return msgspec.json.decode(line, type=AuditEntry)
        except msgspec.MsgspecError:
            return None

    def _last(self, descriptor: int) -> AuditEntry | int | None:
        """The last entry; None for an empty log; the offset where a line begins that is not whole."""
        size = os.fstat(descriptor).st_size
        tail = b""
        while b"\n" not in tail[:-1] and len(tail) < size:
            step = min(4096, size - len(tail))
            tail = os.pread(descriptor, step, size - len(tail) - step) + tail
        if not tail:
            return None
        if not tail.endswith(b"\n"):
            return size - len(tail) + tail.rfind(b"\n") + 1
        entry = self._entry(tail[:-1].rpartition(b"\n")[2])
        if entry is None:
            raise StoreError(f"{self.path}: its last line is not an entry; move the log away to begin a new one")
        return entry

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, while no other process appends. The system's complaints as `StoreError`."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                give_to_owner(descriptor, self.path.parent)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self.path}: {error.strerror}") from error


def user() -> str:
    """Who acts, by the system's account: the one behind `sudo` where there is one."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return f"uid {os.getuid()}"
