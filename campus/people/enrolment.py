"""Enrolment of photographs at the hub: judged beside the loop, compared with everybody and written in one transaction.

Whoever enrols is the only one who changes people from the look at everybody else's faces to the COMMIT, so that one
face cannot come in under two ids at the same moment, not even through two hub processes. Photographs are not kept.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import structlog

from campus.auth import audit
from campus.auth.roles import Permission
from campus.errors import HubConfigError, HubConflictError, HubEngineError, HubStoreError
from campus.people import lookalikes as pairs
from campus.people.engine import PhotographEngine
from campus.people.faces import Faces
from campus.people.records import Template, hold
from controller.errors import GateError
from controller.gallery import model as gallery
from controller.gallery.judge import Code, Finding, PhotoRefusedError
from controller.gallery.likeness import apart, lookalikes, thresholds
from controller.gallery.settings import EnrolmentSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.auth.roles import Actor
    from campus.database import Database
    from campus.people.photographs import PhotographSettings
    from campus.people.records import People, Person
    from controller.gallery.judge import Judged
    from controller.gallery.model import Consent
    from controller.perception.types import FaceEngine

log = structlog.stdlib.get_logger("photographs")

Change = Literal["taken", "unchanged", "tried"]


class Enrolled(NamedTuple):
    """What became of somebody's photographs."""

    change: Change
    """`tried`: a dry run, and it would be taken."""
    model: str
    templates: int
    """Theirs of this model, afterwards."""
    alike: dict[str, float]
    """Scores of others who look so much alike that both are marked for a second factor."""


class DuplicateFaceError(HubConflictError):
    """The face is enrolled under another id; that one is named to whom may see people."""

    def __init__(self, by: Actor, other: str, score: float) -> None:
        seen = by.may(Permission.PEOPLE_READ)
        name = f"as {other} (score {score:.2f})" if seen else "under another id"
        super().__init__(f"this face is already enrolled {name}")
        self.findings = (Finding(Code.DUPLICATE, True, str(self)),)


