"""`/health` and `/ready`: for service managers and proxies, without a token."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request
from pydantic import BaseModel

from campus.api import problems
from campus.api.auth import Data

BrokerState = Literal["connected", "away", "standby", "none"]

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The program answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """It can do its work."""

    status: Literal["ok"] = "ok"
    broker: BrokerState
    """`away`: what gates report does not come in; REST is answered all the same. `standby`: another hub takes it in,
    and this one would take over. `none`: it is another program's."""


@router.get("/health")
async def health() -> Alive:
    """Whether the program answers."""
    return Alive()


@router.get("/ready", responses=problems.responses(503))
async def ready(database: Data, request: Request) -> Ready:
    """Whether it can answer for its database; 503 where it cannot."""
    async with database.transaction() as query:
        await query.execute(sa.select(1))
    return Ready(broker=request.app.state.broker())
