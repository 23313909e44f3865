"""Somebody who asks the hub, a mail server, and a log that no other test inherits."""

from __future__ import annotations

import email
import email.policy
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
import structlog
from aiosmtpd.controller import Controller

from campus.api.app import make_app
from campus.auth import tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.intake.store import HubStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import SMTP, Envelope, Session

SHELL = Actor("root (shell)", Role.ADMIN)


@pytest.fixture(autouse=True)
def log_restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Postbox:
    """A mail server on loopback, which may refuse."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuses = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            self.refuses -= 1
            return "451 not now"
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        return "250 OK"


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    made = Postbox()
    made.controller.start()
    yield made
    made.controller.stop()


class Api:
    """Asks as somebody of a role."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = HubStore(database)
        transport = httpx.ASGITransport(make_app(database))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://hub/api/v1")
        self._tokens: dict[Role, str] = {}

    async def ask(self, role: Role, method: str, path: str, **more: Any) -> httpx.Response:
        if role not in self._tokens:
            async with self.database.transaction() as query:
                made = await tokens.issue(query, SHELL, f"a {role}", role, now=time.time(), expires=None)
            self._tokens[role] = made[0]
        headers = {"Authorization": f"Bearer {self._tokens[role]}", **more.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **more)

    async def get(self, role: Role, path: str, **query: object) -> httpx.Response:
        return await self.ask(role, "GET", path, params=query)


@pytest_asyncio.fixture
async def api(address: str) -> AsyncIterator[Api]:
    async with Database(address, "school") as database:
        yield Api(database)
