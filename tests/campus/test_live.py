"""What is new now is seen at once and what is older follows in order; boots are dated; conflicts are explained."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import alembic.command
import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa
from alembic.config import Config

from campus import migrations, tables
from campus.database import Database
from campus.intake.dating import CLOCK_ERROR, DRIFT
from campus.intake.ingest import BATCH_LIMIT, LANE_LIMIT, _Lanes
from campus.intake.store import HubStore, Incoming, Mark
from controller.link.messages import EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

EPOCH, NEXT = "000000000000002a", "000000000000002b"


def event(seq: int, *, live: bool = False, **changes: Any) -> Incoming:
    values: dict[str, Any] = {
        "epoch": EPOCH, "seq": seq, "boot_id": "b", "time": float(seq), "monotonic": float(seq), "clock": "unknown",
        "type": "ticket", "chain": f"{seq:064x}", "person": "p-1",
    } | changes  # fmt: skip
    message = EventMessage(id=event_id("north", values["epoch"], seq), **values)
    return Incoming("north", message, encode(message), live)


def mark(seq: int) -> Mark:
    return Mark("north", EPOCH, seq, f"{seq:064x}")


@pytest_asyncio.fixture
async def store(address: str) -> AsyncIterator[HubStore]:
    async with Database(address, "school") as database:
        yield HubStore(database)


async def test_a_live_event_is_seen_at_once_and_stored_once(store: HubStore) -> None:
    assert await store.apply([event(1)], 1.0) == [mark(1)]
    assert await store.apply([event(5000, live=True)], 2.0) == [], "a mark that is repeated would ask for all again"
    assert [(row.seq, row.complete) for row in await store.events()] == [(1, True), (5000, False)]
    for first in range(2, 5001, 1000):
        last = min(first + 999, 5000)
        assert await store.apply([event(seq) for seq in range(first, last + 1)], float(first)) == [mark(last)]
    assert store.counts == {"stored": 5000, "duplicates": 1}
    found = await store.events()
    assert sorted(row.seq for row in found) == list(range(1, 5001))
    assert next(row.received for row in found if row.seq == 5000) == 2.0, "when it came first"
    assert (await store.gates())[0].missing == 0


async def test_a_live_event_that_is_the_next_one_is_acknowledged(store: HubStore) -> None:
    await store.apply([event(3, live=True)], 1.0)
    assert await store.apply([event(1, live=True)], 1.0) == [mark(1)]
    assert await store.apply([event(2)], 1.0) == [mark(3)]


async def test_a_long_run_behind_a_gap_is_joined_in_one_commit(store: HubStore) -> None:
    await store.apply([event(seq, live=True) for seq in range(2, 1700)], 1.0)
    assert await store.apply([event(1)], 2.0) == [mark(1699)]
    async with store.database.transaction() as query:
        assert (await query.execute(sa.select(sa.func.count()).select_from(tables.pending))).scalar() == 0


async def test_neither_lane_starves_the_other() -> None:
    lanes = _Lanes()
    for seq in range(1, LANE_LIMIT + 1):
        assert lanes.put(event(seq))
    assert not lanes.put(event(9000)), "there is no room"
    assert lanes.put(event(9001, live=True))
    assert lanes.put(Incoming("north", Online(online=True, boot_id="b"), b"{}"))
    batch = await lanes.take()
    assert [batch[0].live, isinstance(batch[1].message, Online)] == [True, True], "before all that waits"
    assert len(batch) == BATCH_LIMIT
    for seq in range(1, 2 * BATCH_LIMIT):
        lanes.put(event(9001 + seq, live=True))
    live = [content.live for content in await lanes.take()]
    assert live == [True] * (BATCH_LIMIT // 2) + [False] * (BATCH_LIMIT // 2), "what waits gets its half"


async def test_events_of_a_board_without_a_clock_are_dated(store: HubStore) -> None:
    wrong: dict[str, Any] = {"time": 12.0, "clock": "unsynchronised"}
    right = 1_790_000_000.0
    await store.apply([event(1, monotonic=10.0, **wrong), event(2, monotonic=400.0, **wrong)], right)
    assert [row.moment for row in await store.events()] == [(right, None, "unknown")] * 2
    await store.apply([event(3, monotonic=1000.0, time=right, clock="synchronised")], right + 1)
    first, second, third = [row.moment for row in await store.events()]
    assert first == (right - 990.0, CLOCK_ERROR + DRIFT * 990, "estimated")
    assert second == (right - 600.0, CLOCK_ERROR + DRIFT * 600, "estimated")
    assert third == (right, CLOCK_ERROR, "clock")
    # The clock is lost again, and another boot begins: each is dated from the nearest moment of its own boot.
    state = State(boot_id="b", time=right + 4000.5, monotonic=5000.0, clock="synchronised", lane="locked")
    await store.apply([Incoming("north", state, encode(state)), event(4, monotonic=4990.0, **wrong)], right + 2)
    await store.apply([event(5, boot_id="c", monotonic=20.0, **wrong)], right + 3)
    *_, fourth, fifth = [row.moment for row in await store.events()]
    assert fourth == (right + 3990.5, CLOCK_ERROR + DRIFT * 10, "estimated")
    assert fifth.source == "unknown"
    # A clock that says what cannot be is not believed, and dates nothing.
    mad: dict[str, Any] = {"time": right + 9e7, "clock": "synchronised", "boot_id": "c"}
    await store.apply([event(6, monotonic=30.0, **mad)], right + 4)
    assert [row.moment.source for row in await store.events()][-2:] == ["unknown", "unknown"]
    assert [row.moment for row in await store.events()][2:4] == [third, fourth], "what is dated stays so"


async def test_what_was_written_again_explains_the_conflict(store: HubStore) -> None:
    """A restored card took places that were taken; a forger took one as well."""
    await store.apply([event(1), event(2)], 1.0)
    second = event(2, chain="e" * 64, monotonic=77.0)
    forged = event(2, chain="f" * 64, person="p-666")
    await store.apply([second, forged], 2.0)
    await store.apply([event(9, live=True)], 2.0)
    assert (await store.gates())[0].conflicts == 2
    assert (await store.gates())[0].missing == 1
    moved = msgspec.structs.replace(second.message, detail={"refiled": f"{EPOCH}-2"})
    ahead = msgspec.structs.replace(event(9).message, detail={"refiled": f"{EPOCH}-9"})
    again = []
    for seq, old in enumerate((moved, ahead), start=1):
        place = {"id": event_id("north", NEXT, seq), "epoch": NEXT, "seq": seq, "chain": f"{seq:064x}"}
        message = msgspec.structs.replace(old, **place)
        again.append(Incoming("north", message, encode(message)))
    await store.apply(again, 3.0)
    north = (await store.gates())[0]
    assert (north.conflicts, north.missing) == (1, 0), "the forged one stays unexplained, and nothing waits any more"
    conflict = tables.conflict.c
    async with store.database.transaction() as query:
        found = {row[0]: row[1] for row in await query.execute(sa.select(conflict.chain, conflict.refiled))}
    assert found == {"e" * 64: f"{NEXT}-1", "f" * 64: None}


async def test_a_database_of_the_first_version_is_brought_along(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite3"
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    old = sa.create_engine(f"sqlite:///{path}")
    with old.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0001")
        connection.execute(sa.text("INSERT INTO hub VALUES ('school')"))
    old.dispose()
    waiting = event(2)
    plain = sqlite3.connect(path)
    plain.execute("INSERT INTO mark VALUES ('north', ?, 0, '')", (EPOCH,))
    plain.execute(
        "INSERT INTO pending VALUES ('north', ?, 2, 5.0, ?, ?)", (EPOCH, mark(2).chain, waiting.payload)
    )  # fmt: skip
    plain.commit()
    plain.close()
    async with Database(str(path), "school") as database:
        hub = HubStore(database)
        assert [(row.seq, row.complete, row.payload) for row in await hub.events()] == [(2, False, waiting.payload)]
        assert await hub.apply([event(1)], 6.0) == [mark(2)]
