"""Takes over what a hub hands out: people and their cards, and templates, each document whole or not at all.

A document's version is written with it, in the same transaction and in the gallery's own sealed root: whoever is killed
in between has the old one, and an older one is never taken. The hub's word on people is the whole word: who is not in
its snapshot is erased here. PINs alone are the gate's own and stay.
"""

from __future__ import annotations

import functools
import math
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from controller.errors import GalleryError, MessageError
from controller.gallery.credentials import Token, digest, parse
from controller.gallery.file import HubState
from controller.gallery.model import Origin, Person
from controller.gallery.schema import BOUND, label
from controller.gallery.sealing import Sealed
from controller.gallery.store import Details
from controller.link.documents import ROSTER, FaceEntry, PersonEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from controller.gallery.file import Root
    from controller.gallery.store import GalleryStore
    from controller.link.documents import Document

OWN_KINDS: Final = frozenset({"pin"})
"""Credentials that are given at the gate."""
UNIT: Final = 1e-3
"""By how much a template's length may differ from 1."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a document changed."""

    removed: tuple[str, ...]
    """People who are there no more."""
    written: int
    """People whose records were written."""
    erased: bool
    """Somebody's templates were erased: until the file is rebuilt, it lies in free pages and in the log."""


def hub_state(store: GalleryStore) -> HubState:
    """What is here of the hub. Raises `StoreError`, `GalleryError`."""
    with store.file.reading() as root:
        return root.hub or HubState()


def heard(store: GalleryStore, fresh_until: float, fresh_for: float) -> None:
    """Note what the hub said of how long its documents count; what it said before is not news."""
    with store.file.writing() as root:
        hub = root.hub = root.hub or HubState()
        if fresh_until > hub.fresh_until:
            hub.fresh_until, hub.fresh_for, hub.unheard = fresh_until, fresh_for, 0.0


def unheard(store: GalleryStore, seconds: float) -> None:
    """Add what the gate has run since without hearing of the hub."""
    with store.file.writing() as root:
        if root.hub is not None:
            root.hub.unheard += seconds


def install(store: GalleryStore, document: Document, probe: Callable[[str], None] = lambda _: None) -> Change:
    """Take over a document of people or templates. `probe` is told of each step once it is done.

    Raises `MessageError` for one that is not newer than what is here, does not follow on it, or holds what cannot be;
    nothing is changed then. `StoreError`, `GalleryError` as the gallery's own writing does.
    """
    write = _people(document) if document.kind == ROSTER else _faces(document)
    with store.file.writing() as root:
        take_version(root, document)
        probe("begun")
        change = write(store, root)
        probe("written")
    probe("committed")
    return change


def take_version(root: Root, document: Document) -> None:
    """Count a document as installed. Raises `MessageError` where it is not newer, or does not follow on what is."""
    hub = root.hub = root.hub or HubState()
    have = hub.versions.get(document.kind, 0)
    what = f"{document.kind} {document.version}"
    if document.version <= have:
        raise MessageError(f"{what}: is not newer than {have}, which is installed")
    if document.since > have:
        raise MessageError(f"{what}: follows on {document.since}, and {have} is installed")
    hub.versions[document.kind] = document.version


_Writing = Callable[["GalleryStore", "Root"], Change]


def _people(document: Document) -> _Writing:
    """What writes a document's people. Raises `MessageError` where one cannot be."""
    entries = {}
    for who, raw in document.entries.items():
        try:
            entry = msgspec.msgpack.decode(raw, type=PersonEntry)
            Person(who, entry.valid_from, entry.valid_until, entry.groups)
            # As they are looked up.
            numbers = tuple((kind, parse(kind, number)[0]) for kind, number in entry.credentials)
        except (msgspec.DecodeError, GalleryError, UnicodeDecodeError) as error:
            raise MessageError(f"{document.kind} {document.version}: {who!r:.80}: {error}") from error
        entries[who] = msgspec.structs.replace(entry, credentials=numbers)
    return functools.partial(_write_people, document=document, entries=entries)


def _faces(document: Document) -> _Writing:
    """What writes a document's templates. Raises `MessageError` where one cannot be."""
    entries = {}
    for who, raw in document.entries.items():
        try:
            entry = msgspec.msgpack.decode(raw, type=FaceEntry)
            for _, numbers in entry.templates:
                length = float(np.linalg.norm(np.frombuffer(numbers, dtype="<f4").astype(np.float64)))
                if not math.isclose(length, 1.0, abs_tol=UNIT):
                    raise GalleryError(f"a template has length {length:.3f}, not 1")
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:  # GalleryError is a ValueError
            raise MessageError(f"{document.kind} {document.version}: {who!r:.80}: {error}") from error
        entries[who] = entry
    return functools.partial(_write_faces, document=document, entries=entries)


