"""A pool of daemon threads for blocking work, known to the clock: simulated time stands still while a job runs.

Unlike the standard pool's, its threads never keep a process alive, so a call that hangs in a driver can't block
shutdown.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    call: Callable[[], Any]
    future: Future[Any]

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.call()
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller of result()
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class ClockExecutor(Executor):
    """`workers` daemon threads that run jobs in the order of their submission.

    A job counts as busy from `submit` on (if a thread is free for it) until its done-callbacks have run, so an event
    loop that waits for it is marked busy before the job is over. A job may wait on the clock.
    """

    def __init__(self, clock: Clock, workers: int, name: str = "worker") -> None:
        if workers < 1:
            raise ValueError(f"an executor needs at least one thread, not {workers}")
        self._clock = clock
        self._workers = workers
        self._name = name
        self._lock = threading.Lock()
        self._jobs: deque[_Job] = deque()
        self._idle: deque[threading.Event] = deque()
        self._threads: list[threading.Thread] = []
        self._began: dict[int, float] = {}
        """When the job of each busy thread began, by the clock."""
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue `fn(*args, **kwargs)`. Raises RuntimeError after `shutdown`."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError(f"the executor {self._name} is shut down")
            self._jobs.append(_Job(lambda: fn(*args, **kwargs), future))
            if self._idle:
                self._idle.popleft().set()
            elif len(self._threads) < self._workers:
                self._threads.append(self._clock.spawn(self._work, f"{self._name}-{len(self._threads)}"))
        return future

    @property
    def busy_for(self) -> float:
        """Seconds that the longest job under way has taken; 0 when there is none."""
        began = min(list(self._began.values()), default=None)
        return 0.0 if began is None else self._clock.monotonic() - began

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """Take no more jobs; `wait` for those queued (not from a thread that must not block: a job may hang)."""
        with self._lock:
            self._closed = True
            cancelled = list(self._jobs) if cancel_futures else []
            if cancel_futures:
                self._jobs.clear()
            while self._idle:
                self._idle.popleft().set()
            threads = list(self._threads)
        for job in cancelled:
            job.future.cancel()
        if wait:
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        wake = threading.Event()
        while (job := self._next(wake)) is not None:
            me = threading.get_ident()
            self._began[me] = self._clock.monotonic()
            try:
                job.run()
            finally:
                del self._began[me]
            del job  # or its arguments would live until the next one

    def _next(self, wake: threading.Event) -> _Job | None:
        while True:
            with self._lock:
                if self._jobs:
                    return self._jobs.popleft()
                if self._closed:
                    return None
                wake.clear()
                self._idle.append(wake)
            self._clock.wait(wake, math.inf)
