"""Who asks: bearer tokens, and what their role may do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from campus.api.problems import Problem
from campus.auth import tokens
from campus.auth.roles import Actor
from campus.database import Database
from campus.gates.documents import Documents

if TYPE_CHECKING:
    from campus.auth.roles import Permission

_bearer = HTTPBearer(auto_error=False, description="A token of `thermogate-hub token issue`.")


def _database(request: Request) -> Database:
    found: Database = request.app.state.database
    return found


def _documents(request: Request) -> Documents | None:
    found: Documents | None = request.app.state.documents
    return found


Data = Annotated[Database, Depends(_database)]
"""The hub's database, in an endpoint's arguments."""
HandedOut = Annotated[Documents | None, Depends(_documents)]
"""What gates are given; None: nothing."""


def allowed(permission: Permission) -> Any:
    """For an endpoint's arguments: whose token it is, if its role has `permission`. Else 401 or 403."""

    async def actor(
        database: Data, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Actor:
        known = None
        if credentials is not None:
            async with database.transaction() as query:
                known = await tokens.actor_of(query, credentials.credentials, now=time.time())
        if known is None:
            raise Problem(401, "no token, or one that does not count (any more)", {"WWW-Authenticate": "Bearer"})
        if not known.may(permission):
            raise Problem(403, f"the role {known.role.value!r} has no permission {permission.value!r}")
        return known

    # The scope is for who reads the OpenAPI document: 3.1 names roles there for any kind of scheme.
    return Security(actor, scopes=[permission.value])
