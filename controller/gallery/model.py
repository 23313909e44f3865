"""The nouns of the gallery: people, known by a stable id and never by name, and templates of their faces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import GalleryError

if TYPE_CHECKING:
    import datetime as dt

    import numpy as np
    from numpy.typing import NDArray

PERSON_ID = re.compile(r"[^\s/\\]{1,64}")
"""A person's id: 1 to 64 printable characters without spaces and slashes."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may pass. Raises `GalleryError` for an id or a validity that cannot be."""

    person: str
    valid_from: dt.date | None = None
    """First day; None: always."""
    valid_until: dt.date | None = None
    """Last day, inclusive; None: for ever."""
    groups: tuple[str, ...] = ()
    second_factor: bool = False
    """The face alone is not enough, as with twins: a card, a code or a PIN has to name the person."""
    no_face: bool = False
    """Their face is neither kept nor compared: they come by card, code or PIN alone."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_person_id(self.person)
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            raise GalleryError(f"{self.person}: valid from {self.valid_from}, but only until {self.valid_until}")


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A face as numbers."""

    model: str
    """The embedder's `FaceEngine.template_model`."""
    embedding: NDArray[np.float32]
    """float32[dim], L2-normalised."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A photograph that the school wants kept."""

    jpeg: bytes
    day: int
    """The ordinal of the date from which its retention counts (`datetime.date.toordinal`)."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person with all their templates."""

    person: Person
    templates: tuple[Template, ...]
    pictures: tuple[Picture, ...] = ()
    """Photographs to keep in place of those kept before; none where the school keeps none. Read by `pictures_of`."""


def check_person_id(person: str) -> str:
    """`person`, when it is an id. Raises `GalleryError` otherwise."""
    # Printable excludes what would make two ids look alike, and the lone surrogates of an undecodable file name.
    if not (PERSON_ID.fullmatch(person) and person.isprintable()):
        raise GalleryError(f"{person!r} is no person id: 1 to 64 printable characters without spaces and slashes")
    return person
