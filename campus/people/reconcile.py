"""Makes the hub's people those of a source: who is new, who changed, who left; all of it or nothing.

A source is answerable for the people it brought (`Person.source`). Whom it does not name any more is erased, here and
by that at the gates; people of the hub's own and of other sources stay. Half an export must not empty a campus: too
many removals at once are refused until somebody says how many are right.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from campus.auth import audit
from campus.errors import HubConfigError
from campus.people.many import PersonError, upsert_all
from campus.people.records import Number, Person, hold

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.database import Database
    from campus.people.records import People
    from campus.people.sources import Record, Source


class Plan(NamedTuple):
    """What a source changes; ids, sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    suspended: tuple[str, ...]
    """Of those changed: let in no more."""
    removed: tuple[str, ...]
    unchanged: int


async def reconcile(
    database: Database,
    people: People,
    by: Actor,
    source: Source,
    *,
    share: float,
    allowed: int | None = None,
    dry_run: bool = False,
) -> Plan:
    """Take over what a source has; what that changed, or with `dry_run` would.

    Args:
        database: the hub's, open.
        people: everybody.
        by: who imports, for the audit log.
        source: what was read.
        share: part of the source's people (0..1) that may be removed or suspended at once; one person always may.
        allowed: so many may, whatever `share` says.
        dry_run: do it all, and undo it.

    Raises `HubConfigError` naming the row, or the number of removals that were not allowed; nothing is changed then.
    """
    async with database.transaction() as query:
        plan = await _apply(query, people, by, source, share=share, allowed=allowed)
        if dry_run:
            await query.rollback()
    return plan


async def _apply(
    query: AsyncConnection, people: People, by: Actor, source: Source, *, share: float, allowed: int | None
) -> Plan:
    now, log = time.time(), audit.Later()
    await hold(query)
    before = {one.id: one async for one in people.everybody(query)}
    own = {who for who, one in before.items() if one.source == source.name}
    wanted = {record.id: _wanted(record, before.get(record.id), source.name) for record in source.records}
    removed = own & source.leaving | (own - wanted.keys() if source.whole else set())
    suspended = {who for who in own & wanted.keys() if before[who].active and not wanted[who].active}
    _guard(len(removed) + len(suspended), len(own), share, allowed)
    detail = {"source": source.name, "people": len(wanted), "removed": len(removed), "suspended": len(suspended)}
    await log.append(query, by, "people_imported", source.name, detail, now=now)
    for who in sorted(removed):  # before others come: a card may change hands
        await people.remove(query, by, who, now=now, log=log.append)
    try:
        everybody = [wanted[one.id] for one in source.records]
        changed = await upsert_all(query, people, by, everybody, before, now=now, log=log.append)
    except PersonError as error:
        place = next(record.place for record in source.records if record.id == error.who)
        raise HubConfigError(f"{place}: {error}") from error
    await log.write(query)
    added = changed - before.keys()
    return Plan(
        added=tuple(sorted(added)),
        changed=tuple(sorted(changed - added)),
        suspended=tuple(sorted(suspended)),
        removed=tuple(sorted(removed)),
        unchanged=len(wanted) - len(changed),
    )


def _wanted(record: Record, before: Person | None, source: str) -> Person:
    """Somebody as the source has them, over what the hub knows. Raises `HubConfigError`: another source's person."""
    if before is not None and before.source not in ("", source):
        raise HubConfigError(f"{record.place}: {record.id} is kept by the source {before.source!r}")
    fields: dict[str, Any] = dict(record.fields)
    base = before or Person(id=record.id)
    cards = fields.pop("cards", None)
    if cards is not None:
        others = tuple(one for one in base.credentials or () if one.kind != "card")
        fields["credentials"] = tuple(Number("card", number) for number in cards) + others
    return msgspec.structs.replace(base, **fields, source=source)


def _guard(going: int, own: int, share: float, allowed: int | None) -> None:
    most = max(1, int(own * share)) if allowed is None else allowed
    if going > most:
        raise HubConfigError(
            f"{going} of {own} people would be removed or suspended, and {most} may: nothing was changed; if that is "
            f"right, give --allow-removals {going}"
        )
