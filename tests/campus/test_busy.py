"""Who has to wait for another program's transaction: for how long, and what is not done late."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from campus.api.app import make_app
from campus.auth import audit, tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.errors import HubStoreError
from campus.gates.orders import PATIENCE
from campus.intake.store import HubStore, Incoming
from controller.link.commands import Reply
from controller.link.messages import State, encode
from tests.campus.conftest import SHELL

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.asyncio

OPEN = {"action": {"do": "open_once", "direction": "entry"}, "reason": "forgot the card"}


class Desk:
    """Takes the place of the broker and the gate behind it."""

    def __init__(self, patience: float, meanwhile: Callable[[], Any] | None = None) -> None:
        self.patience = patience
        self.given: list[Any] = []
        self._meanwhile = meanwhile

    def actor(self, by: Actor) -> str:
        return by.role.value

    async def give(self, gate: str, action: Any, _by: Actor, _reason: str) -> Reply:
        self.given.append(action)
        if self._meanwhile is not None:
            await self._meanwhile()
        return Reply(cmd_id="0" * 32, gate=gate, accepted=True, lane="granted", time=1.0, clock="unknown", boot_id="b")


async def ask(database: Database, desk: Desk, told: asyncio.Event | None = None) -> httpx.Response:
    """Have a guard open a gate; `told` is set once the token is issued."""
    async with database.transaction() as query:
        token, _ = await tokens.issue(query, SHELL, "desk", Role.GUARD, now=time.time(), expires=None)
    state = State(boot_id="b", time=1.0, clock="unknown", lane="locked")
    await HubStore(database).apply([Incoming("north", state, encode(state))], time.time())
    if told is not None:
        told.set()
    transport = httpx.ASGITransport(make_app(database, order_desk=desk))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://hub/api/v1") as client:
        return await client.post("/gates/north/orders", json=OPEN, headers={"Authorization": f"Bearer {token}"})


async def alter(database: Database) -> None:
    async with database.transaction() as query:
        await query.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        await query.execute(sa.text("ALTER TABLE event ADD COLUMN more integer"))


async def test_an_order_that_had_to_wait_is_not_given_late(address: str) -> None:
    """An import holds the audit log's lock; the guard has asked somebody else, or walked there, by its end."""
    desk, ready = Desk(patience=0.2), asyncio.Event()
    async with Database(address, "school") as database, Database(address, "school") as other:
        asked = asyncio.ensure_future(ask(database, desk, ready))
        await ready.wait()
        async with other.transaction() as query:
            await audit.append(query, SHELL, "import", "", {}, now=time.time())
            await asyncio.sleep(0.5)
        answer = await asked
        async with database.transaction() as query:
            entries = (await query.execute(sa.select(sa.text("action, detail")).select_from(sa.table("audit")))).all()
    assert not desk.given
    assert answer.status_code == 503
    assert answer.json()["detail"] == "nothing was sent: the hub was busy for more than 0.2 s"
    assert [row.action for row in entries][-2:] == ["order_given", "order_ended"]
    assert "busy" in entries[-1].detail


async def test_an_order_that_was_given_is_not_answered_as_one_that_was_not(address: str) -> None:
    async with Database(address, "school") as database:
        desk = Desk(PATIENCE, meanwhile=database.close)
        answer = await ask(database, desk)
    assert len(desk.given) == 1
    assert (answer.status_code, answer.json()["accepted"]) == (200, True)


@pytest.mark.parametrize("address", ["postgresql"], indirect=True)
async def test_nobody_waits_for_a_lock_for_ever(address: str) -> None:
    """As long as a dump reads `event`, nobody gets to alter it; who waited for that would have the intake wait too."""
    async with Database(address, "school") as database:
        async with database.transaction() as query:
            limit = (await query.execute(sa.text("SHOW lock_timeout"))).scalar_one()
        assert limit == "10s"
        async with database.transaction() as dump:
            await dump.execute(sa.text("SELECT count(*) FROM event"))
            with pytest.raises(HubStoreError, match="lock timeout"):
                await alter(database)
