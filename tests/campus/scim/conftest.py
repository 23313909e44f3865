"""A hub to which people are pushed, and its SCIM client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from campus.api.app import make_app
from campus.auth import audit, tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.people.records import People, PeopleSettings
from campus.scim.settings import ScimSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from campus.people.records import Person

SHELL = Actor("root (shell)", Role.ADMIN)
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scim:
    """Asks as an identity provider."""

    def __init__(self, database: Database, people: People, settings: ScimSettings, secrets: dict[Role, str]) -> None:
        self.database = database
        self.people = people
        self.settings = settings
        self.secrets = secrets
        self.app = make_app(database, people, provisioning=settings)
        transport = httpx.ASGITransport(self.app)
        bearer = {"Authorization": f"Bearer {secrets[Role.PROVISIONING]}"}
        self.client = httpx.AsyncClient(transport=transport, base_url="http://hub/scim/v2", headers=bearer)

    async def ask(self, method: str, path: str, *, status: int, **more: Any) -> httpx.Response:
        """The answer, whose status must be this one."""
        found = await self.client.request(method, path, **more)
        assert found.status_code == status, found.text
        if found.content:
            assert found.headers["content-type"] == "application/scim+json"
        return found

    async def push(self, name: str, *, status: int = 201, **more: Any) -> dict[str, Any]:
        """Push somebody."""
        said = {"schemas": [USER], "userName": name, **more}
        found: dict[str, Any] = (await self.ask("POST", "/Users", status=status, json=said)).json()
        return found

    async def push_group(self, name: str, *people: str) -> str:
        """Push a group; its id."""
        said = {"schemas": [GROUP], "displayName": name, "members": [{"value": who} for who in people]}
        return str((await self.ask("POST", "/Groups", status=201, json=said)).json()["id"])

    async def patch(self, path: str, *operations: dict[str, Any], status: int = 204, **more: Any) -> httpx.Response:
        """Send a PATCH."""
        said = {"schemas": [PATCH], "Operations": list(operations)}
        return await self.ask("PATCH", path, status=status, json=said, **more)

    async def find(self, path: str, wanted: str) -> list[dict[str, Any]]:
        """What a filter finds."""
        found = (await self.ask("GET", path, status=200, params={"filter": wanted})).json()
        assert found["totalResults"] == len(found.get("Resources", []))
        return list(found.get("Resources", []))

    async def person(self, who: str) -> Person | None:
        """Somebody, as the hub has them."""
        async with self.database.transaction() as query:
            return await self.people.get(query, who)

    async def groups(self, who: str) -> tuple[str, ...]:
        """Somebody's, as the hub has them."""
        found = await self.person(who)
        assert found is not None
        return found.groups

    async def actions(self) -> list[tuple[str, str]]:
        """What the provider did by the audit log, whose chain is whole."""
        async with self.database.transaction() as query:
            await audit.verify(query)
        bearer = {"Authorization": f"Bearer {self.secrets[Role.AUDITOR]}"}
        entries = (await self.client.get("http://hub/api/v1/audit?limit=1000", headers=bearer)).json()
        return [(one["action"], one["subject"]) for one in entries if one["actor"] == "entra"]


@pytest_asyncio.fixture
async def make_scim(address: str, tmp_path: Path) -> AsyncIterator[Callable[[ScimSettings], Scim]]:
    """Makes a hub with these settings."""
    people = People(PeopleSettings(key=tmp_path / "key" / "people.key"))
    async with Database(address, "school") as database:
        secrets = {}
        for role in Role:
            name = "entra" if role is Role.PROVISIONING else f"a {role}"
            async with database.transaction() as query:
                secrets[role] = (await tokens.issue(query, SHELL, name, role, now=time.time(), expires=None))[0]
        yield lambda settings: Scim(database, people, settings, secrets)


@pytest.fixture
def scim(make_scim: Callable[[ScimSettings], Scim]) -> Scim:
    """One that takes the userName as the person's id."""
    return make_scim(ScimSettings(id="userName"))
