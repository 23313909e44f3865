"""The REST interface, put together: topics, errors, and what a proxy or a browser should know."""

from __future__ import annotations

import importlib.metadata
import time
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import Route

from campus.api import (
    audit,
    changes,
    documents,
    events,
    gaps,
    gates,
    health,
    muster,
    orders,
    people,
    photographs,
    policy,
    problems,
    tickets,
    tokens,
    webhooks,
)
from campus.api.limits import Failures, Limits
from campus.api.settings import HttpSettings
from campus.metrics import HubMetrics
from campus.outward.egress import Egress
from campus.outward.feed import Feed
from campus.people.records import People, PeopleSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import Request, Response

    from campus.database import Database
    from campus.gates.documents import Documents
    from campus.gates.orders import OrderDesk
    from campus.people.enrolment import PhotographDesk
    from campus.scim.settings import ScimSettings

PREFIX = "/api/v1"

DESCRIPTION = """\
What the campus knows of its gates. Each request carries a token (`Authorization: Bearer ...`) whose role says what it
may do. Times are RFC 3339 in UTC. Errors are RFC 9457 problem details.
"""


def make_app(
    database: Database,
    people_of_campus: People | None = None,
    *,
    order_desk: OrderDesk | None = None,
    metrics: HubMetrics | None = None,
    handed_out: Documents | None = None,
    settings: HttpSettings | None = None,
    broker: Callable[[], health.BrokerState] = lambda: "none",
    feed: Feed | None = None,
    egress: Egress | None = None,
    photograph_desk: PhotographDesk | None = None,
    provisioning: ScimSettings | None = None,
) -> FastAPI:
    """The application over an open database.

    `people_of_campus`: None: under the key that hub.toml has by default. `handed_out`: what gates fetch; None: nothing.
    `broker`: how it stands with it.
    `egress`: where webhooks may lead; None: to public addresses. `photograph_desk`: None: no photographs are taken.
    `provisioning`: None: nobody pushes people by SCIM.
    """
    app = FastAPI(
        title="Thermogate hub",
        version=importlib.metadata.version("thermogate"),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        responses=problems.responses(400, 401, 403, 413, 422, 429, 503),
    )
    app.state.database = database
    app.state.people = people_of_campus or People(PeopleSettings())
    app.state.orders = order_desk
    app.state.metrics = metrics or HubMetrics()
    app.state.documents = handed_out
    app.state.broker = broker
    app.state.feed = feed or Feed(database)
    app.state.egress = egress or Egress(())
    app.state.photographs = photograph_desk
    problems.install(app)
    for topic in (
        audit,
        changes,
        documents,
        events,
        gaps,
        gates,
        muster,
        orders,
        people,
        photographs,
        policy,
        tickets,
        tokens,
        webhooks,
    ):
        app.include_router(topic.router, prefix=PREFIX)
    app.include_router(health.router)
    app.state.scim = provisioning
    if provisioning is not None:
        from campus.api import scim  # noqa: PLC0415 - it takes a second to load, of everybody who does not need it

        app.include_router(scim.router)
    app.middleware("http")(_guard)
    limits = settings or HttpSettings()
    photograph = 0 if photograph_desk is None else photograph_desk.settings.max_bytes
    failures = Failures(limits.failures_per_minute)
    app.add_middleware(Limits, body=limits.body_limit, failures=failures, photograph=photograph)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way
    return app


async def _guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
    """Personal data are kept by no cache and shown in nobody's frame; how long an answer took is counted."""
    request.state.began = began = time.monotonic()
    status = 500
    try:
        answer = await proceed(request)
        status = answer.status_code
    finally:
        route = request.scope.get("route")
        # Whoever asks may invent methods and paths; labels are those that there are.
        method, path = "other", "none"
        if isinstance(route, Route) and request.method in (route.methods or ()):
            method, path = request.method, route.path.removeprefix(PREFIX)  # it depends on FastAPI's version
        metrics: HubMetrics = request.app.state.metrics
        metrics.answered(method, path, status, time.monotonic() - began)
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
