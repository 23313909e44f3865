"""The hub notices what stays away, asks the gate for it less and less often, and says when that does not help."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from campus.api.app import make_app
from campus.auth import tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.intake import gaps
from campus.intake.gaps import Gap, GapDetector, GapSettings
from campus.intake.ingest import Commit
from campus.intake.store import HubStore, Incoming, Mark
from controller.link.messages import Cursor, EventMessage, Online, State, encode, event_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = pytest.mark.asyncio

EPOCH = "000000000000002a"
SETTINGS = GapSettings(patience=20, longest_pause=100, alert_after=120)


def chain(seq: int) -> str:
    return f"{seq:064x}"


class Hub:
    """Store and detector as the service joins them; who is asked is noted. Time is the test's."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = HubStore(database)
        self.detector = GapDetector(database, SETTINGS, self._ask)
        self.connected = True
        self.now = 1_790_000_000.0

    async def _ask(self, _: Sequence[Mark]) -> bool:
        return self.connected

    async def take(self, *messages: EventMessage | Online | State, gate: str = "north") -> None:
        batch = [Incoming(gate, message, encode(message)) for message in messages]
        marks = await self.store.apply(batch, self.now)
        self.detector.committed(Commit(batch, marks, self.now, 0.0))

    async def events(self, *numbers: int, gate: str = "north") -> None:
        await self.take(
            *(
                EventMessage(
                    id=event_id(gate, EPOCH, seq), epoch=EPOCH, seq=seq, boot_id="b", time=1.0, monotonic=1.0,
                    clock="unknown", type="deny", chain=chain(seq),
                )
                for seq in numbers
            ),
            gate=gate,
        )  # fmt: skip

    async def online(self, *, there: bool = True, gate: str = "north") -> None:
        await self.take(Online(online=there, boot_id="b", cursors=[Cursor(epoch=EPOCH, acked=0)]), gate=gate)

    async def state(self, outbox: int) -> None:
        await self.take(State(boot_id="b", time=1.0, clock="unknown", lane="locked", outbox=outbox))

    async def look(self, after: float) -> list[Mark]:
        self.now += after
        return await self.detector.look(self.now)

    async def found(self) -> list[Gap]:
        async with self.database.transaction() as query:
            return await gaps.gaps(query, ["north", "south"])


@pytest_asyncio.fixture
async def hub(address: str) -> AsyncIterator[Hub]:
    async with Database(address, "school") as database:
        yield Hub(database)


async def test_a_gap_that_stays_is_asked_for_less_and_less_often(hub: Hub) -> None:
    await hub.online()
    await hub.events(1, 2, 5, 9)
    assert await hub.look(19) == []
    asked = []
    for second in range(1, 401):
        marks = await hub.look(1)
        assert marks in ([], [Mark("north", EPOCH, 2, chain(2))]), "the mark again, with its proof"
        asked += [second] if marks else []
    assert asked == [1, 21, 61, 141, 241, 341], "doubling, to the longest pause"
    (gap,) = await hub.found()
    assert (gap.first, gap.last, gap.asked) == (3, 4, 6)
    await hub.events(3, 4)
    assert await hub.look(1) == []
    assert await hub.found() == [], "the next gap is a new one: its mark has just moved"
    assert await hub.look(20) == [Mark("north", EPOCH, 5, chain(5))]
    (gap,) = await hub.found()
    assert (gap.first, gap.last, gap.alerted) == (6, 8, None)


async def test_one_that_asking_does_not_close_is_an_alert(hub: Hub) -> None:
    await hub.online()
    await hub.events(2)
    assert await hub.look(0) == []
    await hub.look(20)
    await hub.look(119)
    assert (await hub.found())[0].alerted is None
    await hub.look(1)
    found = await hub.found()
    assert [(gap.first, gap.last, gap.alerted) for gap in found] == [(1, 1, hub.now)]
    await hub.look(500)
    assert (await hub.found())[0].alerted == found[0].alerted