class PhotographDesk:
    """Where photographs come in.

    Args:
        database: the hub's, open while this is used.
        people: whose they are.
        settings: [people.photographs].
        engine: in place of the one that the settings name.
    """

    def __init__(
        self, database: Database, people: People, settings: PhotographSettings, engine: FaceEngine | None = None
    ) -> None:
        self.settings = settings
        self.engine = PhotographEngine(settings, engine)
        self._database, self._people = database, people
        self._limits = EnrolmentSettings(duplicate=settings.duplicate, resemblance=settings.resemblance)
        self._faces: Faces | None = None
        self._turn = asyncio.Lock()
        """One enrolment at a time in this process: else one could wait for the index and another for the database."""

    async def prepare(self) -> None:
        """Open the engine and load everybody's templates, before the first photograph waits for it.

        Raises `HubEngineError`, `HubStoreError`.
        """
        async with self._turn:
            await self._caught_up()

    async def warm_up(self) -> None:
        """The same for a hub that goes on all the same: what fails is in the log, and tried again with a photograph."""
        try:
            await self.prepare()
            engine = await self.engine.engine()
            log.info("photographs are taken", engine=engine.name, template_model=engine.template_model)
        except (HubEngineError, HubStoreError, GateError) as error:
            log.error("no photographs can be taken", error=str(error))

    async def require(self, who: str, consent: Consent | None = None) -> bool:
        """See that a photograph of somebody may be opened at all. False where nobody has that id.

        `consent`: which they bring. Raises `HubConfigError` with what speaks against it.
        """
        async with self._database.transaction() as query:
            found = await self._people.get(query, who)
        if found is None:
            return False
        self._check(found if consent is None else msgspec.structs.replace(found, consent=consent), time.time())
        return True

    def _check(self, found: Person, now: float) -> None:
        against = self._people.against_faces(found, now)
        if against:
            raise HubConfigError(f"{found.id}: {against}")

    async def judge(self, data: bytes, *, kinds: Collection[str] | None = None) -> tuple[Template, Judged]:
        """A photograph's template, as `enrol` takes it, and what was found.

        Raises `PhotoRefusedError`, `HubEngineError`.
        """
        judged = await self.engine.judge(data, kinds=kinds)
        model = (await self.engine.engine()).template_model
        digest = self._people.photograph_digest(data)
        return Template(model, judged.embedding, judged.quality.overall, digest), judged

    async def faces(self) -> Faces:
        """Everybody's templates of the engine's model, as they are now."""
        async with self._turn:
            return await self._caught_up()

    async def known(self, who: str, data: Sequence[bytes]) -> list[Template | None]:
        """For each photograph the template that somebody has of it already."""
        model = (await self.engine.engine()).template_model
        async with self._database.transaction() as query:
            found = (await self._people.templates(query, [who]))[who]
        by_file = {one.photograph: one for one in found if one.model == model and one.photograph is not None}
        return [by_file.get(self._people.photograph_digest(one)) for one in data]

    async def pretend(self, who: str, templates: Sequence[Template]) -> None:
        """Count these as somebody's in this desk's memory alone: a dry run over many compares the others with them."""
        async with self._turn:
            (await self._caught_up()).index.add(gallery.Person(who), [one.embedding for one in templates])

    async def enrol(
        self,
        by: Actor,
        who: str,
        templates: Sequence[Template],
        *,
        replace: bool,
        consent: Consent | None = None,
        dry_run: bool = False,
    ) -> Enrolled | None:
        """Add templates to somebody's, or put them in place of those; None where nobody has that id.

        Args:
            by: who enrols, for the audit log.
            who: whose photographs they were.
            templates: at least one, as `judge` made them.
            replace: their others of this model go; those of other models stay in any case.
            consent: which they bring; None: the one there is.
            dry_run: change nothing, and note that it was tried: who looks like whom is told here.

        Raises `HubConfigError` (no consent, too many), `PhotoRefusedError` (not the same person's as the others),
        `DuplicateFaceError`.
        """
        async with self._turn:
            faces = await self._caught_up()
            async with self._database.transaction() as query:
                await hold(query)
                await faces.refresh(query)
                attempt = _Attempt(by, who, templates, replace, dry_run, time.time())
                done = await self._write(query, faces, attempt, consent)
        if isinstance(done, Exception):
            raise done
        return done

    async def _caught_up(self) -> Faces:
        engine = await self.engine.engine()
        if self._faces is None:
            self._faces = Faces(self._people, engine)
        await self._faces.catch_up(self._database)
        return self._faces

    async def _write(
        self, query: AsyncConnection, faces: Faces, attempt: _Attempt, consent: Consent | None
    ) -> Enrolled | Exception | None:
        """Compare and write; an error is handed back, as its audit entry stays."""
        people, by, who, now = self._people, attempt.by, attempt.who, attempt.now
        found = await people.get(query, who)
        if found is None:
            return None
        wanted = found if consent is None else msgspec.structs.replace(found, consent=consent)
        self._check(wanted, now)
        engine = await self.engine.engine()
        theirs = (await people.templates(query, [who]))[who]
        mine = [one for one in theirs if one.model == engine.template_model]
        others = [one for one in theirs if one.model != engine.template_model]
        fresh, after = attempt.merged(mine)
        if len(fresh) == 0 and len(after) == len(mine) and wanted == found:
            return Enrolled("unchanged", engine.template_model, len(mine), {})
        duplicate, resemblance = thresholds(engine, faces.index, self._limits)
        alike = lookalikes(faces.index, who, [one.embedding for one in fresh], resemblance)
        allowed = await pairs.allowed(query, who)
        double = next((other for other, score in alike.items() if score >= duplicate and other not in allowed), None)
        if double is not None:
            await attempt.note(query, "photograph_refused", {"duplicate_of": double, "score": alike[double]})
            return DuplicateFaceError(by, double, alike[double])
        similar = apart(engine, [one.embedding for one in after])
        if similar is not None:
            reason = f"is not the same person's as the others (score {similar:.2f})"
            await attempt.note(query, "photograph_refused", {"unlike": round(similar, 3)})
            return PhotoRefusedError(reason, (Finding(Code.OTHER_PERSON, True, reason),))
        if attempt.dry_run:
            await attempt.note(query, "photograph_tried", {"alike": alike})
            return Enrolled("tried", engine.template_model, len(after), alike)
        await self._mark(query, attempt, wanted, alike)
        noted = {"photographs": len(fresh), **({"alike": alike} if alike else {})}
        await people.set_templates(query, by, who, [*others, *after], now=now, noted=noted)
        return Enrolled("taken", engine.template_model, len(after), alike)

    async def _mark(self, query: AsyncConnection, attempt: _Attempt, wanted: Person, alike: dict[str, float]) -> None:
        """Whoever looks alike needs a second factor, both of them; and the consent that came is theirs."""
        wanted = msgspec.structs.replace(wanted, second_factor=bool(alike) or wanted.second_factor)
        await self._people.upsert(query, attempt.by, wanted, now=attempt.now)
        for other in await self._people.some(query, sorted(alike)):
            marked = msgspec.structs.replace(other, second_factor=True)
            await self._people.upsert(query, attempt.by, marked, now=attempt.now)

    def close(self) -> None:
        """Take no more photographs."""
        self.engine.close()


class _Attempt(NamedTuple):
    """Somebody's photographs on their way in."""

    by: Actor
    who: str
    templates: Sequence[Template]
    replace: bool
    dry_run: bool
    now: float

    def merged(self, mine: Sequence[Template]) -> tuple[list[Template], list[Template]]:
        """(those that are new, all that there will be), each file once."""
        here = {one.photograph for one in mine if one.photograph is not None}
        given = list({one.photograph: one for one in self.templates}.values())
        fresh = [one for one in given if one.photograph not in here]
        return fresh, given if self.replace else [*mine, *fresh]

    async def note(self, query: AsyncConnection, action: str, detail: dict[str, Any]) -> None:
        """An entry of the audit log."""
        await audit.append(query, self.by, action, self.who, detail | {"dry_run": self.dry_run}, now=self.now)
