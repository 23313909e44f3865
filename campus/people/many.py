"""Many people at once, with few statements: a school's first import has twenty thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from campus.auth import audit
from campus.errors import HubConfigError
from campus.people.records import check, next_number, over
from campus.people.tables import credential, person, template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.people.records import Number, People, Person

CHUNK = 500
"""People of one statement."""


class PersonError(HubConfigError):
    """Somebody of many who cannot be as is wanted."""

    def __init__(self, who: str, message: str) -> None:
        super().__init__(message)
        self.who = who


class _Change(NamedTuple):
    """Somebody as they were and as they will be."""

    before: Person | None
    after: Person
    numbers: tuple[Number, ...] | None
    """None: they keep theirs."""

    @property
    def new_numbers(self) -> tuple[Number, ...] | None:
        """What they have from now on; None: what they had."""
        same = self.before is not None and self.before.credentials == self.after.credentials
        return None if same else self.numbers

    @property
    def fewer_faces(self) -> bool:
        """They are known without a face from now on."""
        return bool(self.after.no_face) and self.before is not None and not self.before.no_face

    @property
    def faces_change(self) -> bool:
        """Whoever was away from the gates comes back with their faces."""
        return self.before is None or not self.before.active or not self.after.active or self.fewer_faces


async def upsert_all(
    query: AsyncConnection,
    people: People,
    by: Actor,
    wanted: Sequence[Person],
    before: Mapping[str, Person],
    *,
    now: float,
    log: audit.Append = audit.append,
) -> set[str]:
    """`People.upsert` of many, with few statements for each `CHUNK` of them; whose record that changed.

    `before`: those of them that there are, read under `records.hold`. `log`: takes the audit entries.

    Raises `PersonError` naming who cannot be; undo the transaction then.
    """
    todo: list[_Change] = []
    for one in wanted:
        old = before.get(one.id)
        try:
            numbers = check(one)
            after = over(old, one)
        except HubConfigError as error:
            raise PersonError(one.id, str(error)) from error
        if old != after:
            todo.append(_Change(old, after, numbers))
    for start in range(0, len(todo), CHUNK):
        await _upsert_some(query, people, by, todo[start : start + CHUNK], now=now, log=log)
    numbered = [one for one in todo if one.new_numbers is not None]
    for start in range(0, len(numbered), CHUNK):  # a card may go from one to another
        ids = [one.after.id for one in numbered[start : start + CHUNK]]
        await query.execute(sa.delete(credential).where(credential.c.person.in_(ids)))
    for start in range(0, len(numbered), CHUNK):
        await _give_numbers(query, people, numbered[start : start + CHUNK])
    return {one.after.id for one in todo}


async def _upsert_some(
    query: AsyncConnection, people: People, by: Actor, todo: Sequence[_Change], *, now: float, log: audit.Append
) -> None:
    for one in todo:
        await log(query, by, "person_changed" if one.before else "person_added", one.after.id, {}, now=now)
    number = await next_number(query, now)
    there, back = [], []
    for place, one in enumerate(todo):
        row = people.row(one.after) | {"removed": None, "changed": number + place}
        if one.faces_change:
            back.append(row | {"faces_changed": number + place})
        else:
            there.append(row)
    if there:
        names = there[0].keys()
        same = sa.update(person).where(person.c.id == sa.bindparam("who"))
        values: dict[str, Any] = {name: sa.bindparam(f"to_{name}") for name in names if name != "id"}
        rows = [{"who" if name == "id" else f"to_{name}": row[name] for name in names} for row in there]
        await query.execute(same.values(values), rows)
    if back:
        insert = insert_postgresql if query.dialect.name == "postgresql" else insert_sqlite
        statement = insert(person)
        news = {name: statement.excluded[name] for name in back[0] if name != "id"}
        await query.execute(statement.on_conflict_do_update(index_elements=["id"], set_=news), back)
    fewer = [one.after.id for one in todo if one.fewer_faces]
    if fewer:
        await query.execute(sa.delete(template).where(template.c.person.in_(fewer)))


async def _give_numbers(query: AsyncConnection, people: People, to: Sequence[_Change]) -> None:
    rows: dict[tuple[str, bytes], dict[str, Any]] = {}
    for change in to:
        for one in change.new_numbers or ():
            digest = people.digest(one.kind, one.number)
            owner = rows.get((one.kind, digest), {}).get("person")
            if owner is not None:
                raise PersonError(change.after.id, f"{change.after.id}: this {one.kind} is {owner}'s already")
            sealed = people.sealer.seal(one.number.encode(), ("credential", change.after.id, one.kind))
            row = {"kind": one.kind, "digest": digest, "person": change.after.id} | sealed._asdict()
            rows[one.kind, digest] = row
    taken = sa.select(credential.c.kind, credential.c.digest, credential.c.person)
    places = list(rows)
    for start in range(0, len(places), CHUNK):
        some = sa.tuple_(credential.c.kind, credential.c.digest).in_(places[start : start + CHUNK])
        for kind, digest, owner in await query.execute(taken.where(some)):
            who = rows[kind, bytes(digest)]["person"]
            raise PersonError(who, f"{who}: this {kind} is {owner}'s already")
    if rows:
        await query.execute(credential.insert(), list(rows.values()))
