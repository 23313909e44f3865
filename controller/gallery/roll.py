"""The roll: who is to be enrolled, with which photographs, from a folder or a CSV file. A wrong row is named."""

from __future__ import annotations

import csv
import datetime as dt
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import GalleryError
from controller.gallery.model import Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
REQUIRED, OPTIONAL = ("person_id", "photo"), ("valid_from", "valid_until", "groups")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody to enrol."""

    person: Person
    photos: tuple[Path, ...]


def read_roll(source: Path) -> list[Candidate]:
    """Read a folder or a `.csv` file. Raises `GalleryError` that names the file and the row."""
    if source.is_dir():
        return _read_folder(source)
    if source.suffix.lower() == ".csv":
        return _read_csv(source)
    raise GalleryError(f"{source}: is neither a folder of photographs nor a .csv file")


def _read_folder(folder: Path) -> list[Candidate]:
    """`<person_id>.jpg`, or `<person_id>/*.jpg` for several photographs of one person."""
    photos: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
            photos.setdefault(path.name, []).extend(inside)
        elif path.suffix.lower() in PICTURES:
            photos.setdefault(path.stem, []).append(path)
    if not photos:
        raise GalleryError(f"{folder}: has no photographs ({', '.join(sorted(PICTURES))})")
    return [Candidate(_person(folder / name, name), tuple(files)) for name, files in photos.items()]


def _person(place: Path, name: str) -> Person:
    try:
        return Person(name)
    except GalleryError as error:
        raise GalleryError(f"{place}: {error}") from error


def _read_csv(path: Path) -> list[Candidate]:
    """Columns person_id, photo (relative to the file); optionally valid_from, valid_until (dates), groups."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise GalleryError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GalleryError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    _check_header(path, rows.fieldnames or ())
    found: dict[str, Candidate] = {}
    try:
        for row in rows:
            candidate = _candidate(path, rows.line_num, row)
            earlier = found.get(candidate.person.person)
            if earlier is not None and earlier.person != candidate.person:
                raise GalleryError(f"{path}:{rows.line_num}: {candidate.person.person} had another validity before")
            photos = (*(earlier.photos if earlier else ()), *candidate.photos)
            found[candidate.person.person] = Candidate(candidate.person, photos)
    except csv.Error as error:
        raise GalleryError(f"{path}:{rows.line_num}: {error}") from error
    return list(found.values())


def _check_header(path: Path, names: Iterable[str]) -> None:
    names = list(names)
    for name in REQUIRED:
        if name not in names:
            raise GalleryError(f"{path}:1: column {name} is missing")
    for name in names:
        if name not in (*REQUIRED, *OPTIONAL):
            known = ", ".join((*REQUIRED, *OPTIONAL))
            raise GalleryError(f"{path}:1: column {name!r} is not known ({known}); a gate keeps nothing else of people")


def _candidate(path: Path, line: int, row: Mapping[str | None, str | None]) -> Candidate:
    place = f"{path}:{line}"
    if None in row or None in row.values():
        raise GalleryError(f"{place}: has not as many fields as the header")
    fields = {name: (value or "").strip() for name, value in row.items() if name is not None}
    if not fields["photo"]:
        raise GalleryError(f"{place}: photo is empty")
    valid_from = _day(place, "valid_from", fields.get("valid_from", ""))
    valid_until = _day(place, "valid_until", fields.get("valid_until", ""))
    groups = tuple(group for group in fields.get("groups", "").split() if group)
    try:
        person = Person(fields["person_id"], valid_from, valid_until, groups)
    except GalleryError as error:
        raise GalleryError(f"{place}: {error}") from error
    return Candidate(person, (path.parent / fields["photo"],))


def _day(place: str, column: str, text: str) -> dt.date | None:
    """A day as ISO 8601 writes it; None for an empty field."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise GalleryError(f"{place}: {column} {text!r} is not a date like 2026-09-01") from error
