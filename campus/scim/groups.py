"""The groups of SCIM, by which the hub's access policy decides; in one transaction."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from scim2_models import InvalidValueException, NotFoundException, Reference

from campus.people.records import CHUNK
from campus.scim import mapping
from campus.scim.model import Group, Member
from campus.scim.tables import account, group, member

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from scim2_models.path import FilterNode

    from campus.scim.accounts import Accounts
    from campus.scim.handler import Membership

LONGEST = 256
"""Characters of a name."""


class Groups:
    """What a provider pushed of groups.

    Args:
        accounts: of the same transaction.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._query = accounts.query

    async def get(self, identifier: str, *, members: bool) -> Any:
        """A group. Raises `NotFoundException`."""
        for found in await self._some([identifier], members=members):
            return found
        raise NotFoundException(detail=f"{identifier!r:.80}: there is no group of this id")

    async def count(self) -> int:
        """How many there are."""
        return int((await self._query.execute(sa.select(sa.func.count()).select_from(group))).scalar_one())

    async def page(self, start: int, count: int, *, members: bool) -> list[Any]:
        """Those behind the first `start`, by id."""
        chosen = sa.select(group.c.id).order_by(group.c.id).offset(start).limit(count)
        return await self._some(list((await self._query.execute(chosen)).scalars()), members=members)

    async def named(self, node: FilterNode, *, members: bool) -> list[Any] | None:
        """None: there are few groups, so that all of them are looked at."""
        del node, members
        return None

    async def everything(self, *, members: bool) -> AsyncIterator[list[Any]]:
        """All groups, some at a time."""
        start = 0
        while found := await self.page(start, CHUNK, members=members):
            yield found
            start += CHUNK

    async def create(self, resource: Any) -> Any:
        """Add a group. Raises `InvalidValueException`."""
        self._check(resource)
        identifier, now = secrets.token_hex(16), self._accounts.now
        row = {"name": resource.display_name, "external_id": resource.external_id, "created": now, "modified": now}
        await self._record("group_added", identifier, resource)
        await self._query.execute(group.insert().values(id=identifier, **row))
        await self.join(identifier, _ids(resource))
        return await self.get(identifier, members=True)

    async def update(self, resource: Any) -> Any:
        """Make a group so. Raises `InvalidValueException`, `NotFoundException`, `TooManyRemovalsError`."""
        self._check(resource)
        identifier = resource.id
        found = await self.get(identifier, members=False)
        had, has = await self._members(identifier), _ids(resource)
        if had == has and (found.display_name, found.external_id) == (resource.display_name, resource.external_id):
            return await self.get(identifier, members=True)
        before = await self._accounts.names(had | has)
        await self._record("group_changed", identifier, resource)
        row = {"name": resource.display_name, "external_id": resource.external_id, "modified": self._accounts.now}
        await self._query.execute(sa.update(group).where(group.c.id == identifier).values(row))
        await self._put(identifier, has - had)
        await self._take(identifier, had - has)
        await self._accounts.regroup(before, had | has)
        return await self.get(identifier, members=True)

    async def delete(self, identifier: str) -> None:
        """Forget a group. Raises `NotFoundException`, `TooManyRemovalsError`."""
        found = await self.get(identifier, members=False)
        had = await self._members(identifier)
        before = await self._accounts.names(had)
        await self._record("group_removed", identifier, found)
        await self._query.execute(sa.delete(member).where(member.c.group == identifier))
        await self._query.execute(sa.delete(group).where(group.c.id == identifier))
        await self._accounts.regroup(before, had)

    async def join(self, identifier: str, people: set[str]) -> int:
        """Put people into a group; how many came. Raises `InvalidValueException` for somebody who was not pushed."""
        people = people - await self._members(identifier, of=people)
        before = await self._accounts.names(people)
        await self._put(identifier, people)
        await self._accounts.regroup(before, people)
        return len(people)

    async def leave(self, identifier: str, people: set[str]) -> int:
        """Take people out of a group; how many went. Raises `TooManyRemovalsError`."""
        people = await self._members(identifier, of=people)
        before = await self._accounts.names(people)
        await self._take(identifier, people)
        await self._accounts.regroup(before, people)
        return len(people)

    async def change(self, identifier: str, steps: Sequence[Membership]) -> Any:
        """Let people join and leave; the group without its members. Raises as those do, and `NotFoundException`."""
        found = await self.get(identifier, members=False)
        changed = 0
        for one in steps:
            changed += await getattr(self, one.do)(identifier, set(one.people))
        if not changed:
            return found
        await self._record("group_changed", identifier, found)
        row = sa.update(group).where(group.c.id == identifier)
        await self._query.execute(row.values(modified=self._accounts.now))
        return await self.get(identifier, members=False)

    async def _some(self, chosen: list[str], *, members: bool) -> list[Any]:
        chosen = [identifier for identifier in chosen if identifier.isprintable()]
        rows = (await self._query.execute(sa.select(group).where(group.c.id.in_(chosen)).order_by(group.c.id))).all()
        inside: dict[str, list[str]] = {}
        if members:
            wanted = sa.select(member.c.group, member.c.person).where(member.c.group.in_(chosen))
            for key, who in await self._query.execute(wanted.order_by(member.c.group, member.c.person)):
                inside.setdefault(key, []).append(who)
        counted = sa.select(member.c.group, sa.func.count()).where(member.c.group.in_(chosen)).group_by(member.c.group)
        counts: dict[str, int] = {row[0]: row[1] for row in await self._query.execute(counted)}
        found = []
        for row in rows:
            made = Group(id=row.id, external_id=row.external_id, display_name=row.name)
            if row.id in inside:
                made.members = [Member(value=who, ref=Reference(f"Users/{who}")) for who in inside[row.id]]
            # Somebody whom the hub erased leaves without the group being written.
            content = [row.name, row.external_id, row.modified, counts.get(row.id, 0)]
            made.meta = mapping.meta("Group", content, row.created, row.modified)
            found.append(made)
        return found

    async def _members(self, identifier: str, *, of: set[str] | None = None) -> set[str]:
        wanted = sa.select(member.c.person).where(member.c.group == identifier)
        if of is None:
            return set((await self._query.execute(wanted)).scalars())
        found: set[str] = set()
        for part in _parts(of):
            found.update((await self._query.execute(wanted.where(member.c.person.in_(part)))).scalars())
        return found

    async def _put(self, identifier: str, people: set[str]) -> None:
        known: set[str] = set()
        for part in _parts(people):
            pushed = sa.select(account.c.person).where(account.c.person.in_(part))
            known.update((await self._query.execute(pushed)).scalars())
        for who in sorted(people - known):
            raise InvalidValueException(detail=f"members: {who!r:.80}: there is nobody of this id")
        if people:
            await self._query.execute(member.insert(), [{"group": identifier, "person": who} for who in sorted(people)])

    async def _take(self, identifier: str, people: set[str]) -> None:
        for part in _parts(people):
            gone = sa.and_(member.c.group == identifier, member.c.person.in_(part))
            await self._query.execute(sa.delete(member).where(gone))

    async def _record(self, action: str, identifier: str, resource: Any) -> None:
        detail = {"name": resource.display_name}
        accounts = self._accounts
        await accounts.log(self._query, accounts.by, action, identifier, detail, now=accounts.now)

    def _check(self, resource: Any) -> None:
        mapping.checked_group(resource.display_name or "", self._accounts.settings)
        for text in (resource.display_name, resource.external_id or ""):
            if len(text) > LONGEST or "\0" in text:
                raise InvalidValueException(detail=f"a text is longer than {LONGEST} characters, or has a NUL")


def _ids(resource: Any) -> set[str]:
    """Who is to be in it."""
    found = set()
    for one in resource.members or ():
        if not one.value or not one.value.isprintable():
            raise InvalidValueException(detail=f"members: {one.value!r:.80} is no id")
        found.add(one.value)
    return found


def _parts(people: Iterable[str]) -> list[list[str]]:
    """A query names so many at most."""
    everybody = sorted(people)
    return [everybody[start : start + CHUNK] for start in range(0, len(everybody), CHUNK)]
