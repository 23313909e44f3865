"""`/people/{id}/photographs` and `/people/{id}/lookalikes`: enrolment from pictures, and twins.

A photograph is read within limits, turned into a template beside the loop, and forgotten; no log and no answer holds
any of it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.people import Id, Reader, Writer
from campus.api.problems import MEDIA, Problem, ProblemDetail
from campus.api.times import moment
from campus.auth.roles import Actor, Permission
from campus.errors import HubBusyError, HubEngineError
from campus.people import lookalikes as pairs
from campus.people.enrolment import DuplicateFaceError, PhotographDesk
from controller.gallery.judge import Code, Finding, PhotoRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from campus.people.enrolment import Enrolled
    from campus.people.records import Template
    from controller.gallery.judge import Judged
    from controller.perception.types import Quality

router = APIRouter(prefix="/people", tags=["people"])
KINDS = ("JPEG", "PNG")
MEDIA_TYPES = ("image/jpeg", "image/png")
LATER = {"Retry-After": "5"}
LOOKALIKE = Finding(Code.ALIKE, False, "looks much like somebody else")

log = structlog.stdlib.get_logger("photographs")


def _desk(request: Request) -> PhotographDesk:
    found: PhotographDesk | None = request.app.state.photographs
    if found is None:
        raise Problem(409, "this hub takes no photographs: hub.toml has no [people.photographs]")
    return found


Desk = Annotated[PhotographDesk, Depends(_desk)]
Overruler = Annotated[Actor, allowed(Permission.PEOPLE_OVERRULE)]


class FindingRecord(BaseModel):
    """Something that speaks against a photograph, or could be better."""

    code: Code
    refuses: bool
    """False: it was taken all the same."""
    reason: str
    english: str
    """What to do."""
    chinese: str


class QualityRecord(BaseModel):
    """How usable the face is, 0..1 each; below 0.3 a photograph is refused."""

    size: float
    sharpness: float
    exposure: float
    pose: float


class Alike(BaseModel):
    """Somebody who looks much alike."""

    person: str
    score: float


class TemplateName(BaseModel):
    """A template that was made."""

    id: str
    """Of the photograph's file at this hub: the same file has the same."""
    model: str


class PhotographAnswer(BaseModel):
    """What became of a photograph."""

    result: Literal["taken", "unchanged", "tried"]
    """`unchanged`: it was taken before; `tried`: a dry run, and it would be taken."""
    template: TemplateName
    templates: int
    """Theirs of this model now; in a dry run what it would be."""
    quality: QualityRecord
    findings: list[FindingRecord]
    alike: list[Alike]
    """Who looks so much alike that both are marked for a second factor: told to whom may see people."""


class PhotographProblem(ProblemDetail):
    """A photograph that was refused."""

    findings: tuple[FindingRecord, ...] = ()
    """What was found, the worst first; empty where it was not looked at."""
    quality: QualityRecord | None = None


