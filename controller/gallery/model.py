"""The nouns of the gallery: people, known by a stable id and never by name, and templates of their faces."""

from __future__ import annotations

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
    """Somebody else looks so much alike, as siblings and twins do, that the face alone does not say who it is."""

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
    """Where a person's templates come from. All unknown for those of earlier versions."""

    enrolled: dt.date | None = None
    """When the present photographs were first enrolled."""
    consent: Consent | None = None
    source: str = ""
    """Digest of the photographs and of all that was said of the person: what is the same need not be done again."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person with all their templates."""

    person: Person
    templates: tuple[Template, ...]
    origin: Origin = Origin()


def check_person_id(person: str) -> str:
    """`person`, when it is an id. Raises `GalleryError` otherwise."""
    # Printable excludes what would make two ids look alike, and the lone surrogates of an undecodable file name.
    if not (PERSON_ID.fullmatch(person) and person.isprintable()):
        raise GalleryError(f"{person!r} is no person id: 1 to 64 printable characters without spaces and slashes")
    return person
