"""Errors as RFC 9457 has them: `application/problem+json`, with a status, a title and what is wrong in words."""

from __future__ import annotations

import http
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from campus.errors import HubConfigError, HubConflictError, HubDataError, HubStoreError, HubTakenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

MEDIA = "application/problem+json"
RULES = "x-further-rules"

log = structlog.stdlib.get_logger("http")


class ProblemDetail(BaseModel):
    """What went wrong."""

    status: int
    title: str
    detail: str


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a router's `responses` says of errors with these statuses."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/ProblemDetail"}}}
    return {status: {"description": http.HTTPStatus(status).phrase, "content": content} for status in statuses}


def further_rules(told: str) -> dict[str, Any]:
    """For an operation's `openapi_extra`: what is refused with 422 though a schema cannot say it."""
    return {RULES: told}


class Problem(HTTPException):
    """An error that an endpoint raises on purpose."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Answer every error of `app` so."""

    async def raised(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise TypeError(type(error).__name__)
        if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
            return answer(error.status_code, str(error.detail), {"Allow": _methods(app, request)})
        return answer(error.status_code, str(error.detail), error.headers)

    async def malformed(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise TypeError(type(error).__name__)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return answer(422, f"{place}: {first['msg']}")

    async def refused(_: Request, error: Exception) -> JSONResponse:
        return answer(422, str(error))

    async def conflicting(_: Request, error: Exception) -> JSONResponse:
        return answer(409, str(error))

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        log.error("database", error=str(error))  # its text may name hosts and tables: for the log, not for who asks
        return answer(503, "the hub's database cannot be used now", {"Retry-After": "5"})

    app.add_exception_handler(HTTPException, raised)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HubConfigError, refused)
    app.add_exception_handler(HubConflictError, conflicting)
    app.add_exception_handler(HubStoreError, unavailable)
    app.add_exception_handler(HubDataError, _unstorable)


async def _unstorable(_: Request, error: Exception) -> JSONResponse:
    log.warning("request refused by the database", error=str(error))
    if isinstance(error, HubTakenError):
        return answer(409, "somebody else was first: look again")
    return answer(422, "holds what cannot be stored: a character of code 0, or a number that is too large")


def _methods(app: FastAPI, request: Request) -> str:
    """What the place takes: Starlette itself names the methods of its first route alone."""
    scopes = {method: {**request.scope, "method": method} for method in ("DELETE", "GET", "PATCH", "POST", "PUT")}
    taken = (
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in app.routes)
    )
    return ", ".join(taken)


def answer(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] = MappingProxyType({}),
) -> JSONResponse:
    """An error, answered. `more`: members beside the usual ones (RFC 9457, 3.2)."""
    content = {"status": status, "title": http.HTTPStatus(status).phrase, "detail": detail, **more}
    return JSONResponse(content, status, dict(headers or {}), MEDIA)
