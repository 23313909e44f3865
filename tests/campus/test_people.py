"""People at the hub: written, listed, removed; nothing of theirs lies open in the database; REST by role."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import time
from typing import TYPE_CHECKING

import httpx
import msgspec
import numpy as np
import pytest
import pytest_asyncio
import sqlalchemy as sa

from campus.api.app import make_app
from campus.auth import audit, tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.errors import HubConfigError, HubStoreError
from campus.people import tables as people_tables
from campus.people.records import Number, People, PeopleSettings, Person, Template
from controller.gallery.model import Consent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

OFFICE = Actor("office", Role.ENROLMENT)
CONSENT = Consent("consent", dt.date(2026, 1, 1), "guardian", "face temperature")
EVE = Person(id="2041", name="Eve Example", groups=("student", "7b"), credentials=(Number("card", "1a2b3c4d"),))
NOW = 1_790_000_000.0


def face(seed: int) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=128)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


@pytest_asyncio.fixture
async def database(address: str) -> AsyncIterator[Database]:
    async with Database(address, "school") as opened:
        yield opened


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(PeopleSettings(key=tmp_path / "key" / "people.key"))


async def test_a_consent_withdrawn_meanwhile_is_not_brought_back(
    database: Database, people: People, address: str
) -> None:
    """Somebody changes the card from what they read before the withdrawal was on disk."""
    async with database.transaction() as query:
        await people.upsert(query, OFFICE, msgspec.structs.replace(EVE, consent=CONSENT), now=NOW)

    async def new_card() -> None:
        async with Database(address, "school") as other, other.transaction() as query:
            changed = msgspec.structs.replace(EVE, credentials=(Number("card", "aabbccdd"),))
            await people.upsert(query, OFFICE, changed, now=NOW)

    async with database.transaction() as query:
        await people.withdraw(query, OFFICE, "2041", now=NOW)
        changing = asyncio.ensure_future(new_card())
        await asyncio.wait({changing}, timeout=0.3)
        assert not changing.done(), "it waits"
    await changing
    async with database.transaction() as query:
        found = await people.get(query, "2041")
    assert found is not None
    assert found.credentials == (Number("card", "AABBCCDD"),)
    assert found.consent is None


async def test_what_is_written_comes_back_and_what_is_the_same_is_not_written(
    database: Database, people: People
) -> None:
    async with database.transaction() as query:
        assert await people.upsert(query, OFFICE, EVE, now=NOW)
        found = await people.get(query, "2041")
        assert found == msgspec.structs.replace(
            EVE, credentials=(Number("card", "1A2B3C4D"),), second_factor=False, no_face=False
        )
        assert not await people.upsert(query, OFFICE, EVE, now=NOW + 1)
        # What an import does not know stays.
        assert await people.upsert(query, OFFICE, Person(id="2041", groups=("student", "8b")), now=NOW + 2)
        after = await people.get(query, "2041")
        assert after is not None
        assert (after.name, after.groups, after.credentials) == ("Eve Example", ("student", "8b"), found.credentials)
        assert (await audit.head(query)).seq == 2


async def test_nothing_that_names_or_shows_somebody_lies_open(database: Database, people: People) -> None:
    vector = face(1)
    async with database.transaction() as query:
        await people.upsert(query, OFFICE, msgspec.structs.replace(EVE, consent=CONSENT), now=NOW)
        assert await people.set_templates(query, OFFICE, "2041", [Template("m", vector, 0.8)], now=NOW)
        everything = b""
        for table in (people_tables.person, people_tables.credential, people_tables.template):
            for row in await query.execute(sa.select(table)):
                everything += b"".join(x if isinstance(x, bytes) else str(x).encode() for x in row)
        (kept,) = (await people.templates(query, ["2041"]))["2041"]
    for secret in (b"Eve", b"1A2B3C4D", b"guardian", vector.tobytes()[:16]):
        assert secret not in everything
    assert np.array_equal(kept.embedding, vector)


async def test_a_record_that_was_exchanged_does_not_open(database: Database, people: People) -> None:
    async with database.transaction() as query:
        for who in ("1", "2"):
            await people.upsert(query, OFFICE, Person(id=who, name=who, consent=CONSENT), now=NOW)
            await people.set_templates(query, OFFICE, who, [Template("m", face(int(who)), None)], now=NOW)
        table = people_tables.template
        row = (await query.execute(sa.select(table).where(table.c.person == "1"))).one()
        moved = {"key": row.key, "nonce": row.nonce, "sealed": row.sealed}
        await query.execute(sa.update(table).where(table.c.person == "2").values(moved))
        with pytest.raises(HubStoreError, match="template 2: does not open"):
            await people.templates(query, ["1", "2"])


async def test_removing_leaves_the_id_alone(database: Database, people: People) -> None:
    async with database.transaction() as query:
        await people.upsert(query, OFFICE, msgspec.structs.replace(EVE, consent=CONSENT), now=NOW)
        await people.set_templates(query, OFFICE, "2041", [Template("m", face(1), 0.8)], now=NOW)
        assert await people.remove(query, OFFICE, "2041", now=NOW + 1)
        assert not await people.remove(query, OFFICE, "2041", now=NOW + 2)
        assert await people.get(query, "2041") is None
        assert [one async for one in people.everybody(query)] == []
        (row,) = (await query.execute(sa.select(people_tables.person))).all()
        assert (row.id, row.groups, row.removed) == ("2041", "[]", NOW + 1)
        assert row.changed == row.faces_changed > NOW * 1000
        for table in (people_tables.credential, people_tables.template):
            assert (await query.execute(sa.select(sa.func.count()).select_from(table))).scalar() == 0
        # The card is free, and so is the id.
        assert await people.upsert(query, OFFICE, msgspec.structs.replace(EVE, id="2042"), now=NOW + 3)
        assert await people.upsert(query, OFFICE, Person(id="2041"), now=NOW + 4)
        back = await people.get(query, "2041")
        assert back is not None
        assert (back.name, back.consent) == ("", None)


async def test_numbers_only_grow_whatever_the_clock_says(database: Database, people: People) -> None:
    seen = []
    async with database.transaction() as query:
        for at, groups in ((NOW, ("a",)), (NOW - 86_400, ("b",)), (NOW + 5, ("c",))):
            await people.upsert(query, OFFICE, Person(id="1", groups=groups), now=at)
            seen.append((await query.execute(sa.select(people_tables.person.c.changed))).scalar_one())
    assert seen == sorted(set(seen))


async def test_what_cannot_be_is_refused_with_its_reason(database: Database, people: People) -> None:
    async with database.transaction() as query:
        await people.upsert(query, OFFICE, EVE, now=NOW)
        for wanted, told in (
            (Person(id="a b"), "is no person id"),
            (Person(id="1", valid_from=dt.date(2026, 2, 1), valid_until=dt.date(2026, 1, 1)), "1: valid from"),
            (Person(id="1", credentials=(Number("card", "1A2B3C4D"),)), "1: this card is 2041's already"),
            (Person(id="1", credentials=(Number("card", "§"),)), "1: a card's number is"),
        ):
            with pytest.raises(HubConfigError, match=told):
                await people.upsert(query, OFFICE, wanted, now=NOW)
        one = [Template("m", face(1), None)]
        with pytest.raises(HubConfigError, match="2041: no consent record"):
            await people.set_templates(query, OFFICE, "2041", one, now=NOW)
        await people.upsert(query, OFFICE, msgspec.structs.replace(EVE, consent=CONSENT), now=NOW)
        with pytest.raises(HubConfigError, match="2041: template 1: is no vector of length 1"):
            await people.set_templates(query, OFFICE, "2041", [Template("m", 2 * face(1), None)], now=NOW)
        assert await people.set_templates(query, OFFICE, "2041", one, now=NOW)
        assert await people.withdraw(query, OFFICE, "2041", now=NOW)
        assert await people.templates(query, ["2041"]) == {"2041": []}


async def test_through_rest_by_role(database: Database, people: People) -> None:
    bearer = {}
    async with database.transaction() as query:
        for role in (Role.ENROLMENT, Role.DOCTOR, Role.GUARD):
            made, _ = await tokens.issue(query, OFFICE, role, role, now=time.time(), expires=None)
            bearer[role] = {"Authorization": f"Bearer {made}"}
    transport = httpx.ASGITransport(make_app(database, people))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub/api/v1") as client:
        consent = {"date": "2026-01-01", "by": "guardian", "scope": "face"}
        card = {"kind": "card", "number": "77-1"}
        said = {"name": "Eve", "groups": ["student"], "consent": consent, "credentials": [card]}
        office, doctor = bearer[Role.ENROLMENT], bearer[Role.DOCTOR]
        assert (await client.put("/people/2041", json=said, headers=doctor)).status_code == 403
        assert (await client.get("/people", headers=bearer[Role.GUARD])).status_code == 403
        assert (await client.put("/people/2041", json=said, headers=office)).json() == {"result": "changed"}
        assert (await client.put("/people/2041", json=said, headers=office)).json() == {"result": "unchanged"}
        assert (await client.put("/people/2041", json={"nmae": "x"}, headers=office)).status_code == 422
        one = {"model": "m", "embedding": base64.b64encode(face(1).tobytes()).decode(), "quality": 0.7}
        assert (await client.put("/people/2041/templates", json=[one], headers=office)).status_code == 204
        wrong = one | {"embedding": "AAAA"}
        assert (await client.put("/people/2041/templates", json=[wrong], headers=office)).status_code == 422
        assert (await client.put("/people/2099/templates", json=[one], headers=office)).status_code == 404
        (found,) = (await client.get("/people", headers=office)).json()
        assert (found["name"], found["credentials"]) == ("Eve", [card])
        assert (await client.get("/people/2041", headers=doctor)).json()["credentials"] is None
        assert (await client.delete("/people/2041/consent", headers=office)).status_code == 204
        assert (await client.delete("/people/2041", headers=office)).status_code == 204
        assert (await client.get("/people/2041", headers=office)).status_code == 404
