"""OneRoster's `users.csv`, version 1.2 (and 1.1), as a roll.

Read are sourcedId, status, enabledUser, the columns that find the photograph, role (1.1) or `roles.csv` beside it
(1.2), and the consent columns, plain or as `metadata.consent_date` and so on. Names are in the file and stay there:
nothing of givenName, familyName and the like is stored, and photographs cannot be looked up by them.
1EdTech, OneRoster CSV Binding 1.2.1: UTF-8, header names in exact case; status is empty in a whole export, and `active`
or `tobedeleted` in one of changes.
"""

from __future__ import annotations

import string
from pathlib import PurePath
from typing import TYPE_CHECKING

from controller.errors import GalleryError
from controller.gallery.consent import COLUMNS as CONSENT_COLUMNS
from controller.gallery.consent import consent_of
from controller.gallery.model import Person
from controller.gallery.roll import Candidate, Roll, photos_at
from controller.gallery.table import Mistakes, Row, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from controller.gallery.roll import RosterOptions
    from controller.gallery.table import Table

NAMES = frozenset(
    {
        "givenName", "familyName", "middleName", "preferredGivenName", "preferredMiddleName", "preferredFamilyName",
        "email", "sms", "phone", "password",
    }
)  # fmt: skip
"""Columns that no photograph is found by, so that no name gets into a path, a log or a summary."""
STATUSES = ("", "active", "inactive", "tobedeleted")
PHOTO = "metadata.photo"
ROLES = "roles.csv"


def read_users(table: Table, options: RosterOptions) -> Roll:
    """Everybody in the table. Raises `GalleryError` that names the file, and every wrong row and column."""
    mistakes = Mistakes(table.path)
    _check_options(table, options, mistakes)
    mistakes.raise_any()
    roles = _roles(table.path.parent / ROLES)
    found: dict[str, int] = {}
    sourced: dict[str, int] = {}
    candidates, leaving, suspended = [], [], []
    for row in table.rows:
        person = _person(row, options, roles, mistakes)
        if not _once(row, "sourcedId", sourced, mistakes) or person is None:
            continue
        if options.id_column != "sourcedId" and not _once(row, options.id_column, found, mistakes):
            continue
        status, enabled = row.get("status").lower(), row.get("enabledUser").lower()
        if status not in STATUSES:
            mistakes.add(row.line, "status", f"{row.get('status')!r} is none of active, tobedeleted or empty")
        elif enabled not in ("", "true", "false"):
            mistakes.add(row.line, "enabledUser", f"{row.get('enabledUser')!r} is neither true nor false")
        elif status == "tobedeleted":
            leaving.append(person.person)
        elif enabled == "false" or status == "inactive":
            suspended.append(person.person)
        else:
            photos = _photos(table.path.parent, row, options, mistakes)
            candidates.append(Candidate(person, photos, consent_of(_plain(row), mistakes)))
    mistakes.raise_any()
    if not sourced:
        raise GalleryError(f"{table.path}: has no rows")
    return Roll(table.path, "OneRoster", table.encoding, tuple(candidates), tuple(leaving), tuple(suspended))


def _once(row: Row, column: str, seen: dict[str, int], mistakes: Mistakes) -> bool:
    """Whether an id occurs for the first time."""
    first = seen.setdefault(row.get(column), row.line)
    if first != row.line:
        mistakes.add(row.line, column, f"{row.get(column)} stands in row {first} as well")
    return first == row.line


def _check_options(table: Table, options: RosterOptions, mistakes: Mistakes) -> None:
    wanted = {options.id_column, *_columns_of(options.photo_rule)}
    if options.photo_column is not None:
        wanted.add(options.photo_column)
    for column in sorted(wanted):
        if column in NAMES:
            raise GalleryError(f"{column} is personal: an id or a photograph is not found by it")
        if column not in table.columns:
            mistakes.add(1, column, "column is missing")


def _columns_of(rule: str) -> set[str]:
    """The columns in a rule's braces. Raises `GalleryError` for a rule that is none."""
    try:
        parts = list(string.Formatter().parse(rule))
    except ValueError as error:
        raise GalleryError(f"photo rule {rule!r}: {error}") from error
    if any(form or conversion for _, _, form, conversion in parts):
        raise GalleryError(f"photo rule {rule!r}: only names of columns may stand in braces")
    columns = {name for _, name, _, _ in parts if name is not None}
    if not columns or "" in columns:
        raise GalleryError(f"photo rule {rule!r}: names no column, as {{identifier}} does")
    return columns


def _person(
    row: Row, options: RosterOptions, roles: Mapping[str, tuple[str, ...]], mistakes: Mistakes
) -> Person | None:
    groups = roles.get(row.get("sourcedId"), tuple(row.get("role").split()))
    try:
        return Person(row.get(options.id_column), groups=groups)
    except GalleryError as error:
        mistakes.add(row.line, options.id_column, str(error))
        return None


def _photos(folder: Path, row: Row, options: RosterOptions, mistakes: Mistakes) -> tuple[Path, ...]:
    """The row's photographs; where there are none, the name that was looked for, which enrolment then reports."""
    folder = options.photos or folder
    column = options.photo_column or (PHOTO if PHOTO in row.fields else None)
    if column is not None and row.get(column):
        named = PurePath(row.get(column))
        if named.is_absolute() or ".." in named.parts:
            mistakes.add(row.line, column, f"{row.get(column)!r} leads out of the folder of photographs")
        return (folder / named,)
    for name in sorted(_columns_of(options.photo_rule)):
        value = row.get(name)
        if not value or value.strip(".") == "" or "/" in value or "\\" in value:
            mistakes.add(row.line, name, f"{value!r} cannot be part of a photograph's name")
            return ()
    place = folder / _filled(options.photo_rule, row)
    return photos_at(place) or (place.with_name(place.name + ".jpg"),)


def _filled(rule: str, row: Row) -> str:
    """The rule with its columns filled in; by hand, since `str.format` would read `metadata.x` as an attribute."""
    parts = string.Formatter().parse(rule)
    return "".join(text + (row.get(name) if name is not None else "") for text, name, _, _ in parts)


def _plain(row: Row) -> Row:
    """The row with its consent columns under their plain names: OneRoster puts extensions under `metadata.`."""
    plain = {column: row.get(column) or row.get(f"metadata.{column}") for column in CONSENT_COLUMNS}
    return Row(row.line, {**row.fields, **plain})


def _roles(path: Path) -> dict[str, tuple[str, ...]]:
    """Roles of each sourcedId in `roles.csv`, which 1.2 has in place of a column; empty where there is none."""
    if not path.is_file():
        return {}
    table = read_table(path)
    mistakes = Mistakes(path)
    for column in ("userSourcedId", "role"):
        if column not in table.columns:
            mistakes.add(1, column, "column is missing")
    mistakes.raise_any()
    found: dict[str, set[str]] = {}
    for row in table.rows:
        if row.get("status").lower() != "tobedeleted" and row.get("role"):
            found.setdefault(row.get("userSourcedId"), set()).update(row.get("role").split())
    return {person: tuple(sorted(roles)) for person, roles in found.items()}
