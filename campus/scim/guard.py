"""The guard against a push that shuts a campus out, one person after the other.

An identity provider whose scope was set wrong deactivates everybody, in thousands of requests that are each in order.
So only so many people may be shut out within a window. The next one trips the guard: from then on no push shuts
anybody out, and the hub raises the alarm, until an administrator says how many more may go. Additions and all other
changes go on; a provider tries again what was refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from campus.auth import audit
from campus.errors import HubConflictError
from campus.scim.tables import account, guard, removal

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.scim.settings import ScimSettings

ALLOWED_FOR = 86_400.0
"""Seconds that an administrator's word holds."""


class TooManyRemovalsError(HubConflictError):
    """A push would shut out more people than may be; nothing of it was done."""


class Standing(NamedTuple):
    """How the guard stands."""

    tripped: float | None
    """Unix seconds since when removals are refused; None: they are not."""
    recent: int
    """People shut out within the window."""
    most: int
    """So many may be."""
    allowed: int
    """So many more on an administrator's word."""


async def lock(query: AsyncConnection) -> None:
    """Let pushes come one after the other, from here to the end of the transaction."""
    await query.execute(sa.select(guard.c.id).with_for_update())


async def standing(query: AsyncConnection, settings: ScimSettings, now: float) -> Standing:
    """How it stands now."""
    row = (await query.execute(sa.select(guard))).one()
    count = sa.select(sa.func.count())
    everybody = (await query.execute(count.select_from(account))).scalar_one()
    since = removal.c.time > now - settings.removal_window
    recent = (await query.execute(count.select_from(removal).where(since))).scalar_one()
    erased = removal.c.person.not_in(sa.select(account.c.person))
    gone = (await query.execute(count.select_from(removal).where(since, erased))).scalar_one()
    most = max(settings.removals, int((everybody + gone) * settings.removal_share))
    return Standing(row.tripped, recent, most, row.allowed if row.until > now else 0)


async def shut_out(query: AsyncConnection, settings: ScimSettings, people: Collection[str], *, now: float) -> None:
    """Note that these people are shut out. Raises `TooManyRemovalsError`; see `trip`."""
    if not people:
        return
    await query.execute(sa.delete(removal).where(removal.c.time <= now - settings.removal_window))
    counted = set((await query.execute(sa.select(removal.c.person))).scalars())
    fresh = set(people) - counted
    how = await standing(query, settings, now)
    if not fresh and how.tripped is None:
        return
    if how.allowed >= len(people):
        await query.execute(sa.update(guard).values(allowed=guard.c.allowed - len(people)))
    elif how.tripped is not None or how.recent + len(fresh) > how.most:
        raise TooManyRemovalsError(
            f"{how.recent + len(fresh)} people would be shut out within {settings.removal_window:.0f} s, and "
            f"{how.most} may: refused until an administrator allows it (thermogate-hub scim allow-removals)"
        )
    elif fresh:
        await query.execute(removal.insert(), [{"person": who, "time": now} for who in sorted(fresh)])


async def let_in(query: AsyncConnection, who: str) -> None:
    """Somebody whom a push had suspended is let in again."""
    await query.execute(sa.delete(removal).where(removal.c.person == who))


async def trip(query: AsyncConnection, by: Actor, refused: TooManyRemovalsError, *, now: float) -> None:
    """Refuse removals from now on; harmless where they are refused already."""
    found = await query.execute(sa.update(guard).where(guard.c.tripped.is_(None)).values(tripped=now, allowed=0))
    if found.rowcount:
        await audit.append(query, by, "removals_refused", "scim", {"why": str(refused)}, now=now)


async def allow(query: AsyncConnection, by: Actor, number: int, *, now: float) -> None:
    """Let so many more people be shut out within a day, and take off the guard where it has tripped."""
    await query.execute(sa.update(guard).values(tripped=None, allowed=number, until=now + ALLOWED_FOR))
    await audit.append(query, by, "removals_allowed", "scim", {"number": number}, now=now)
