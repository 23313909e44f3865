"""`/changes`: what happened, for the school's own programs, from wherever they left off."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.problems import Problem
from campus.auth.roles import Actor, Permission
from campus.outward import changes
from campus.outward.feed import Feed

router = APIRouter(prefix="/changes", tags=["changes"])


def _feed(request: Request) -> Feed:
    found: Feed = request.app.state.feed
    return found


Following = Annotated[Feed, Depends(_feed)]
Reader = Annotated[Actor, allowed(Permission.CHANGES_READ)]
LONGEST = 30.0
"""Seconds of a long poll: proxies end a request that is silent for a minute."""


class ChangePage(BaseModel):
    """Some changes, oldest first."""

    changes: list[dict[str, Any]]
    """As docs/integration.md describes them."""
    next: int
    """Ask with `after` this for what comes then."""


@router.get(
    "", responses=problems.responses(410), openapi_extra=problems.further_rules("`after` is a place that is kept.")
)
async def follow_changes(
    reader: Reader,
    database: Data,
    feed: Following,
    after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    kind: Annotated[list[Literal["passage", "alert", "health"]] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST)] = 0.0,
) -> ChangePage:
    """What comes behind `after`; if that is nothing yet, within `wait` seconds. Without `after`: from now on."""
    kinds: set[str] = set(kind or ("passage", "alert"))
    if "health" in kinds and not reader.may(Permission.HEALTH_READ):
        raise Problem(403, f"the role {reader.role.value!r} has no permission {Permission.HEALTH_READ.value!r}")
    page = await _page(database, after, kinds, limit)
    if not page.changes and await feed.beyond(page.next, wait):
        page = await _page(database, page.next, kinds, limit)
    return page


async def _page(database: Data, after: int | None, kinds: set[str], limit: int) -> ChangePage:
    async with database.transaction() as query:
        head = await changes.head(query)
        if after is None:
            return ChangePage(changes=[], next=head)
        if after > head:
            raise Problem(410, f"query.after: the feed ends at {head}: the hub was restored from a backup; begin anew")
        if 0 < after < await changes.first(query) - 1:
            raise Problem(410, "query.after: what came next is not kept any more; begin anew, from 0 or from now on")
        found = await changes.after(query, after, kinds, limit)
    told = [{"position": position} | changes.document(one) for position, one in found]
    # Behind the last of a full page there may be more; else there is nothing of these kinds up to the head.
    return ChangePage(changes=told, next=found[-1].position if len(found) == limit else head)
