"""Where people come from: a CSV file, a OneRoster 1.2 CSV bundle, or a table of the school's own database.

Each is read whole and checked whole, with every mistake named by file, row and column, before anything is changed
(`campus.people.reconcile`). A column that a source has not leaves what the hub knows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from campus.errors import HubConfigError
from controller.errors import GalleryError
from controller.gallery.model import check_person_id
from controller.gallery.table import LARGEST_BYTES, Mistakes, Row, Table, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ID = "person_id"
COLUMNS = (ID, "name", "kind", "groups", "valid_from", "valid_until", "active", "card")
"""What a CSV file or a query may have; `person_id` it must."""
KINDS = ("student", "staff", "visitor")
STAFF = frozenset(
    {"administrator", "aide", "counselor", "districtAdministrator", "principal", "proctor", "siteAdministrator",
     "systemAdministrator", "teacher"}
)  # fmt: skip
"""Roles of OneRoster who work at the school. Beside these and students nobody is let in by a roster: no guardians."""


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[people.source]`: a table or view of the school's, read by `thermogate-hub import --database`."""

    url: str
    """SQLAlchemy's, without a password: `postgresql+asyncpg://reader@host/sis`, or another asynchronous driver's."""
    query: str
    """SELECT with the columns of a CSV file, by their names (`AS person_id`)."""
    password_file: Path | None = None
    """A file whose first line is the password."""


class Record(NamedTuple):
    """Somebody, as a source knows them."""

    id: str
    fields: Mapping[str, Any]
    """Of `campus.people.records.Person`, those that the source has."""
    place: str
    """Where that stands: file and row."""


class Source(NamedTuple):
    """Everybody whom a source knows."""

    name: str
    records: tuple[Record, ...]
    leaving: frozenset[str] = frozenset()
    """Ids that it says are to go."""
    whole: bool = True
    """Who is not in it has left; False: it has changes alone."""


def read_file(path: Path, id_column: str = "sourcedId") -> Source:
    """Read a `.csv` file or a OneRoster `.zip`; `id_column` of the latter's users is the person's id.

    Raises `HubConfigError` naming every wrong row and column.
    """
    try:
        if path.suffix.lower() == ".zip":
            return _read_bundle(path, id_column)
        return Source("csv", _records(read_table(path)))
    except GalleryError as error:
        raise HubConfigError(str(error)) from error


