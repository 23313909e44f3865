"""The users of SCIM: accounts over the hub's people, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from scim2_models import NotFoundException, UniquenessException, default_comparison_key
from scim2_models.path import CompareOperator, Comparison, Path

from campus.auth import audit
from campus.errors import HubStoreError
from campus.people.many import upsert_all
from campus.people.records import CHUNK, Person
from campus.scim import guard, mapping
from campus.scim.mapping import SOURCE, Account, Said
from campus.scim.model import FullUser
from campus.scim.settings import group_name
from campus.scim.tables import account, group, member
from controller.gallery.sealing import Sealed, SealError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from scim2_models.path import FilterNode
    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.people.records import People
    from campus.scim.settings import ScimSettings


class Accounts:
    """Whom a provider pushed.

    Args:
        query: the transaction.
        people: everybody.
        settings: `[people.scim]`.
        by: who asks.
        now: Unix seconds.
        log: takes the audit entries.
    """

    def __init__(
        self,
        query: AsyncConnection,
        people: People,
        settings: ScimSettings,
        by: Actor,
        *,
        now: float,
        log: audit.Append = audit.append,
    ) -> None:
        self.query = query
        self.people = people
        self.settings = settings
        self.by = by
        self.now = now
        self.log = log

    async def get(self, identifier: str, *, members: bool) -> Any:
        """Somebody. Raises `NotFoundException`."""
        del members  # which only groups have
        return mapping.user(await self._one(identifier))

    async def count(self) -> int:
        """How many there are."""
        return int((await self.query.execute(sa.select(sa.func.count()).select_from(account))).scalar_one())

    async def page(self, start: int, count: int, *, members: bool) -> list[Any]:
        """Those behind the first `start`, by id."""
        del members
        chosen = sa.select(account.c.person).order_by(account.c.person).offset(start).limit(count)
        return [mapping.user(one) for one in await self.some(list((await self.query.execute(chosen)).scalars()))]

    async def named(self, node: FilterNode, *, members: bool) -> list[Any] | None:
        """Candidates of a filter that asks for one name or id; None: it is another."""
        del members
        match node:
            case Comparison(op=CompareOperator.eq, value=str(value), attr_path=path) if path.sub_attr is None:
                attribute = path.attr.casefold()
            case _:
                return None
        if attribute == "id":
            chosen = [value]
        elif attribute in {"username", "externalid"}:
            column = account.c.user_name if attribute == "username" else account.c.external_id
            wanted = sa.select(account.c.person).where(column == self._digest(attribute, value))
            chosen = list((await self.query.execute(wanted)).scalars())
        else:
            return None
        return [mapping.user(one) for one in await self.some(chosen)]

    async def everything(self, *, members: bool) -> AsyncIterator[list[Any]]:
        """Everybody, some at a time."""
        start = 0
        while found := await self.page(start, CHUNK, members=members):
            yield found
            start += CHUNK

    async def create(self, resource: Any) -> Any:
        """Add somebody, or take over one of the hub's own.

        Raises `UniquenessException`, `InvalidValueException`, `HubConfigError`.
        """
        said = mapping.read(resource)
        identifier = mapping.person_id(said, self.settings)
        if await self.some([identifier]):
            raise UniquenessException(detail=f"{identifier}: was pushed already")
        before = await self.people.get(self.query, identifier)
        if before is not None and before.source not in ("", SOURCE):
            raise UniquenessException(detail=f"{identifier}: is kept by the source {before.source!r}")
        await self._check_name(identifier, said)
        active = resource.active is not False
        if before is not None and before.active and not active:
            await guard.shut_out(self.query, self.settings, [identifier], now=self.now)
        base = before or Person(id=identifier)
        groups = tuple(sorted({*base.groups, *mapping.own_groups(said, self.settings)}))
        wanted = msgspec.structs.replace(mapping.over(base, None, said, self.settings), active=active, groups=groups)
        await self.people.upsert(self.query, self.by, wanted, now=self.now, log=self.log)
        row = self._row(identifier, said) | {"created": self.now}
        await self.query.execute(account.insert().values(row))
        return await self.get(identifier, members=False)

    async def update(self, resource: Any) -> Any:
        """Make somebody so. Raises as `create`, and `NotFoundException`."""
        found, said = await self._one(resource.id), mapping.read(resource)
        before = found.person
        if before.source not in ("", SOURCE):
            raise UniquenessException(detail=f"{before.id}: is kept by the source {before.source!r}")
        await self._check_name(before.id, said)
        active = before.active if resource.active is None else resource.active
        if before.active and not active:
            await guard.shut_out(self.query, self.settings, [before.id], now=self.now)
        elif active and not before.active:
            await guard.let_in(self.query, before.id)
        old, new = (mapping.own_groups(one, self.settings) for one in (found.said, said))
        pushed = {group_name(self.settings.groups, name) for _, name in found.groups}
        groups = tuple(sorted(set(before.groups) - (old - new - pushed) | new))
        wanted = msgspec.structs.replace(
            mapping.over(before, found.said, said, self.settings), active=active, groups=groups
        )
        changed = await self.people.upsert(self.query, self.by, wanted, now=self.now, log=self.log)
        if said != found.said and not changed:  # nothing that gates know, but every change is on record
            await self.log(self.query, self.by, "account_changed", before.id, {}, now=self.now)
        if said != found.said or changed:
            row = self._row(before.id, said)
            await self.query.execute(sa.update(account).where(account.c.person == before.id).values(row))
        return await self.get(before.id, members=False)

    async def delete(self, identifier: str) -> None:
        """Erase somebody, here at once and at the gates as soon as they hear of it. Raises `NotFoundException`."""
        await self._one(identifier)
        await guard.shut_out(self.query, self.settings, [identifier], now=self.now)
        await self.people.remove(self.query, self.by, identifier, now=self.now, log=self.log)

    async def some(self, chosen: Sequence[str]) -> list[Account]:
        """Those of these ids who were pushed, by id. Raises `HubStoreError` for a record that does not open."""
        found: list[Account] = []
        chosen = [who for who in chosen if who.isprintable()]  # as every id is; a database takes not every text
        for start in range(0, len(chosen), CHUNK):
            part = chosen[start : start + CHUNK]
            rows = (await self.query.execute(sa.select(account).where(account.c.person.in_(part)))).all()
            people = {one.id: one for one in await self.people.some(self.query, [row.person for row in rows])}
            groups = await self._groups(part)
            found += [
                Account(self._said(row), people[row.person], groups.get(row.person, ()), row.created, row.modified)
                for row in rows
                if row.person in people
            ]
        return sorted(found, key=lambda one: one.person.id)

    async def names(self, chosen: Iterable[str]) -> dict[str, set[str]]:
        """What the access policy calls the pushed groups that these are in."""
        found: dict[str, set[str]] = {}
        chosen = list(chosen)
        for start in range(0, len(chosen), CHUNK):
            for who, groups in (await self._groups(chosen[start : start + CHUNK])).items():
                found[who] = {group_name(self.settings.groups, name) for _, name in groups}
        return found

    async def regroup(self, before: dict[str, set[str]], chosen: Iterable[str]) -> None:
        """Give these people the groups that they are in now. `before`: as `names` told what they were in.

        Raises `TooManyRemovalsError`: so many would be in no group any more, and by that nowhere let in.
        """
        chosen = sorted(chosen)
        after = await self.names(chosen)
        wanted: list[Person] = []
        stranded = []
        members = await self.some(chosen)
        for one in members:
            who = one.person
            had, has = before.get(who.id, set()), after.get(who.id, set())
            kept = set(who.groups) - had | has | mapping.own_groups(one.said, self.settings)
            if kept != set(who.groups):
                wanted.append(msgspec.structs.replace(who, groups=tuple(sorted(kept))))
                if not kept and who.active:
                    stranded.append(who.id)
        await guard.shut_out(self.query, self.settings, stranded, now=self.now)
        known = {one.person.id: one.person for one in members}
        await upsert_all(self.query, self.people, self.by, wanted, known, now=self.now, log=self.log)

    async def _one(self, identifier: str) -> Account:
        for found in await self.some([identifier]):
            return found
        raise NotFoundException(detail=f"{identifier!r:.80}: there is nobody of this id")

    async def _check_name(self, identifier: str, said: Said) -> None:
        """Raises `UniquenessException` where the userName is another's."""
        taken = account.c.user_name == self._digest("username", said.user_name)
        owner = (await self.query.execute(sa.select(account.c.person).where(taken))).scalar()
        if owner not in (None, identifier):
            raise UniquenessException(detail=f"{identifier}: its userName is {owner}'s already")

    def _digest(self, attribute: str, text: str) -> bytes:
        """What a name is found by; nobody can read it from the database."""
        # A filter may name half a character, which is nobody's.
        return self.people.digest(f"scim {attribute}", _KEYS[attribute](text).encode(errors="replace").decode())

    def _row(self, identifier: str, said: Said) -> dict[str, Any]:
        sealed = self.people.sealer.seal(msgspec.json.encode(said), ("scim", identifier))
        external = None if said.external_id is None else self._digest("externalid", said.external_id)
        return {
            "person": identifier,
            "user_name": self._digest("username", said.user_name),
            "external_id": external,
            "modified": self.now,
            **sealed._asdict(),
        }

    def _said(self, row: Any) -> Said:
        try:
            plain = self.people.sealer.unseal(Sealed(row.key, row.nonce, row.sealed), ("scim", row.person))
        except SealError as error:
            raise HubStoreError(f"scim {row.person}: does not open: {error}") from error
        return msgspec.json.decode(plain, type=Said)

    async def _groups(self, chosen: Sequence[str]) -> dict[str, tuple[tuple[str, str], ...]]:
        """Id and name of the groups of each."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        wanted = sa.select(member.c.person, group.c.id, group.c.name).join(group, group.c.id == member.c.group)
        for who, key, name in await self.query.execute(wanted.where(member.c.person.in_(chosen)).order_by(group.c.id)):
            found[who] = (*found.get(who, ()), (key, name))
        return found


def _key(attribute: str) -> Callable[[str], str]:
    """How SCIM compares an attribute's values."""
    binding = Path[FullUser](attribute).resolve()
    return lambda text: default_comparison_key(binding, text)


_KEYS = {"username": _key("userName"), "externalid": _key("externalId")}
