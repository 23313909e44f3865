"""The access policy at the hub: changed here, checked as a gate would check it, and compiled into what gates get.

A change is a JSON Merge Patch (RFC 7396) of the whole policy, so that a zone can come together with its points; every
version of the rules is kept. Visitors come and go by the hour and have a table of their own.

Each method works in the transaction it is handed, and writes its audit entry first, whose lock brings all changes into
one order.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from campus.auth import audit
from campus.errors import HubConfigError
from campus.policy.tables import head, rules, visitor
from controller.errors import PolicyError
from controller.lane.access.document import Document, Visitor, from_json, to_json
from controller.lane.access.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor

KEPT = dt.timedelta(days=30)
"""How long a visit stays in the table after its end."""
_KEPT_APART = {
    "format": "it is this program's",
    "revision": "it grows by itself",
    "visitors": "each is a resource of its own",
}


class Policies:
    """What is in force; compiled anew only after a change."""

    def __init__(self) -> None:
        self._compiled: tuple[int, bytes] | None = None

    async def current(self, query: AsyncConnection) -> tuple[int, bytes] | None:
        """Its revision, and its bytes as gates read them; None: nobody has made one."""
        revision = await _revision(query)
        if self._compiled is None or self._compiled[0] != revision:
            text = await compile_policy(query)
            self._compiled = None if text is None else (revision, text)
        return self._compiled


async def compile_policy(query: AsyncConnection) -> bytes | None:
    """The policy with everybody who visits, as gates read it (`Document`, canonical JSON); None: there is none."""
    document = await read(query)
    return None if document is None else to_json(document)


async def read(query: AsyncConnection) -> Document | None:
    """The policy with everybody who visits; None: there is none."""
    newest = sa.select(rules.c.document).order_by(rules.c.revision.desc()).limit(1)
    text = (await query.execute(newest)).scalar()
    if text is None:
        return None
    document = from_json(text, where="policy")
    return msgspec.structs.replace(document, revision=await _revision(query), visitors=await visitors(query))


async def change(query: AsyncConnection, by: Actor, patch: Mapping[str, Any], *, now: float) -> Document:
    """Change the policy, or make the first; all of it or nothing. `patch`: see RFC 7396.

    Raises `HubConfigError` with the path of what is wrong with the patch, or would be with the policy.
    """
    for key in patch.keys() & _KEPT_APART.keys():
        raise HubConfigError(f"{key}: {_KEPT_APART[key]}")
    await audit.append(query, by, "policy_changed", "policy", {"parts": sorted(patch)}, now=now)
    before = await read(query)
    raw = {"format": 1} if before is None else msgspec.json.decode(to_json(before))
    raw |= {"revision": await _advance(query, now), "visitors": {}}
    try:
        document = from_json(msgspec.json.encode(_patched(raw, patch)), where="policy")
        Policy(msgspec.structs.replace(document, visitors=await visitors(query)))
    except PolicyError as error:
        raise HubConfigError(str(error)) from error
    row = {"revision": document.revision, "time": now, "actor": by.name, "document": to_json(document)}
    await query.execute(rules.insert().values(row))
    return document


async def visitors(query: AsyncConnection) -> dict[str, Visitor]:
    """Everybody who visits, by id."""
    rows = await query.execute(sa.select(visitor).order_by(visitor.c.person))
    return {
        row.person: Visitor(
            host=row.host,
            from_=dt.datetime.fromisoformat(row.begins),
            until=dt.datetime.fromisoformat(row.ends),
            groups=msgspec.json.decode(row.groups, type=tuple[str, ...]),
        )
        for row in rows
    }


async def put_visitor(query: AsyncConnection, by: Actor, person: str, visit: Visitor, *, now: float) -> None:
    """Note a visit, in place of one by the same person, and forget old ones. Raises `HubConfigError`."""
    detail = {"host": visit.host, "until": visit.until.isoformat()}
    await audit.append(query, by, "visitor_set", person, detail, now=now)
    document = await read(query)
    if document is None:
        raise HubConfigError("there is no access policy yet, so there is no group for a visitor")
    try:
        Policy(msgspec.structs.replace(document, visitors={person: visit}))
    except PolicyError as error:
        raise HubConfigError(str(error)) from error
    await query.execute(sa.delete(visitor).where(sa.or_(visitor.c.person == person, long_over(now))))
    row = {
        "person": person,
        "host": visit.host,
        "begins": visit.from_.isoformat(),
        "ends": visit.until.isoformat(),
        "groups": msgspec.json.encode(visit.groups).decode(),
    }
    await query.execute(visitor.insert().values(row))
    await _advance(query, now)


async def remove_visitor(query: AsyncConnection, by: Actor, person: str, *, now: float) -> bool:
    """Forget a visit; False where there is none."""
    await audit.hold(query)
    if not (await query.execute(sa.delete(visitor).where(visitor.c.person == person))).rowcount:
        return False
    await audit.append(query, by, "visitor_removed", person, {}, now=now)
    await _advance(query, now)
    return True


def long_over(now: float) -> sa.ColumnElement[bool]:
    """Visits that ended so long ago that they are to be forgotten."""
    past = dt.datetime.fromtimestamp(now, dt.UTC).date() - KEPT
    return visitor.c.ends < str(past)


async def forget_visitors(query: AsyncConnection, *, now: float) -> None:
    """Forget them; after the transaction's audit entry."""
    if (await query.execute(sa.delete(visitor).where(long_over(now)))).rowcount:
        await _advance(query, now)


async def _revision(query: AsyncConnection) -> int:
    return (await query.execute(sa.select(head.c.revision))).scalar() or 0


async def _advance(query: AsyncConnection, now: float) -> int:
    """A revision above all that gates may have, also after a backup was restored: Unix seconds at least."""
    before = await _revision(query)
    revision = max(before + 1, int(now))
    if before:
        await query.execute(sa.update(head).values(revision=revision))
    else:
        await query.execute(head.insert().values(id=1, revision=revision))
    return revision


def _patched(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, objects are merged, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _patched(found.get(key), value)
    return found
