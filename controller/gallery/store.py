"""The gallery on disk: SQLite, with every person's data, template and credential sealed by AES-256-GCM.

A seal's associated data is what the row says it is (kind, person, model, record, position, key), so a row that was
swapped, relabelled or altered does not open. A person's sealed data name their templates and credentials, and the
gallery's root counts the people: a row that was deleted, or put back as it was yesterday, is noticed. What no seal can
tell is a whole file put back as it was.
"""

from __future__ import annotations

import datetime as dt
import secrets
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np

from controller.errors import GalleryError, StoreError
from controller.gallery.file import BUSY_SECONDS, GalleryFile, disk
from controller.gallery.keyfile import KEY, create_key, key_place, make_file, read_key
from controller.gallery.model import Enrolment, Origin, Person, Template
from controller.gallery.schema import BOUND, NAMED, label
from controller.gallery.sealing import Sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from controller.gallery.file import Root

__all__ = ["DATABASE", "KEY", "Details", "GalleryStore", "Inspection"]

DATABASE = "gallery.sqlite3"
TRACE_BYTES, TRACE_EVERY = 16, 2048
"""Length and distance of the pieces by which a photograph is looked for: at least one in every page it fills."""


class Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed of a person."""

    valid_from: dt.date | None
    valid_until: dt.date | None
    groups: tuple[str, ...]
    second_factor: bool = False
    no_face: bool = False
    templates: tuple[str, ...] = ()
    """Their records, in order of position."""
    credentials: tuple[str, ...] = ()
    """Records of `controller.gallery.credentials`."""
    origin: Origin = Origin()

    def of(self, person: str) -> Person:
        """The person they are of."""
        return Person(person, self.valid_from, self.valid_until, self.groups, self.second_factor, self.no_face)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is intact of a gallery, and what is not."""

    enrolments: tuple[Enrolment, ...]
    """Everybody whose own record opens, with those of their templates that do."""
    credentials: tuple[str, ...]
    """Records of the credentials that their owners' records name."""
    faults: tuple[str, ...]
    """What is wrong, a sentence each that names the record."""


