"""Changing the gallery's key, so that being killed at any moment leaves a gallery that opens.

1. The new key is made durable beside the old one, as `<name>.next`. From here on both are read.
2. The gallery's records are sealed anew, in one transaction, its root last; each record names its key.
3. The history's readings are sealed anew under the new key's sub-keys, in one transaction, and people get new
   pseudonyms there.
4. Both write-ahead logs are emptied, and nothing may be left that needs the old key.
5. The new key takes the old one's name, which destroys the old one.

Whatever is found half done is finished by beginning again. A key in a systemd credential cannot be replaced from here:
its successor must be a credential as well, and step 5 is the operator's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import GalleryError, StoreError
from controller.gallery import history_store
from controller.gallery.file import disk
from controller.gallery.history_store import HistoryStore
from controller.gallery.keyfile import create_key, is_credential, key_id, key_place, read_key, successor, sync_folder
from controller.gallery.lock import folder_lock
from controller.gallery.schema import BOUND, NAMED, label
from controller.gallery.sealing import Sealed
from controller.gallery.store import GalleryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done."""

    key: str
    """Id of the new key."""
    records: int
    """Records of the gallery sealed anew; 0 where an earlier, interrupted change had done it."""
    readings: int
    """The same of the history."""
    in_force: bool
    """The new key has taken the old one's place; False: the operator's credential has to follow."""


def rotate_key(folder: Path, key: Path | None = None, *, probe: Callable[[str], None] = lambda _: None) -> Rotation:
    """Change the key of the gallery in `folder`. `probe` is told of each step once it is done.

    Raises `GalleryError` where a record does not open (nothing is changed then: it would be lost for good) or the key
    is a credential without a successor; `StoreError` where a gate runs on the gallery or the disk refuses.
    """
    place = key_place(folder, key)
    with folder_lock(folder, alone=True):
        with GalleryStore.open(folder, key) as store:
            store.enrolments()
            new = _new_key(place)
            probe("made")
            store.file.reload()
            records = _seal_anew(store, key_id(new))
            probe("gallery")
            people = tuple(store.people())
            _emptied(store.file.checkpoint(), store.path)
        readings = 0
        if (folder / history_store.DATABASE).exists():
            with HistoryStore.open(folder, key) as history:
                readings = history.change_key(new, people)
                probe("history")
                _emptied(history.empty_log(), history.path)
        probe("emptied")
        _check_done(folder, key, new)
        if is_credential(place):
            return Rotation(key_id(new), records, readings, in_force=False)
        with disk(place):
            successor(place).replace(place)
            probe("replaced")
            sync_folder(place.parent)
    return Rotation(key_id(new), records, readings, in_force=True)


def _new_key(place: Path) -> bytes:
    """The successor: what an interrupted change left, or a new one."""
    following = successor(place)
    if is_credential(place) and not following.exists():
        raise GalleryError(
            f"{place}: is a systemd credential; give its successor as the credential {following.name} "
            "(docs/templates-at-rest.md)"
        )
    new = read_key(following) if following.exists() else create_key(following, like=place)
    if new == read_key(place):
        raise GalleryError(f"{following}: is the same key as {place.name}")
    return new


def _seal_anew(store: GalleryStore, new: str) -> int:
    """Every record under the key `new`; how many there were."""
    file, count = store.file, 0
    with file.writing() as root:
        if file.active == new:
            return 0
        file.use(new)
        for table, bound in BOUND.items():
            columns, name = ", ".join(bound), NAMED[table]
            names = file.rows(f"SELECT {name} FROM {table}")  # noqa: S608 - our own names, here and below
            for (one,) in names:  # one at a time: pictures are large
                query = f"SELECT {columns}, key, nonce, sealed FROM {table} WHERE {name} = ?"  # noqa: S608
                (row,) = file.rows(query, (one,))
                place = label(table, *row[: len(bound)])
                plain = file.unseal(Sealed(*row[len(bound) :]), place, f"{table} {one}")
                update = f"UPDATE {table} SET key = ?, nonce = ?, sealed = ? WHERE {name} = ?"  # noqa: S608
                file.run(update, (*file.seal(plain, place), one))
                count += 1
        root.register, root.people = "0", 0
        for person, record in store.person_rows():
            root.count(person, record, times=1)
        file.set_root(root)
    return count


def _emptied(emptied: bool, path: Path) -> None:  # noqa: FBT001 - the answer of a checkpoint
    if not emptied:
        raise StoreError(f"{path}: another program is reading it, so that what the old key sealed stays in its log")


def _check_done(folder: Path, key: Path | None, new: bytes) -> None:
    """Nothing needs the old key any more. Raises `GalleryError`."""
    with GalleryStore.open(folder, key) as store:
        for table in ("seal", *BOUND):
            left = store.file.rows(f"SELECT count(*) FROM {table} WHERE key <> ?", (key_id(new),))  # noqa: S608
            if left[0][0]:
                raise GalleryError(f"{store.path}: {left[0][0]} of {table} are sealed by the old key; begin again")
        store.enrolments()
