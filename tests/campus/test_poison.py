"""What one gate sends, by mistake or malice, costs it alone: neither the other gates nor the hub's other parts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from campus import tables
from campus.alerts.watch import AlertWatch, WatchSettings
from campus.auth.roles import Role
from campus.broker import Broker
from campus.gates.tables import gate_key, snapshot
from campus.intake.ingest import Ingest
from campus.intake.store import Incoming
from campus.metrics import HubMetrics
from campus.outward import changes
from controller.link.messages import EventMessage, encode, event_id

if TYPE_CHECKING:
    from tests.campus.conftest import Api

pytestmark = pytest.mark.asyncio

EPOCH, NEXT = "000000000000002a", "000000000000002b"
NOON = 1_790_000_000.0


def passage(gate: str, seq: int, epoch: str = EPOCH, **more: Any) -> Incoming:
    message = EventMessage(
        id=event_id(gate, epoch, seq), epoch=epoch, seq=seq, boot_id="b", time=NOON, monotonic=1.0,
        clock="synchronised", type="passage", chain="0" * 64, person="p-1",
        detail={"direction": "entry", "outcome": "completed"} | more,
    )  # fmt: skip
    return Incoming(gate, message, encode(message))


async def test_a_message_that_cannot_be_stored_keeps_no_other_out(api: Api) -> None:
    """The feed has told of `north`'s event 2 from where it waited; its place is free again, its id is not."""
    told: list[int] = []
    ingest = Ingest(
        "school", Broker("127.0.0.1", 1), api.store, on_commit=[lambda commit: told.append(len(commit.batch))]
    )
    await ingest.take_in([passage("north", 2)._replace(live=True)])
    await ingest.take_in([passage("north", 1, NEXT, refiled=f"{EPOCH}-2")])
    others = [passage("south", seq) for seq in range(1, 8)]
    commits = await ingest.take_in([*others[:3], passage("north", 2), *others[3:]])
    assert [mark.seq for commit in commits for mark in commit.marks if mark.gate == "south"][-1] == 7
    assert not [mark for commit in commits for mark in commit.marks if mark.gate == "north"], "it is not acknowledged"
    assert ingest.refused == {"north": 1}
    assert sum(told) == 9
    assert len(await api.store.events(gate="south")) == 7


@pytest.mark.parametrize(
    "more", [{"direction": "en\0try"}, {"outcome": "\0"}, {"refiled": f"\0{EPOCH}-1"}, {"remarks": "\0"}]
)
async def test_a_character_0_in_a_detail_is_stored_and_told(api: Api, more: dict[str, Any]) -> None:
    ingest = Ingest("school", Broker("127.0.0.1", 1), api.store)
    await ingest.take_in([passage("north", 1, **more)])
    assert not ingest.refused
    async with api.database.transaction() as query:
        (told,) = await changes.after(query, 0, ("passage",), 10)
    assert "\0" not in f"{told.change.direction}{told.change.outcome}"


@pytest.mark.parametrize("stored", [b"{}", b"no JSON"])
async def test_what_an_older_hub_kept_of_a_gate_stops_no_part(api: Api, stored: bytes) -> None:
    """A hub that reads more strictly than the one before it finds what that one stored."""
    now = time.time()
    async with api.database.transaction() as query:
        row = {"gate": "north", "online": True, "boot_id": "b", "seen": now, "state": stored}
        await query.execute(tables.gate.insert().values(row))
        key = {"gate": "north", "public": "", "pinned": now, "revoked": None, "reported": stored, "reported_at": now}
        await query.execute(gate_key.insert().values(key))
        kept = {"kind": "roster", "version": 1, "content_key": 1, "sha256": "0" * 64, "size": 1}
        await query.execute(snapshot.insert().values(kept))
    await HubMetrics().refresh(api.database)
    await AlertWatch(api.database, WatchSettings(), now).look(now)
    async with api.database.transaction() as query:
        alerts = [one.change.type for one in await changes.after(query, 0, ("alert",), 10)]
    assert alerts == ["roster_lagging"], "of a gate that says nothing that can be read"
    (gate,) = (await api.get(Role.GUARD, "/gates")).json()
    assert gate["state"] is None
    assert gate["roster"]["reported"] is not None


async def test_a_request_that_cannot_be_stored_is_the_askers_fault(api: Api) -> None:
    for path in ("/people/%00", "/people?after=%00", "/visitors/%00"):
        method = "DELETE" if "visitors" in path else "GET"
        assert (await api.ask(Role.ENROLMENT, method, path)).status_code == 422, path
    answer = await api.client.get(f"/documents/{'0' * 64}", auth=("a\0", "b"))
    assert answer.status_code in {401, 422}
