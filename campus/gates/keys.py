"""Which gates are given people: those whose key an administrator pinned; and the content keys that are sealed to them.

A gate that was stolen is revoked: it is told nothing more, the hub's documents are closed to it, and the next content
key is not sealed to it. What it has, it has: encrypted on its own disk, until it goes stale.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from campus.auth import audit
from campus.errors import HubConfigError, HubStoreError
from campus.gates.tables import content_key, gate_key
from controller.errors import GateError
from controller.gallery.sealing import Sealed, SealError
from controller.link.documents import KEY_BYTES, download_password, read_gate_key
from controller.link.messages import check_name

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.people.records import People


class GateKey(NamedTuple):
    """A gate that is, or was, given people."""

    gate: str
    public: str
    """Base64 of its X25519 key."""
    pinned: float
    revoked: float | None
    reported: bytes | None
    """What it said last of what it has installed."""
    reported_at: float | None


class ContentKey(NamedTuple):
    """What documents are sealed under."""

    number: int
    key: bytes


async def pin(query: AsyncConnection, by: Actor, gate: str, public: str, *, now: float) -> None:
    """Give a gate people from now on. Raises `HubConfigError`: no name of a gate, or no key."""
    try:
        check_name(gate)
        read_gate_key(gate, public)
    except GateError as error:
        raise HubConfigError(str(error)) from error
    await audit.append(query, by, "gate_pinned", gate, {"key": public}, now=now)
    row = {"public": public, "pinned": now, "revoked": None, "reported": None, "reported_at": None}
    changed = await query.execute(sa.update(gate_key).where(gate_key.c.gate == gate).values(row))
    if not changed.rowcount:
        await query.execute(gate_key.insert().values({"gate": gate} | row))


async def revoke(query: AsyncConnection, by: Actor, people: People, gate: str, *, now: float) -> bool:
    """Give a gate nothing more, and change the content key; False where there is none that was given anything."""
    await audit.hold(query)
    chosen = sa.update(gate_key).where(gate_key.c.gate == gate, gate_key.c.revoked.is_(None)).values(revoked=now)
    if not (await query.execute(chosen)).rowcount:
        return False
    await audit.append(query, by, "gate_revoked", gate, {}, now=now)
    await _new_key(query, people, now=now)
    return True


async def gates(query: AsyncConnection) -> list[GateKey]:
    """All of them, by name."""
    return [GateKey(*row) for row in await query.execute(sa.select(gate_key).order_by(gate_key.c.gate))]


async def report(query: AsyncConnection, gate: str, payload: bytes, *, now: float) -> None:
    """Keep what a gate said of itself; of one that is not pinned nothing is kept."""
    chosen = sa.update(gate_key).where(gate_key.c.gate == gate, gate_key.c.revoked.is_(None))
    await query.execute(chosen.values(reported=payload, reported_at=now))


async def content_key_in_force(query: AsyncConnection, people: People, *, now: float) -> ContentKey:
    """The newest; made where there is none. Raises `HubStoreError` where it does not open."""
    row = (await query.execute(sa.select(content_key).order_by(content_key.c.number.desc()).limit(1))).first()
    if row is None:
        return await _new_key(query, people, now=now)
    try:
        return ContentKey(row.number, people.sealer.unseal(Sealed(row.key, row.nonce, row.sealed), _label(row.number)))
    except SealError as error:
        raise HubStoreError(f"content key {row.number}: does not open: {error}") from error


async def may_fetch(query: AsyncConnection, people: People, gate: str, password: str, *, now: float) -> bool:
    """Whether this is a gate that is given people, and knows the content key in force."""
    wanted = sa.select(gate_key.c.gate).where(gate_key.c.gate == gate, gate_key.c.revoked.is_(None))
    if (await query.execute(wanted)).first() is None:
        return False
    current = await content_key_in_force(query, people, now=now)
    return hmac.compare_digest(download_password(current.key, gate).encode(), password.encode())


async def _new_key(query: AsyncConnection, people: People, *, now: float) -> ContentKey:
    highest = (await query.execute(sa.select(sa.func.max(content_key.c.number)))).scalar() or 0
    made = ContentKey(highest + 1, os.urandom(KEY_BYTES))
    sealed = people.sealer.seal(made.key, _label(made.number))
    await query.execute(content_key.insert().values(number=made.number, created=now, **sealed._asdict()))
    return made


def _label(number: int) -> tuple[str, ...]:
    return ("content key", str(number))
