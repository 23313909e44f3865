"""Who may be enrolled though their faces are as one: twins, said by whoever may overrule, with the reason on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from campus.auth import audit
from campus.errors import HubConfigError
from campus.people.records import hold
from campus.people.tables import lookalike, person

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor


async def allow(query: AsyncConnection, by: Actor, one: str, other: str, reason: str, *, now: float) -> bool | None:
    """Let these two be enrolled beside each other; False: they may already, None: one of them is not there.

    `reason`: goes into the audit log as it is. Raises `HubConfigError` for one person's id given twice.
    """
    first, second = _pair(one, other)
    there = sa.select(sa.func.count()).where(person.c.removed.is_(None), person.c.id.in_((first, second)))
    if (await query.execute(there)).scalar_one() < 2:
        return None
    await hold(query)
    if first in await allowed(query, second):
        return False
    await audit.append(query, by, "lookalikes_allowed", first, {"other": second, "reason": reason}, now=now)
    await query.execute(lookalike.insert().values(first=first, second=second, since=now))
    return True


async def forbid(query: AsyncConnection, by: Actor, one: str, other: str, *, now: float) -> bool:
    """Take that back: from the next photograph on. False where it was not said. Templates that there are stay."""
    first, second = _pair(one, other)
    chosen = sa.delete(lookalike).where(lookalike.c.first == first, lookalike.c.second == second)
    await hold(query)
    if not (await query.execute(chosen)).rowcount:
        return False
    await audit.append(query, by, "lookalikes_forbidden", first, {"other": second}, now=now)
    return True


async def allowed(query: AsyncConnection, who: str) -> dict[str, float]:
    """Beside whom somebody may be enrolled, and since when, Unix seconds."""
    mine = sa.or_(lookalike.c.first == who, lookalike.c.second == who)
    rows = await query.execute(sa.select(lookalike).where(mine))
    return {row.second if row.first == who else row.first: row.since for row in rows}


def _pair(one: str, other: str) -> tuple[str, str]:
    if one == other:
        raise HubConfigError(f"{one}: is one person: two ids are needed")
    first, second = sorted((one, other))
    return first, second
