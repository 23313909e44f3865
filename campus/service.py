"""The hub, put together: configuration, database, and its parts in one task group."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, NoReturn

import structlog
import uvicorn

from campus.api.app import make_app
from campus.database import Database
from campus.errors import HubConfigError, HubError
from campus.ingest import Ingest
from campus.people import People
from campus.store import HubStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from campus.api.settings import HttpSettings
    from campus.config import HubConfig

log = structlog.stdlib.get_logger("hub")


class Hub:
    """One campus' hub. Raises `HubConfigError` for an address of a database that cannot be one."""

    def __init__(self, config: HubConfig) -> None:
        self._config = config
        self.database = Database(config.database, config.campus)
        self.people = People(config.people)
        self.web = WebServer(config.http, make_app(self.database, self.people))

    async def run(self) -> NoReturn:
        """Serve until cancelled. Raises `HubError` where trying again cannot help."""
        config = self._config
        await self.database.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.web.run(), name="web")
                if config.broker is not None:
                    intake = Ingest(config.campus, config.broker.broker(), HubStore(self.database))
                    tasks.create_task(intake.run(), name="ingest")
        except* HubError as group:
            raise _first(group) from group
        finally:
            await self.database.close()
        raise AssertionError("its parts run for ever")


class WebServer:
    """Answers HTTP, as a part among others: signals are the program's."""

    def __init__(self, settings: HttpSettings, app: FastAPI) -> None:
        self._settings = settings
        self._app = app
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Where it answers, once it does."""

    async def run(self) -> NoReturn:
        """Answer until cancelled; requests under way are finished. Raises `HubConfigError`."""
        settings = self._settings
        where = f"[http] {settings.host}:{settings.port}"
        try:
            config = uvicorn.Config(
                self._app,
                host=settings.host,
                port=settings.port,
                ssl_certfile=settings.cert,
                ssl_keyfile=settings.key or settings.cert,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
            config.load()
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            listening = socket.create_server((settings.host, settings.port), family=family, backlog=config.backlog)
        except OSError as error:  # ssl.SSLError is one
            raise HubConfigError(f"{where}: {error}") from error
        server = _Server(config)
        serving = asyncio.ensure_future(server.serve([listening]))
        self.port.set_result(listening.getsockname()[1])
        log.info("answering", host=settings.host, port=self.port.result(), encrypted=config.is_ssl)
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
            listening.close()
        raise AssertionError("it serves until it is told to stop")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: who started it ends it."""
        yield


def _first(group: BaseExceptionGroup[HubError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
