"""`/occupancy` and `/muster`: how many are where, and for a fire, who."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.muster_page import page
from campus.api.people import Everybody
from campus.api.problems import Problem
from campus.api.times import moment
from campus.auth import audit
from campus.auth.roles import Actor, Permission
from campus.policy import versions as policy
from campus.policy.muster import muster
from controller.lane.access.policy import Policy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from campus.database import Database
    from campus.people.records import People
    from campus.policy.muster import Muster

router = APIRouter(tags=["muster"], responses=problems.responses(404))

Reader = Annotated[Actor, allowed(Permission.EVENTS_READ)]


class Zone(BaseModel):
    """How many are in a zone."""

    zone: str
    english: str
    chinese: str
    named: int
    """People who went in within a day and were not seen to leave."""
    counted: int
    """In less out since midnight by the contacts, whoever it was."""
    left_unnamed: int
    """How many left since midnight of whom nobody knows who."""


class Inside(BaseModel):
    """Somebody to look for."""

    person: str
    name: str
    """Empty: the hub knows none."""
    zone: str
    point: str
    """Where they were last seen."""
    seen: dt.datetime


class List(BaseModel):
    """Who is inside."""

    made: dt.datetime
    zones: list[Zone]
    people: list[Inside]
    """By zone, who was seen last first."""
    gates_without_point: list[str]
    """Their passages are not in it."""


@router.get("/occupancy")
async def occupancy(_: Reader, database: Data) -> list[Zone]:
    """How many people are in each zone."""
    async with database.transaction() as query:
        rules = await _policy(query)
        return _zones(rules, await muster(query, rules, now=time.time()))


@router.get("/muster")
async def muster_list(reader: Reader, database: Data, people: Everybody) -> List:
    """Who is inside, and where each was last seen. That it was asked for is recorded in the audit log."""
    return (await _list(reader, database, people))[1]


@router.get("/muster.html", response_class=HTMLResponse)
async def muster_page(reader: Reader, database: Data, people: Everybody) -> str:
    """The same to print and tick off, in English and Chinese."""
    rules, made = await _list(reader, database, people)
    return page(made, rules.zone)


async def _list(reader: Actor, database: Database, people: People) -> tuple[Policy, List]:
    now = time.time()
    async with database.transaction() as query:
        rules = await _policy(query)
        found = await muster(query, rules, now=now)
        await audit.append(query, reader, "muster_read", "muster", {"people": len(found.people)}, now=now)
        known = await people.some(query, [seen.person for seen in found.people])
    names = {one.id: one.name or "" for one in known}
    inside = [
        Inside(
            person=seen.person,
            name=names.get(seen.person, ""),
            zone=seen.zone,
            point=seen.point,
            seen=moment(seen.time),
        )
        for seen in found.people
    ]
    zones, strangers = _zones(rules, found), list(found.strangers)
    return rules, List(made=moment(now), zones=zones, people=inside, gates_without_point=strangers)


async def _policy(query: AsyncConnection) -> Policy:
    document = await policy.read(query)
    if document is None:
        raise Problem(404, "there is no access policy yet, so there are no zones")
    return Policy(document)


def _zones(rules: Policy, found: Muster) -> list[Zone]:
    zones = rules.document.zones
    return [
        Zone(
            zone=one.zone,
            english=zones[one.zone].english or one.zone,
            chinese=zones[one.zone].chinese or one.zone,
            named=one.named,
            counted=one.counted,
            left_unnamed=one.left_unnamed,
        )
        for one in found.zones
    ]
