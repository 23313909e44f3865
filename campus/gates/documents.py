"""The documents that gates should have now: made from the database, sealed, and kept as files by their hash.

Of each kind there is one snapshot, and one document of all that changed since. So whoever has the snapshot, or anything
later, needs that one alone, and there are no gaps to close. When the changes grow long, a new snapshot takes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import numpy as np
import sqlalchemy as sa

from campus.errors import HubConfigError, HubStoreError
from campus.gates.tables import snapshot
from campus.people.records import hold, next_number
from campus.people.tables import person
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
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database
    from campus.gates.keys import ContentKey
    from campus.people.records import People, Person

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


class _Plan(NamedTuple):
    """What a kind's documents are to tell, as of one moment."""

    kind: str
    version: int
    """0: there is nobody."""
    snapshot: Any
    """The row of the one there is."""
    here: list[str]
    gone: list[str]
    changed: set[str]
    """Whoever was since that snapshot."""


class Documents:
    """Makes them.

    Args:
        campus: its name.
        folder: where they lie; what is there is sealed.
        database: open for as long as this is used.
        people: who they are of.
        policy: the access policy; None: none is handed out.
    """

    def __init__(
        self, campus: str, folder: Path, database: Database, people: People, policy: PolicySource | None = None
    ) -> None:
        self.folder = folder
        self._campus, self._database, self._people, self._policy = campus, database, people, policy

    async def versions(self, query: AsyncConnection) -> dict[str, int]:
        """What every gate should have, by kind. Cheap."""
        row = (await query.execute(sa.select(sa.func.max(person.c.changed), sa.func.max(person.c.faces_changed)))).one()
        policy = None if self._policy is None else await self._policy.current(query)
        found = {ROSTER: row[0], GALLERY: row[1], POLICY: None if policy is None else policy[0]}
        return {kind: version for kind, version in found.items() if version is not None}

    async def make(self, key: ContentKey) -> dict[str, Wanted]:
        """The same as documents. Raises `HubStoreError`, or `HubConfigError` for a folder that cannot be the right one.

        Who is told of is read at one moment: templates of people whom the roster does not have yet would get lost. What
        is told of them is read in short transactions, so that nobody waits for it; whoever is changed meanwhile is told
        again with the next version, as their number is above this one.
        """
        async with self._database.transaction() as query:
            plans = [await self._plan(query, kind, column) for kind, column in _COLUMNS]
            policy = None if self._policy is None else await self._policy.current(query)
        wanted = {plan.kind: await self._make(plan, key) for plan in plans if plan.version}
        if policy is not None:
            version, text = policy
            entries = {POLICY: msgspec.Raw(msgspec.msgpack.encode(text))}
            document = Document(campus=self._campus, kind=POLICY, version=version, entries=entries)
            wanted[POLICY] = Wanted(version=version, base=version, snapshot=await self._keep(document, key))
        used = {file.sha256 for one in wanted.values() for file in (one.snapshot, one.delta) if file is not None}
        await asyncio.to_thread(self._clear, used)
        return wanted

    async def _plan(self, query: AsyncConnection, kind: str, column: sa.Column[int]) -> _Plan:
        row = (await query.execute(sa.select(snapshot).where(snapshot.c.kind == kind))).first()
        people = (await query.execute(sa.select(person.c.id, person.c.active, column).order_by(person.c.id))).all()
        base = 0 if row is None else row.version
        return _Plan(
            kind=kind,
            version=max((number for _, _, number in people), default=0),
            snapshot=row,
            here=[who for who, active, _ in people if active],
            gone=[who for who, active, _ in people if not active],
            changed={who for who, _, number in people if number > base},
        )

    async def _make(self, plan: _Plan, key: ContentKey) -> Wanted:
        row = plan.snapshot
        known = row is not None and row.content_key == key.number and (self.folder / row.sha256).exists()
        if row is None or not known or len(plan.changed) > max(FEW, len(plan.here) // SHARE):
            return await self._make_snapshot(plan, key)
        first = File(sha256=row.sha256, size=row.size)
        if not plan.changed:
            return Wanted(version=plan.version, base=row.version, snapshot=first)
        delta = Document(
            campus=self._campus,
            kind=plan.kind,
            version=plan.version,
            since=row.version,
            entries=await self._entries(plan.kind, [who for who in plan.here if who in plan.changed]),
            removed=tuple(who for who in plan.gone if who in plan.changed),
        )
        return Wanted(version=plan.version, base=row.version, snapshot=first, delta=await self._keep(delta, key))

    async def _make_snapshot(self, plan: _Plan, key: ContentKey) -> Wanted:
        entries = await self._entries(plan.kind, plan.here)
        document = Document(campus=self._campus, kind=plan.kind, version=plan.version, entries=entries)
        made = await self._keep(document, key, whole=True)
        values = {"version": plan.version, "content_key": key.number, "sha256": made.sha256, "size": made.size}
        async with self._database.transaction() as query:
            await query.execute(sa.delete(snapshot).where(snapshot.c.kind == plan.kind))
            await query.execute(snapshot.insert().values(kind=plan.kind, **values))
        return Wanted(version=plan.version, base=plan.version, snapshot=made)

    async def _entries(self, kind: str, ids: Sequence[str]) -> dict[str, msgspec.Raw]:
        found: dict[str, msgspec.Raw] = {}
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            entries: dict[str, msgspec.Struct] = {}
            async with self._database.transaction() as query:
                if kind == ROSTER:
                    entries |= {one.id: _entry(one) for one in await self._people.some(query, chunk) if one.active}
                else:
                    entries |= {
                        who: FaceEntry(templates=tuple((one.model, _numbers(one.embedding)) for one in templates))
                        for who, templates in (await self._people.templates(query, chunk)).items()
                    }
            found |= {who: msgspec.Raw(msgspec.msgpack.encode(entry)) for who, entry in entries.items()}
        return found

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
            # A wrong setting is to be seen at the start; a disk that is full is no reason to end the intake too.
            kind = HubConfigError if error.errno in _SETTING else HubStoreError
            raise kind(f"[roster] folder: {path}: cannot be written: {error.strerror}") from error

    def _clear(self, used: set[str]) -> None:
        with contextlib.suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                if path.name not in used:
                    path.unlink(missing_ok=True)


async def start_over(query: AsyncConnection, *, now: float) -> None:
    """Give everybody and every snapshot a number above all that gates may have: after a backup was restored."""
    await hold(query)
    number = await next_number(query, now)
    await query.execute(sa.update(person).values(changed=number, faces_changed=number))
    await query.execute(sa.delete(snapshot))


_SETTING = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR})
_COLUMNS = ((ROSTER, person.c.changed), (GALLERY, person.c.faces_changed))


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
