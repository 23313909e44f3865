"""A backup made with PostgreSQL's own programs, as docs/hub.md has it, and what the hub does with one that is old."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import sqlalchemy as sa

from campus import tables
from campus.auth import audit
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.intake.store import HubStore, Incoming, Mark
from controller.link.messages import Cursor, EventMessage, Online, encode, event_id

EPOCH = "000000000000002a"


def event(seq: int) -> Incoming:
    message = EventMessage(
        id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1.0, monotonic=1.0,
        clock="unknown", type="deny", chain=f"{seq:064x}",
    )  # fmt: skip
    return Incoming("north", message, encode(message))


async def fill(address: str, *numbers: int) -> list[Mark]:
    async with Database(address, "school") as database:
        async with database.transaction() as query:
            await audit.append(query, Actor("desk", Role.ADMIN), "did", "something", {}, now=1.0)
        return await HubStore(database).apply([event(number) for number in numbers], 1_790_000_000.0)


async def reconnect(address: str, acked: int) -> tuple[list[Mark], list[tuple[int, int]], int]:
    """The gate connects to the restored hub and goes on; the marks, the holes, and the audit log's entries."""
    async with Database(address, "school") as database:
        store = HubStore(database)
        online = Online(online=True, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=acked)])
        marks = await store.apply([Incoming("north", online, encode(online))], 1_790_000_100.0)
        marks += await store.apply([event(acked + 1)], 1_790_000_101.0)
        async with database.transaction() as query:
            holes = (await query.execute(sa.select(tables.hole.c.first, tables.hole.c.last))).all()
            head = await audit.verify(query)
    return marks, [(row.first, row.last) for row in holes], head.seq


def test_an_old_backup_is_a_hole_and_the_hub_goes_on(postgresql: str, tmp_path: Path) -> None:
    program = shutil.which("pg_dump") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_dump")))
    folder = Path(program).parent
    server, address = postgresql.format(name="postgres"), postgresql.format(name="backed_up")
    subprocess.run([folder / "psql", server, "-c", "CREATE DATABASE backed_up"], check=True, capture_output=True)
    dump = tmp_path / "hub.dump"
    asyncio.run(fill(address, *range(1, 6)))
    subprocess.run([folder / "pg_dump", "--format=custom", f"--file={dump}", address], check=True)
    (mark,) = asyncio.run(fill(address, *range(6, 10)))
    assert mark.seq == 9, "which the gate forgets up to"
    restored = postgresql.format(name="restored")
    subprocess.run([folder / "psql", server, "-c", "CREATE DATABASE restored"], check=True, capture_output=True)
    subprocess.run([folder / "pg_restore", "--exit-on-error", f"--dbname={restored}", dump], check=True)
    marks, holes, entries = asyncio.run(reconnect(restored, mark.seq))
    assert holes == [(6, 9)]
    assert [one.seq for one in marks] == [9, 10]
    assert entries == 1, "the one made after the backup is gone with it, and the chain is whole"
