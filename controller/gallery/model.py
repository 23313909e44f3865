"""The nouns of the gallery: people, known by a stable id and never by name, and templates of their faces."""

from __future__ import annotations

import dataclasses
import datetime as dt  # noqa: TC003 - what is stored is read back by these annotations
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import GalleryError

if TYPE_CHECKING:
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
    """The face alone is not enough, as with twins: a card, a code or a PIN has to name the person.

    Set by enrolment for those who look much alike, or by hand; taken back by hand only.
    """
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
class Consent:
    """By what right a template is kept. A template without one is not enrolled and does not leave."""

    basis: str
    """`consent`, or the legal basis that the school states in its place."""
    date: dt.date
    """When it was given, or the basis stated."""
    by: str = ""
    """Who gave it: a role (`guardian`, `self`) or the number of the paper; better not a name."""
    scope: str = ""
    """What it covers, words apart by spaces."""
    expires: dt.date | None = None
    """Last day; None: until it is withdrawn."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a person's templates come from. All unknown for those of earlier versions, and where there are none."""

    enrolled: dt.date | None = None
    """When the present photographs were first enrolled."""
    consent: Consent | None = None
    source: str = ""
    """Digests of the photographs and of the terms, apart by a point: what is the same need not be done again."""

    def without_terms(self) -> Origin:
        """The same photographs, to be enrolled anew when they come again."""
        return dataclasses.replace(self, source=self.source.partition(".")[0])


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
    origin: Origin = Origin()
    pictures: tuple[Picture, ...] = ()
    """Photographs to keep in place of those kept before; none where the school keeps none. Read by `pictures_of`."""


def check_person_id(person: str) -> str:
    """`person`, when it is an id. Raises `GalleryError` otherwise."""
    # Printable excludes what would make two ids look alike, and the lone surrogates of an undecodable file name.
    if not (PERSON_ID.fullmatch(person) and person.isprintable()):
        raise GalleryError(f"{person!r} is no person id: 1 to 64 printable characters without spaces and slashes")
    return person
