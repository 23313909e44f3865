"""`/gates/{gate}/orders`: an order to one gate, and what came of it."""

from __future__ import annotations

import datetime as dt
import http
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import core_schema

from campus.api import problems
from campus.api.auth import Data, allowed
from campus.api.gaps import GateName, must_be_known
from campus.api.problems import Problem
from campus.api.times import moment_or_none
from campus.auth import audit
from campus.auth.roles import Actor, Permission
from campus.database import Database
from campus.errors import HubGateAwayError, HubLateOrderError, HubNoAnswerError, HubOrderError, HubStoreError
from campus.gates.orders import OrderDesk
from controller.link import commands

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

router = APIRouter(prefix="/gates", tags=["orders"])

log = structlog.stdlib.get_logger("http")
Commander = Annotated[Actor, allowed(Permission.ORDERS)]


class _AsOnTheWire:
    """Reads an action as gates do, and tells its schema: there is one list of them, in `controller.link.commands`."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: msgspec.convert(value, commands.AnyAction, strict=True)
        )

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        _, actions = msgspec.json.schema_components([commands.AnyAction])
        return {"oneOf": list(actions.values())}


class Order(BaseModel):
    """What a gate is told to do, and why."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    action: Annotated[commands.AnyAction, _AsOnTheWire()]
    reason: str = Field(min_length=1, max_length=200)
    """Recorded here and at the gate."""


class GateReply(BaseModel):
    """The gate's word, whose signature was verified."""

    gate: str
    cmd_id: str
    accepted: bool
    refused: str | None
    """Why not; the lane's own word follows a slash."""
    lane: str
    """The lane's state afterwards."""
    time: dt.datetime | None
    """By the gate's clock, of which `clock` says what is known; null: it was no date."""
    clock: str
    detail: dict[str, str | float | bool | None]


@router.post("/{gate}/orders", responses=problems.responses(404, 409, 502, 504))
async def give_order(by: Commander, database: Data, request: Request, gate: GateName, order: Order) -> GateReply:
    """Give one order to one gate, now: it is never kept for later. The answer says whether the gate took it.

    409: nothing was sent, as the gate is not there or takes no orders; 503: nor here, as the hub was too busy. 502 and
    504: nobody knows whether it was carried out; the gate's events say it. The audit log has an entry before the order
    goes out and one with what came of it.
    """
    desk: OrderDesk | None = request.app.state.orders
    async with database.transaction() as query:
        await must_be_known(query, gate)
        if desk is None:
            raise Problem(409, "this hub holds no key for orders: [orders] is not set")
        intent = await audit.append(query, by, "order_given", gate, _told(order, desk.actor(by)), now=time.time())
    outcome: dict[str, object] = {"entry": intent.seq}
    try:
        # Who had to wait for another program's transaction has given up, or asked again: nobody watches the gate now.
        if time.monotonic() - request.state.began > desk.patience:
            raise HubLateOrderError(f"nothing was sent: the hub was busy for more than {desk.patience:g} s")
        reply = await desk.give(gate, order.action, by, order.reason)
        outcome |= {"cmd_id": reply.cmd_id, "accepted": reply.accepted, "refused": reply.refused, "lane": reply.lane}
    except HubOrderError as error:
        outcome |= {"failed": str(error)}
        raise Problem(_status(error), str(error)) from error
    finally:
        await _end(database, by, gate, outcome)
    return GateReply(
        gate=reply.gate,
        cmd_id=reply.cmd_id,
        accepted=reply.accepted,
        refused=reply.refused,
        lane=reply.lane,
        time=moment_or_none(reply.time),
        clock=reply.clock,
        detail=reply.detail,
    )


async def _end(database: Database, by: Actor, gate: str, outcome: dict[str, object]) -> None:
    """Note what came of it. The order has gone out: a 503 for a database that is lost now would have it given again."""
    try:
        async with database.transaction() as query:
            await audit.append(query, by, "order_ended", gate, outcome, now=time.time())
    except HubStoreError as error:
        log.error("what came of an order is not on record", gate=gate, error=str(error), **outcome)


def _told(order: Order, actor: str) -> dict[str, object]:
    """The order for the audit log, which keeps no temperatures."""
    action = msgspec.to_builtins(order.action)
    action.pop("temperature", None)
    return {"action": action, "reason": order.reason, "as": actor}


def _status(error: HubOrderError) -> http.HTTPStatus:
    if isinstance(error, HubGateAwayError):
        return http.HTTPStatus.CONFLICT
    if isinstance(error, HubLateOrderError):
        return http.HTTPStatus.SERVICE_UNAVAILABLE
    return http.HTTPStatus.GATEWAY_TIMEOUT if isinstance(error, HubNoAnswerError) else http.HTTPStatus.BAD_GATEWAY
