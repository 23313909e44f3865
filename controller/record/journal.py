"""The append-only journal: what has to be on disk before it has effects.

Entries that arrive while the disk is busy wait together and share the next commit (group commit), so that a burst
costs an SD card hardly more fsyncs than a single entry. All disk work runs, in order, on the one thread of an executor
that the program passes in; the event loop only waits, for a bounded time.
"""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

import structlog

from controller.errors import StoreError
from controller.record import rows
from controller.record.boot import stamp as system_stamp
from controller.record.database import Database
from controller.record.ledger import Ledger
from controller.record.outbox import Outbox
from controller.record.settings import JournalSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from controller.record.boot import Stamp
    from controller.record.entry import Entry, Place, Stored

T = TypeVar("T")
_Queued = tuple[rows.Row, "Future[Stored]"]

log = structlog.stdlib.get_logger("journal")


class Journal:
    """The journal of one board.

    Args:
        path: the database file; made if it is not there.
        executor: runs the disk work; exactly one thread, as `hw.executor.ClockExecutor(clock, 1)` has.
        boot_id: of this start of the board (`boot.read_boot_id`).
        serial: of this board; a journal from another one begins a new epoch. Empty: not known.
        settings: see there.
        stamp: reads the board's clocks.
        on_commit: told of every commit, on the executor's thread: entries written, seconds it took.
    """

    def __init__(
        self,
        path: Path,
        executor: Executor,
        *,
        boot_id: str,
        serial: str = "",
        settings: JournalSettings | None = None,
        stamp: Callable[[], Stamp] = system_stamp,
        on_commit: Callable[[int, float], None] | None = None,
    ) -> None:
        self.path = path
        self._settings = settings or JournalSettings()
        self._executor = executor
        self._boot_id = boot_id
        self._on_commit = on_commit
        database = Database(path, lock_wait=self._settings.lock_wait)
        self._ledger = Ledger(database, self._settings, boot_id=boot_id, serial=serial, stamp=stamp)
        self._lock = threading.Lock()
        self._queue: deque[_Queued] = deque()
        self._scheduled = False
        self._accepting = False
        self._overdue: dict[int, tuple[weakref.ref[Entry], Future[Stored]]] = {}
        """What a caller gave up waiting for, by the entry's id, for as long as somebody may ask for it again."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._grown = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self.outbox = Outbox(self._ledger, self._ask)

    @property
    def newest(self) -> Place:
        """The newest entry's place."""
        return self._ledger.newest

    async def open(self) -> None:
        """Open, check and, where needed, make or replace the file. Raises `StoreError` naming the file and reason."""
        if self._accepting:
            return
        self._loop = asyncio.get_running_loop()
        await asyncio.wrap_future(self._executor.submit(self._ledger.open))
        self._accepting = True

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - bounds what may hang in a driver
        """Write what is queued and close the file; harmless when closed. A disk that hangs is left behind."""
        with self._lock:
            was_open, self._accepting = self._accepting, False
        if not was_open:
            return
        closing = asyncio.wrap_future(self._executor.submit(self._finish))
        closing.add_done_callback(_retrieve)
        await asyncio.wait({closing}, timeout=timeout)
        if not closing.done():
            log.error("journal left open: its disk does not answer", path=str(self.path), seconds=timeout)

    def add_listener(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop's thread after every commit. A link's `notify` is one."""
        self._listeners.append(callback)

    def submit(self, entry: Entry) -> Future[Stored]:
        """Queue an entry, from any thread; the future is done when it is on disk.

        Raises `StoreError` when the journal is closed, the queue is full or the entry cannot be stored.
        """
        row = rows.to_row(entry, self._boot_id)
        future: Future[Stored] = Future()
        with self._lock:
            if not self._accepting:
                raise StoreError(f"journal {self.path}: is not open")
            if len(self._queue) >= self._settings.queue_limit:
                raise StoreError(f"journal {self.path}: its disk is {len(self._queue)} entries behind")
            self._queue.append((row, future))
            schedule, self._scheduled = not self._scheduled, True
        if schedule:
            self._schedule()
        return future

    async def append(self, entry: Entry, *, timeout: float | None = None) -> Stored:  # noqa: ASYNC109 - see below
        """Return when the entry is on disk. Raises `StoreError` when that fails or takes longer than `timeout` s.

        An entry that came too late is not withdrawn: it happened. Appending the same object again waits for it
        further, and never writes it twice.
        """
        _, future = self._overdue.pop(id(entry), (None, None))
        if future is None or (future.done() and future.exception() is not None):
            future = self.submit(entry)
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(_retrieve)
        try:
            # Not wait_for: that would cancel the entry itself.
            await asyncio.wait({waiting}, timeout=timeout)
        finally:
            if not waiting.done():
                self._remember(entry, future)
        if not waiting.done():
            raise StoreError(f"journal {self.path}: an entry was not on disk within {timeout:g} s")
        return waiting.result()

    async def maintain(self) -> None:
        """Checkpoint, prune and make room whenever the journal has been idle for a while; for ever."""
        while True:
            await self._grown.wait()
            while not await self._quiet():
                pass
            try:
                await self._ask(self._ledger.checkpoint)
                dropped = 1
                while dropped and not self._grown.is_set():
                    dropped = await self._ask(self._ledger.prune)
                while not self._grown.is_set() and await self._ask(self._ledger.make_room):
                    self._tell_listeners()
            except StoreError as error:
                log.warning("journal maintenance failed", error=str(error))

    async def verify(self) -> int:
        """Recompute the hash chain; how many entries there are. Raises `StoreError` naming the first wrong one."""
        return await asyncio.wrap_future(self._executor.submit(self._ledger.verify))

    async def _quiet(self) -> bool:
        """Whether the next `idle` seconds bring no entry."""
        self._grown.clear()
        try:
            # Not wait_for: in Python 3.11 that may swallow a cancellation (python/cpython#86296).
            async with asyncio.timeout(self._settings.idle):
                await self._grown.wait()
        except TimeoutError:
            return True
        return False

    async def _ask(self, job: Callable[[], T]) -> T:
        try:
            future = self._executor.submit(job)
        except RuntimeError as error:  # the executor was shut down
            raise StoreError(f"journal {self.path}: is closed ({error})") from error
        seconds = self._settings.query_timeout
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise StoreError(f"journal {self.path}: its disk did not answer within {seconds:g} s") from None

    def _remember(self, entry: Entry, future: Future[Stored]) -> None:
        key = id(entry)
        self._overdue[key] = weakref.ref(entry, lambda _: self._overdue.pop(key, None)), future

    def _schedule(self) -> None:
        try:
            self._executor.submit(self._flush)
        except RuntimeError as error:  # the executor was shut down
            with self._lock:
                lost, self._scheduled = list(self._queue), False
                self._queue.clear()
            for _, future in lost:
                future.set_exception(StoreError(f"journal {self.path}: is closed ({error})"))

    def _flush(self) -> None:
        """Commit one batch. On the executor's thread; other jobs get their turn between two batches."""
        with self._lock:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch_limit))]
        batch = [(row, future) for row, future in batch if future.set_running_or_notify_cancel()]
        if batch:
            self._commit(batch)
        with self._lock:
            self._scheduled = bool(self._queue)
            again = self._scheduled
        if again:
            self._schedule()

    def _commit(self, batch: list[_Queued]) -> None:
        started = time.perf_counter()
        try:
            stored = self._ledger.append([row for row, _ in batch])
        except Exception as error:  # noqa: BLE001 - the thread must live, and whoever waits must hear of it
            for _, future in batch:
                future.set_exception(_copy(error))
            return
        if self._on_commit is not None:
            self._on_commit(len(batch), time.perf_counter() - started)
        for (_, future), place in zip(batch, stored, strict=True):
            future.set_result(place)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._announce)

    def _announce(self) -> None:
        self._grown.set()
        self._tell_listeners()

    def _tell_listeners(self) -> None:
        for callback in self._listeners:
            callback()

    def _finish(self) -> None:
        while self._queue:
            self._flush()
        self._ledger.close()


def _copy(error: Exception) -> Exception:
    """One exception object each: several tasks that raise the same one would grow each other's traceback."""
    return StoreError(*error.args) if isinstance(error, StoreError) else error


def _retrieve(future: asyncio.Future[T]) -> None:
    """Look at the outcome, so that one nobody waits for any more is not reported as forgotten."""
    if not future.cancelled():
        future.exception()
