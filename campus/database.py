"""Where the hub's data lie: opened, migrated, and PostgreSQL's months made in time.

A file's name means SQLite, to try the hub with one command; a `postgresql://` address means PostgreSQL. No password is
taken from a command line, where others read it: PostgreSQL's own places for one are used (PGPASSFILE, ~/.pgpass).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import fcntl
import functools
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from campus import migrations, tables
from campus.errors import HubConfigError, HubDataError, HubStoreError, HubTakenError
from controller.link import messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LOCK_WAIT = 10.0
"""Seconds to wait for another program's transaction."""
DRIVER_ERRORS = (
    OSError, sa.exc.SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError,
)  # fmt: skip
"""What PostgreSQL's driver raises; the last where a connection ends in an unlucky moment."""
OLDEST = 140_000
"""PostgreSQL's version from which there is `idle_session_timeout`."""
MONTHS_AHEAD = 2
"""Partitions that are there before they are needed."""


class Database:
    """One campus' database.

    Args:
        address: a file, or `postgresql://[user@]host[:port]/name`.
        campus: whose events it holds; a database of another campus is refused. None: whichever, for reading.

    Raises `HubConfigError` for an address that cannot be one, `MessageError` for a campus' name that cannot.
    """

    def __init__(self, address: str, campus: str | None) -> None:
        self.address = address
        self._campus = campus if campus is None else messages.check_name(campus)
        self._url = _url(address)
        self._engine: AsyncEngine | None = None
        self._months: set[tuple[int, int]] = set()

    @property
    def is_postgresql(self) -> bool:
        """Else it is SQLite."""
        return self._url.get_backend_name() == "postgresql"

    async def open(self) -> None:
        """Connect, make or migrate what is there, and check whose it is. Raises `HubStoreError` naming the place."""
        if not self.is_postgresql and self._campus is None and not await asyncio.to_thread(Path(self.address).exists):
            raise HubStoreError(f"{self.address}: there is no such database")
        if not self.is_postgresql:
            await asyncio.to_thread(_probe_sqlite, self.address)
        self._engine = _engine(self._url)
        try:
            async with self.transaction() as query:
                await self._claim(query)
        except BaseException:
            await self.close()
            raise

    async def __aenter__(self) -> Self:
        """Open it."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Disconnect; harmless when closed."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, on disk when the block is left, undone when it raises.

        The engine's errors become `HubStoreError` naming the place and the reason; `HubDataError` where trying again
        is in vain.
        """
        if self._engine is None:
            raise HubStoreError(f"{self.address}: is not open")
        try:
            async with self._engine.begin() as query:
                yield query
        except sa.exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise _kind(error)(f"{self.address}: {_plain(reason)}") from error
        except OSError as error:
            if isinstance(error, HubStoreError):
                raise
            raise HubStoreError(f"{self.address}: {_plain(error)}") from error

    @contextlib.asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[Listening]:
        """Hear of each NOTIFY on `channel`; on SQLite, which has none, only time passes. Raises `HubStoreError`."""
        if not self.is_postgresql:
            yield Listening()
            return
        async with self.apart() as driver:
            heard = Listening()
            driver.add_termination_listener(heard.end)
            await driver.add_listener(channel, heard.hear)
            try:
                yield heard
            finally:
                driver.remove_termination_listener(heard.end)

    @contextlib.asynccontextmanager
    async def apart(self) -> AsyncIterator[Any]:
        """PostgreSQL's own connection (asyncpg), for what is a session's; it ends with the block.

        Raises `HubStoreError`, for errors of the block's too.
        """
        if self._engine is None:
            raise HubStoreError(f"{self.address}: is not open")
        try:
            async with self._engine.connect() as connection:
                try:
                    yield (await connection.get_raw_connection()).driver_connection
                finally:
                    await connection.invalidate()
        except DRIVER_ERRORS as error:
            if isinstance(error, HubStoreError):
                raise
            raise HubStoreError(f"{self.address}: {_plain(error)}") from error

    @contextlib.contextmanager
    def of_one_hub(self) -> Iterator[None]:
        """See that a file is one hub's alone, for the block; hubs share a PostgreSQL (`campus.duties`).

        Raises `HubStoreError` where another hub has it. Commands for a moment, such as an import, are no hubs.
        """
        if self.is_postgresql:
            yield
            return
        path = Path(f"{self.address}-hub")  # beside SQLite's own -wal and -shm
        try:
            file = path.open("a+", encoding="ascii")
        except OSError as error:
            raise HubStoreError(f"{path}: cannot be made: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it however the hub ends
            except OSError as error:
                file.seek(0)
                whose = file.read(20).strip() or "?"
                told = f"is in use by another hub, process {whose}; several need PostgreSQL (docs/hub.md)"
                raise HubStoreError(f"{self.address}: {told}") from error
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    async def provide_months(self, received: float) -> None:
        """See that rows received then have a partition, and the next months' too; nothing to do on SQLite."""
        if not self.is_postgresql:
            return
        moment = dt.datetime.fromtimestamp(received, dt.UTC)
        month = moment.year, moment.month
        if month in self._months:
            return
        async with self.transaction() as query:
            await _alone(query)
            for ahead in range(MONTHS_AHEAD + 1):
                first, last = _month(month, ahead), _month(month, ahead + 1)
                # Name and bounds are made of numbers.
                made = f"CREATE TABLE IF NOT EXISTS event_{first:%Y_%m} PARTITION OF event"
                bounds = f"FOR VALUES FROM ({first.timestamp():.0f}) TO ({last.timestamp():.0f})"
                await query.execute(sa.text(f"{made} {bounds}"))
        self._months.add(month)

    async def months_before(self, query: AsyncConnection, moment: float) -> list[str]:
        """Partitions whose rows all came before `moment`, oldest first; none on SQLite."""
        if not self.is_postgresql:
            return []
        last = dt.datetime.fromtimestamp(moment, dt.UTC)
        named = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event'::regclass ORDER BY 1"
        names = (await query.execute(sa.text(named))).scalars().all()
        return [name for name in names if name < f"event_{last:%Y_%m}"]

    async def drop_month(self, query: AsyncConnection, name: str) -> None:
        """Take a partition out, as `months_before` names it, and its rows with it."""
        await query.execute(sa.text(f"ALTER TABLE event DETACH PARTITION {name}"))
        await query.execute(sa.text(f"DROP TABLE {name}"))

    async def _claim(self, query: AsyncConnection) -> None:
        """Migrate, and note or check the campus."""
        if self.is_postgresql:
            await _alone(query)
            await self._check_version(query)
        await query.run_sync(self._migrate)
        found = (await query.execute(sa.select(tables.hub.c.campus))).scalar()
        if found is None:
            if self._campus is None:
                raise HubStoreError(f"{self.address}: holds no campus' events yet")
            await query.execute(tables.hub.insert().values(campus=self._campus))
        elif self._campus not in (None, found):
            raise HubStoreError(f"{self.address}: holds the events of campus {found!r}, not of {self._campus!r}")

    async def _check_version(self, query: AsyncConnection) -> None:
        """Refuse a PostgreSQL that cannot end a session which says nothing."""
        version = int((await query.execute(sa.text("SHOW server_version_num"))).scalar_one())
        if version < OLDEST:
            told = f"is PostgreSQL {version // 10_000}, {OLDEST // 10_000} or newer is needed"
            raise HubStoreError(f"{self.address}: {told}")

    def _migrate(self, connection: sa.Connection) -> None:
        names = set(sa.inspect(connection).get_table_names())
        if names and "alembic_version" not in names:
            raise HubStoreError(f"{self.address}: holds another program's tables, or those of an early hub")
        if self._campus is None and not names:
            raise HubStoreError(f"{self.address}: is no hub's database")
        known = _versions()
        if names:
            (version,) = connection.execute(sa.text("SELECT version_num FROM alembic_version")).one()
            if version == known[0]:
                return
            if version not in known:
                raise HubStoreError(f"{self.address}: has version {version}, newer than this program's")
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


class Listening:
    """Somebody's ear on a channel."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._ended = False

    async def wait(self, seconds: float) -> None:
        """Return when something was heard since the last wait, or after `seconds`. Raises `HubStoreError` once deaf."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        self._heard.clear()
        if self._ended:
            raise HubStoreError("the connection to PostgreSQL was lost")

    def hear(self, *_: object) -> None:
        """Somebody notified."""
        self._heard.set()

    def end(self, *_: object) -> None:
        """The connection is gone."""
        self._ended = True
        self._heard.set()


async def _alone(query: AsyncConnection) -> None:
    """Change tables one hub after the other, however many start together and however long one takes."""
    await query.execute(sa.text("SET LOCAL lock_timeout = 0"))
    await query.execute(sa.text("SELECT pg_advisory_xact_lock(8241)"))


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


@functools.cache
def _versions() -> tuple[str, ...]:
    """The migrations, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


def _url(address: str) -> sa.URL:
    if "://" not in address:
        return sa.URL.create("sqlite+aiosqlite", database=address)
    try:
        url = sa.make_url(address)
    except sa.exc.ArgumentError as error:
        raise HubConfigError(f"{address.partition('@')[2] or 'the address'}: is no database's address") from error
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise HubConfigError(f"{url.get_backend_name()}: a file, or postgresql://[user@]host[:port]/name")
    if url.password is not None:
        raise HubConfigError("a password in an address is read by others: put it into ~/.pgpass (or PGPASSFILE)")
    return url.set(drivername="postgresql+asyncpg")


def _engine(url: sa.URL) -> AsyncEngine:
    if url.get_backend_name() == "postgresql":
        # Who waits for a lock holds those it has, and a connection of few: a dump of `event` that runs for an hour must
        # not let the intake wait behind whoever wants to alter that table.
        waits = {"lock_timeout": f"{LOCK_WAIT:.0f}s"}
        return create_async_engine(
            url, pool_pre_ping=True, connect_args={"timeout": LOCK_WAIT, "server_settings": waits}
        )
    engine = create_async_engine(url, connect_args={"timeout": LOCK_WAIT})
    sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _probe_sqlite(address: str) -> None:
    """Open the file once, here: aiosqlite's thread answers a loop that may be gone by then when it cannot."""
    try:
        with contextlib.closing(sqlite3.connect(address, timeout=LOCK_WAIT)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        raise HubStoreError(f"{address}: {error}") from error


def _prepare_sqlite(connection: DBAPIConnection, _record: Any) -> None:
    """Durable commits, readers beside a writer; and transactions that we begin ourselves."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """At once for writing: a transaction that read first could not wait for another one's end."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _month(month: tuple[int, int], ahead: int) -> dt.datetime:
    year, number = divmod(month[0] * 12 + month[1] - 1 + ahead, 12)
    return dt.datetime(year, number + 1, 1, tzinfo=dt.UTC)


_NO_PARTITION = "23514"
"""A check that fails; of this schema the bounds of the months alone, and there may be one soon."""


def _kind(error: sa.exc.SQLAlchemyError) -> type[HubStoreError]:
    """Which error of ours; SQLAlchemy has one class for most of asyncpg's, so their SQLSTATE tells."""
    cause = getattr(error, "orig", None)
    state = str(getattr(cause, "sqlstate", None) or "")
    if state == _NO_PARTITION:
        return HubStoreError
    if isinstance(error, sa.exc.IntegrityError) or state.startswith("23"):
        return HubTakenError
    # asyncpg itself refuses a number that is too large before it is sent.
    refused = isinstance(getattr(cause, "__cause__", None), asyncpg.DataError)
    return HubDataError if isinstance(error, sa.exc.DataError) or refused or state.startswith("22") else HubStoreError


def _plain(error: BaseException) -> str:
    """One line; asyncpg's errors are wrapped with their class in the text."""
    cause = error.__cause__ or error
    return str(cause).splitlines()[0] if str(cause) else type(cause).__name__
