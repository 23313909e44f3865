"""The hub's database: every event once, marks that mean completeness, and nothing thrown away. On both engines."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campus import tables
from campus.database import Database
from campus.errors import HubConfigError, HubStoreError
from campus.intake.store import HubStore, Incoming, Mark
from controller.link.messages import Cursor, EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

EPOCH = "000000000000002a"
GATES = itertools.count()


def event(seq: int, *, gate: str = "north", history: str = "0", epoch: str = EPOCH) -> Incoming:
    message = EventMessage(
        id=event_id(gate, epoch, seq), epoch=epoch, seq=seq, boot_id="b", time=float(seq), monotonic=1.0,
        clock="unknown", type="grant", chain=history * 48 + f"{seq:016x}", person="p-1",
    )  # fmt: skip
    return Incoming(gate, message, encode(message))


def birth(acked: int, *, gate: str = "north") -> Incoming:
    message = Online(online=True, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=acked)])
    return Incoming(gate, message, encode(message))


def mark(seq: int, history: str = "0", gate: str = "north") -> Mark:
    return Mark(gate, EPOCH, seq, history * 48 + f"{seq:016x}" if seq else "")


@pytest_asyncio.fixture
async def store(address: str) -> AsyncIterator[HubStore]:
    hub = HubStore(Database(address, "school"))
    await hub.database.open()
    yield hub
    await hub.database.close()


async def rows(store: HubStore, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
    async with store.database.transaction() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_the_mark_stands_before_the_first_gap(store: HubStore) -> None:
    assert await store.apply([event(1), event(2), event(4), event(5)], 1.0) == [mark(2)]
    assert await store.apply([event(7)], 2.0) == [mark(2)]
    assert [(row.seq, row.complete) for row in await store.events()] == [
        (1, True), (2, True), (4, False), (5, False), (7, False),
    ]  # fmt: skip
    assert (await store.gates())[0].missing == 3
    assert await store.apply([event(3)], 3.0) == [mark(5)]
    assert await store.apply([event(6)], 4.0) == [mark(7)]
    assert [row.seq for row in await store.events()] == [1, 2, 4, 5, 7, 3, 6]
    assert [row.seq for row in await store.events(limit=2)] == [3, 6]
    assert all(row.complete for row in await store.events())
    assert await rows(store, sa.select(tables.pending)) == []


async def test_what_comes_again_is_stored_once_and_acknowledged_again(store: HubStore) -> None:
    batch = [event(1), event(2), event(4)]
    assert await store.apply(batch, 1.0) == [mark(2)]
    assert await store.apply(batch, 2.0) == [mark(2)]
    assert store.counts == {"stored": 3, "duplicates": 3}
    assert len(await store.events()) == 3


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.integers(1, 12), max_size=6), max_size=12), dice=st.randoms())
async def test_any_order_ends_complete(store: HubStore, batches: list[list[int]], dice: random.Random) -> None:
    gate = f"gate-{next(GATES)}"
    seen: set[int] = set()
    rest = list(range(1, 13))
    dice.shuffle(rest)
    for batch in [*batches, rest]:
        marks = await store.apply([event(seq, gate=gate) for seq in batch], 1.0)
        seen |= set(batch)
        complete = next(seq for seq in range(13) if seq + 1 not in seen)
        assert marks == ([mark(complete, gate=gate)] if batch else [])
    expected = sorted(event(seq, gate=gate).payload for seq in range(1, 13))
    assert sorted(row.payload for row in await store.events(gate=gate)) == expected


async def test_several_intakes_at_once_store_everything_once(store: HubStore, address: str) -> None:
    """As two hubs during a hand-over, or a worker that was thought dead: the same events, in pieces that cross."""
    others = [HubStore(Database(address, "school")) for _ in range(3)]
    await asyncio.gather(*(hub.database.open() for hub in others))
    gates = ("east", "north", "south", "west")

    async def take_in(hub: HubStore, step: int) -> None:
        for first in range(1, 41, step):
            batch = [event(seq, gate=gate) for gate in gates for seq in range(first, min(first + step, 41))]
            await hub.apply(batch[::-1] if step % 2 else batch, float(first))

    await asyncio.gather(*(take_in(hub, step) for hub, step in zip((store, *others), (3, 4, 7, 10), strict=True)))
    for gate in gates:
        assert [row.seq for row in sorted(await store.events(gate=gate))] == list(range(1, 41))
    assert sum(hub.counts["stored"] for hub in (store, *others)) == 160
    for hub in others:
        await hub.database.close()


async def test_another_event_at_a_taken_place_is_kept_apart(store: HubStore) -> None:
    await store.apply([event(1), event(2), event(4)], 1.0)
    forged = [event(2, history="f"), event(2, history="f"), event(4, history="f")]
    assert await store.apply(forged, 2.0) == [mark(2)]
    assert store.counts["conflicts"] == 3
    found = await rows(store, sa.select(tables.conflict.c.payload).order_by(tables.conflict.c.seq))
    assert found == [(forged[0].payload,), (forged[2].payload,)]
    assert [row.payload for row in await store.events()] == [event(seq).payload for seq in (1, 2, 4)]


async def test_who_tells_another_history_is_not_acknowledged(store: HubStore) -> None:
    """A card that lost its last writes: its gate has to hear our mark, or it would forget what stands in our places."""
    await store.apply([event(seq) for seq in range(1, 6)], 1.0)
    mine = event(3)
    forked = [birth(2), mine, *(event(seq, history="f") for seq in range(4, 9))]
    assert await store.apply(forked, 2.0) == [mark(5)], "its 6 to 8 come again, in a new epoch"
    assert (store.counts["conflicts"], store.counts["stored"]) == (2, 5)
    assert [row.seq for row in await store.events()] == [1, 2, 3, 4, 5]
    # What goes ahead of its turn is answered as well, where it belies what is here.
    live = [incoming._replace(live=True) for incoming in forked[2:]]
    assert await store.apply(live, 3.0) == [mark(5)]
    assert await rows(store, sa.select(tables.pending)) == []
    assert await store.apply([event(6)], 4.0) == [mark(6)]


async def test_gates_and_epochs_have_marks_of_their_own(store: HubStore) -> None:
    other = "000000000000002b"
    marks = await store.apply([event(1), event(1, gate="south"), event(5, epoch=other)], 1.0)
    assert [(m.gate, m.epoch, m.seq) for m in marks] == [("north", EPOCH, 1), ("south", EPOCH, 1), ("north", other, 0)]


async def test_what_a_gate_will_not_send_again_is_a_hole_and_no_reason_to_wait(store: HubStore) -> None:
    assert await store.apply([event(1), event(3), event(5), event(6)], 1.0) == [mark(1)]
    assert await store.apply([birth(4)], 2.0) == [mark(6)]
    assert await store.apply([birth(4), birth(6)], 3.0) == [mark(6)]
    assert store.counts["holes"] == 1
    hole = tables.hole.c
    assert await rows(store, sa.select(hole.gate, hole.first, hole.last)) == [("north", 2, 4)]
    assert [row.seq for row in await store.events()] == [1, 3, 5, 6], "what came of the hole all the same stays"
    # And what comes of it later is neither stored nor waited for.
    assert await store.apply([event(2), event(7)], 4.0) == [mark(7)]


async def test_a_hole_has_no_chain_value_to_give(store: HubStore) -> None:
    assert await store.apply([birth(9)], 1.0) == [Mark("north", EPOCH, 9, "")]


async def test_what_is_known_of_a_gate(store: HubStore) -> None:
    state = State(boot_id="b", time=1.0, clock="unknown", lane="locked")
    gone = Online(online=False, boot_id="b")
    await store.apply([birth(0), Incoming("north", state, encode(state)), event(1), event(3)], 5.0)
    await store.apply([event(1, gate="south")], 6.0)
    north, south = await store.gates()
    assert (north.gate, north.online, north.boot_id, north.events, north.missing) == ("north", True, "b", 2, 1)
    assert north.state == encode(state)
    assert (south.gate, south.online, south.seen, south.state) == ("south", None, 6.0, None)
    await store.apply([Incoming("north", gone, encode(gone))], 7.0)
    north, _ = await store.gates()
    assert (north.online, north.seen, north.state) == (False, 7.0, encode(state))


async def test_events_are_counted_without_being_read(store: HubStore) -> None:
    """Also those that came of a hole all the same, what was behind it, and what was there before it was counted."""
    await store.apply([event(1), event(2), event(5), event(8), event(1), event(3, gate="south")], 5.0)
    await store.apply([birth(6), event(7)], 6.0)
    await store.apply([event(9)], 7.0)
    assert [row.events for row in await store.gates()] == [6, 1]
    stored = sa.select(tables.mark.c.gate, tables.mark.c.stored).order_by(tables.mark.c.gate)
    assert await rows(store, stored) == [("north", 6), ("south", 0)]
    assert len(await store.events(gate="north")) == 6


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_a_kind_of_which_there_are_few_has_an_index(store: HubStore) -> None:
    await store.apply([event(1)], 1.0)
    rare = sa.select(tables.event).where(tables.event.c.type == sa.literal("intrusion", literal_execute=True))
    async with store.database.transaction() as query:
        await query.execute(sa.text("SET LOCAL enable_seqscan = off"))
        compiled = rare.compile(dialect=query.dialect, compile_kwargs={"literal_binds": True})
        plan = "\n".join((await query.execute(sa.text(f"EXPLAIN {compiled}"))).scalars())
    assert "type_received_idx" in plan


async def test_a_batch_that_fails_leaves_nothing(store: HubStore) -> None:
    await store.apply([event(1)], 1.0)
    broken = msgspec.structs.replace(event(1).message, type=None)
    with pytest.raises(HubStoreError, match=r"(?i)not.null"):
        await store.apply([event(2), event(1, gate="south"), Incoming("west", broken, encode(broken))], 2.0)
    assert [row.gate for row in await store.gates()] == ["north"]
    assert await store.apply([event(2)], 3.0) == [mark(2)]


async def test_a_months_rows_lie_together_and_years_of_them_are_found(store: HubStore) -> None:
    first = dt.datetime(2026, 12, 31, 23, 59, tzinfo=dt.UTC).timestamp()
    for months in range(15):
        await store.apply([event(months + 1)], first + months * 31 * 86_400)
    assert await store.apply([event(1)], first + 5e7) == [mark(15)]
    assert (store.counts["duplicates"], len(await store.events())) == (1, 15)
    if not store.database.is_postgresql:
        return
    where = sa.text("SELECT tableoid::regclass::text, count(*) FROM event GROUP BY 1 ORDER BY 1")
    async with store.database.transaction() as query:
        found = {str(row[0]): int(row[1]) for row in await query.execute(where)}
    assert found["event_2026_12"] == 1
    assert len(found) == 15


async def test_it_is_opened_again_as_it_was(store: HubStore, address: str) -> None:
    await store.apply([event(1), event(3)], 1.0)
    again = HubStore(Database(address, None))
    await again.database.open()
    assert await again.gates() == await store.gates()
    await again.database.close()


async def test_a_database_of_another_campus_is_refused(store: HubStore, address: str) -> None:
    with pytest.raises(HubStoreError, match="holds the events of campus 'school', not of 'college'"):
        await Database(address, "college").open()


async def test_a_newer_programs_database_is_refused(store: HubStore, address: str) -> None:
    async with store.database.transaction() as query:
        await query.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(HubStoreError, match="has version 9999, newer than this program's"):
        await Database(address, "school").open()


async def test_the_migrations_add_up_to_the_tables(store: HubStore) -> None:
    def columns(connection: sa.Connection) -> dict[str, list[tuple[str, str]]]:
        found = sa.inspect(connection)
        return {
            name: [(column["name"], type(column["type"]).__name__) for column in found.get_columns(name)]
            for name in tables.metadata.tables
        }

    async with store.database.transaction() as query:
        made = await query.run_sync(columns)
        assert {name: {column for column, _ in made[name]} for name in made} == {
            name: set(table.c.keys()) for name, table in tables.metadata.tables.items()
        }


async def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(HubStoreError, match=r"nowhere\.sqlite3: there is no such database"):
        await Database(str(tmp_path / "nowhere.sqlite3"), None).open()
    (tmp_path / "text").write_bytes(b"no database" * 100)
    with pytest.raises(HubStoreError, match=r"text: file is not a database"):
        await Database(str(tmp_path / "text"), "school").open()
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE recipe (text)")
    other.close()
    with pytest.raises(HubStoreError, match="other: holds another program's tables"):
        await Database(str(tmp_path / "other"), "school").open()
    with pytest.raises(HubStoreError, match="nobody-there"):
        await Database("postgresql://hub@/x?host=/tmp/nobody-there", "school").open()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("mysql://host/hub", "mysql: a file, or postgresql"),
        ("postgresql://hub:secret@host/hub", "a password in an address"),
    ],
)
async def test_addresses_that_cannot_be(wrong: str, message: str) -> None:
    with pytest.raises(HubConfigError, match=message) as caught:
        Database(wrong, "school")
    assert "secret" not in str(caught.value)
