"""Which of several hubs does what is to be done once: each duty has one holder, and another takes over when it is gone.

On PostgreSQL a duty is an advisory lock of a session that is there for nothing else. A hub that is killed loses its
session, and so its duties, at once; one that hangs, or whose network is gone, says nothing in that session for
`SILENCE` and PostgreSQL ends it. Its own work it stops sooner than that, `ANSWER_WITHIN`. So two hold a duty only for
the moment in which one has not noticed yet, or did not run; what they write is written so that this does no harm.

SQLite is one hub's alone (`Database.of_one_hub`), which so has every duty.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import TYPE_CHECKING, NoReturn

import structlog

from campus.database import DRIVER_ERRORS
from campus.errors import HubStoreError
from controller.link.connection import run_apart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    import asyncpg

    from campus.database import Database

LOOK = 1.0
"""Seconds between two looks for duties that have become free; the holder says as often that it is there."""
ANSWER_WITHIN = 8.0
"""Seconds after which a hub that PostgreSQL does not answer gives its duties up; a machine that has much to do answers
sooner."""
SILENCE = 15.0
"""Seconds after which PostgreSQL ends the session of a hub that says nothing."""
LOCKS = 8250
"""The class of our advisory locks (the first of their two numbers)."""
FREE = "SELECT key FROM unnest($1::int[]) AS key WHERE pg_try_advisory_lock($2, key)"

log = structlog.stdlib.get_logger("hub")


class _LostError(HubStoreError):
    """The session is gone, and the duties with it."""


class Duties:
    """Those of one hub.

    Args:
        database: where hubs find out who holds what; open for as long as this runs.
        told: hears of each duty whether it is this hub's.
    """

    def __init__(self, database: Database, told: Callable[[str, bool], None] = lambda _name, _held: None) -> None:
        self._database = database
        self._told = told
        self._held: set[str] = set()

    def holds(self, name: str) -> bool:
        """Whether this hub does it now."""
        return name in self._held

    async def run(self, works: Mapping[str, Callable[[], Awaitable[NoReturn]]]) -> NoReturn:
        """Do each of these, by name, while the duty is this hub's, until cancelled.

        Raises what a work raises; a lost database is tried again for ever.
        """
        while True:
            for name in works:
                self._told(name, False)
            try:
                await run_apart(self._serve(works))
            except* _LostError as group:
                log.warning("duties given up", duties=sorted(self._held), error=str(_first(group)))
            finally:
                self._held.clear()
            await asyncio.sleep(LOOK)

    async def _serve(self, works: Mapping[str, Callable[[], Awaitable[NoReturn]]]) -> None:
        async with self._session() as session, asyncio.TaskGroup() as tasks:
            while True:
                for name in await session.take(works.keys() - self._held):
                    log.info("duty taken", duty=name)
                    self._held.add(name)
                    self._told(name, True)
                    tasks.create_task(_do(works[name]), name=name)
                await session.wait(LOOK)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[_Session]:
        """Ends only when the works have. Raises `_LostError`."""
        if not self._database.is_postgresql:
            yield _Session()
            return
        try:
            async with self._database.apart() as connection:
                session = _PostgreSQLSession(connection)
                connection.add_termination_listener(session.end)
                try:
                    await connection.execute(f"SET idle_session_timeout = '{SILENCE:.0f}s'")
                    yield session
                finally:
                    connection.remove_termination_listener(session.end)
        except HubStoreError as error:
            raise _LostError(str(error)) from error


async def _do(work: Callable[[], Awaitable[NoReturn]]) -> None:
    await work()


class _Session:
    """SQLite's: nobody else is there."""

    async def take(self, names: Iterable[str]) -> list[str]:
        """Which of these are this hub's from now on."""
        return sorted(names)

    async def wait(self, seconds: float) -> None:
        """Return after so long. Raises `_LostError` as soon as the session has ended."""
        await asyncio.sleep(seconds)


class _PostgreSQLSession(_Session):
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._ended = asyncio.Event()

    async def take(self, names: Iterable[str]) -> list[str]:
        keys = {_key(name): name for name in names}
        try:
            free = await self._connection.fetch(FREE, list(keys), LOCKS, timeout=ANSWER_WITHIN)
        except DRIVER_ERRORS as error:  # TimeoutError is one of them
            raise _LostError(str(error) or f"no answer within {ANSWER_WITHIN:g} s") from error
        return sorted(keys[row["key"]] for row in free)

    async def wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()
                raise _LostError("PostgreSQL ended the session")

    def end(self, *_: object) -> None:
        """The connection is gone."""
        self._ended.set()


def _key(name: str) -> int:
    """A lock's second number: 31 bits of the name."""
    return zlib.crc32(name.encode()) >> 1


def _first(group: BaseExceptionGroup[_LostError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
