"""Reads a gallery of the first version: no key ids, no register, positions unknown."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controller.errors import GalleryError
from controller.gallery.model import Enrolment, Origin, Person, Template

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from controller.gallery.keyfile import Keyring


class _Details(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was sealed of a person."""

    valid_from: dt.date | None
    valid_until: dt.date | None
    groups: tuple[str, ...]
    second_factor: bool = False
    origin: Origin = Origin()


def take_first_version(connection: sqlite3.Connection, ring: Keyring, path: Path) -> list[Enrolment]:
    """Everybody in it; its tables are dropped. Within a transaction of the caller's.

    Raises `GalleryError` that names a record which does not open, or the key where it is another gallery's.
    """
    cipher = AESGCM(ring.keys[ring.first])

    def opened(nonce: bytes, sealed: bytes, label: tuple[str, ...], what: str) -> bytes:
        try:
            return cipher.decrypt(nonce, sealed, msgspec.json.encode(label))
        except (InvalidTag, ValueError) as error:
            raise GalleryError(f"{path}: {what} does not open: altered, swapped, or sealed by another key") from error

    for nonce, sealed in connection.execute("SELECT nonce, sealed FROM seal"):
        opened(nonce, sealed, ("gallery",), f"with {ring.path}, the gallery")
    people: dict[str, Person] = {}
    origins: dict[str, Origin] = {}
    templates: dict[str, list[Template]] = {}
    for person, nonce, sealed in connection.execute("SELECT person, nonce, sealed FROM person ORDER BY person"):
        plain = opened(nonce, sealed, ("person", person), f"person {person}")
        details = msgspec.json.decode(plain, type=_Details)
        terms = (details.valid_from, details.valid_until, details.groups)
        people[person] = Person(person, *terms, second_factor=details.second_factor)
        origins[person] = details.origin
    rows = connection.execute("SELECT record, person, model, nonce, sealed FROM template ORDER BY person, record")
    for record, person, model, nonce, sealed in rows:
        plain = opened(nonce, sealed, ("template", person, model, record), f"template {record} of {person}")
        embedding = np.frombuffer(plain, dtype="<f4").astype(np.float32)
        templates.setdefault(person, []).append(Template(model, embedding))
    for table in ("template", "person", "seal"):
        connection.execute(f"DROP TABLE {table}")
    return [Enrolment(known, tuple(templates.get(person, ())), origins[person]) for person, known in people.items()]
