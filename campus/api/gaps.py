"""`/gates/{gate}/gaps`: events of a gate that stay away, are lost to this hub, or contradict others."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from campus import tables
from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.problems import Problem
from campus.api.times import moment, moment_or_none
from campus.auth.roles import Actor, Permission
from campus.intake import gaps

router = APIRouter(prefix="/gates", tags=["gates"])

Reader = Annotated[Actor, allowed(Permission.GATES_READ)]
GateName = Annotated[str, Path(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]
NEWEST = 1000
"""Holes and conflicts that are told."""


class GapFound(BaseModel):
    """Events that the gate has and that do not come; the first of their epoch."""

    epoch: str
    first: int
    last: int | None
    """Null: what comes behind is not known."""
    found: dt.datetime
    asked: int
    """Times the gate was asked to send again."""
    alerted: dt.datetime | None
    """Since when this is an alert: asking did not help."""


class Hole(BaseModel):
    """Events that the gate has forgotten on the word of a hub that had them, and this one has not."""

    epoch: str
    first: int
    last: int
    found: dt.datetime


class Conflict(BaseModel):
    """Another event at a place that was taken: a restored card, or a forgery."""

    epoch: str
    seq: int
    chain: str
    received: dt.datetime


class Gaps(BaseModel):
    """What did not arrive as it should; of holes and conflicts the newest 1000."""

    gaps: list[GapFound]
    holes: list[Hole]
    conflicts: list[Conflict]


@router.get("/{gate}/gaps", responses=problems.responses(404))
async def list_gaps(_: Reader, database: Data, gate: GateName) -> Gaps:
    """What did not arrive as it should from one gate."""
    async with database.transaction() as query:
        await must_be_known(query, gate)
        stalled = await gaps.gaps(query, [gate])
        holes = (await query.execute(_newest(tables.hole, tables.hole.c.found, gate))).all()
        conflicts = (await query.execute(_newest(tables.conflict, tables.conflict.c.received, gate))).all()
    return Gaps(
        gaps=[
            GapFound(
                epoch=gap.epoch,
                first=gap.first,
                last=gap.last,
                found=moment(gap.found),
                asked=gap.asked,
                alerted=moment_or_none(gap.alerted),
            )
            for gap in stalled
        ],
        holes=[Hole(epoch=row.epoch, first=row.first, last=row.last, found=moment(row.found)) for row in holes],
        conflicts=[
            Conflict(epoch=row.epoch, seq=row.seq, chain=row.chain, received=moment(row.received)) for row in conflicts
        ],
    )


async def must_be_known(query: AsyncConnection, gate: str) -> None:
    """Raise the 404 of a gate that nothing was ever heard of."""
    heard = sa.union_all(*(sa.select(table.c.gate).where(table.c.gate == gate) for table in (tables.gate, tables.mark)))
    if (await query.execute(heard.limit(1))).first() is None:
        raise Problem(404, "nothing was ever heard of this gate")


def _newest(table: sa.Table, when: sa.Column[Any], gate: str) -> sa.Select[Any]:
    return sa.select(table).where(table.c.gate == gate).order_by(when.desc()).limit(NEWEST)
