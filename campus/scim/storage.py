"""Reads and writes what scim2-server asks for: accounts over the hub's people, groups by which its policy decides.

One of these serves one request, in one transaction; writing ones come one after the other (`campus.scim.guard.lock`).
A provider sees and changes those alone that were pushed; who is of the hub's own and is pushed becomes one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from scim2_models import InvalidValueException, NotImplementedException, SCIMException
from scim2_server.storage import AsyncScimStorage, SearchPage

from campus.auth import audit
from campus.errors import HubConfigError
from campus.people.records import hold
from campus.scim import guard
from campus.scim.accounts import Accounts
from campus.scim.groups import Groups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from scim2_models import Resource, ResourceType, ResponseParameters, SearchRequest

    from campus.auth.roles import Actor
    from campus.database import Database
    from campus.people.records import People
    from campus.scim.handler import Membership
    from campus.scim.settings import ScimSettings


FARTHEST = 2**31
"""No page begins behind that, and no database counts much farther."""


class TooManyRequestsError(SCIMException):
    """Answered 429: to be tried again later."""

    status = 429


class Storage(AsyncScimStorage):
    """The hub's people, for one request.

    Args:
        database: the hub's, open.
        people: everybody.
        settings: `[people.scim]`.
        by: who asks.
        writes: whether it may change anything.
    """

    def __init__(self, database: Database, people: People, settings: ScimSettings, by: Actor, *, writes: bool) -> None:
        self._database = database
        self._people = people
        self._settings = settings
        self._by = by
        self._writes = writes
        self._kinds: dict[str | None, Accounts | Groups] = {}
        self._groups: Groups

    @contextlib.asynccontextmanager
    async def _operation(self) -> AsyncIterator[None]:
        now, log = time.time(), audit.Later()  # a group of a whole school takes seconds
        try:
            async with self._database.transaction() as query:
                if self._writes:
                    await guard.lock(query)
                    await hold(query)
                accounts = Accounts(query, self._people, self._settings, self._by, now=now, log=log.append)
                self._groups = Groups(accounts)
                self._kinds = {"User": accounts, "Group": self._groups}
                yield
                await log.write(query)
        except guard.TooManyRemovalsError as error:
            async with self._database.transaction() as query:
                await guard.trip(query, self._by, error, now=now)
            raise TooManyRequestsError(detail=str(error)) from error
        except HubConfigError as error:
            raise InvalidValueException(detail=str(error)) from error

    def operation(self) -> contextlib.AbstractAsyncContextManager[None]:
        """A transaction; what the hub refuses is a SCIM error outside."""
        return self._operation()

    async def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """Somebody, or a group."""
        members = _shown("members", response_parameters)
        found: Resource[Any] = await self._kinds[resource_type.name].get(resource_id, members=members)
        return found

    async def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """A page of users or of groups."""
        del position
        if len(resource_types) != 1:
            raise NotImplementedException(detail="search in /Users or in /Groups")
        kind = self._kinds[resource_types[0].name]
        start, count = min(search_request.start_index_0 or 0, FARTHEST), search_request.count or 0
        members = _shown("members", search_request)
        wanted = search_request.filter
        if wanted is None:
            return SearchPage(await kind.count(), await kind.page(start, count, members=members))
        named = await kind.named(wanted.ast, members=members)
        if named is not None:
            found = [one for one in named if wanted.match(one)]
            return SearchPage(len(found), found[start : start + count])
        total, found = 0, []
        async for some in kind.everything(members=members or "members" in str(wanted).casefold()):
            for one in some:
                if wanted.match(one):
                    if start <= total < start + count:
                        found.append(one)
                    total += 1
            await asyncio.sleep(0)  # gates and desks are answered meanwhile
        return SearchPage(total, found)

    async def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Add somebody, or a group."""
        made: Resource[Any] = await self._kinds[resource_type.name].create(resource)
        return made

    async def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Change them; the version is still the expected one, as pushes come one after the other."""
        del expected_version
        made: Resource[Any] = await self._kinds[resource_type.name].update(resource)
        return made

    async def delete(
        self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None
    ) -> None:
        """Erase somebody, or forget a group."""
        del expected_version
        await self._kinds[resource_type.name].delete(resource_id)

    async def bare_group(self, identifier: str) -> Resource[Any]:
        """A group without its members. Raises `NotFoundException`."""
        found: Resource[Any] = await self._groups.get(identifier, members=False)
        return found

    async def change_members(self, identifier: str, steps: Sequence[Membership]) -> Resource[Any]:
        """Let people join and leave a group; it, without its members."""
        found: Resource[Any] = await self._groups.change(identifier, steps)
        return found


def _shown(attribute: str, parameters: ResponseParameters[Any] | None) -> bool:
    """Whether an answer has an attribute."""
    if parameters is None:
        return True
    if parameters.attributes:
        return any(attribute in str(path).casefold() for path in parameters.attributes)
    excluded = parameters.excluded_attributes or ()
    return all(str(path).casefold().rpartition(":")[2] != attribute for path in excluded)
