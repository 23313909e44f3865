"""What an older hub has stored is there after a migration, and dated as a new one would have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import pytest_asyncio
import sqlalchemy as sa
from alembic import command

from campus import database as hub_database
from campus.database import Database
from campus.intake.store import HubStore
from campus.outward import changes
from controller.link.messages import EventMessage, encode, event_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

pytestmark = pytest.mark.asyncio

EPOCH = "000000000000002a"
NOON = 1_790_000_000.0
SINCE = "0010"
"""Before an event's moment stood beside it."""


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield str(tmp_path / "old.sqlite3")
        return
    server = request.getfixturevalue("postgresql")
    owner = await asyncpg.connect(server.format(name="postgres"))
    await owner.execute("DROP DATABASE IF EXISTS migrated WITH (FORCE)")
    await owner.execute("CREATE DATABASE migrated")
    yield server.format(name="migrated")
    await owner.execute("DROP DATABASE migrated WITH (FORCE)")
    await owner.close()


async def insert(query: AsyncConnection, table: str, row: dict[str, Any]) -> None:
    await query.execute(sa.table(table, *map(sa.column, row)).insert().values(row))


async def old_hub(address: str) -> None:
    """Make the tables of `SINCE`, with one event for each way to be dated, and the feed as it was told then."""
    engine = hub_database._engine(hub_database._url(address))

    def upgrade(connection: sa.Connection) -> None:
        config = hub_database._alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, SINCE)

    async with engine.begin() as query:
        await query.run_sync(upgrade)
        await query.execute(sa.text("INSERT INTO hub VALUES ('school')"))
        if engine.dialect.name == "postgresql":
            bounds = f"FROM ({NOON - 1e6:.0f}) TO ({NOON + 1e6:.0f})"
            await query.execute(sa.text(f"CREATE TABLE event_2026_09 PARTITION OF event FOR VALUES {bounds}"))
            await query.execute(sa.text("CREATE ROLE old_reader NOLOGIN"))
            await query.execute(sa.text("GRANT SELECT ON v1_passage TO old_reader"))
        boot = {"first_monotonic": 1000.0, "first_time": NOON, "last_monotonic": 5000.0, "last_time": NOON + 4000}
        await insert(query, "boot", {"gate": "north", "boot_id": "b", **boot})
        for position, (table, row) in enumerate(EVENTS, start=1):
            await insert(query, table, row)
            told = {"id": event_id("north", EPOCH, row["seq"]), "dated": row["clock"] == "synchronised"}
            same = {"kind": "passage", "type": "passage", "happened": NOON, "received": NOON, "detail": "{}"}
            await insert(query, "change", {"position": position, **told, **same})
        await query.execute(sa.text("UPDATE change_head SET position = :last"), {"last": len(EVENTS)})
    await engine.dispose()


def _event(seq: int, time: float, clock: Any, monotonic: float, boot: str) -> dict[str, Any]:
    message = EventMessage(
        id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id=boot, time=time, monotonic=monotonic,
        clock=clock, type="passage", chain=f"{seq:064x}", person="p-1",
    )  # fmt: skip
    return {
        "gate": "north", "epoch": EPOCH, "seq": seq, "received": NOON, "type": "passage", "time": time, "clock": clock,
        "monotonic": monotonic, "boot_id": boot, "person": "p-1", "chain": f"{seq:064x}", "payload": encode(message),
    }  # fmt: skip


EVENTS = [
    ("event", _event(1, NOON, "synchronised", 1000.0, "b")),
    ("event", _event(2, 12.0, "unsynchronised", 900.0, "b")),
    ("event", _event(3, 12.0, "unsynchronised", 4900.0, "b")),
    ("event", _event(4, 12.0, "unknown", 5.0, "another")),
    ("pending", _event(9, 12.0, "unsynchronised", 1010.0, "b")),
]


async def test_an_older_hubs_events_are_dated_and_told_again(empty: str) -> None:
    await old_hub(empty)
    async with Database(empty, "school") as database:
        rows = {row.seq: row.moment for row in await HubStore(database).events()}
        async with database.transaction() as query:
            told = [one for one in await changes.after(query, 0, ["passage"], 100) if one.change.revision == 2]
            head = await changes.head(query)
            view = (await query.execute(sa.text("SELECT id, dated FROM v1_passage ORDER BY id"))).all()
            if database.is_postgresql:
                granted = sa.text("SELECT has_table_privilege('old_reader', 'v1_passage', 'SELECT')")
                assert (await query.execute(granted)).scalar_one(), "what was granted stays"
                await query.execute(sa.text("DROP OWNED BY old_reader"))
                await query.execute(sa.text("DROP ROLE old_reader"))
    assert [(seq, rows[seq].source) for seq in sorted(rows)] == [
        (1, "clock"), (2, "estimated"), (3, "estimated"), (4, "unknown"), (9, "estimated"),
    ]  # fmt: skip
    assert (rows[2].time, rows[3].time, rows[9].time) == (NOON - 100, NOON + 3900, NOON + 10)
    assert (rows[2].error, rows[9].error) == (1.05, 1.005)
    again = [(one.position, one.change.id[-1], one.change.happened, one.change.dated) for one in told]
    assert again == [(6, "2", NOON - 100, True), (7, "3", NOON + 3900, True), (8, "9", NOON + 10, True)]
    assert head == 8
    assert [(row.id[-1], bool(row.dated)) for row in view] == [
        ("1", True), ("2", True), ("3", True), ("4", False), ("9", True),
    ]  # fmt: skip


async def test_hubs_that_start_together_make_the_tables_once(empty: str) -> None:
    databases = [Database(empty, "school") for _ in range(3)]
    await asyncio.gather(*(database.open() for database in databases))
    for database in databases:
        await database.close()
