"""The change feed: nothing is skipped however intakes commit, who waits is woken, and nobody's health is in it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import sqlalchemy as sa

from campus.auth.roles import Role
from campus.database import Database
from campus.intake.store import HubStore, Incoming
from campus.outward import changes
from campus.outward.changes import Change
from campus.outward.feed import Feed
from controller.link.messages import EventMessage, State, encode, event_id

if TYPE_CHECKING:
    from tests.campus.conftest import Api

pytestmark = pytest.mark.asyncio

EPOCH = "000000000000002a"
NOON = 1_790_000_000.0
PAGE = (Path(__file__).parents[2] / "docs" / "integration.md").read_text(encoding="utf-8")


def event(seq: int, kind: str = "passage", *, gate: str = "north", **more: Any) -> Incoming:
    detail = {"direction": "entry", "outcome": "completed", "seconds": 1.5}
    clock: dict[str, Any] = {"time": NOON + seq, "clock": "synchronised", "monotonic": 1.0}
    values: dict[str, Any] = clock | {"person": "p-1", "detail": detail} | more
    message = EventMessage(
        id=event_id(gate, EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", type=kind, chain="0" * 64, **values
    )
    return Incoming(gate, message, encode(message))


async def test_a_page_at_a_time_and_then_from_where_it_ended(api: Api) -> None:
    assert (await api.get(Role.READER, "/changes")).json() == {"changes": [], "next": 0}
    await api.store.apply([event(seq, "deny" if seq == 3 else "passage") for seq in range(1, 7)], NOON)
    first = (await api.get(Role.READER, "/changes", after=0, limit=3)).json()
    assert [one["id"] for one in first["changes"]] == [event_id("north", EPOCH, seq) for seq in (1, 2, 4)]
    rest = (await api.get(Role.READER, "/changes", after=first["next"])).json()
    assert ([one["position"] for one in rest["changes"]], rest["next"]) == ([4, 5], 5)
    assert rest["changes"][0] == {
        "position": 4, "id": f"north-{EPOCH}-5", "revision": 1, "kind": "passage", "type": "passage",
        "time": "2026-09-21T14:13:25+00:00", "dated": True, "received": "2026-09-21T14:13:20+00:00", "gate": "north",
        "person": "p-1", "direction": "entry", "outcome": "completed", "detail": {"seconds": 1.5},
    }  # fmt: skip
    none = (await api.get(Role.READER, "/changes", after=0, kind="alert")).json()
    assert none == {"changes": [], "next": 5}


async def test_a_fever_is_told_to_doctors_and_not_whose(api: Api) -> None:
    await api.store.apply([event(1, "ticket", detail={"temperature": 38.5}), event(2, "intrusion", person=None)], NOON)
    assert [one["type"] for one in (await api.get(Role.READER, "/changes", after=0)).json()["changes"]] == ["intrusion"]
    assert (await api.get(Role.READER, "/changes", after=0, kind="health")).status_code == 403
    (fever,) = (await api.get(Role.DOCTOR, "/changes", after=0, kind="health")).json()["changes"]
    assert (fever["type"], fever["person"], fever["detail"]) == ("fever", None, {"ticket": 1})
    assert (await api.get(Role.ENROLMENT, "/changes")).status_code == 403


async def test_a_place_that_is_not_kept_or_of_another_history_is_refused(api: Api) -> None:
    await api.store.apply([event(seq) for seq in range(1, 6)], NOON)
    assert (await api.get(Role.READER, "/changes", after=6)).status_code == 410
    async with api.database.transaction() as query:
        await query.execute(sa.text("DELETE FROM change WHERE position <= 3"))
    assert (await api.get(Role.READER, "/changes", after=2)).status_code == 410
    assert [one["position"] for one in (await api.get(Role.READER, "/changes", after=3)).json()["changes"]] == [4, 5]
    assert len((await api.get(Role.READER, "/changes", after=0)).json()["changes"]) == 2


async def test_no_change_is_skipped_though_intakes_commit_out_of_order(address: str) -> None:
    """Writers hold their transactions open for random times after they wrote; a reader follows all the while."""
    dice = random.Random(7)
    writers, each = 6, 8
    async with contextlib.AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(address, "school")) for _ in range(3)]

        async def write(name: int) -> None:
            for number in range(each):
                one = Change(f"w{name}-{number}", "alert", "tamper", NOON, True, NOON)
                async with databases[name % 2].transaction() as query:
                    await query.execute(sa.text("SELECT 1"))
                    await asyncio.sleep(dice.uniform(0, 0.01))
                    await changes.append(query, [one, one._replace(id=f"{one.id}-again")])
                    await asyncio.sleep(dice.uniform(0, 0.01))

        seen: list[str] = []

        async def read() -> None:
            position = 0
            while len(seen) < writers * each * 2:
                async with databases[2].transaction() as query:
                    found = await changes.after(query, position, ["alert"], 5)
                seen.extend(one.change.id for one in found)
                position = found[-1].position if found else position
                await asyncio.sleep(0.001)

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            for name in range(writers):
                tasks.create_task(write(name))
        assert len(set(seen)) == len(seen) == writers * each * 2
        async with databases[2].transaction() as query:
            assert await changes.head(query) == len(seen), "no number is lost with an undone transaction"


async def test_a_plain_sequence_would_skip_changes(postgresql: str) -> None:
    """What the test above would find: two transactions that commit in the other order of their numbers."""
    connections = [await asyncpg.connect(postgresql.format(name="postgres")) for _ in range(3)]
    early, late, reader = connections
    await reader.execute("CREATE TABLE trial (position bigserial)")
    first, second = early.transaction(), late.transaction()
    await first.start()
    await early.execute("INSERT INTO trial DEFAULT VALUES")
    await second.start()
    await late.execute("INSERT INTO trial DEFAULT VALUES")
    await second.commit()
    assert await reader.fetchval("SELECT max(position) FROM trial") == 2
    assert await reader.fetchval("SELECT count(*) FROM trial") == 1, "who goes on from 2 never sees 1"
    await first.commit()
    await reader.execute("DROP TABLE trial")
    for connection in connections:
        await connection.close()


async def test_several_intakes_at_once_number_every_passage_once(api: Api, address: str) -> None:
    async with Database(address, "school") as other:
        stores = [api.store, HubStore(other)]
        work = [stores[n % 2].apply([event(seq, gate=f"g{n}") for seq in (1, 2, 3)], NOON) for n in range(8)]
        await asyncio.gather(*work)
    found = (await api.get(Role.READER, "/changes", after=0)).json()["changes"]
    assert [one["position"] for one in found] == list(range(1, 25))
    assert len({one["id"] for one in found}) == 24


async def test_who_waits_is_woken(api: Api, address: str) -> None:
    feed = Feed(api.database)
    watching = asyncio.ensure_future(feed.run())
    try:
        async with Database(address, "school") as other:
            waiting = asyncio.ensure_future(feed.beyond(0, 30))
            await asyncio.sleep(0)
            await HubStore(other).apply([event(1)], NOON)
            began = time.monotonic()
            assert await waiting
            if api.database.is_postgresql:
                assert time.monotonic() - began < 4.0, "by the notification, not by the look each 5 s"
        assert not await feed.beyond(1, 0.01)
    finally:
        watching.cancel()


async def test_a_feed_that_lost_postgresql_listens_again(postgresql: str) -> None:
    server = postgresql.format(name="postgres")
    connection = await asyncpg.connect(server)
    await connection.execute("DROP DATABASE IF EXISTS feed_lost")
    await connection.execute("CREATE DATABASE feed_lost")
    async with Database(postgresql.format(name="feed_lost"), "school") as database:
        feed = Feed(database)
        watching = asyncio.ensure_future(feed.run())
        await HubStore(database).apply([event(1)], NOON)
        assert await feed.beyond(0, 30)
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'feed_lost'")
        await HubStore(database).apply([event(2)], NOON)
        assert await feed.beyond(1, 30)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    await connection.close()


async def test_views_tell_passages_presence_and_alerts(api: Api) -> None:
    out = {"direction": "exit", "outcome": "completed"}
    batch = [
        event(1), event(2, person="p-2"), event(3, detail=out),
        event(4, person="p-2", detail={"direction": "exit", "outcome": "expired"}),
        event(5, "tamper", person=None, detail={"active": True}), event(6, "ticket", detail={"temperature": 39}),
    ]  # fmt: skip
    await api.store.apply(batch, NOON)
    # An earlier passage that comes late does not put anybody back in.
    await api.store.apply([event(1, gate="south", time=NOON - 9)], NOON + 60)
    async with api.database.transaction() as query:
        inside = (await query.execute(sa.text("SELECT person, inside FROM v1_presence ORDER BY person"))).all()
        passages = (await query.execute(sa.text("SELECT * FROM v1_passage ORDER BY position"))).all()
        alerts = (await query.execute(sa.text("SELECT type, detail FROM v1_alert"))).all()
    assert [(one.person, bool(one.inside)) for one in inside] == [("p-1", False), ("p-2", True)]
    assert len(passages) == 5
    assert passages[0][1] == f"north-{EPOCH}-1"
    assert str(passages[0].time).startswith(("2026-09-21 14:13:21", "2026-09-21T14:13:21"))
    assert [tuple(one) for one in alerts] == [("tamper", '{"active":true}')]


async def tell(api: Api, *arrived: Incoming, after: int) -> tuple[list[dict[str, Any]], dict[str, str], dict[str, str]]:
    """Store; what the feed tells behind `after`, and when each passage was by REST and by the view."""
    await api.store.apply(arrived, NOON)
    feed = (await api.get(Role.DOCTOR, "/changes", after=after, kind=["passage", "health"])).json()["changes"]
    rest = {
        f"{one['gate']}-{one['epoch']}-{one['seq']}": one["happened"]
        for one in (await api.get(Role.DOCTOR, "/events")).json()["events"] if one["type"] == "passage"
    }  # fmt: skip
    async with api.database.transaction() as query:
        rows = (await query.execute(sa.text("SELECT id, time, dated FROM v1_passage ORDER BY position"))).all()
    return feed, rest, {row.id: str(row.time) for row in rows if row.dated}


async def test_what_is_dated_later_is_told_again_and_all_tell_the_same(api: Api) -> None:
    lost: dict[str, Any] = {"time": 12.0, "clock": "unsynchronised"}
    ahead = event(9, person="p-2", **lost)
    before = [event(1, **lost), event(2, "ticket", **lost), ahead._replace(live=True)]
    feed, rest, view = await tell(api, *before, after=0)
    ids = [f"north-{EPOCH}-{seq}" for seq in (1, 2, 9)]
    assert [(one["id"], one["revision"], one["dated"]) for one in feed] == [(one, 1, False) for one in ids]
    assert {one["time"] for one in feed} == {"2026-09-21T14:13:20+00:00"}, "when it came"
    assert not any(rest.values())
    assert not view
    state = State(boot_id="b", time=NOON + 5, monotonic=101.0, clock="synchronised", lane="locked")
    again, rest, view = await tell(api, Incoming("north", state, encode(state)), after=3)
    assert [(one["id"], one["revision"], one["dated"]) for one in again] == [(one, 2, True) for one in ids]
    same = [{**new, "position": 0, "revision": 0, "time": 0, "dated": 0} for new in again]
    assert same == [{**old, "position": 0, "revision": 0, "time": 0, "dated": 0} for old in feed]
    moment = "2026-09-21T14:11:45"  # five seconds later, less the hundred that had passed
    assert [one["time"] for one in again] == [f"{moment}+00:00"] * 3
    assert {one: when[:19] for one, when in rest.items()} == {ids[0]: moment, ids[2]: moment}
    assert {one: when[:19].replace(" ", "T") for one, when in view.items()} == {ids[0]: moment, ids[2]: moment}
    # Once is enough; and what comes of that boot now is dated when it comes.
    state = State(boot_id="b", time=NOON + 6, monotonic=101.5, clock="synchronised", lane="locked")
    feed, _, view = await tell(api, Incoming("north", state, encode(state)), event(3, **lost), after=6)
    assert [(one["id"], one["revision"], one["dated"]) for one in feed] == [(f"north-{EPOCH}-3", 1, True)]
    assert len(view) == 3


async def test_a_later_boot_dates_no_other_and_presence_follows_the_right_time(api: Api) -> None:
    """Who went out by a gate without a clock, and came in before: the hub heard of it in the wrong order."""
    out = {"direction": "exit", "outcome": "completed"}
    away = event(1, gate="south", time=12.0, clock="unsynchronised", monotonic=50.0, detail=out)
    await api.store.apply([event(1, time=NOON - 500)], NOON - 400)
    await api.store.apply([away], NOON)
    presence = sa.text("SELECT inside, gate, dated FROM v1_presence")

    async def inside() -> list[tuple[bool, str, bool]]:
        async with api.database.transaction() as query:
            return [(bool(row[0]), row[1], bool(row[2])) for row in await query.execute(presence)]

    assert await inside() == [(False, "south", False)]
    for boot, told in (("another", [(False, "south", False)]), ("b", [(True, "north", True)])):
        state = State(boot_id=boot, time=NOON, monotonic=1050.0, clock="synchronised", lane="locked")
        await api.store.apply([Incoming("south", state, encode(state))], NOON + 1)
        assert await inside() == told


async def test_the_reader_of_the_page_reads_views_and_nothing_else(postgresql: str) -> None:
    script = re.search(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert script is not None
    owner = await asyncpg.connect(postgresql.format(name="postgres"))
    await owner.execute("DROP DATABASE IF EXISTS views")
    await owner.execute("CREATE DATABASE views")
    async with Database(postgresql.format(name="views"), "school"):
        pass
    hub = await asyncpg.connect(postgresql.format(name="views"))
    await hub.execute(script[1])
    await hub.execute("SET ROLE thermogate_reader")
    tables = await hub.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    assert {row["table_name"] for row in tables} == {"v1_passage", "v1_presence", "v1_alert"}
    for view in ("v1_passage", "v1_presence", "v1_alert"):
        assert await hub.fetch(f"TABLE {view}") == []
    for table in ("event", "ticket", "ticket_entry", "change", "webhook", "person", "token", "audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await hub.fetch(f"TABLE {table}")
    await hub.execute("RESET ROLE")
    await hub.execute("DROP OWNED BY thermogate_reader; DROP ROLE thermogate_reader")
    await hub.close()
    await owner.close()