def _write_people(store: GalleryStore, root: Root, document: Document, entries: dict[str, PersonEntry]) -> Change:
    here = dict(store.person_rows())
    gone = document.removed if document.since else here.keys() - entries.keys()
    removed = tuple(sorted(here.keys() & set(gone)))
    for who in removed:
        root.count(who, here[who], times=-1)
        for table in BOUND:
            store.file.run(f"DELETE FROM {table} WHERE person = ?", (who,))  # noqa: S608 - our own names
    held = _held(store, entries)
    written, erased = 0, bool(removed)
    for who, entry in entries.items():
        old = store.details(who, here[who]) if who in here else None
        after = _write_person(store, root, who, entry, old, held=held[who])
        written += after != old
        erased |= old is not None and len(after.templates) < len(old.templates)
    return Change(removed, written, erased=erased)


_Marked = tuple[str, bytes]
"""Kind and digest of a credential."""


def _write_person(
    store: GalleryStore, root: Root, who: str, entry: PersonEntry, old: Details | None, *, held: dict[_Marked, str]
) -> Details:
    """Write one person with their credentials, where they are not so already."""
    before = old or Details(None, None, ())
    wanted = {(kind, digest(root, kind, number)): number for kind, number in entry.credentials}
    stays = {name for mark, name in held.items() if mark[0] in OWN_KINDS or mark in wanted}
    fresh = {secrets.token_hex(8): mark for mark in wanted if mark not in held}
    after = msgspec.structs.replace(
        before,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
        groups=entry.groups,
        second_factor=entry.second_factor,
        no_face=entry.no_face,
        templates=() if entry.no_face else before.templates,
        credentials=(*(name for name in before.credentials if name in stays), *fresh),
    )
    if after == old:
        return after
    # The person before what hangs on them.
    store.put_person(root, who, after)
    for table, had, left in (
        ("credential", before.credentials, after.credentials),
        ("template", before.templates, after.templates),
    ):
        for name in set(had) - set(left):
            store.file.run(f"DELETE FROM {table} WHERE record = ?", (name,))  # noqa: S608 - our own names
    for name, (kind, mark) in fresh.items():
        token = Token(mark, number=wanted[kind, mark] if kind == "panel" else None)
        record = store.file.seal(msgspec.json.encode(token), label("credential", who, kind, name))
        store.file.run("INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?)", (name, who, kind, *record))
    return after


def _held(store: GalleryStore, people: Iterable[str]) -> dict[str, dict[_Marked, str]]:
    """Names of these people's credentials, by kind and digest."""
    wanted, found = set(people), defaultdict[str, dict[_Marked, str]](dict)
    query = "SELECT record, person, kind, key, nonce, sealed FROM credential"
    for name, who, kind, *sealed in store.file.rows(query):
        if who in wanted:
            plain = store.file.unseal(Sealed(*sealed), label("credential", who, kind, name), f"credential {name}")
            found[who][kind, msgspec.json.decode(plain, type=Token).digest] = name
    return found


def _write_faces(store: GalleryStore, root: Root, document: Document, entries: dict[str, FaceEntry]) -> Change:
    here = dict(store.person_rows())
    without = document.removed if document.since else here.keys() - entries.keys()
    written, erased = 0, False
    for who, entry in (dict.fromkeys(without, FaceEntry(templates=())) | entries).items():
        if who not in here:
            continue
        old = store.details(who, here[who])
        templates = () if old.no_face else entry.templates
        if not (old.templates or templates):
            continue
        erased |= bool(old.templates)
        store.file.run("DELETE FROM template WHERE person = ?", (who,))
        names = tuple(secrets.token_hex(16) for _ in templates)
        store.put_person(root, who, msgspec.structs.replace(old, templates=names, origin=Origin()))
        for position, (name, (model, numbers)) in enumerate(zip(names, templates, strict=True)):
            row = store.file.seal(numbers, label("template", who, model, name, position))
            store.file.run("INSERT INTO template VALUES (?, ?, ?, ?, ?, ?, ?)", (name, who, model, position, *row))
        written += 1
    return Change((), written, erased=erased)
