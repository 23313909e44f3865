"""The documents that gates should have now: made from the database, sealed, and kept as files by their hash.

Of each kind there is one snapshot, and one document of all that changed since. So whoever has the snapshot, or anything
later, needs that one alone, and there are no gaps to close. When the changes grow long, a new snapshot takes over.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import sqlalchemy as sa

from campus.errors import HubConfigError
from campus.people import next_number
from campus.people_tables import person
from campus.roster_tables import snapshot
from controller.link.documents import (
    GALLERY,
    POLICY,
    ROSTER,
    Document,
    FaceEntry,
    File,
    PersonEntry,
    Wanted,
    file_of,
    seal_document,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.gate_keys import ContentKey
    from campus.people import People, Person

CHUNK = 500
FEW = 200
"""Changed people who are told beside a snapshot in any case."""
SHARE = 8
"""The part of all people (1 in so many) whose change makes a new snapshot the shorter way."""


class PolicySource(Protocol):
    """The access policy that is in force at the hub."""

    async def current(self, query: AsyncConnection) -> tuple[int, bytes] | None:
        """Its version, which only grows, and its bytes as gates read them; None: there is none."""
        ...


class Documents:
    """Makes them.

    Args:
        campus: its name.
        folder: where they lie; what is there is sealed.
        people: who they are of.
        policy: the access policy; None: none is handed out.
    """

    def __init__(self, campus: str, folder: Path, people: People, policy: PolicySource | None = None) -> None:
        self.folder = folder
        self._campus, self._people, self._policy = campus, people, policy

    async def versions(self, query: AsyncConnection) -> dict[str, int]:
        """What every gate should have, by kind. Cheap."""
        row = (await query.execute(sa.select(sa.func.max(person.c.changed), sa.func.max(person.c.faces_changed)))).one()
        policy = None if self._policy is None else await self._policy.current(query)
        found = {ROSTER: row[0], GALLERY: row[1], POLICY: None if policy is None else policy[0]}
        return {kind: version for kind, version in found.items() if version is not None}

    async def make(self, query: AsyncConnection, key: ContentKey) -> dict[str, Wanted]:
        """The same as documents. Raises `HubStoreError`, or `HubConfigError` for a folder that cannot be written."""
        wanted = {}
        for kind, version in (await self.versions(query)).items():
            if kind == POLICY:
                document = Document(campus=self._campus, kind=kind, version=version, entries=await self._rules(query))
                wanted[kind] = Wanted(version=version, base=version, snapshot=await self._keep(document, key))
            else:
                wanted[kind] = await self._make(query, kind, version, key)
        used = {file.sha256 for one in wanted.values() for file in (one.snapshot, one.delta) if file is not None}
        await asyncio.to_thread(self._clear, used)
        return wanted

    async def _make(self, query: AsyncConnection, kind: str, version: int, key: ContentKey) -> Wanted:
        column = _COLUMN[kind]
        row = (await query.execute(sa.select(snapshot).where(snapshot.c.kind == kind))).first()
        changed: Sequence[Any] = []
        if row is not None:
            since = sa.select(person.c.id, person.c.active).where(column > row.version).order_by(person.c.id)
            changed = (await query.execute(since)).all()
        everybody = (await query.execute(sa.select(sa.func.count()).select_from(person))).scalar_one()
        known = row is not None and row.content_key == key.number and (self.folder / row.sha256).exists()
        if row is None or not known or len(changed) > max(FEW, everybody // SHARE):
            here = sa.select(person.c.id).where(person.c.active).order_by(person.c.id)
            ids = (await query.execute(here)).scalars().all()
            document = Document(
                campus=self._campus, kind=kind, version=version, entries=await self._entries(query, kind, ids)
            )
            made = await self._keep(document, key, whole=True)
            values = {"version": version, "content_key": key.number, "sha256": made.sha256, "size": made.size}
            await query.execute(sa.delete(snapshot).where(snapshot.c.kind == kind))
            await query.execute(snapshot.insert().values(kind=kind, **values))
            return Wanted(version=version, base=version, snapshot=made)
        first = File(sha256=row.sha256, size=row.size)
        if not changed:
            return Wanted(version=version, base=row.version, snapshot=first)
        delta = Document(
            campus=self._campus,
            kind=kind,
            version=version,
            since=row.version,
            entries=await self._entries(query, kind, [one.id for one in changed if one.active]),
            removed=tuple(one.id for one in changed if not one.active),
        )
        return Wanted(version=version, base=row.version, snapshot=first, delta=await self._keep(delta, key))

    async def _entries(self, query: AsyncConnection, kind: str, ids: Sequence[str]) -> dict[str, msgspec.Raw]:
        found: dict[str, msgspec.Raw] = {}
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            if kind == ROSTER:
                entries: Mapping[str, msgspec.Struct] = {
                    one.id: _entry(one) for one in await self._people.some(query, chunk)
                }
            else:
                entries = {
                    who: FaceEntry(templates=tuple((one.model, _numbers(one.embedding)) for one in templates))
                    for who, templates in (await self._people.templates(query, chunk)).items()
                    if templates
                }
            found |= {who: msgspec.Raw(msgspec.msgpack.encode(entry)) for who, entry in entries.items()}
            await asyncio.sleep(0)  # others are served in between
        return found

    async def _rules(self, query: AsyncConnection) -> dict[str, msgspec.Raw]:
        current = None if self._policy is None else await self._policy.current(query)
        return {} if current is None else {POLICY: msgspec.Raw(msgspec.msgpack.encode(current[1]))}

    async def _keep(self, document: Document, key: ContentKey, *, whole: bool = False) -> File:
        """Seal a document; a file where it does not travel within the message. `whole`: a file in any case."""
        sealed = await asyncio.to_thread(seal_document, document, key.key)
        file = file_of(sealed)
        if file.inline and not whole:
            return file
        await asyncio.to_thread(self._write, self.folder / file.sha256, sealed)
        return File(sha256=file.sha256, size=file.size)

    def _write(self, path: Path, content: bytes) -> None:
        """Whole, under its name, or not at all."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, path)  # noqa: PTH105 - NamedTemporaryFile gives a name
        except OSError as error:
            raise HubConfigError(f"[roster] folder: {path}: cannot be written: {error.strerror}") from error

    def _clear(self, used: set[str]) -> None:
        if self.folder.exists():
            for path in self.folder.iterdir():
                if path.name not in used:
                    path.unlink(missing_ok=True)


async def start_over(query: AsyncConnection, *, now: float) -> None:
    """Give everybody and every snapshot a number above all that gates may have: after a backup was restored."""
    number = await next_number(query, now)
    await query.execute(sa.update(person).values(changed=number, faces_changed=number))
    await query.execute(sa.delete(snapshot))


_COLUMN = {ROSTER: person.c.changed, GALLERY: person.c.faces_changed}


def _entry(one: Person) -> PersonEntry:
    """What gates know of somebody: no name, and nobody longer than they consented."""
    ends = [day for day in (one.valid_until, None if one.consent is None else one.consent.expires) if day is not None]
    return PersonEntry(
        groups=tuple(dict.fromkeys((*one.groups, one.kind))),
        valid_from=one.valid_from,
        valid_until=min(ends, default=None),
        second_factor=bool(one.second_factor),
        no_face=bool(one.no_face),
        credentials=tuple((number.kind, number.number) for number in one.credentials or ()),
    )


def _numbers(embedding: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    return np.ascontiguousarray(embedding, dtype="<f4").tobytes()