class Said(BaseModel):
    """Why two people may be enrolled whose faces are as one."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
    """For the audit log."""


class Lookalike(BaseModel):
    """Beside whom somebody may be enrolled."""

    person: str
    since: dt.datetime


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """As `problems.responses`, with what was found."""
    schema = PhotographProblem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    told = problems.responses(*statuses)
    return {status: one | {"content": {MEDIA: {"schema": schema}}} for status, one in told.items()}


_CALL: dict[str, Any] = {
    "responses": problems.responses(404, 408, 415) | _refusals(409, 422),
    "openapi_extra": problems.further_rules(
        "A photograph is a whole JPEG or PNG of one face that is good enough, of somebody who consented."
    )
    | {
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES},
        }
    },
    "response_model": PhotographAnswer,
}
DryRun = Annotated[bool, Query(description="Judge and compare, and change nothing; the audit log notes it.")]


@router.post("/{who}/photographs", **_CALL)
async def add_photograph(
    by: Writer, desk: Desk, who: Id, request: Request, *, dry_run: DryRun = False
) -> PhotographAnswer | JSONResponse:
    """Make a template of a photograph and keep it beside the others; the photograph is not kept.

    409: the face is enrolled under another id. 422: why it was refused, with what to do in English and Chinese.
    """
    return await _take(by, desk, who, request, replace=False, dry_run=dry_run)


@router.put("/{who}/photographs", **_CALL)
async def replace_photographs(
    by: Writer, desk: Desk, who: Id, request: Request, *, dry_run: DryRun = False
) -> PhotographAnswer | JSONResponse:
    """The same, in place of all templates of this model that there are."""
    return await _take(by, desk, who, request, replace=True, dry_run=dry_run)


@router.get("/{who}/lookalikes")
async def list_lookalikes(_: Reader, database: Data, who: Id) -> list[Lookalike]:
    """Beside whom somebody may be enrolled though their faces are as one."""
    async with database.transaction() as query:
        found = await pairs.allowed(query, who)
    return [Lookalike(person=other, since=moment(since)) for other, since in sorted(found.items())]


@router.put(
    "/{who}/lookalikes/{other}",
    status_code=204,
    responses=problems.responses(404),
    openapi_extra=problems.further_rules("The two are different people."),
)
async def allow_lookalikes(by: Overruler, database: Data, who: Id, other: Id, said: Said) -> None:
    """Say that these two are two, as twins are: from now on each may be enrolled beside the other."""
    async with database.transaction() as query:
        if await pairs.allow(query, by, who, other, said.reason, now=time.time()) is None:
            raise Problem(404, f"{who!r} or {other!r}: there is nobody of this id")


@router.delete(
    "/{who}/lookalikes/{other}",
    status_code=204,
    responses=problems.responses(404),
    openapi_extra=problems.further_rules("The two are different people."),
)
async def forbid_lookalikes(by: Overruler, database: Data, who: Id, other: Id) -> None:
    """Take that back, for photographs to come."""
    async with database.transaction() as query:
        if not await pairs.forbid(query, by, who, other, now=time.time()):
            raise Problem(404, f"{who!r} and {other!r}: were not said to be alike")


async def _take(
    by: Actor, desk: PhotographDesk, who: str, request: Request, *, replace: bool, dry_run: bool
) -> PhotographAnswer | JSONResponse:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise Problem(415, f"a photograph is {' or '.join(MEDIA_TYPES)}")
    try:
        with desk.engine.admit():
            # Of whoever may not be enrolled no photograph is even read.
            if not await desk.require(who):
                raise _nobody(who)
            template, judged = await desk.judge(await _read(request, desk), kinds=KINDS)
            done = await desk.enrol(by, who, [template], replace=replace, dry_run=dry_run)
    except PhotoRefusedError as error:
        quality = None if error.quality is None else _quality(error.quality)
        return _refused(422, str(error), error.findings, quality)
    except DuplicateFaceError as error:
        return _refused(409, str(error), error.findings)
    except HubBusyError as error:
        raise Problem(503, str(error), LATER) from error
    except HubEngineError as error:
        log.error("no photographs can be taken", error=str(error))  # it names files: for the log alone
        raise Problem(503, "the hub cannot look at photographs now; its log says why", LATER) from error
    if done is None:
        raise _nobody(who)
    return _answer(by, done, template, judged)


async def _read(request: Request, desk: PhotographDesk) -> bytes:
    """The body, as far as it may be long and take its time."""
    settings, data = desk.settings, bytearray()
    try:
        async with asyncio.timeout(settings.patience):
            async for part in request.stream():
                data += part
                if len(data) > settings.max_bytes:
                    raise Problem(413, f"a photograph has {settings.max_bytes} bytes at most")
    except ClientDisconnect as error:
        raise Problem(400, "the photograph broke off") from error
    except TimeoutError as error:
        raise Problem(408, f"the photograph did not come within {settings.patience:g} s") from error
    return bytes(data)


def _answer(by: Actor, done: Enrolled, template: Template, judged: Judged) -> PhotographAnswer:
    named = done.alike if by.may(Permission.PEOPLE_READ) else {}
    return PhotographAnswer(
        result=done.change,
        template=TemplateName(id=(template.photograph or b"").hex()[:32], model=done.model),
        templates=done.templates,
        quality=_quality(judged.quality),
        findings=_findings((*judged.findings, *([LOOKALIKE] if done.alike else []))),
        alike=[Alike(person=other, score=score) for other, score in named.items()],
    )


def _refused(
    status: int, detail: str, findings: Iterable[Finding], quality: QualityRecord | None = None
) -> JSONResponse:
    told = [one.model_dump() for one in _findings(findings)]
    return problems.answer(status, detail, more={"findings": told, "quality": quality and quality.model_dump()})


def _findings(found: Iterable[Finding]) -> list[FindingRecord]:
    return [
        FindingRecord(code=one.code, refuses=one.refuses, reason=one.reason, **one.advice._asdict()) for one in found
    ]


def _quality(found: Quality) -> QualityRecord:
    rounded = {term: round(getattr(found, term), 3) for term in QualityRecord.model_fields}
    return QualityRecord(**rounded)


def _nobody(who: str) -> Problem:
    return Problem(404, f"{who!r}: there is nobody of this id")
