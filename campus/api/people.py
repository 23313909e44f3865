"""`/people`: who may pass, and their templates."""

from __future__ import annotations

import base64
import datetime as dt
import time
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.problems import Problem
from campus.api.times import Day
from campus.auth.roles import Actor, Permission
from campus.people import records
from campus.people.records import People
from controller.gallery.model import Consent

if TYPE_CHECKING:
    from campus.people.records import Person

router = APIRouter(prefix="/people", tags=["people"])


def _people(request: Request) -> People:
    found: People = request.app.state.people
    return found


Everybody = Annotated[People, Depends(_people)]
Reader = Annotated[Actor, allowed(Permission.PEOPLE_READ)]
Writer = Annotated[Actor, allowed(Permission.PEOPLE_WRITE)]
Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
ABSENT = problems.responses(404)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConsentRecord(_Strict):
    """By what right templates are kept."""

    basis: Words = "consent"
    """`consent`, or the legal basis in its place."""
    date: Day
    by: Words = ""
    """Who gave it: a role, or the number of the paper; better not a name."""
    scope: Words = ""
    """What it covers; must contain `[people] consent_scope`."""
    expires: Day | None = None
    """Last day; null: until it is withdrawn."""


class CredentialNumber(_Strict):
    """A card, code or plate."""

    kind: records.CredentialKind
    number: Annotated[str, Field(min_length=1, max_length=512)]


class PersonData(_Strict):
    """What is said of somebody, in place of what was; name, marks, consent and numbers that are null stay as they are.

    Kind, groups, dates and `active` do not: what is left out of those is as it is for somebody new.
    """

    kind: records.PersonKind = "student"
    name: Words | None = None
    """For the office; it never leaves the hub."""
    groups: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=64)] = []
    valid_from: Day | None = None
    valid_until: Day | None = None
    active: StrictBool = True
    second_factor: StrictBool | None = None
    no_face: StrictBool | None = None
    consent: ConsentRecord | None = None
    credentials: Annotated[list[CredentialNumber], Field(max_length=64)] | None = None


class PersonRecord(PersonData):
    """Somebody."""

    id: str
    source: str
    """Who keeps this record: empty for the hub itself."""


class FaceTemplate(_Strict):
    """A face as numbers."""

    model: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    """The embedder's, as `thermogate enrol` names it."""
    embedding: Annotated[str, Field(max_length=16_384)]
    """Base64 of little-endian float32, of length 1."""
    quality: Annotated[float, Field(ge=0, le=1, strict=True)] | None = None


class Outcome(BaseModel):
    """What became of a record."""

    result: Literal["changed", "unchanged"]


@router.get("")
async def list_people(
    reader: Reader,
    database: Data,
    people: Everybody,
    after: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[PersonRecord]:
    """People by id, those behind `after`."""
    found = []
    async with database.transaction() as query:
        async for one in people.everybody(query, after=after):
            found.append(_record(one, reader))
            if len(found) == limit:
                break
    return found


@router.get("/{who}", responses=ABSENT)
async def read_person(reader: Reader, database: Data, people: Everybody, who: Id) -> PersonRecord:
    """Somebody."""
    async with database.transaction() as query:
        found = await people.get(query, who)
    if found is None:
        raise _nobody(who)
    return _record(found, reader)


@router.put(
    "/{who}",
    openapi_extra=problems.further_rules("A credential's number is one of its kind, and nobody else's."),
)
async def write_person(by: Writer, database: Data, people: Everybody, who: Id, said: PersonData) -> Outcome:
    """Add somebody, or change them."""
    given = said.model_dump()
    given["consent"] = None if said.consent is None else Consent(**said.consent.model_dump())
    numbers = said.credentials
    given["credentials"] = None if numbers is None else tuple(records.Number(one.kind, one.number) for one in numbers)
    wanted = records.Person(**given | {"id": who, "groups": tuple(said.groups)})
    async with database.transaction() as query:
        changed = await people.upsert(query, by, wanted, now=time.time())
    return Outcome(result="changed" if changed else "unchanged")


@router.delete("/{who}", status_code=204, responses=ABSENT)
async def remove_person(by: Writer, database: Data, people: Everybody, who: Id) -> None:
    """Erase somebody, here at once and at the gates as soon as they hear of it."""
    async with database.transaction() as query:
        if not await people.remove(query, by, who, now=time.time()):
            raise _nobody(who)


@router.delete("/{who}/consent", status_code=204, responses=ABSENT)
async def withdraw_consent(by: Writer, database: Data, people: Everybody, who: Id) -> None:
    """Forget the consent, and erase the templates."""
    async with database.transaction() as query:
        if not await people.withdraw(query, by, who, now=time.time()):
            raise _nobody(who)


@router.put(
    "/{who}/templates",
    status_code=204,
    responses=ABSENT,
    openapi_extra=problems.further_rules("An embedding has length 1, and as many numbers as its model's others."),
)
async def write_templates(
    by: Writer,
    database: Data,
    people: Everybody,
    who: Id,
    given: Annotated[list[FaceTemplate], Field(max_length=records.MOST_TEMPLATES)],
) -> None:
    """Keep these templates in place of the ones there are; an empty list erases them."""
    templates = [records.Template(one.model, _embedding(one), one.quality) for one in given]
    async with database.transaction() as query:
        if not await people.set_templates(query, by, who, templates, now=time.time()):
            raise _nobody(who)


def _embedding(one: FaceTemplate) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    try:
        return np.frombuffer(base64.b64decode(one.embedding, validate=True), dtype="<f4").astype(np.float32)
    except ValueError as error:  # binascii's is one
        raise Problem(422, "body.embedding: is not base64 of float32 numbers") from error


def _record(one: Person, reader: Actor) -> PersonRecord:
    """Card numbers open gates: they are shown to those who may write them."""
    told = msgspec.to_builtins(one, builtin_types=(dt.date,))
    if not reader.may(Permission.PEOPLE_WRITE):
        told["credentials"] = None
    return PersonRecord.model_validate(told)


def _nobody(who: str) -> Problem:
    return Problem(404, f"{who!r}: there is nobody of this id")