async def test_a_gate_that_catches_up_is_left_alone(hub: Hub) -> None:
    """Live events come before back-fill: the gap is there all the time, and the mark moves."""
    await hub.online()
    await hub.events(100)
    for seq in range(1, 30):
        await hub.events(seq)
        assert await hub.look(15) == []
    assert await hub.found() == []


async def test_a_gate_that_is_away_is_not_asked_and_no_alert(hub: Hub) -> None:
    await hub.online()
    await hub.events(2)
    await hub.online(there=False)
    assert [await hub.look(100) for _ in range(5)] == [[]] * 5
    (gap,) = await hub.found()
    assert (gap.asked, gap.alerted) == (0, None)
    await hub.online()
    assert len(await hub.look(1)) == 1


async def test_nobody_was_asked_while_there_is_no_broker(hub: Hub) -> None:
    await hub.online()
    await hub.events(2)
    await hub.look(0)
    hub.connected = False
    assert await hub.look(50) == []
    hub.connected = True
    assert len(await hub.look(1)) == 1


async def test_events_that_a_gate_tells_of_and_that_do_not_come(hub: Hub) -> None:
    await hub.online()
    await hub.events(1, 2)
    await hub.state(3)
    assert await hub.look(100) == [], "what it said as its mark moved may be over"
    await hub.state(3)
    assert await hub.look(1) == [Mark("north", EPOCH, 2, chain(2))]
    (gap,) = await hub.found()
    assert (gap.first, gap.last) == (3, None)
    await hub.state(0)
    assert await hub.look(1) == []
    assert await hub.found() == []


async def test_many_gates_are_not_asked_all_at_once(hub: Hub) -> None:
    names = [f"gate-{number}" for number in range(gaps.AT_ONCE + 7)]
    for name in names:
        await hub.online(gate=name)
        await hub.events(2, gate=name)
    await hub.look(0)
    first, second = await hub.look(20), await hub.look(5)
    assert len(first) == gaps.AT_ONCE
    assert {mark.gate for mark in first + second} == set(names)


async def test_another_intakes_gates_are_left_to_it(hub: Hub) -> None:
    await hub.online()
    await hub.events(2)
    await hub.look(0)
    await hub.look(20)
    other = Hub(hub.database)
    other.now = hub.now + 1000
    assert await other.look(0) == []
    assert len(await hub.found()) == 1


async def test_over_rest(hub: Hub) -> None:
    await hub.online()
    await hub.events(1, 3)
    again = EventMessage(
        id=event_id("north", EPOCH, 1), epoch=EPOCH, seq=1, boot_id="b", time=1.0, monotonic=1.0,
        clock="unknown", type="grant", chain="f" * 64, person="p-1",
    )  # fmt: skip
    await hub.take(again, Online(online=True, boot_id="b", cursors=[Cursor(epoch="000000000000002b", acked=7)]))
    await hub.look(0)
    await hub.look(20)
    async with hub.database.transaction() as query:
        shell = Actor("x", Role.ADMIN)
        token, _ = await tokens.issue(query, shell, "desk", Role.GUARD, now=1.0, expires=None)
    transport = httpx.ASGITransport(make_app(hub.database))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://hub/api/v1", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        told = (await client.get("/gates/north/gaps")).json()
        assert told["gaps"] == [
            {
                "epoch": EPOCH, "first": 2, "last": 2, "found": "2026-09-21T14:13:40Z", "asked": 1, "alerted": None,
            }
        ]  # fmt: skip
        assert [(hole["epoch"], hole["first"], hole["last"]) for hole in told["holes"]] == [("000000000000002b", 1, 7)]
        assert [(one["seq"], one["chain"]) for one in told["conflicts"]] == [(1, "f" * 64)]
        assert "p-1" not in str(told)
        assert (await client.get("/gates/nowhere/gaps")).status_code == 404
