"""`/audit`: who changed or looked at what."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel

from campus import tables
from campus.api.auth import Data, allowed
from campus.api.times import moment
from campus.auth.roles import Actor, Permission

router = APIRouter(prefix="/audit", tags=["audit"])

Auditor = Annotated[Actor, allowed(Permission.AUDIT_READ)]


class AuditEntry(BaseModel):
    """One entry."""

    seq: int
    time: dt.datetime
    actor: str
    role: str
    action: str
    subject: str
    detail: dict[str, Any]
    chain: str
    """SHA-256 over this entry and the chain value before it."""


@router.get("")
async def list_audit(
    _: Auditor,
    database: Data,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditEntry]:
    """Entries behind number `after`, in order."""
    known = tables.audit.c
    wanted = sa.select(tables.audit).where(known.seq > after).order_by(known.seq).limit(limit)
    async with database.transaction() as query:
        rows = (await query.execute(wanted)).all()
    return [
        AuditEntry(**dict(row._mapping) | {"time": moment(row.time), "detail": json.loads(row.detail)})  # noqa: SLF001
        for row in rows
    ]
