"""Clocks of the rehearsal: faster than life by a factor, as fast as the work allows, or moved by hand.

All are `hw.clock.Clock`s. `VirtualClock` moves only when every thread that takes part in it waits; `hw.sim.loop` makes
an asyncio loop take part as well.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING

from hw.clock import SystemClock
from hw.sim.scheduler import ClockDeadlock, Member, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ClockDeadlock", "ManualClock", "ScaledClock", "VirtualClock"]


class ScaledClock(SystemClock):
    """A clock that runs `speed` times as fast as the machine's: 10 means ten seconds pass in one."""

    def __init__(self, speed: float, start: float = 0.0) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"a clock's speed is a positive number, not {speed}")
        self.speed = speed
        self._start = time.monotonic()
        self._offset = start

    def monotonic(self) -> float:
        """Scaled seconds since this clock was made, from `start` on."""
        return self._offset + (time.monotonic() - self._start) * self.speed

    def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of this clock."""
        super().sleep(seconds / self.speed)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Wait for `event`, at most `timeout` seconds of this clock."""
        return super().wait(event, timeout / self.speed)


class VirtualClock:
    """Discrete-event time, shared by threads and event loops: it jumps to the next deadline once all of them wait.

    A thread takes part when it was started by `spawn`, while it is inside `participant`, or from its first `sleep` or
    `wait` until it ends. `monotonic` alone doesn't make it take part. A participant that is not in `sleep` or `wait`
    counts as busy, and time stands still for it; what it waits for outside the clock belongs in `blocked`.

    Daemon threads and those of `spawn` are services: without any other participant (an event loop, a thread inside
    `participant`, one that is no daemon) time does not move, so what is set up before the loop starts waits for it.

    Plain `threading.Event`s work: an event set by a participant is seen before time moves on. A thread that is no
    participant should set an event only while some participant is busy, or time may run ahead of it.

    Args:
        start: first reading, seconds.
        patience: real seconds without any movement after which `ClockDeadlock` is raised in participants that are no
            services, if nobody is busy; or a warning is logged that names who is.
        grace: real seconds after which a participant that could run no longer waits for its turn; below that, runs are
            repeatable turn by turn.
    """

    def __init__(self, start: float = 0.0, *, patience: float = 30.0, grace: float = 1.0) -> None:
        self.scheduler = Scheduler(start, patience, grace)
        self._local = threading.local()

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self.scheduler.now

    def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`; 0 lets the others have their turn."""
        self._pause(max(0.0, seconds), None, "the end of a sleep")

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Block this thread until `event` is set or `timeout` seconds have passed; True when set."""
        if not event.is_set() and timeout > 0:
            self._pause(timeout, event, "an event")
        return event.is_set()

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        """Start a daemon thread that takes part from before its first instruction; joining it takes virtual time."""
        return _VirtualThread(self, target, name)

    @contextlib.contextmanager
    def participant(self, name: str) -> Iterator[Member]:
        """Let the calling thread take part, busy unless it waits; nested use keeps the outer participation."""
        member = self.current()
        if member is not None:
            yield member
            return
        member = self._enter(name)
        try:
            yield member
        finally:
            self._leave(member)

    @contextlib.contextmanager
    def blocked(self, reason: str) -> Iterator[None]:
        """Count the calling thread as waiting, without a deadline, while it waits for something outside the clock."""
        member = self.current()
        if member is None:
            yield
            return
        with self.scheduler.lock:
            member.external = True
            self.scheduler.park(member, deadline=math.inf, event=None, reason=reason)
        try:
            yield
        finally:
            with self.scheduler.lock:
                member.external = False
                self.scheduler.ready(member)
                self.scheduler.await_turn(member)

    def current(self) -> Member | None:
        """The calling thread's participation, if it has one."""
        return getattr(self._local, "member", None)

    def describe(self) -> str:
        """Who waits for what, for a diagnosis."""
        return self.scheduler.describe()

    def _pause(self, seconds: float, event: threading.Event | None, reason: str) -> None:
        thread = threading.current_thread()
        member = self.current() or self._enter(thread.name, service=thread.daemon)
        deadline = self.scheduler.now + seconds
        self.scheduler.pause(member, deadline=deadline, event=event, reason=reason)

    def _enter(self, name: str, *, service: bool = False) -> Member:
        member = self.scheduler.enter(name, threading.current_thread(), service=service)
        self._local.member = member
        return member

    def _leave(self, member: Member) -> None:
        self._local.member = None
        self.scheduler.leave(member)

    def _begin(self, member: Member) -> None:
        """First act of a spawned thread: take the place that was kept for it."""
        self._local.member = member
        with self.scheduler.lock:
            member.thread = threading.current_thread()
            self.scheduler.await_turn(member)


class ManualClock(VirtualClock):
    """A virtual clock that moves only when the thread that made it says so; for unit tests.

    Threads under test wait until `advance` has come past their deadlines, in order; a `sleep` of the making thread
    advances too, so code that sleeps may also be called straight from a test.
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__(start, patience=10.0)
        self._enter("the test")

    def advance(self, seconds: float) -> None:
        """Move `seconds` on; whatever falls due by then has run, and waits again or ended, when this returns."""
        self.sleep(seconds)
        self.sleep(0.0)  # those due at the very end come after this thread, which was there first


class _VirtualThread(threading.Thread):
    """A daemon thread of a virtual clock."""

    def __init__(self, clock: VirtualClock, target: Callable[[], object], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._clock = clock
        self._body = target
        self._done = threading.Event()
        self._member = clock.scheduler.enter(name, None, service=True)
        try:
            self.start()
        except RuntimeError:  # no more threads to be had
            clock.scheduler.leave(self._member)
            raise

    def run(self) -> None:
        self._clock._begin(self._member)  # noqa: SLF001 - one mechanism in two classes
        try:
            self._body()
        finally:
            self._done.set()
            self._clock._leave(self._member)  # noqa: SLF001

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end, at most `timeout` virtual seconds."""
        if self._clock.current() is None:
            super().join(timeout)
        elif self._clock.wait(self._done, math.inf if timeout is None else timeout):
            super().join()
