"""Enrolment photographs, where the school switched them on: sealed in the gallery, erased with the person or by age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.errors import GalleryError
from controller.gallery.model import Picture
from controller.gallery.schema import label
from controller.gallery.sealing import Sealed

if TYPE_CHECKING:
    from controller.gallery.store import GalleryStore


def pictures_of(store: GalleryStore, person: str) -> list[Picture]:
    """A person's photographs. Raises `GalleryError` that names one which does not open, or `StoreError`."""
    with store.file.reading():
        query = "SELECT record, day, key, nonce, sealed FROM picture WHERE person = ? ORDER BY day, record"
        rows = store.file.rows(query, (person,))
    return [
        Picture(store.file.unseal(Sealed(*sealed), label("picture", person, record, day), f"picture {record}"), day)
        for record, day, *sealed in rows
    ]


def count_pictures(store: GalleryStore) -> int:
    """How many are kept. Raises `StoreError`."""
    return int(store.file.rows("SELECT count(*) FROM picture")[0][0])


def erase_pictures(store: GalleryStore, before: int | None = None) -> int:
    """Forget the photographs of days before `before` (ordinal), or all of them; how many there were.

    Raises `StoreError`. While another program reads, they stay sealed in the write-ahead log until the next checkpoint.
    """
    with store.file.writing():
        where, values = ("", ()) if before is None else (" WHERE day < ?", (before,))
        count = int(store.file.run(f"DELETE FROM picture{where}", values).rowcount)  # noqa: S608 - our own words
    if count:
        store.file.checkpoint()
    return count


def picture_faults(store: GalleryStore) -> dict[str, str]:
    """What is wrong with those that are kept, a sentence for each record. Raises `StoreError`."""
    faults = {}
    with store.file.reading():
        query = "SELECT record, person, day, key, nonce, sealed FROM picture"
        for record, person, day, *sealed in store.file.run(query):
            try:
                what = f"picture {record} of {person}"
                store.file.unseal(Sealed(*sealed), label("picture", person, record, day), what)
            except GalleryError as error:
                faults[record] = str(error).removeprefix(f"{store.path}: ")
    return faults


def erase_damaged(store: GalleryStore) -> None:
    """Forget the photographs that do not open. Raises `StoreError`."""
    for record in picture_faults(store):
        with store.file.writing():
            store.file.run("DELETE FROM picture WHERE record = ?", (record,))
