"""Tells who waits for changes that there are some: at once on PostgreSQL, which notifies, and soon on SQLite."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NoReturn

import structlog

from campus.errors import HubStoreError
from campus.outward import changes

if TYPE_CHECKING:
    from campus.database import Database

INTERVAL = {True: 5.0, False: 0.2}
"""Seconds between looks without a notification, on PostgreSQL and on SQLite."""
AGAIN = 1.0
"""Seconds before a database that could not be read is tried again."""

log = structlog.stdlib.get_logger("hub")


class Feed:
    """How far the change feed has come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = 0
        self._grown = asyncio.Condition()

    async def run(self) -> NoReturn:
        """Watch until cancelled; a lost database is tried again for ever."""
        while True:
            try:
                await self._watch()
            except HubStoreError as error:
                log.warning("change feed interrupted", error=str(error))
            await asyncio.sleep(AGAIN)

    async def beyond(self, position: int, seconds: float) -> bool:
        """Wait until there is something behind `position`, or `seconds` have passed; whether there is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._grown:
                await self._grown.wait_for(lambda: self._head > position)
        return self._head > position

    async def _watch(self) -> NoReturn:
        interval = INTERVAL[self._database.is_postgresql]
        async with self._database.listening(changes.CHANNEL) as listening:
            while True:
                async with self._database.transaction() as query:
                    head = await changes.head(query)
                async with self._grown:
                    self._head = head
                    self._grown.notify_all()
                await listening.wait(interval)
