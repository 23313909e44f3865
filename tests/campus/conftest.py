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
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBERS = itertools.count()


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
