"""The audit log: who changed or looked at what, each entry chained to the one before by its hash.

An entry is written in the transaction of what it tells of: there is neither one without the other. Who alters, removes
or inserts one breaks the chain from there on; who cuts off the end is found by a head that was kept elsewhere
(`thermogate-hub audit verify --head`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import sqlalchemy as sa

from campus import tables
from campus.errors import HubAuditError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor

START = "0" * 64
"""What the first entry is chained to."""
CHUNK = 1000


class Head(NamedTuple):
    """The end of the chain."""

    seq: int
    chain: str


async def append(
    query: AsyncConnection, by: Actor, action: str, subject: str, detail: Mapping[str, object], *, now: float
) -> Head:
    """Add an entry to the transaction of `query`. `detail`: JSON's kinds; never a secret or a temperature."""
    return await append_all(query, by, [(action, subject, detail)], now=now)


async def append_all(
    query: AsyncConnection, by: Actor, entries: Iterable[tuple[str, str, Mapping[str, Any]]], *, now: float
) -> Head:
    """Add several, each an action, a subject and a detail, with few statements; the log's head then."""
    if query.dialect.name == "postgresql":
        # One after the other; SQLite's transactions are so anyway.
        await query.execute(sa.text("SELECT pg_advisory_xact_lock(8242)"))
    seq, chain = await head(query)
    rows = []
    for action, subject, detail in entries:
        seq += 1
        row = {
            "seq": seq,
            "time": now,
            "actor": by.name,
            "role": by.role.value,
            "action": action,
            "subject": subject,
            "detail": msgspec.json.encode(detail, order="sorted").decode(),
        }
        chain = _link(chain, tuple(row.values()))
        rows.append(row | {"chain": chain})
    if rows:
        await query.execute(tables.audit.insert(), rows)
    return Head(seq, chain)


async def head(query: AsyncConnection) -> Head:
    """The last entry's place and chain value; (0, zeros) while there is none."""
    known = tables.audit.c
    row = (await query.execute(sa.select(known.seq, known.chain).order_by(known.seq.desc()).limit(1))).first()
    return Head(0, START) if row is None else Head(*row)


async def verify(query: AsyncConnection, kept: Head | None = None) -> Head:
    """Recompute the whole chain; its head. `kept`: one that was noted before and must be part of it.

    Raises `HubAuditError` naming the first entry that is not as it was written.
    """
    seq, chain = 0, START
    known = tables.audit.c
    while True:
        wanted = sa.select(tables.audit).where(known.seq > seq).order_by(known.seq).limit(CHUNK)
        rows = (await query.execute(wanted)).all()
        for row in rows:
            *content, found = row
            if row.seq != seq + 1:
                raise HubAuditError(f"audit log: entry {seq + 1} is missing")
            if _link(chain, tuple(content)) != found:
                raise HubAuditError(f"audit log: entry {row.seq} is not as it was written, or one before it")
            seq, chain = row.seq, found
            if kept is not None and kept.seq == seq and kept.chain != chain:
                raise HubAuditError(f"audit log: entry {seq} is not the one noted: rewritten")
        if len(rows) < CHUNK:
            break
    if kept is not None and kept.seq > seq:
        raise HubAuditError(f"audit log: ends at entry {seq}, and entry {kept.seq} was noted: its end was cut off")
    return Head(seq, chain)


def _link(chain: str, content: tuple[object, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode([chain, *content])).hexdigest()
