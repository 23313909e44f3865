"""Tokens by which people and programs are known to the hub: 256 random bits, of which it keeps a hash alone.

A slow hash would protect passwords that people choose; 256 random bits cannot be guessed from SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from campus import tables
from campus.auth import audit
from campus.auth.roles import Actor, Role
from campus.errors import HubConfigError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

PREFIX = "tgh_"
"""Tells scanners of source code that this is a secret, and whose."""
LONGEST = 36_500 * 86_400.0
"""Seconds for which a token may count, where it ends at all."""
NAME = r"^[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,63}$"
"""A pattern of whose token it is: at most 64 characters on one line."""


class TokenRow(NamedTuple):
    """A token, but for itself."""

    id: str
    name: str
    role: Role
    created: float
    expires: float | None
    """Unix seconds; None: it does not."""
    revoked: float | None


async def issue(
    query: AsyncConnection, by: Actor, name: str, role: Role, *, now: float, expires: float | None
) -> tuple[str, TokenRow]:
    """Make a token for `name`; the token itself, which is nowhere kept, and its row.

    Raises `HubConfigError` for a name that cannot stand in a list, or an end that has passed.
    """
    if not re.fullmatch(NAME, name):
        raise HubConfigError("name: 1 to 64 characters on one line, not beginning with a space")
    if expires is not None and not now < expires <= now + LONGEST:
        raise HubConfigError("expires: has passed already, or lies more than a hundred years ahead")
    token = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(secrets.token_hex(4), name, role, now, expires, None)
    await query.execute(tables.token.insert().values(**row._asdict() | {"digest": _digest(token)}))
    detail = {"name": name, "role": role.value, "expires": expires}
    await audit.append(query, by, "token_issued", row.id, detail, now=now)
    return token, row


async def revoke(query: AsyncConnection, by: Actor, identifier: str, *, now: float) -> bool:
    """Take a token back; whether there was one that still counted."""
    token = tables.token
    chosen = sa.update(token).where(token.c.id == identifier, token.c.revoked.is_(None)).values(revoked=now)
    if not (await query.execute(chosen)).rowcount:
        return False
    await audit.append(query, by, "token_revoked", identifier, {}, now=now)
    return True


async def everyone(query: AsyncConnection) -> list[TokenRow]:
    """All tokens, oldest first."""
    token = tables.token.c
    wanted = sa.select(token.id, token.name, token.role, token.created, token.expires, token.revoked)
    rows = await query.execute(wanted.order_by(token.created, token.id))
    return [TokenRow(*row)._replace(role=Role(row.role)) for row in rows]


async def actor_of(query: AsyncConnection, token: str, *, now: float) -> Actor | None:
    """Whose token this is, while it counts."""
    known = tables.token.c
    wanted = sa.select(known.name, known.role, known.expires, known.revoked).where(known.digest == _digest(token))
    row = (await query.execute(wanted)).first()
    if row is None or row.revoked is not None or (row.expires is not None and row.expires <= now):
        return None
    return Actor(row.name, Role(row.role))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
