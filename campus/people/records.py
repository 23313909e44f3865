"""Who may pass on this campus: people, by what they are known, and their templates; the gates hold what is here.

Names, consents, card numbers and templates are sealed by AES-256-GCM under a key outside the database, as the gallery
does. Every change takes a number that only grows (`changed`, `faces_changed`): what a gate is sent are the people
whose number is above its own (`campus.gates.distribution`). Removing somebody erases all but the id, which tells the
gates.

Each method works in the transaction it is handed. Those that change somebody come one after the other (`hold`), before
they read whom they change: else who only adds a card could bring back a consent that was withdrawn meanwhile. The lock
is another than the audit log's, which comes after it.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from campus.auth import audit
from campus.errors import HubConfigError, HubStoreError
from campus.people.ldap import LdapSettings
from campus.people.photographs import PhotographSettings
from campus.people.sources import SourceSettings
from campus.people.tables import credential, lookalike, person, template
from campus.scim.settings import ScimSettings
from campus.scim.tables import account, member
from controller.errors import GalleryError
from controller.gallery.consent import refusal
from controller.gallery.credentials import parse
from controller.gallery.keyfile import create_key, read_ring
from controller.gallery.model import Consent, check_person_id
from controller.gallery.sealing import Sealed, Sealer, SealError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor

PersonKind = Literal["student", "staff", "visitor"]
CredentialKind = Literal["card", "qr", "plate", "panel"]
"""PINs are set at the gate: a hub that could send them would have to know them."""
Name = Annotated[str, msgspec.Meta(max_length=200)]
Group = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
MOST_TEMPLATES = 16
"""Of one person."""
CHUNK = 500


class PeopleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[people]` of hub.toml."""

    key: Path = Path("/var/lib/thermogate-hub/people.key")
    """File of mode 0600, or a systemd credential; made where there is none. Better not where the database is."""
    consent_scope: str = "face"
    """Word that the consent to a template must contain in its scope."""
    source: SourceSettings | None = None
    """Where the school keeps its people, if in a database."""
    photographs: PhotographSettings | None = None
    """How photographs are turned into templates here; None: finished templates alone are taken."""
    removal_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Part of a source's people that one import may remove or suspend unasked."""
    ldap: LdapSettings | None = None
    """Where the school keeps its people, if in a directory."""
    scim: ScimSettings | None = None
    """What an identity provider may push; None: nothing."""


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A card's number, a code's text, a plate, or the number that a panel knows somebody by (`FACILITY-NUMBER`)."""

    kind: CredentialKind
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody, as the school knows them. Of what is None, `People.upsert` leaves what is there."""

    id: str
    kind: PersonKind = "student"
    name: Name | None = None
    """For the office; it never leaves the hub."""
    groups: tuple[Group, ...] = ()
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    """Last day, inclusive; None: for ever."""
    active: bool = True
    """False: let in nowhere, and no gate has anything of them."""
    second_factor: bool | None = None
    """The face alone is not enough, as with twins."""
    no_face: bool | None = None
    """Their face is neither kept nor compared: what templates there are get erased."""
    consent: Consent | None = None
    credentials: tuple[Number, ...] | None = None
    source: str = ""
    """Who keeps this record: the school system it is imported from; empty: the hub itself, or whoever does already."""


class Template(NamedTuple):
    """A face as numbers."""

    model: str
    """The embedder's `FaceEngine.template_model`."""
    embedding: np.ndarray[Any, np.dtype[np.float32]]
    """float32[dim], L2-normalised."""
    quality: float | None
    """0..1, of the photograph; None: not known."""
    photograph: bytes | None = None
    """`People.photograph_digest` of the file it was made from here; None: it came finished."""


class _Private(msgspec.Struct, frozen=True):
    """What is sealed of a person."""

    name: str = ""
    consent: Consent | None = None