class GalleryStore:
    """One open gallery. Belongs to the thread that opened it; use as a context manager."""

    def __init__(self, connection: sqlite3.Connection, key_path: Path, path: Path) -> None:
        """Use `open`."""
        self._connection = connection
        self.file = GalleryFile(connection, key_path, path)
        self.path = path

    @classmethod
    def open(cls, folder: Path, key: Path | None = None, *, create: bool = False) -> Self:
        """Open `folder`/gallery.sqlite3 with the key in `key`, else a systemd credential, else `folder`/gallery.key.

        `create` makes a new gallery and key where there is none; a key is never made for a gallery that exists. Raises
        `GalleryError` (missing, wrong or exposed key, another program's or a newer file) or `StoreError` (disk, or no
        database at all).
        """
        path, key_path = folder / DATABASE, key_place(folder, key)
        with disk(path):
            exists = path.exists()
            if not exists and not create:
                raise GalleryError(f"{path}: there is no gallery; make one with `thermogate enrol`")
            _ = read_key(key_path) if exists or key_path.exists() else create_key(key_path)
            if not exists:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                make_file(path)
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            store = cls(connection, key_path, path)
            with disk(path):
                store.file.prepare(store._write, create=create)
            store.file.root()
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
        """Everybody with all their templates, as of one moment. Raises `GalleryError` that names what is damaged."""
        found = self.inspect()
        if found.faults:
            more = f" (and {len(found.faults) - 1} more: `thermogate gallery check`)" if len(found.faults) > 1 else ""
            raise GalleryError(f"{self.path}: {found.faults[0]}{more}")
        return list(found.enrolments)

    def inspect(self) -> Inspection:
        """What is intact and what is not, as of one moment. Raises `StoreError`, or `GalleryError` for a wrong key."""
        # Several queries: without a transaction, another process could enrol somebody in between.
        with self.file.reading() as root:
            return _Inspector(self, root).inspect()

    def follows_hub(self) -> bool:
        """Whether its people are a hub's. Raises `StoreError`, `GalleryError`."""
        with self.file.reading() as root:
            return root.hub is not None

    def people(self) -> dict[str, Person]:
        """Everybody, by id. Raises `GalleryError` that names a person whose record does not open."""
        with self.file.reading():
            return {person: self.details(person, record).of(person) for person, record in self.person_rows()}

    def origins(self) -> dict[str, Origin]:
        """By what right, since when and from what everybody is enrolled. Raises `GalleryError` like `people`."""
        with self.file.reading():
            return {person: self.details(person, record).origin for person, record in self.person_rows()}

    def templates(self) -> Iterator[tuple[str, Template]]:
        """(person, template) of every record. Raises `GalleryError` that names a record that does not open."""
        with self.file.reading():
            rows = self.template_rows()
        for row in rows:
            yield row.person, self.template(row)

    def write(self, enrolments: Iterable[Enrolment], *, mark: Iterable[str] = ()) -> None:
        """Add these people, or replace the data and templates of those that are there: all of it or nothing.

        `mark`: others, where they are there, who need a second factor from now on. Credentials stay, and what
        `set_factors` said is only added to. Raises `GalleryError` for templates of somebody who is known without a
        face.
        """
        everybody, marked = tuple(enrolments), tuple(mark)  # not made while other processes wait for the lock
        with self.file.writing() as root:
            for enrolment in everybody:
                self._write(root, enrolment)
            for person in marked:
                record = self.person_row(person)
                if record is not None:
                    details = msgspec.structs.replace(self.details(person, record), second_factor=True)
                    self.put_person(root, person, details)

    def set_factors(self, person: str, *, second_factor: bool, no_face: bool) -> bool:
        """Say by what somebody is known; False where there is no such person.

        `no_face` erases their templates and pictures, and by what right they were kept. Raises `GalleryError` where
        their record does not open, and `StoreError` as `remove_all` does.
        """
        with self.file.writing() as root:
            old = self.person_row(person)
            if old is None:
                return False
            details = self.details(person, old)
            if no_face:
                for table in ("template", "picture"):
                    self.file.run(f"DELETE FROM {table} WHERE person = ?", (person,))  # noqa: S608 - our own names
                details = msgspec.structs.replace(details, templates=(), origin=Origin())
            details = msgspec.structs.replace(details, second_factor=second_factor, no_face=no_face)
            self.put_person(root, person, details)
        if no_face:
            self._rebuild((person,))
        return True

    def remove(self, person: str) -> bool:
        """Forget a person with their templates, credentials and pictures; False where there was no such person.

        Raises `StoreError` as `remove_all` does.
        """
        return bool(self.remove_all((person,)))

    def remove_all(self, people: Iterable[str]) -> int:
        """As `remove`, of several at once; how many there were.

        The file is rebuilt and its log emptied, so that no page of theirs is left, not even a free one. Raises
        `StoreError` also when somebody else uses the gallery for so long that this is not possible.
        """
        leaving, found = tuple(people), 0
        with self.file.writing() as root:
            for person in leaving:
                old = self.person_row(person)
                if old is not None:
                    root.count(person, old, times=-1)
                    found += 1
                # Not left to the person's own record alone, which somebody may have taken out of the file.
                for table in BOUND:
                    self.file.run(f"DELETE FROM {table} WHERE person = ?", (person,))  # noqa: S608 - our own names
        self._rebuild(leaving)
        return found

    def records(self, person: str) -> Counter[str]:
        """How many records of this person there are, by table. Opens nothing."""
        return Counter(table for table in BOUND for _ in self._records(table, person))

    def traces(self, person: str, tables: Iterable[str] = tuple(BOUND)) -> list[bytes]:
        """Byte strings that occur in the gallery's files only because of this person's records. Opens nothing.

        Every record's nonce and random name, and pieces of their photographs, which fill pages of their own. What
        erases them looks for these in the files afterwards.
        """
        found = []
        for table in tables:
            for name, nonce, sealed in self._records(table, person):
                found += [nonce] if table == "person" else [name.encode(), nonce]
                if table == "picture":
                    found += [sealed[at : at + TRACE_BYTES] for at in range(0, len(sealed) - TRACE_BYTES, TRACE_EVERY)]
        return found

    def _records(self, table: str, person: str) -> list[tuple[str, bytes, bytes]]:
        query = f"SELECT {NAMED[table]}, nonce, sealed FROM {table} WHERE person = ?"  # noqa: S608 - our own names
        return self.file.rows(query, (person,))

    def repair(self) -> tuple[str, ...]:
        """Erase every record that is not as it was written, and count anew; what was wrong.

        What is intact stays. For an operator who has seen the faults, and will enrol again whoever lost something.
        """
        with self.file.writing() as root:
            inspector = _Inspector(self, root)
            found = inspector.inspect()
            for table, key, name in inspector.bad:
                self.file.run(f"DELETE FROM {table} WHERE {key} = ?", (name,))  # noqa: S608 - our own names
            root.register, root.people = "0", 0
            for person, record in self.person_rows():
                details = inspector.kept(person, self.details(person, record))
                self.put_person(root, person, details, counted=False)
        self.file.rebuild()
        return found.faults

    # Rows, for the rooms of the gallery beside this one

    def person_row(self, person: str) -> Sealed | None:
        """A person's record."""
        rows = self.file.rows("SELECT key, nonce, sealed FROM person WHERE person = ?", (person,))
        return Sealed(*rows[0]) if rows else None

    def person_rows(self) -> list[tuple[str, Sealed]]:
        """Everybody's."""
        rows = self.file.rows("SELECT person, key, nonce, sealed FROM person ORDER BY person")
        return [(person, Sealed(*record)) for person, *record in rows]

    def template_rows(self) -> list[TemplateRow]:
        """Every template's record."""
        query = "SELECT record, person, model, position, key, nonce, sealed FROM template ORDER BY person, position"
        return [
            TemplateRow(record, person, model, position, Sealed(*sealed))
            for record, person, model, position, *sealed in self.file.rows(query)
        ]

    def details(self, person: str, record: Sealed) -> Details:
        """A person's record, opened. Raises `GalleryError`."""
        plain = self.file.unseal(record, label("person", person), f"person {person}")
        return msgspec.json.decode(plain, type=Details)

    def template(self, row: TemplateRow) -> Template:
        """A template's record, opened. Raises `GalleryError`."""
        plain = self.file.unseal(row.sealed, row.label, f"template {row.record} of {row.person}")
        return Template(row.model, np.frombuffer(plain, dtype="<f4").astype(np.float32))

    def put_person(self, root: Root, person: str, details: Details, *, counted: bool = True) -> None:
        """Write a person's record, within a transaction; `counted`: the one it replaces is in the register."""
        old = self.person_row(person)
        if old is not None and counted:
            root.count(person, old, times=-1)
        record = self.file.seal(msgspec.json.encode(details), label("person", person))
        # No REPLACE: it would delete the row, and all that hangs on it.
        self.file.run(
            "INSERT INTO person VALUES (?, ?, ?, ?) ON CONFLICT (person) DO UPDATE SET "
            "key = excluded.key, nonce = excluded.nonce, sealed = excluded.sealed",
            (person, *record),
        )
        root.count(person, record, times=1)

    def _write(self, root: Root, enrolment: Enrolment) -> None:
        person = enrolment.person
        old = self._old_details(person.person)
        if enrolment.templates and (person.no_face or old.no_face):
            raise GalleryError(
                f"{person.person} is known without a face, and no template is kept of them; "
                "`thermogate credential policy --face` would change that"
            )
        names = tuple(secrets.token_hex(16) for _ in enrolment.templates)
        details = Details(
            person.valid_from,
            person.valid_until,
            person.groups,
            person.second_factor or old.second_factor,
            person.no_face or old.no_face,
            names,
            old.credentials,
            enrolment.origin,
        )
        self.put_person(root, person.person, details)
        self.file.run("DELETE FROM template WHERE person = ?", (person.person,))
        for position, (name, template) in enumerate(zip(names, enrolment.templates, strict=True)):
            place = label("template", person.person, template.model, name, position)
            plain = np.ascontiguousarray(template.embedding, dtype="<f4").tobytes()
            row = (name, person.person, template.model, position, *self.file.seal(plain, place))
            self.file.run("INSERT INTO template VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        if enrolment.pictures:
            self.file.run("DELETE FROM picture WHERE person = ?", (person.person,))
        for picture in enrolment.pictures:
            name = secrets.token_hex(16)
            sealed = self.file.seal(picture.jpeg, label("picture", person.person, name, picture.day))
            self.file.run("INSERT INTO picture VALUES (?, ?, ?, ?, ?, ?)", (name, person.person, picture.day, *sealed))

    def _old_details(self, person: str) -> Details:
        nothing = Details(None, None, ())
        old = self.person_row(person)
        if old is None:
            return nothing
        try:
            return self.details(person, old)
        except GalleryError:
            # A damaged record is what writing anew mends; which credentials were theirs, it cannot tell any more.
            self.file.run("DELETE FROM credential WHERE person = ?", (person,))
            return nothing

    def _rebuild(self, leaving: tuple[str, ...]) -> None:
        who = f"{leaving[0]} is" if len(leaving) == 1 else f"{len(leaving)} people are"
        remains = (
            f"{self.path}: {who} removed, but their sealed data stays in the write-ahead log until the other program "
            "that is reading the gallery closes it"
        )
        try:
            emptied = self.file.rebuild()
        except StoreError as error:
            raise StoreError(f"{remains}: {error}") from error
        if not emptied:
            raise StoreError(remains)


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A template's record as it stands in the database."""

    record: str
    person: str
    model: str
    position: int
    """Its place among the person's templates, from 0."""
    sealed: Sealed

    @property
    def label(self) -> tuple[str, ...]:
        """What the seal binds it to."""
        return label("template", self.person, self.model, self.record, self.position)


class _Inspector:
    """Opens everything of a gallery once, within a transaction."""

    def __init__(self, store: GalleryStore, root: Root) -> None:
        self._store = store
        self._root = root
        self._faults: list[str] = []
        self._details: dict[str, Details] = {}
        self._intact: dict[str, dict[str, Template]] = defaultdict(dict)
        self._credentials: list[str] = []
        self.bad: list[tuple[str, str, str]] = []
        """(table, key column, key) of the rows that are not as they were written."""

    def inspect(self) -> Inspection:
        """All of it."""
        self._inspect_people()
        self._inspect_templates()
        self._inspect_credentials()
        self._inspect_register()
        enrolments = tuple(
            Enrolment(details.of(person), tuple(self._intact[person].values()), details.origin)
            for person, details in self._details.items()
        )
        return Inspection(enrolments, tuple(self._credentials), tuple(self._faults))

    def kept(self, person: str, details: Details) -> Details:
        """A person's data without what is lost."""
        templates = tuple(name for name in details.templates if name in self._intact[person])
        credentials = tuple(name for name in details.credentials if name in self._credentials)
        # Else enrolment from the same photographs would find nothing to do.
        origin = details.origin if templates == details.templates else details.origin.without_terms()
        return msgspec.structs.replace(details, templates=templates, credentials=credentials, origin=origin)

    def _fault(self, text: str, table: str, key: str, name: str) -> None:
        self._faults.append(text)
        self.bad.append((table, key, name))

    def _inspect_people(self) -> None:
        for person, record in self._store.person_rows():
            try:
                self._details[person] = self._store.details(person, record)
            except GalleryError as error:
                self._fault(self._told(error), "person", "person", person)

    def _inspect_templates(self) -> None:
        broken: set[str] = set()
        for row in self._store.template_rows():
            details = self._details.get(row.person)
            named = f"template {row.record} of {row.person}"
            try:
                template = self._store.template(row)
            except GalleryError as error:
                broken.add(row.record)
                self._fault(self._told(error), "template", "record", row.record)
                continue
            if details is None:
                if not any(table == "person" and name == row.person for table, _, name in self.bad):
                    text = f"is damaged: has a template of {row.person}, who is not enrolled"
                    self._fault(text, "template", "record", row.record)
            elif row.record not in details.templates:
                self._fault(f"is damaged: {named} was added or put back", "template", "record", row.record)
            else:
                self._intact[row.person][row.record] = template
        for person, details in self._details.items():
            lost = [name for name in details.templates if name not in self._intact[person] and name not in broken]
            self._faults += [f"is damaged: template {name} of {person} is missing" for name in lost]

    def _inspect_credentials(self) -> None:
        named = {name: person for person, details in self._details.items() for name in details.credentials}
        found: set[str] = set()
        rows = self._store.file.rows("SELECT record, person, kind, key, nonce, sealed FROM credential ORDER BY record")
        for record, person, kind, *sealed in rows:
            what = f"credential {record} of {person}"
            try:
                self._store.file.unseal(Sealed(*sealed), label("credential", person, kind, record), what)
            except GalleryError as error:
                self._fault(self._told(error), "credential", "record", record)
                found.add(record)
                continue
            if named.get(record) == person:
                self._credentials.append(record)
                found.add(record)
            elif person in self._details:
                self._fault(f"is damaged: {what} was added or put back", "credential", "record", record)
        lost = [name for name in named if name not in found]
        self._faults += [f"is damaged: credential {name} of {named[name]} is missing" for name in lost]

    def _inspect_register(self) -> None:
        root = _uncounted(self._root)
        for person, record in self._store.person_rows():
            root.count(person, record, times=1)
        if (root.register, root.people) != (self._root.register, self._root.people):
            self._faults.append(
                f"is damaged: {self._root.people} people were written and {root.people} are there: the record of one "
                "was removed, altered, or put back as it was earlier"
            )

    def _told(self, error: GalleryError) -> str:
        return str(error).removeprefix(f"{self._store.path}: ")


def _uncounted(root: Root) -> Root:
    """The root with an empty register."""
    return msgspec.structs.replace(root, register="0", people=0)
