"""`/webhooks`: which programs are told of changes."""

from __future__ import annotations

import datetime as dt
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.people import Everybody
from campus.api.problems import Problem
from campus.api.times import moment, moment_or_none
from campus.auth.roles import Actor, Permission
from campus.outward import webhooks
from campus.outward.egress import Egress
from campus.outward.webhooks import Subscription

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

Administrator = Annotated[Actor, allowed(Permission.ADMINISTER)]
Id = Annotated[str, Path(pattern="^[0-9a-f]{8}$")]
ABSENT = problems.responses(404)


def _egress(request: Request) -> Egress:
    found: Egress = request.app.state.egress
    return found


Reach = Annotated[Egress, Depends(_egress)]


class NewWebhook(BaseModel):
    """Who is to be told."""

    url: str = Field(max_length=500, pattern=r"^[!-~]+$")
    """https:// to a public address; others by `[webhooks] allow`."""
    kinds: list[Literal["passage", "alert", "health"]] = Field(default=["passage", "alert"], min_length=1)
    """`health` says that there is a fever and its ticket's number, and not whose."""


class Webhook(BaseModel):
    """A subscription, but for its secret."""

    id: str
    url: str
    kinds: list[str]
    created: dt.datetime
    position: int
    """Everything of the feed up to here was delivered."""
    failing: dt.datetime | None
    """Since when nothing was delivered; null: the last attempt succeeded."""
    failure: str | None
    disabled: dt.datetime | None


class AddedWebhook(Webhook):
    """A subscription that was just made."""

    secret: str
    """Signs what is sent; it is shown this once."""


@router.get("")
async def list_webhooks(_: Administrator, database: Data) -> list[Webhook]:
    """All subscriptions, and how they do."""
    async with database.transaction() as query:
        return [_webhook(one) for one in await webhooks.everyone(query)]


@router.post(
    "",
    status_code=201,
    openapi_extra=problems.further_rules(
        "`url` is https:// to a public address, or one that `[webhooks] allow` names."
    ),
)
async def add_webhook(
    by: Administrator, database: Data, people: Everybody, egress: Reach, asked: NewWebhook
) -> AddedWebhook:
    """Tell a program of what happens from now on."""
    await egress.check(asked.url)
    async with database.transaction() as query:
        made, secret = await webhooks.subscribe(query, people, by, asked.url, asked.kinds, now=time.time())
    return AddedWebhook(**_webhook(made).model_dump(), secret=secret)


@router.delete("/{identifier}", status_code=204, responses=ABSENT)
async def remove_webhook(by: Administrator, database: Data, identifier: Id) -> None:
    """Tell a program nothing any more."""
    async with database.transaction() as query:
        if not await webhooks.remove(query, by, identifier, now=time.time()):
            raise Problem(404, "there is no such webhook")


@router.post("/{identifier}/enable", status_code=204, responses=ABSENT)
async def enable_webhook(by: Administrator, database: Data, identifier: Id) -> None:
    """Go on where a disabled one stopped."""
    async with database.transaction() as query:
        if not await webhooks.enable(query, by, identifier, now=time.time()):
            raise Problem(404, "there is no such webhook")


def _webhook(one: Subscription) -> Webhook:
    return Webhook(
        id=one.id,
        url=one.url,
        kinds=list(one.kinds),
        created=moment(one.created),
        position=one.position,
        failing=moment_or_none(one.failing),
        failure=one.failure,
        disabled=moment_or_none(one.disabled),
    )
