"""The roll: who is to be enrolled, with which photographs and which consent, from a folder or a CSV file.

Two kinds of CSV, told apart by their header: our own (`person_id`), and OneRoster's `users.csv` (`sourcedId`). What is
wrong is named by file, row and column, all of it at once, and then nothing is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from controller.errors import GalleryError
from controller.gallery.consent import COLUMNS as CONSENT_COLUMNS
from controller.gallery.consent import consent_of
from controller.gallery.model import Person
from controller.gallery.table import Mistakes, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from controller.gallery.model import Consent
    from controller.gallery.table import Row, Table

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
STRANGE = frozenset({".heic", ".heif", ".avif", ".gif", ".tif", ".tiff", ".jfif", ".jpe"})
"""Other pictures: taken up all the same, so that each gets its reason and nobody is passed over in silence."""
REQUIRED, OPTIONAL = ("person_id", "photo"), ("valid_from", "valid_until", "groups", *CONSENT_COLUMNS)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to enrol."""

    person: Person
    photos: tuple[Path, ...]
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Roll:
    """Everybody a source names."""

    source: Path
    kind: str
    """`folder`, `table` or `OneRoster`."""
    encoding: str
    """Of the table; empty for a folder."""
    candidates: tuple[Candidate, ...]
    leaving: tuple[str, ...] = ()
    """Ids that the source says are to be deleted."""
    suspended: tuple[str, ...] = ()
    """Ids that the source says are not enabled: kept, and not let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterOptions:
    """How a OneRoster table is read."""

    id_column: str = "sourcedId"
    photo_column: str | None = None
    """Column that names each person's photograph; None: `metadata.photo` where there is one, else `photo_rule`."""
    photo_rule: str = "{sourcedId}"
    """Name of a person's photograph or folder of photographs, without its ending, from the columns in braces."""
    photos: Path | None = None
    """Folder of the photographs; None: the table's."""


def read_roll(source: Path, options: RosterOptions | None = None) -> Roll:
    """Read a folder or a `.csv` file. Raises `GalleryError` that names the file, and the rows and columns."""
    if source.is_dir():
        return Roll(source, "folder", "", tuple(_read_folder(source)))
    if source.suffix.lower() != ".csv":
        raise GalleryError(f"{source}: is neither a folder of photographs nor a .csv file")
    table = read_table(source)
    if "sourcedId" in table.columns:
        from controller.gallery.oneroster import read_users  # noqa: PLC0415 - it needs this module's nouns

        return read_users(table, options or RosterOptions())
    return Roll(source, "table", table.encoding, tuple(_candidates(table)))


def photos_at(place: Path) -> tuple[Path, ...]:
    """The photographs of a name without ending: `place`.jpg and the like, and the pictures in the folder `place`."""
    beside = [place.with_name(place.name + end) for end in sorted(PICTURES | STRANGE)]
    capital = [place.with_name(place.name + end.upper()) for end in sorted(PICTURES | STRANGE)]
    files = {file.name: file for file in (*beside, *capital) if file.is_file()}
    return (*(files[name] for name in sorted(files)), *(_pictures_in(place) if place.is_dir() else ()))


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.iterdir() if file.suffix.lower() in PICTURES | STRANGE and not file.name.startswith(".")
    )


def _read_folder(folder: Path) -> list[Candidate]:
    """`<person_id>.jpg`, or `<person_id>/*.jpg` for several photographs of one person."""
    photos: dict[str, list[Path]] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                photos.setdefault(path.name, []).extend(_pictures_in(path))
            elif path.suffix.lower() in PICTURES | STRANGE:
                photos.setdefault(path.stem, []).append(path)
    except OSError as error:
        raise GalleryError(f"{folder}: cannot be read: {error.strerror}") from error
    if not photos:
        raise GalleryError(f"{folder}: has no photographs ({', '.join(sorted(PICTURES))})")
    wrong, found = [], []
    for name, files in photos.items():
        try:
            found.append(Candidate(Person(name), tuple(files)))
        except GalleryError as error:
            wrong.append(f"{folder / name}: {error}")
    if wrong:
        raise GalleryError("\n".join(wrong))
    return found


@dataclass(slots=True)
class _Known:
    """What the rows of one person say together."""

    line: int
    person: Person
    consent: Consent | None
    photos: list[Path] = field(default_factory=list)


def _candidates(table: Table) -> list[Candidate]:
    """Columns person_id, photo (relative to the file); optionally valid_from, valid_until, groups and the consent's."""
    mistakes = Mistakes(table.path)
    _check_header(table, mistakes)
    mistakes.raise_any()
    found: dict[str, _Known] = {}
    for row in table.rows:
        person = _person(row, mistakes)
        consent = consent_of(row, mistakes)
        if not row.get("photo"):
            mistakes.add(row.line, "photo", "is empty")
        if person is not None and row.get("photo"):
            _join(found, row, _Known(row.line, person, consent, [table.path.parent / row.get("photo")]), mistakes)
    mistakes.raise_any()
    if not found:
        raise GalleryError(f"{table.path}: has no rows")
    return [Candidate(known.person, tuple(known.photos), known.consent) for known in found.values()]


def _join(found: dict[str, _Known], row: Row, new: _Known, mistakes: Mistakes) -> None:
    """Several rows of one id are several photographs of one person, and must not say different things."""
    known = found.setdefault(new.person.person, new)
    if known is new:
        return
    if known.person != new.person:
        mistakes.add(row.line, "person_id", f"{new.person.person} had another validity before, in row {known.line}")
    elif new.consent is not None and known.consent not in (None, new.consent):
        mistakes.add(row.line, "consent_date", f"{new.person.person} had another consent before, in row {known.line}")
    elif new.photos[0] in known.photos:
        mistakes.add(row.line, "person_id", f"{new.person.person} stands in row {known.line} with the same photograph")
    else:
        known.photos += new.photos
        known.consent = known.consent or new.consent


def _check_header(table: Table, mistakes: Mistakes) -> None:
    for name in REQUIRED:
        if name not in table.columns:
            mistakes.add(1, name, "column is missing")
    for name in table.columns:
        if name not in (*REQUIRED, *OPTIONAL):
            known = ", ".join((*REQUIRED, *OPTIONAL))
            mistakes.add(1, name, f"column is not known ({known}); a gate keeps nothing else of people")


def _person(row: Row, mistakes: Mistakes) -> Person | None:
    before = len(mistakes.found)
    valid_from, valid_until = row.day("valid_from", mistakes), row.day("valid_until", mistakes)
    if len(mistakes.found) > before:
        return None
    try:
        return Person(row.get("person_id"), valid_from, valid_until, tuple(row.get("groups").split()))
    except GalleryError as error:
        column = "valid_until" if "valid from" in str(error) else "person_id"
        mistakes.add(row.line, column, str(error))
        return None
