"""`/policy` and `/visitors`: who may pass where and when, and why somebody may or may not."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.people import Everybody
from campus.api.problems import Problem
from campus.api.times import LocalTime
from campus.auth import audit
from campus.auth.roles import Actor, Permission
from campus.policy import versions as policy
from campus.policy.explain import explain
from controller.lane.access.decision import told
from controller.lane.access.document import Document, Visitor, to_json
from controller.lane.model import Direction

router = APIRouter(tags=["policy"])

Reader = Annotated[Actor, allowed(Permission.POLICY_READ)]
Writer = Annotated[Actor, allowed(Permission.POLICY_WRITE)]
Registrar = Annotated[Actor, allowed(Permission.PEOPLE_WRITE)]
Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Section = Literal["zones", "points", "groups", "schedules", "holidays", "rules"]


class Visit(BaseModel):
    """Somebody's visit. The visitor is a person like others; what holds for the groups holds for them."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    host: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")
    """Whose guest: a person's id. When that one is not enrolled any more, the visit is over."""
    begin: LocalTime = Field(alias="from")
    """By the policy's time zone."""
    until: LocalTime
    groups: list[str] = Field(min_length=1, max_length=16)


class Finding(BaseModel):
    """What one rule found."""

    rule: str
    verdict: str
    why: str
    reason: str | None


class Explanation(BaseModel):
    """Why somebody may pass, or not."""

    granted: bool
    reason: str | None
    """Why not, as events have it."""
    steps: list[Finding]
    """Each rule that was looked at, in order."""
    text: list[str]
    """The same in lines."""


@router.get("/policy", responses=problems.responses(404))
async def read_policy(_: Reader, database: Data) -> dict[str, Any]:
    """The policy in force, as docs/access-policy.md has it, without those who visit."""
    async with database.transaction() as query:
        return _shown(await _document(policy.read(query)))


@router.patch(
    "/policy",
    openapi_extra=problems.further_rules(
        "What comes of the patch is a policy, whole and right, by docs/access-policy.md."
    ),
)
async def change_policy(by: Writer, database: Data, patch: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
    """Change it by a JSON Merge Patch (RFC 7396), or make the first; all of it or nothing, checked as gates do."""
    async with database.transaction() as query:
        return _shown(await policy.change(query, by, patch, now=time.time()))


@router.get(
    "/policy/explain",
    responses=problems.responses(404),
    openapi_extra=problems.further_rules("`at` is a point of the policy, and `when` a moment that there is."),
)
async def explain_decision(
    reader: Reader,
    database: Data,
    people: Everybody,
    person: Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[^\x00]*$")],
    at: Annotated[str, Query(max_length=32, pattern=r"^[^\x00]*$")],
    when: LocalTime | None = None,
    direction: Direction = Direction.ENTRY,
) -> Explanation:
    """Why somebody may pass a point, or not; `when` by the policy's time zone, left out: now. It is recorded."""
    async with database.transaction() as query:
        await _document(policy.read(query))
        await audit.append(query, reader, "explained", person, {"at": at}, now=time.time())
        found = await explain(query, people, person=person, point=at, direction=direction, when=when, now=time.time())
    steps = [
        Finding(rule=s.rule, verdict=s.verdict, why=s.why, reason=s.reason and s.reason.value) for s in found.steps
    ]
    reason = found.reason and found.reason.value
    return Explanation(granted=reason is None, reason=reason, steps=steps, text=list(told(found)))


@router.get("/policy/{section}", responses=problems.responses(404))
async def read_section(_: Reader, database: Data, section: Section) -> Any:
    """One part of it."""
    async with database.transaction() as query:
        return _shown(await _document(policy.read(query)))[section]


@router.get("/visitors")
async def list_visitors(_: Reader, database: Data) -> dict[str, Visit]:
    """Everybody who visits, by id."""
    async with database.transaction() as query:
        return {person: _visit(one) for person, one in (await policy.visitors(query)).items()}


@router.put(
    "/visitors/{person}",
    status_code=204,
    openapi_extra=problems.further_rules(
        "It begins before it ends, at moments that there are; groups are the policy's."
    ),
)
async def put_visitor(by: Registrar, database: Data, person: Id, visit: Visit) -> None:
    """Note a visit, in place of one by the same person."""
    wanted = Visitor(host=visit.host, from_=visit.begin, until=visit.until, groups=tuple(visit.groups))
    async with database.transaction() as query:
        await policy.put_visitor(query, by, person, wanted, now=time.time())


@router.delete("/visitors/{person}", status_code=204, responses=problems.responses(404))
async def remove_visitor(by: Registrar, database: Data, person: Id) -> None:
    """Forget a visit."""
    async with database.transaction() as query:
        if not await policy.remove_visitor(query, by, person, now=time.time()):
            raise Problem(404, f"{person!r} is on no visit")


async def _document(reading: Any) -> Document:
    found: Document | None = await reading
    if found is None:
        raise Problem(404, "there is no access policy yet: PATCH makes the first")
    return found


def _shown(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(to_json(document))
    del found["visitors"]
    return found


def _visit(one: Visitor) -> Visit:
    return Visit.model_validate({"host": one.host, "from": one.from_, "until": one.until, "groups": list(one.groups)})
