"""A running gate follows its gallery: what changes of people, faces and cards is in force within seconds.

The store is opened anew each time, with the key as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from controller.errors import GalleryError, GateError
from controller.gallery.credentials import open_book
from controller.gallery.store import DATABASE, GalleryStore
from controller.observe.log import get_logger
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from controller.gallery.credentials import CredentialBook
    from controller.gallery.index import GalleryIndex
    from hw.clock import Clock

EVERY: Final = 10.0
"""Seconds between two looks at the file's times."""

log = get_logger("gallery")

Signature = tuple[tuple[int, int], ...]


class GalleryWatch:
    """Loads the index anew when the gallery's file has changed, as a service of the app.

    Args:
        folder: the gallery's.
        key: file with its key; None: a systemd credential, or beside it.
        index: what the lane searches; it stays as it was where the file cannot be read.
        clock: the board's.
        book: who is known by which card, where there is a reader; replaced together with the index.
        forget: told the id of everybody who is there no more.
        on_damage: as of `GalleryIndex.load`.
    """

    def __init__(
        self,
        folder: Path,
        key: Path | None,
        index: GalleryIndex,
        clock: Clock,
        *,
        book: CredentialBook | None = None,
        forget: Callable[[str], object] = lambda _: None,
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        self._folder, self._key = folder, key
        self._index, self._book = index, book
        self._forget, self._on_damage = forget, on_damage
        self._executor = ClockExecutor(clock, 1, "gallery")
        # The index was loaded from the file as it is now, where there is one.
        self._seen = self.signature()
        self._hurried = asyncio.Event()
        self._dropped: set[str] = set()

    async def run(self) -> None:
        """Look again and again, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._hurried.clear()
            await loop.run_in_executor(self._executor, self.look)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._hurried.wait()

    def hurry(self) -> None:
        """Look now. On the loop's thread."""
        self._hurried.set()

    def drop(self, people: Iterable[str]) -> None:
        """Forget people who were just removed from the file, before it is loaded anew. From any thread."""
        for person in people:
            self._dropped.add(person)
            self._take_out(person)

    def settle(self, before: Signature) -> None:
        """What was written since the file was as `before` is in the index already: it is not loaded for that."""
        if before == self._seen:
            self._seen = self.signature()

    def _take_out(self, person: str) -> None:
        with contextlib.suppress(GalleryError):  # gone already
            self._index.remove(person)
        self._forget(person)

    def close(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False)

    def look(self) -> bool:
        """Load the gallery if it has changed since the last look; whether it was loaded. Blocks."""
        now = self.signature()
        if not self._seen or now == self._seen or not now:
            self._seen = now or self._seen
            return False
        self._seen = now
        before = set(self._index.people())
        self._dropped.clear()
        try:
            with GalleryStore.open(self._folder, self._key) as store:
                fresh = None if self._book is None else open_book(store)
                self._index.load(store, on_damage=self._on_damage)
                if self._book is not None and fresh is not None:
                    self._book.take(fresh)
        except GateError as error:
            log.warning("gallery not loaded, the one before stays in use", error=str(error))
            return False
        gone = before - set(self._index.people())
        for person in sorted(gone):
            self._forget(person)
        for person in tuple(self._dropped):
            # Dropped while the file was read, which is followed by another look.
            self._take_out(person)
        log.info("gallery loaded anew", people=len(self._index), gone=len(gone), strange=self._index.strange)
        return True

    def signature(self) -> Signature:
        """Times and sizes of the database and its log; empty where there is no database."""
        if not (self._folder / DATABASE).exists():
            return ()
        found = []
        for name in (DATABASE, f"{DATABASE}-wal"):
            try:
                stat = (self._folder / name).stat()
            except OSError:
                found.append((0, 0))
            else:
                found.append((stat.st_mtime_ns, stat.st_size))
        return tuple(found)
