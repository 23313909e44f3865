"""The audit log: whoever alters, removes, inserts or cuts off is found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import sqlalchemy as sa

from campus.auth import audit
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.errors import HubAuditError, HubStoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio

BY = Actor("office", Role.ENROLMENT)


@pytest_asyncio.fixture
async def database(address: str) -> AsyncIterator[Database]:
    async with Database(address, "school") as opened:
        for number in range(1, 6):
            async with opened.transaction() as query:
                await audit.append(query, BY, "did", f"thing {number}", {"n": number, "b": 0.1}, now=number + 0.25)
        yield opened


async def verify(database: Database, kept: audit.Head | None = None) -> audit.Head:
    async with database.transaction() as query:
        return await audit.verify(query, kept)


async def force(database: Database, *statements: str) -> None:
    """As somebody who owns the database and takes its triggers away."""
    async with database.transaction() as query:
        if database.is_postgresql:
            await query.execute(sa.text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        else:
            for event in ("update", "delete"):
                await query.execute(sa.text(f"DROP TRIGGER audit_is_final_{event}"))
        for statement in statements:
            await query.execute(sa.text(statement))


async def test_as_written(database: Database) -> None:
    head = await verify(database)
    assert head.seq == 5
    async with database.transaction() as query:
        await audit.append(query, BY, "did", "more", {}, now=9.0)
    assert (await verify(database, head)).seq == 6


async def test_no_program_can_change_it(database: Database) -> None:
    for statement in ("UPDATE audit SET actor = 'x' WHERE seq = 2", "DELETE FROM audit WHERE seq = 5"):
        with pytest.raises(HubStoreError, match="append-only"):
            async with database.transaction() as query:
                await query.execute(sa.text(statement))
    assert (await verify(database)).seq == 5


@pytest.mark.parametrize("column", ["time", "actor", "role", "action", "subject", "detail", "chain"])
async def test_an_altered_entry_is_named(database: Database, column: str) -> None:
    value = "3.5" if column == "time" else f"'{'f' * 64}'"
    await force(database, f"UPDATE audit SET {column} = {value} WHERE seq = 3")  # noqa: S608 - of this list
    with pytest.raises(HubAuditError, match=r"entry 3 is not as it was written"):
        await verify(database)


async def test_a_missing_one_is_named(database: Database) -> None:
    await force(database, "DELETE FROM audit WHERE seq = 2")
    with pytest.raises(HubAuditError, match="entry 2 is missing"):
        await verify(database)


async def test_an_end_cut_off_or_rewritten_is_found_by_a_head_that_was_noted(database: Database) -> None:
    noted = await verify(database)
    await force(database, "DELETE FROM audit WHERE seq = 5")
    assert (await verify(database)).seq == 4, "alone it cannot know"
    with pytest.raises(HubAuditError, match="its end was cut off"):
        await verify(database, noted)
    async with database.transaction() as query:
        await audit.append(query, BY, "did", "something else", {}, now=5.25)
    with pytest.raises(HubAuditError, match="entry 5 is not the one noted"):
        await verify(database, noted)


async def test_there_is_no_entry_without_its_deed(database: Database) -> None:
    with pytest.raises(RuntimeError):  # noqa: PT012 - the block is what is undone
        async with database.transaction() as query:
            await audit.append(query, BY, "did", "not", {}, now=6.0)
            raise RuntimeError
    assert (await verify(database)).seq == 5


async def test_many_at_once_make_one_chain(database: Database) -> None:
    async def one(number: int) -> None:
        async with database.transaction() as query:
            await audit.append(query, BY, "did", str(number), {}, now=float(number))

    await asyncio.gather(*(one(number) for number in range(20)))
    assert (await verify(database)).seq == 25
