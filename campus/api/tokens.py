"""`/tokens`: who is known to the hub."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.problems import Problem
from campus.api.times import moment, moment_or_none
from campus.auth import tokens
from campus.auth.roles import Actor, Permission, Role

if TYPE_CHECKING:
    from campus.auth.tokens import TokenRow

router = APIRouter(prefix="/tokens", tags=["tokens"])

Administrator = Annotated[Actor, allowed(Permission.ADMINISTER)]


class Token(BaseModel):
    """A token, but for itself."""

    id: str
    name: str
    role: Role
    created: dt.datetime
    expires: dt.datetime | None
    revoked: dt.datetime | None


class NewToken(BaseModel):
    """What a token is asked for."""

    name: str = Field(pattern=tokens.NAME)
    """Whose it is; stands in the audit log beside what is done with it."""
    role: Role
    days: float | None = Field(default=None, ge=0.01, le=36_500, strict=True)
    """How long it counts; null: until it is revoked."""


class IssuedToken(Token):
    """A token that was just made."""

    token: str
    """The token itself. The hub keeps its hash alone: it is shown this once."""


@router.get("")
async def list_tokens(_: Administrator, database: Data) -> list[Token]:
    """Every token there ever was, oldest first."""
    async with database.transaction() as query:
        return [_token(row) for row in await tokens.everyone(query)]


@router.post("", status_code=201)
async def issue_token(by: Administrator, database: Data, asked: NewToken) -> IssuedToken:
    """Make a token."""
    now = time.time()
    expires = None if asked.days is None else now + asked.days * 86_400
    async with database.transaction() as query:
        secret, row = await tokens.issue(query, by, asked.name, asked.role, now=now, expires=expires)
    return IssuedToken(**_token(row).model_dump(), token=secret)


@router.delete("/{identifier}", status_code=204, responses=problems.responses(404))
async def revoke_token(
    by: Administrator, database: Data, identifier: Annotated[str, Path(pattern="^[0-9a-f]{8}$")]
) -> None:
    """Take a token back; it counts no more from now on."""
    async with database.transaction() as query:
        if not await tokens.revoke(query, by, identifier, now=time.time()):
            raise Problem(404, "there is no such token, or it was revoked before")


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        role=row.role,
        created=moment(row.created),
        expires=moment_or_none(row.expires),
        revoked=moment_or_none(row.revoked),
    )
