"""An asyncio event loop that lives in a clock's time: the same program runs at life's speed, faster, or at once.

`run(main(), clock)` is `asyncio.run` for a clock. Under a `VirtualClock` the loop takes part in it like a thread: while
callbacks run, time stands still, and when the loop has nothing to do but wait, time may jump.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import selectors
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from hw.executor import ClockExecutor
from hw.sim.clock import VirtualClock
from hw.sim.scheduler import POLL

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager
    from contextvars import Context

    from hw.clock import Clock
    from hw.sim.scheduler import Member

__all__ = ["ClockExecutor", "ClockLoop", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Events = list[tuple[selectors.SelectorKey, int]]

IO_GRACE: Final = 0.0005
"""Real seconds that sockets get to become ready before virtual time may move; only if there are sockets."""


class ScaledSelector(selectors.DefaultSelector):
    """A selector for clocks that are the machine's clock times `speed`."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> Events:
        """Wait `timeout` seconds of the clock."""
        return super().select(None if timeout is None else timeout / self._speed)

    def taking_part(self) -> AbstractContextManager[None]:
        """Real time needs no say."""
        return contextlib.nullcontext()

    def calling(self) -> AbstractContextManager[None]:
        """Real time needs no say."""
        return contextlib.nullcontext()


class VirtualSelector(selectors.DefaultSelector):
    """A selector whose waits are waits of a `VirtualClock`'s participant.

    Files that are ready end a wait at once; but a socket's peer outside simulated time has only `IO_GRACE` before time
    may jump over it.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._turns = clock.scheduler
        self._member: Member | None = None
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_out, False)
        os.set_blocking(self._wake_in, False)
        self.register(self._wake_out, selectors.EVENT_READ)
        self._internal = len(self.get_map()) + 1  # and asyncio's own self-pipe

    def close(self) -> None:
        """Close the wake-up pipe too."""
        super().close()
        os.close(self._wake_out)
        os.close(self._wake_in)

    @contextlib.contextmanager
    def taking_part(self) -> Iterator[None]:
        """Make the loop's thread a participant, or use that it is one."""
        with self._clock.participant(f"event loop of {threading.current_thread().name}") as member:
            self._member = member
            try:
                yield
            finally:
                self._member = None

    @contextlib.contextmanager
    def calling(self) -> Iterator[None]:
        """Queue a callback and mark the loop ready in one step: no jump fits in between."""
        member = self._member
        if member is None or member.thread is threading.current_thread():
            # Not running, or the loop's own thread: a signal handler, seen through the self-pipe like a socket.
            yield
            return
        with self._turns.lock:
            yield
            member.called = True
            if member.waker is not None:
                self._turns.ready(member)

    def select(self, timeout: float | None = None) -> Events:
        """Wait until a file is ready, a callback was queued, or `timeout` virtual seconds have passed."""
        member = self._member
        if member is None:
            return self._poll(0.0)
        member.called = False  # before looking: whatever was queued until here shows in the poll
        idle = timeout is None or timeout > 0
        external = len(self.get_map()) > self._internal
        events = self._poll(IO_GRACE if idle and external else 0.0)
        if events or not idle:
            return events
        with self._turns.lock:
            if not member.called:
                deadline = math.inf if timeout is None else self._turns.now + timeout
                member.external = external
                self._turns.park(member, deadline=deadline, event=None, reason="its next timer or callback")
            if member.running:  # called meanwhile, or first in turn again
                return self._poll(0.0)
            member.waker = self._wake
        return self._wait(member)

    def _wait(self, member: Member) -> Events:
        """Block in the real selector until it is this loop's turn."""
        events: Events = []
        try:
            while not member.running:
                events = self._poll(POLL)
                with self._turns.lock:
                    if events:
                        self._turns.ready(member)
                        self._turns.await_turn(member)
                    elif not member.running:
                        self._turns.look_around(member)
        finally:
            with self._turns.lock:
                member.external, member.waker = False, None
                self._turns.resume(member)
        return events or self._poll(0.0)

    def _poll(self, seconds: float) -> Events:
        """What is ready within `seconds` of real time, without the wake-up pipe."""
        events = super().select(seconds)
        for event in events:
            if event[0].fd == self._wake_out:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_out, 4096)
                events.remove(event)
                break
        return events

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake up all the same
            os.write(self._wake_in, b"\0")


class ClockLoop(asyncio.SelectorEventLoop):
    """A selector event loop whose `time()`, timers and default executor are those of `clock`.

    Args:
        clock: any clock of `hw.clock` or `hw.sim.clock`.
        workers: threads of the default executor (`asyncio.to_thread`, `run_in_executor(None, ...)`).
    """

    def __init__(self, clock: Clock, *, workers: int = 4) -> None:
        self._clock = clock
        selector: VirtualSelector | ScaledSelector
        if isinstance(clock, VirtualClock):
            selector = VirtualSelector(clock)
        else:
            selector = ScaledSelector(getattr(clock, "speed", 1.0))
        self._turns = selector
        self._pool = ClockExecutor(clock, workers, "asyncio")
        super().__init__(selector)

    def time(self) -> float:
        """The clock's seconds."""
        return self._clock.monotonic()

    def run_forever(self) -> None:
        """Run until `stop`, taking part in the clock."""
        with self._turns.taking_part():
            super().run_forever()

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's; simulated time cannot pass between this call and the callback."""
        with self._turns.calling():
            return super().call_soon_threadsafe(callback, *args, context=context)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """As asyncio's, with daemon threads of the clock by default."""
        return super().run_in_executor(self._pool if executor is None else executor, func, *args)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        """End the default executor without waiting for it: a job may hang in a driver."""
        del timeout
        self._pool.shutdown(wait=False, cancel_futures=True)


def run(main: Coroutine[Any, Any, T], clock: Clock, *, debug: bool | None = None) -> T:
    """`asyncio.run` in the time of `clock`."""
    with asyncio.Runner(debug=debug, loop_factory=lambda: ClockLoop(clock)) as runner:
        return runner.run(main)