async def read_database(settings: SourceSettings) -> Source:
    """Run the query. Raises `HubConfigError` naming what is wrong, and never a password."""
    where = "people.source"
    try:
        url = sa.make_url(settings.url)
        if url.password is not None:
            raise HubConfigError(f"{where}.url: a password here is read by others: put it into password_file")
        if settings.password_file is not None:
            text = settings.password_file.read_text(encoding="utf-8")
            url = url.set(password=text.splitlines()[0])
        rows = await _select(url, settings.query)
    except (sa.exc.SQLAlchemyError, ImportError, OSError, IndexError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise HubConfigError(f"{where}: {reason}") from error
    columns = tuple(rows[0]) if rows else (ID,)
    table = Table(Path(where), "UTF-8", columns, tuple(Row(number, row) for number, row in enumerate(rows, start=1)))
    try:
        return Source("database", _records(table))
    except GalleryError as error:
        raise HubConfigError(str(error)) from error


async def _select(url: sa.URL, query: str) -> list[dict[str, str]]:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            found = await connection.execute(sa.text(query))
            return [{name: _text(value) for name, value in row.items()} for row in found.mappings()]
    finally:
        await engine.dispose()


def _text(value: object) -> str:
    """A value of a database as a CSV file would have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value.date().isoformat() if isinstance(value, dt.datetime) else str(value).strip()


def _records(table: Table) -> tuple[Record, ...]:
    """The rows of our own columns. Raises `GalleryError`."""
    mistakes = Mistakes(table.path)
    for column in table.columns:
        if column not in COLUMNS:
            mistakes.add(1, column, f"is none of {', '.join(COLUMNS)}")
    if ID not in table.columns:
        mistakes.add(1, ID, "column is missing")
    mistakes.raise_any()
    return _checked(table, ((row, row.get(ID), _fields(row, mistakes)) for row in table.rows), mistakes)


def _fields(row: Row, mistakes: Mistakes) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if "name" in row.fields:
        given["name"] = row.get("name")
    if "kind" in row.fields:
        given["kind"] = row.get("kind") or "student"
        if given["kind"] not in KINDS:
            mistakes.add(row.line, "kind", f"{row.get('kind')!r} is none of {', '.join(KINDS)}")
    if "groups" in row.fields:
        given["groups"] = tuple(sorted(set(row.get("groups").split())))
    for column in ("valid_from", "valid_until"):
        if column in row.fields:
            given[column] = row.day(column, mistakes)
    if "active" in row.fields:
        word = row.get("active").lower()
        given["active"] = word in ("", "true", "1")
        if word not in ("", "true", "1", "false", "0"):
            mistakes.add(row.line, "active", f"{row.get('active')!r} is neither true nor false")
    if "card" in row.fields:
        given["cards"] = tuple(row.get("card").split())
    return given


def _checked(
    table: Table, rows: Iterable[tuple[Row, str, Mapping[str, Any]]], mistakes: Mistakes
) -> tuple[Record, ...]:
    """Records, each id good and once. Raises `GalleryError` with all mistakes; an empty table is one."""
    first: dict[str, int] = {}
    found = []
    for row, who, fields in rows:
        try:
            check_person_id(who)
        except GalleryError as error:
            mistakes.add(row.line, ID, str(error))
        if first.setdefault(who, row.line) != row.line:
            mistakes.add(row.line, ID, f"{who} stands in row {first[who]} as well")
        for column, longest in (("name", 200), ("groups", 64)):
            values = fields.get(column) or ()
            if any(len(value) > longest for value in ([values] if isinstance(values, str) else values)):
                mistakes.add(row.line, column, f"is longer than {longest} characters")
        found.append(Record(who, fields, f"{table.path}:{row.line}"))
    if not found:
        mistakes.add(1, "", "has no rows")
    mistakes.raise_any()
    return tuple(found)


def _read_bundle(path: Path, id_column: str) -> Source:
    """OneRoster 1.2: users, their roles, and the classes they are enrolled in as groups."""
    with tempfile.TemporaryDirectory(prefix="thermogate-oneroster-") as name:
        tables = _unpack(path, Path(name))
    users = tables.get("users")
    if users is None:
        raise GalleryError(f"{path}: has no users.csv")
    mistakes = Mistakes(users.path)
    for column in {"sourcedId", id_column} - set(users.columns):
        mistakes.add(1, column, "column is missing")
    mistakes.raise_any()
    roles, groups = _roles(tables), _classes(tables)
    rows, leaving = [], set()
    for row in users.rows:
        held = roles.get(row.get("sourcedId"), set(row.get("role").split()))
        if row.get("status").lower() == "tobedeleted":
            leaving.add(row.get(id_column))
        elif held & (STAFF | {"student"}):
            rows.append((row, row.get(id_column), _user(row, held, groups.get(row.get("sourcedId"), set()))))
    kinds = (
        {row.get("propertyName"): row.get("value") for row in tables["manifest"].rows} if "manifest" in tables else {}
    )
    return Source("oneroster", _checked(users, rows, mistakes), frozenset(leaving), kinds.get("file.users") != "delta")


def _user(row: Row, roles: set[str], classes: set[str]) -> dict[str, Any]:
    suspended = row.get("enabledUser").lower() == "false" or row.get("status").lower() == "inactive"
    return {
        "name": f"{row.get('givenName')} {row.get('familyName')}".strip(),
        "kind": "staff" if roles & STAFF else "student",
        "groups": tuple(sorted(roles | classes)),
        "active": not suspended,
    }


def _roles(tables: Mapping[str, Table]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in _present(tables, "roles"):
        found.setdefault(row.get("userSourcedId"), set()).add(row.get("role"))
    return found


def _classes(tables: Mapping[str, Table]) -> dict[str, set[str]]:
    """The codes (or titles) of each user's classes, without spaces: groups are named in policies."""
    codes = {row.get("sourcedId"): row.get("classCode") or row.get("title") for row in _present(tables, "classes")}
    found: dict[str, set[str]] = {}
    for row in _present(tables, "enrollments"):
        code = "-".join(codes.get(row.get("classSourcedId"), "").split())
        if code:
            found.setdefault(row.get("userSourcedId"), set()).add(code)
    return found


def _present(tables: Mapping[str, Table], name: str) -> Sequence[Row]:
    """Rows that are not marked as deleted, nor over, nor yet to begin."""
    today = dt.datetime.now(dt.UTC).astimezone().date().isoformat()
    rows = tables[name].rows if name in tables else ()
    return [
        row
        for row in rows
        if row.get("status").lower() != "tobedeleted"
        and row.get("beginDate")[:10] <= today
        and (row.get("endDate") or today)[:10] >= today
    ]


def _unpack(path: Path, folder: Path) -> dict[str, Table]:
    """The tables of a bundle that are read, by name. Raises `GalleryError` for what is no bundle."""
    tables = {}
    try:
        with zipfile.ZipFile(path) as bundle:
            for name in ("manifest", "users", "roles", "classes", "enrollments"):
                if f"{name}.csv" not in bundle.namelist():
                    continue
                with bundle.open(f"{name}.csv") as member:
                    content = member.read(LARGEST_BYTES + 1)
                place = folder / f"{name}.csv"
                place.write_bytes(content)
                tables[name] = dataclasses.replace(read_table(place), path=path / place.name)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise GalleryError(f"{path}: cannot be read: {error}") from error
    return tables