class People:
    """Everybody at this hub. The key is opened, or made, when it is first needed; `HubStoreError` where that fails."""

    def __init__(self, settings: PeopleSettings) -> None:
        self._settings = settings

    @functools.cached_property
    def _keys(self) -> tuple[Sealer, bytes]:
        """What seals, and the key of the HMAC by which a number is found."""
        path = self._settings.key
        try:
            if not path.exists():
                create_key(path)
            ring = read_ring(path)
        except GalleryError as error:
            raise HubStoreError(str(error)) from error
        return Sealer(ring), hmac.digest(ring.keys[ring.first], b"thermogate hub: numbers", hashlib.sha256)

    @property
    def sealer(self) -> Sealer:
        """Seals what the hub keeps. Raises `HubStoreError` where its key cannot be used."""
        return self._keys[0]

    def digest(self, kind: str, text: str) -> bytes:
        """What `text` is found by, which tells nobody what it is. Raises `HubStoreError` as `sealer`."""
        return hmac.digest(self._keys[1], f"{kind}\0{text}".encode(), hashlib.sha256)

    async def upsert(
        self, query: AsyncConnection, by: Actor, wanted: Person, *, now: float, log: audit.Append = audit.append
    ) -> bool:
        """Add somebody or change them; False where they are just so already, and nothing is written.

        `log`: takes the audit entry. Raises `HubConfigError` naming the person and what is wrong; nothing of them is
        written then.
        """
        numbers = check(wanted)
        await hold(query)
        before = await self.get(query, wanted.id)
        after = over(before, wanted)
        if before == after:
            return False
        # Whoever was away from the gates comes back with their faces.
        returns = before is None or not before.active or not after.active
        fewer = bool(after.no_face) and before is not None and not before.no_face
        await log(query, by, "person_changed" if before else "person_added", after.id, {}, now=now)
        number = await next_number(query, now)
        row = self.row(after) | {"removed": None, "changed": number}
        if returns or fewer:
            row["faces_changed"] = number
        await self._put(query, row, number)
        if numbers is not None and (before is None or before.credentials != after.credentials):
            await self._put_credentials(query, after.id, numbers)
        if fewer:
            await query.execute(sa.delete(template).where(template.c.person == after.id))
        return True

    async def remove(
        self, query: AsyncConnection, by: Actor, who: str, *, now: float, log: audit.Append = audit.append
    ) -> bool:
        """Erase somebody: nothing but the id stays, to tell the gates. False where there is nobody of that id."""
        await hold(query)
        if not await _is_there(query, who):
            return False
        await log(query, by, "person_removed", who, {}, now=now)
        number = await next_number(query, now)
        for table in (template, credential, account, member):
            await query.execute(sa.delete(table).where(table.c.person == who))
        await query.execute(sa.delete(lookalike).where(sa.or_(lookalike.c.first == who, lookalike.c.second == who)))
        gone = Person(id=who, active=False, second_factor=False, no_face=False)
        row = self.row(gone) | {"removed": now, "changed": number, "faces_changed": number}
        await query.execute(sa.update(person).where(person.c.id == who).values(row))
        return True

    async def set_templates(
        self,
        query: AsyncConnection,
        by: Actor,
        who: str,
        templates: Sequence[Template],
        *,
        now: float,
        noted: Mapping[str, object] = MappingProxyType({}),
    ) -> bool:
        """Keep these templates of somebody in place of theirs; none erases them. False where nobody has that id.

        `noted`: goes into the audit entry besides.

        Raises `HubConfigError`: no consent that holds, known without a face, or what is no template.
        """
        await hold(query)
        found = await self.get(query, who)
        if found is None:
            return False
        if templates:
            await self._check_templates(found, templates, now)
        detail = {"templates": len(templates), "models": sorted({one.model for one in templates}), **noted}
        await audit.append(query, by, "templates_set" if templates else "templates_erased", who, detail, now=now)
        await query.execute(sa.delete(template).where(template.c.person == who))
        rows = []
        for position, one in enumerate(templates):
            plain = np.ascontiguousarray(one.embedding, dtype="<f4").tobytes()
            sealed = self.sealer.seal(plain, ("template", who, one.model, str(position)))
            place = {"person": who, "model": one.model, "position": position, "quality": one.quality}
            rows.append(place | {"photograph": one.photograph} | sealed._asdict())
        if rows:
            await query.execute(template.insert(), rows)
        number = await next_number(query, now)
        await query.execute(sa.update(person).where(person.c.id == who).values(faces_changed=number))
        return True

    async def withdraw(self, query: AsyncConnection, by: Actor, who: str, *, now: float) -> bool:
        """Forget somebody's consent, and erase their templates. False where there is nobody of that id."""
        await hold(query)
        found = await self.get(query, who)
        if found is None:
            return False
        await audit.append(query, by, "consent_withdrawn", who, {}, now=now)
        row = self.row(msgspec.structs.replace(found, consent=None)) | {"changed": await next_number(query, now)}
        await query.execute(sa.update(person).where(person.c.id == who).values(row))
        return await self.set_templates(query, by, who, (), now=now)

    async def get(self, query: AsyncConnection, who: str) -> Person | None:
        """Somebody; None where there is nobody of that id. Raises `HubStoreError` for a record that does not open."""
        for found in await self.some(query, [who]):
            return found
        return None

    async def everybody(self, query: AsyncConnection, *, after: str = "") -> AsyncIterator[Person]:
        """Everybody by id, behind `after`. Raises `HubStoreError` for a record that does not open."""
        while True:
            wanted = sa.select(person).where(person.c.removed.is_(None), person.c.id > after)
            found = await self._read(query, wanted.order_by(person.c.id).limit(CHUNK))
            for one in found:
                yield one
            if len(found) < CHUNK:
                return
            after = found[-1].id

    async def some(self, query: AsyncConnection, chosen: Sequence[str]) -> list[Person]:
        """Those of these ids that there are. Raises `HubStoreError` for a record that does not open."""
        found = []
        for start in range(0, len(chosen), CHUNK):
            of = person.c.id.in_(chosen[start : start + CHUNK])
            found += await self._read(query, sa.select(person).where(person.c.removed.is_(None), of))
        return found

    async def templates(self, query: AsyncConnection, chosen: Sequence[str]) -> dict[str, list[Template]]:
        """The templates of these people, by id. Raises `HubStoreError` for a record that does not open."""
        found: dict[str, list[Template]] = {who: [] for who in chosen}
        for start in range(0, len(chosen), CHUNK):
            of = template.c.person.in_(chosen[start : start + CHUNK])
            order = (template.c.person, template.c.position)
            for row in await query.execute(sa.select(template).where(of).order_by(*order)):
                label = ("template", row.person, row.model, str(row.position))
                numbers = np.frombuffer(self._open(row, label), dtype="<f4").astype(np.float32)
                found[row.person].append(Template(row.model, numbers, row.quality, row.photograph))
        return found

    def photograph_digest(self, data: bytes) -> bytes:
        """By which a photograph's file is known again: an HMAC under this hub's key, 32 bytes."""
        return hmac.digest(self._keys[1], b"photograph\0" + hashlib.sha256(data).digest(), hashlib.sha256)

    def against_faces(self, found: Person, now: float) -> str:
        """Why no template of somebody may be kept now; empty where it may."""
        if found.no_face:
            return "is known without a face, and no template is kept of them"
        return refusal(found.consent, dt.datetime.fromtimestamp(now, dt.UTC).date(), self._settings.consent_scope)

    async def _check_templates(self, found: Person, templates: Sequence[Template], now: float) -> None:
        against = self.against_faces(found, now)
        if against:
            raise HubConfigError(f"{found.id}: {against}")
        if len(templates) > MOST_TEMPLATES:
            raise HubConfigError(f"{found.id}: {len(templates)} templates are more than {MOST_TEMPLATES}")
        for number, one in enumerate(templates, start=1):
            length = float(np.linalg.norm(one.embedding.astype(np.float64)))
            if one.embedding.ndim != 1 or not abs(length - 1.0) < 1e-3:  # also false for NaN
                raise HubConfigError(f"{found.id}: template {number}: is no vector of length 1")

    def row(self, one: Person) -> dict[str, Any]:
        """Somebody as a row of `person`, but for what is counted."""
        private = _Private(one.name or "", one.consent)
        sealed = self.sealer.seal(msgspec.json.encode(private), ("person", one.id))
        return {
            "id": one.id,
            "kind": one.kind,
            "groups": msgspec.json.encode(one.groups).decode(),
            "valid_from": one.valid_from,
            "valid_until": one.valid_until,
            "active": one.active,
            "second_factor": bool(one.second_factor),
            "no_face": bool(one.no_face),
            "source": one.source,
            **sealed._asdict(),
        }

    def _person(self, row: Any, numbers: Iterable[Number]) -> Person:
        private = msgspec.json.decode(self._open(row, ("person", row.id)), type=_Private)
        return Person(
            id=row.id,
            kind=row.kind,
            name=private.name,
            groups=msgspec.json.decode(row.groups, type=tuple[str, ...]),
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            active=row.active,
            second_factor=row.second_factor,
            no_face=row.no_face,
            consent=private.consent,
            credentials=tuple(numbers),
            source=row.source,
        )

    def _open(self, row: Any, label: tuple[str, ...]) -> bytes:
        try:
            return self.sealer.unseal(Sealed(row.key, row.nonce, row.sealed), label)
        except SealError as error:
            raise HubStoreError(f"{' '.join(label[:2])}: does not open: {error}") from error

    async def _put(self, query: AsyncConnection, row: dict[str, Any], number: int) -> None:
        changed = await query.execute(sa.update(person).where(person.c.id == row["id"]).values(row))
        if not changed.rowcount:
            await query.execute(person.insert().values({"faces_changed": number} | row))

    async def _put_credentials(self, query: AsyncConnection, who: str, numbers: Sequence[Number]) -> None:
        await query.execute(sa.delete(credential).where(credential.c.person == who))
        for one in numbers:
            digest = self.digest(one.kind, one.number)
            place = sa.and_(credential.c.kind == one.kind, credential.c.digest == digest)
            owner = (await query.execute(sa.select(credential.c.person).where(place))).scalar()
            if owner is not None:
                raise HubConfigError(f"{who}: this {one.kind} is {owner}'s already")
            sealed = self.sealer.seal(one.number.encode(), ("credential", who, one.kind))
            row = {"kind": one.kind, "digest": digest, "person": who} | sealed._asdict()
            await query.execute(credential.insert().values(row))

    async def _read(self, query: AsyncConnection, wanted: sa.Select[Any]) -> list[Person]:
        rows = (await query.execute(wanted)).all()
        numbers = await self._credentials(query, [row.id for row in rows])
        return [self._person(row, numbers.get(row.id, ())) for row in rows]

    async def _credentials(self, query: AsyncConnection, of: Sequence[str]) -> dict[str, list[Number]]:
        found: dict[str, list[Number]] = {}
        if of:
            wanted = sa.select(credential).where(credential.c.person.in_(of))
            for row in await query.execute(wanted):
                number = self._open(row, ("credential", row.person, row.kind)).decode()
                found.setdefault(row.person, []).append(Number(row.kind, number))
        return {who: sorted(numbers, key=msgspec.structs.astuple) for who, numbers in found.items()}


