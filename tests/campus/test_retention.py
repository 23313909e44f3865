"""What was kept long enough is erased, and noted; what is younger stays, and a late replay brings nothing back."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import sqlalchemy as sa

from campus import retention, tables
from campus.auth import audit
from campus.auth.roles import Actor, Role
from campus.cli.main import main
from campus.database import Database
from campus.intake.store import HubStore, Incoming
from campus.policy.tables import head, visitor
from campus.retention import Retention, RetentionSettings
from controller.link.messages import EventMessage, encode, event_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BY = Actor("office", Role.ADMIN)
EPOCH = "000000000000002a"
NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC).timestamp()
DAYS = 180
"""The cut is on 2026-05-30."""


def event(seq: int, chain: str = "0") -> Incoming:
    message = EventMessage(
        id=event_id("north", EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1.0, monotonic=1.0,
        clock="unknown", type="deny", chain=chain * 64, person="p-1",
    )  # fmt: skip
    return Incoming("north", message, encode(message))


@pytest_asyncio.fixture
async def database(address: str) -> AsyncIterator[Database]:
    """Two events each on the 15th of February to July, then something behind a gap and a conflict in April."""
    async with Database(address, "school") as opened:
        store = HubStore(opened)
        for month in range(2, 8):
            received = dt.datetime(2026, month, 15, tzinfo=dt.UTC).timestamp()
            await store.apply([event(2 * month - 3), event(2 * month - 2)], received)
            if month == 4:
                await store.apply([event(40)], received)
                await store.apply([event(1, "f")], received)
        yield opened


async def numbers(database: Database, table: sa.Table = tables.event) -> list[int]:
    async with database.transaction() as query:
        return list((await query.execute(sa.select(table.c.seq).order_by(table.c.seq))).scalars())


async def entries(database: Database) -> list[tuple[str, dict[str, float]]]:
    async with database.transaction() as query:
        await audit.verify(query)
        rows = await query.execute(sa.select(tables.audit).order_by(tables.audit.c.seq))
        return [(row.action, json.loads(row.detail)) for row in rows]


@pytest.mark.asyncio
async def test_what_is_old_is_erased_and_noted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    keeper = Retention(database, RetentionSettings(events_days=DAYS))
    due = await keeper.due(NOW)
    assert await numbers(database) == list(range(1, 13)), "to look erases nothing"
    assert await keeper.erase(BY, NOW) == due
    # The 15th of May has passed too; but on PostgreSQL a month goes when the whole of it has.
    kept = 7 if database.is_postgresql else 9
    assert await numbers(database) == list(range(kept, 13))
    assert await numbers(database, tables.pending) == await numbers(database, tables.conflict) == []
    assert due.total == kept - 1 + 2
    told = {"before": NOW - DAYS * 86_400, "pending": 1, "conflict": 1}
    if database.is_postgresql:
        told |= {"event_2026_02": 2, "event_2026_03": 2, "event_2026_04": 2}
    else:
        told |= {"event": 8}
    assert await entries(database) == [("retention_began", told), ("retention_ended", told)]
    again = await keeper.erase(BY, NOW)
    assert again.total == 0
    assert len(await entries(database)) == 2, "nothing to erase is nothing to note"


@pytest.mark.asyncio
async def test_a_late_replay_of_what_was_erased_brings_nothing_back(database: Database) -> None:
    await Retention(database, RetentionSettings(events_days=DAYS)).erase(BY, NOW)
    kept = await numbers(database)
    store = HubStore(database)
    (mark,) = await store.apply([event(seq) for seq in range(1, 13)], NOW)
    assert mark.seq == 12, "it is acknowledged"
    assert await numbers(database) == kept
    assert store.counts["duplicates"] == 12
    await store.apply([event(13)], NOW)
    assert await numbers(database) == [*kept, 13]


@pytest.mark.asyncio
async def test_an_entry_says_that_it_began_where_it_did_not_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    keeper = Retention(database, RetentionSettings(events_days=DAYS))
    monkeypatch.setattr(keeper, "_erase_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        await keeper.erase(BY, NOW)
    assert [action for action, _ in await entries(database)] == ["retention_began"]


def test_less_than_the_standard_asks_for_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'campus = "school"\ndatabase = "{tmp_path / "hub.sqlite3"}"\n[retention]\nevents_days = 179\n')
    assert main(["retention", "--dry-run", "--config", str(config)]) == 1
    assert "retention.events_days: Expected `int` >= 180" in capsys.readouterr().err


def test_by_the_command_line(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'campus = "school"\ndatabase = "{address}"\n')
    assert main(["retention", "--dry-run", "--config", str(config)]) == 0
    assert capsys.readouterr().out.startswith("0 rows from before ")


@pytest.mark.asyncio
async def test_a_visit_is_forgotten_though_nobody_comes_after(database: Database) -> None:
    row = {"person": "v1", "host": "t1", "begins": "2026-01-01T08:00:00", "ends": "2026-01-01T12:00:00", "groups": "[]"}
    async with database.transaction() as query:
        await query.execute(visitor.insert().values(row))
        await query.execute(head.insert().values(id=1, revision=7))
    keeper = Retention(database, RetentionSettings(events_days=36_500))
    ended = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC).timestamp()
    assert (await keeper.erase(BY, ended + 29 * 86_400)).total == 0
    assert (await keeper.erase(BY, ended + 32 * 86_400)).rows == {"visitor": 1}
    async with database.transaction() as query:
        assert (await query.execute(sa.select(visitor))).all() == []
        assert (await query.execute(sa.select(head.c.revision))).scalar_one() > 7, "gates are handed the shorter list"
