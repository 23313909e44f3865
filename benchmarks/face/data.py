"""Pictures of people as Labeled Faces in the Wild has them: `name/name_0001.jpg`, a pair list, a list of people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
NUMBERED = re.compile(r"(.+)_(\d{4})")
HEADER = re.compile(r"\d+(\s+\d+)?")


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of a person."""

    person: str
    number: int
    path: Path

    @property
    def key(self) -> str:
        """`name_0001`."""
        return f"{self.person}_{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures by their keys, and whether they show one person."""

    first: str
    second: str
    same: bool


Album = dict[str, list[Photo]]
"""A person's pictures by rising number, people by name."""


def read_album(folder: Path, limit: int | None = None) -> Album:
    """Everybody in `folder`, or the first `limit` people by name.

    Raises `EvaluationError` where there is nobody.
    """
    try:
        people = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise EvaluationError(f"{folder}: {error.strerror}") from error
    album: Album = {}
    for person in people:
        photos = []
        for path in sorted(person.iterdir()):
            named = NUMBERED.fullmatch(path.stem)
            if path.suffix.lower() in SUFFIXES and named and named[1] == person.name:
                photos.append(Photo(person.name, int(named[2]), path))
        if photos:
            album[person.name] = photos
        if limit is not None and len(album) >= limit:
            break
    if not album:
        raise EvaluationError(f"{folder}: no pictures like NAME/NAME_0001.jpg")
    return album


def read_pairs(path: Path) -> list[Pair]:
    """Lines `name i j` (one person) or `name i name2 j` (two), with or without LFW's first line of counts.

    Raises `EvaluationError` that names the file and the line.
    """
    pairs = []
    for number, line in enumerate(_lines(path), start=1):
        match line.split("\t") if "\t" in line else line.split():
            case [name, i, j] if i.isdecimal() and j.isdecimal():
                pairs.append(Pair(_key(name, i), _key(name, j), same=True))
            case [name, i, other, j] if i.isdecimal() and j.isdecimal():
                pairs.append(Pair(_key(name, i), _key(other, j), same=False))
            case _ if not line.strip() or (number == 1 and HEADER.fullmatch(line.strip())):
                continue
            case _:
                raise EvaluationError(f"{path}, line {number}: {line!r} is no pair (name i j, or name i name2 j)")
    return pairs


def read_people(path: Path) -> list[str]:
    """Names, one a line; what follows a tab (a count, as in LFW's people list) is passed over."""
    names = [line.split("\t")[0].strip() for line in _lines(path)]
    return [name for number, name in enumerate(names) if name and not (number == 0 and HEADER.fullmatch(name))]


def known_pairs(pairs: Sequence[Pair], keys: Collection[str]) -> tuple[list[Pair], int]:
    """The pairs of which both pictures are there, and how many are left out."""
    kept = [pair for pair in pairs if pair.first in keys and pair.second in keys]
    return kept, len(pairs) - len(kept)


def _key(name: str, number: str) -> str:
    return f"{name}_{int(number):04d}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise EvaluationError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path}: is not UTF-8 text (byte {error.start})") from error