async def hold(query: AsyncConnection) -> None:
    """Be the only one who changes people, until the transaction ends; to be called before the audit log is held."""
    if query.dialect.name == "postgresql":  # SQLite's transactions come one after the other anyway
        await query.execute(sa.text("SELECT pg_advisory_xact_lock(8243)"))


async def next_number(query: AsyncConnection, now: float) -> int:
    """A number above all that were given, also to a hub that was restored from a backup: Unix milliseconds at least.

    After `hold`, which keeps the numbers in the order of the COMMITs.
    """
    highest = (await query.execute(sa.select(sa.func.max(person.c.changed), sa.func.max(person.c.faces_changed)))).one()
    return max(int(now * 1000), *(1 + (found or 0) for found in highest))


async def _is_there(query: AsyncConnection, who: str) -> bool:
    wanted = sa.select(person.c.id).where(person.c.id == who, person.c.removed.is_(None))
    return (await query.execute(wanted)).first() is not None


def check(wanted: Person) -> tuple[Number, ...] | None:
    """The numbers as they are kept. Raises `HubConfigError` for what cannot be."""
    try:
        check_person_id(wanted.id)
    except GalleryError as error:
        raise HubConfigError(str(error)) from error
    if wanted.valid_from and wanted.valid_until and wanted.valid_from > wanted.valid_until:
        raise HubConfigError(f"{wanted.id}: valid from {wanted.valid_from}, but only until {wanted.valid_until}")
    return None if wanted.credentials is None else _numbers(wanted.id, wanted.credentials)


def _numbers(who: str, given: Iterable[Number]) -> tuple[Number, ...]:
    found = set()
    for one in given:
        try:
            found.add(Number(one.kind, parse(one.kind, one.number)[0]))
        except GalleryError as error:
            raise HubConfigError(f"{who}: {error}") from error
    return tuple(sorted(found, key=msgspec.structs.astuple))


def over(before: Person | None, wanted: Person) -> Person:
    """What `wanted` makes of somebody."""
    base = before or Person(id=wanted.id)
    numbers = base.credentials if wanted.credentials is None else _numbers(wanted.id, wanted.credentials)
    return msgspec.structs.replace(
        wanted,
        name=(base.name or "") if wanted.name is None else wanted.name,
        second_factor=bool(base.second_factor) if wanted.second_factor is None else wanted.second_factor,
        no_face=bool(base.no_face) if wanted.no_face is None else wanted.no_face,
        consent=wanted.consent or base.consent,
        # Who changes somebody here does not take them from the source that has to say when they leave.
        source=wanted.source or base.source,
        credentials=numbers or (),
    )
