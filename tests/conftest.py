"""What every test may lean on: research data and models where they are, and databases for a hub.

The tests' PostgreSQL starts once. Each test's database is a copy of one that a hub has made, as making its tables takes
longer than most tests.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from controller.perception.types import Face


NUMBERS = itertools.count()


LONG = ("test_real_faces.py", "test_openapi.py", "test_rehearsal.py", "test_face_claims.py", "test_clusters.py")
"""Files of tests that take minutes: begun first, so that no worker has one left when the others have nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, and leave the order as it is otherwise."""
    items.sort(key=lambda item: item.path.name not in LONG)


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    path = Path(value)
    if not path.is_dir():
        pytest.skip(f"{variable}={value} is not a folder")
    return path


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of golden sensor vectors, faces and fever data."""
    return _folder("THERMOGATE_TESTDATA")


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder of detector and embedder weights."""
    return _folder("THERMOGATE_MODELS")


class BlindEngine:
    """Sees nobody, at no cost: for what is not about people."""

    name = "blind"
    template_model = "blind:1"
    dim = 4
    threshold = 0.5
    margin = 0.0

    def __init__(self, *, rehearsal_only: bool = False) -> None:
        self.rehearsal_only = rehearsal_only

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        del pixels
        return []

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        raise AssertionError(f"no face was found, so none at {face.box} of {pixels.shape}")


@pytest.fixture
def blind() -> type[BlindEngine]:
    """An engine that sees nobody."""
    return BlindEngine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2.5 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2560k", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )  # fmt: skip
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


# What a hub needs is imported where it is used: tests of the kernels run where it is not installed.


async def _make(address: str) -> None:
    """Let a hub of the campus `school` make its tables."""
    from campus.database import Database

    async with Database(address, "school"):
        pass


async def _tell(server: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(server)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A running PostgreSQL on a socket of its own; its address but for the database's `{name}`."""
    from benchmarks.hub import services

    try:
        # A process that is killed loses nothing without fsync; only a machine would.
        server = services.PostgreSQL("-c fsync=off", "-c full_page_writes=off", "-c max_connections=100")
    except services.MissingError as error:
        pytest.skip(str(error))
    try:
        server.start()
        yield server.address_of("{name}")
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: str) -> str:
    """The name of a database that has a hub's tables, and nobody's connections."""
    asyncio.run(_tell(postgresql.format(name="postgres"), "CREATE DATABASE hub_template"))
    asyncio.run(_make(postgresql.format(name="hub_template")))
    return "hub_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that has a hub's tables."""
    path = tmp_path_factory.mktemp("template") / "hub.sqlite3"
    asyncio.run(_make(str(path)))
    return path


@pytest.fixture
def postgresql_address(postgresql: str, postgresql_template: str) -> Iterator[str]:
    """The address of a PostgreSQL database with the tables of a hub of the campus `school`."""
    server, name = postgresql.format(name="postgres"), f"hub_{next(NUMBERS)}"
    asyncio.run(_tell(server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template}"))
    yield postgresql.format(name=name)
    asyncio.run(_tell(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def sqlite_address(sqlite_template: Path, tmp_path: Path) -> str:
    """The same as a file."""
    return str(shutil.copy(sqlite_template, tmp_path / "hub.sqlite3"))


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest) -> str:
    """A database of a hub, of either kind."""
    return str(request.getfixturevalue(f"{request.param}_address"))
