"""`/scim/v2`: an identity provider pushes people and groups (SCIM 2.0).

It is left out of the OpenAPI document on purpose: SCIM describes itself below `/Schemas`, its media type, errors and
filters are its own RFCs', and a client generated from OpenAPI would speak another dialect than those who provision.
Instead of Schemathesis, scim2-tester holds it to its RFCs (`tests/campus/test_scim_conformance.py`).
"""

from __future__ import annotations

import json
import time
import urllib.parse
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response
from scim2_models import ForbiddenException, SCIMException, UnauthorizedException
from scim2_server.requests import ScimRequest
from scim2_server.routing import Operation
from scim2_server.service import ScimService

from campus.api.auth import Data
from campus.api.people import Everybody
from campus.auth import tokens
from campus.auth.roles import Actor, Permission, Role
from campus.errors import HubStoreError
from campus.scim.handler import Handler
from campus.scim.model import PROVIDER
from campus.scim.storage import Storage

if TYPE_CHECKING:
    from scim2_models import ResourceType
    from scim2_server.responses import ScimResponse

    from campus.database import Database
    from campus.people.records import People

PREFIX = "/scim/v2"
LATER = {429: "600", 503: "5"}
"""Seconds after which to try again, by status."""

router = APIRouter(prefix=PREFIX, include_in_schema=False)
log = structlog.stdlib.get_logger("http")


class _Service(ScimService):
    """The protocol; ids stand in addresses as addresses want them."""

    def resource_location(self, base_url: str, resource_type: ResourceType, resource_id: str) -> str:
        """Where somebody is."""
        return super().resource_location(base_url, resource_type, urllib.parse.quote(resource_id, safe="@"))


_SERVICE = _Service(PROVIDER)
_ANYBODY = Actor("", Role.PROVISIONING)
"""Asks what needs no token."""


class _UnavailableError(SCIMException):
    """The database cannot be used now."""

    status = 503


@router.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def answer(request: Request, database: Data, people: Everybody, path: str) -> Response:
    """Whatever a provider asks."""
    asked = ScimRequest(
        method=request.method,
        base_url=str(request.base_url).rstrip("/") + PREFIX,
        path=f"/{path}",
        query=dict(request.query_params),
        headers=request.headers.items(),
        body=await request.body(),
    )
    try:
        return _response(await _answer(asked, request, database, people))
    except SCIMException as error:
        return _response(_SERVICE.error_response(error))
    except HubStoreError as error:
        log.error("database", error=str(error))  # its text may name hosts and tables: for the log, not for who asks
        return _response(_SERVICE.error_response(_UnavailableError(detail="the hub's database cannot be used now")))


async def _answer(asked: ScimRequest, request: Request, database: Database, people: People) -> ScimResponse:
    """Answer whoever may ask. Raises `SCIMException`, `HubStoreError`."""
    with PROVIDER:
        target = _SERVICE.match(asked)
    by = _ANYBODY
    if target.operation is not Operation.service_provider_config:  # public, as RFC 7643, 5 wishes; it tells of nobody
        by = await _actor(request, database)
    storage = Storage(database, people, request.app.state.scim, by, writes=asked.method != "GET")
    shown = bool({"attributes", "excludedAttributes"} & asked.query.keys())
    return await Handler(_SERVICE, storage, shown=shown).handle(asked)


async def _actor(request: Request, database: Database) -> Actor:
    """Whose token it is. Raises `UnauthorizedException`, `ForbiddenException`."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    known = None
    if scheme.casefold() == "bearer":
        async with database.transaction() as query:
            known = await tokens.actor_of(query, secret.strip(), now=time.time())
    if known is None:
        raise UnauthorizedException(detail="no token, or one that does not count (any more)")
    if not known.may(Permission.PROVISION):
        raise ForbiddenException(detail=f"the role {known.role.value!r} has no permission 'provision'")
    return known


def _response(made: ScimResponse) -> Response:
    body = b"" if made.body is None else json.dumps(made.body).encode()
    headers = dict(made.headers)
    if int(made.status) in LATER:
        headers["Retry-After"] = LATER[int(made.status)]
    return Response(body, int(made.status), headers)
