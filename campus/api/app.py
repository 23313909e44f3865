"""The REST interface, put together: topics, errors, and what a proxy or a browser should know."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from campus.api import (
    audit,
    documents,
    events,
    gaps,
    gates,
    muster,
    orders,
    people,
    policy,
    problems,
    tokens,
)
from campus.people import People, PeopleSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import Request, Response

    from campus.database import Database
    from campus.documents import Documents
    from campus.orders import OrderDesk

PREFIX = "/api/v1"

DESCRIPTION = """\
What the campus knows of its gates. Each request carries a token (`Authorization: Bearer ...`) whose role says what it
may do. Times are RFC 3339 in UTC. Errors are RFC 9457 problem details.
"""


def make_app(
    database: Database,
    people_of_campus: People | None = None,
    order_desk: OrderDesk | None = None,
    handed_out: Documents | None = None,
) -> FastAPI:
    """The application over an open database.

    `people_of_campus`: None: under the key that hub.toml has by default. `handed_out`: what gates fetch; None: nothing.
    """
    app = FastAPI(
        title="Thermogate hub",
        version=importlib.metadata.version("thermogate"),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        responses=problems.responses(400, 401, 403, 422, 503),
    )
    app.state.database = database
    app.state.people = people_of_campus or People(PeopleSettings())
    app.state.orders = order_desk
    app.state.documents = handed_out
    problems.install(app)
    for topic in (
        audit,
        documents,
        events,
        gaps,
        gates,
        muster,
        orders,
        people,
        policy,
        tokens,
    ):
        app.include_router(topic.router, prefix=PREFIX)
    app.middleware("http")(_guard)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


async def _guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Personal data are kept by no cache and shown in nobody's frame."""
    answer = await proceed(request)
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    return answer


def _openapi(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with the errors as they are."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemDetail"] = problems.ProblemDetail.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = schema
    return app.openapi_schema
