"""Databases for the hub's tests: a file, and a PostgreSQL of the tests' own. And a log that no other test inherits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
import structlog

from campus.api.app import make_app
from campus.auth import tokens
from campus.auth.roles import Actor, Role
from campus.database import Database
from campus.intake.store import HubStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NUMBERS = itertools.count()
SHELL = Actor("root (shell)", Role.ADMIN)


@pytest.fixture(autouse=True)
def log_restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them out of PATH."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


def _account() -> str | None:
    """Whose it is: it refuses to be root's."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A running PostgreSQL on a socket of its own; its address but for the database's name."""
    programs, account = _programs(), _account()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="thermogate-pg-"))
    if account is not None:
        shutil.chown(folder, account)

    def run(program: str, *words: str) -> None:
        done = subprocess.run(
            [programs / program, *words], user=account, cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "hub", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
    # A process that is killed loses nothing without fsync; only a machine would.
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=50"
    run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-o", options, "-w", "start")
    yield f"postgresql://hub@/{{name}}?host={folder}"
    run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database's address, empty; of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "hub.sqlite3")
    server: str = request.getfixturevalue("postgresql")
    name = f"hub_{next(NUMBERS)}"
    asyncio.run(_create(server.format(name="postgres"), name))
    return server.format(name=name)


async def _create(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()


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
