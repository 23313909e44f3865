"""Who runs when time is simulated: a discrete-event scheduler over real threads.

Each thread that lives in simulated time is a *member*. Only one member runs at once and it runs until it waits; then
the next one that is ready runs, in the order they became ready; and when nobody is ready, time jumps to the earliest
deadline. So a run with the same seed takes the same turns, and time never passes a member that still has work to do.
While only *services* are members, such as the threads of drivers, time stands still: nobody is there to see it pass.

Two things soften that rule, because members are real threads. A member that is ready for longer than `grace` real
seconds runs beside the one that won't yield: that one may be waiting, outside this clock, for just this member. And
waiting members look around every `POLL` real seconds: for events set by threads that are no members, for members that
died, for a deadlock.
"""

from __future__ import annotations

import enum
import itertools
import logging
import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

POLL: Final = 0.05
"""Real seconds between two looks of a waiting member at what nobody announces."""

_log = logging.getLogger(__name__)


class ClockDeadlock(RuntimeError):  # noqa: N818 - named for what it is, as the standard library's BrokenBarrier kinds are
    """Every member waits for another and no deadline is left: simulated time can never move again."""


class State(enum.Enum):
    """What a member is doing."""

    RUNNING = "runs"
    READY = "is ready to run"
    WAITING = "waits"


@dataclass(slots=True, eq=False)
class Member:
    """One thread in simulated time. Guarded by the scheduler's lock."""

    name: str
    thread: threading.Thread | None
    """None until a spawned thread has begun."""
    service: bool
    """A service lives in time but doesn't make it pass: it may wait for ever, and alone it doesn't move time."""
    turn: threading.Condition
    state: State = State.RUNNING
    since: float = field(default_factory=time.monotonic)
    """Real seconds when `state` last changed."""
    rank: int = 0
    """Place in the order of those that became ready, or began to wait."""
    deadline: float = math.inf
    """Simulated time at which it wants to run again."""
    event: threading.Event | None = None
    reason: str = ""
    waker: Callable[[], None] | None = None
    """Also called when the turn comes: ends a wait that is not on `turn` but in a selector."""
    called: bool = False
    """A callback was queued for its event loop since that loop last looked."""
    external: bool = False
    """Something outside simulated time, such as a socket, may end its wait."""

    @property
    def running(self) -> bool:
        """It has the turn."""
        return self.state is State.RUNNING

    def describe(self, now: float) -> str:
        """One line for a diagnosis."""
        if self.state is not State.WAITING:
            return f"{self.name} {self.state.value} for {time.monotonic() - self.since:.1f} s of real time"
        until = "" if math.isinf(self.deadline) else f" until {self.deadline:.6g} (in {self.deadline - now:.6g} s)"
        return f"{self.name} waits for {self.reason}{until}"


class Scheduler:
    """Hands the turn from member to member and moves time. Every method may be called from any thread."""

    def __init__(self, start: float, patience: float, grace: float) -> None:
        self.lock = threading.RLock()
        self.now = start
        self._patience = patience
        self._grace = grace
        self._members: list[Member] = []
        self._ranks = itertools.count()
        self._moved = time.monotonic()
        self._warned = False

    # Membership

    def enter(self, name: str, thread: threading.Thread | None, *, service: bool) -> Member:
        """Add a member: running, or (`thread` None, not begun) ready for its first turn."""
        with self.lock:
            member = Member(name, thread, service, threading.Condition(self.lock))
            self._members.append(member)
            if thread is None:
                self._make_ready(member)
                self._dispatch()
            return member

    def leave(self, member: Member) -> None:
        """Remove a member and hand its turn on; harmless when removed."""
        with self.lock:
            if member in self._members:
                self._members.remove(member)
                member.state = State.WAITING
                self._dispatch()

    def describe(self) -> str:
        """Who waits for what, one member after the other."""
        with self.lock:
            lines = [member.describe(self.now) for member in self._members]
        return f"at {self.now:.6g} s: " + ("; ".join(lines) or "no members")

    # Waiting

    def pause(self, member: Member, *, deadline: float, event: threading.Event | None, reason: str) -> None:
        """Block the calling thread, which is `member`, until `deadline` or until `event` is set.

        Raises `ClockDeadlock` in a member that is no service.
        """
        with self.lock:
            self.park(member, deadline=deadline, event=event, reason=reason)
            self.await_turn(member)

    def park(self, member: Member, *, deadline: float, event: threading.Event | None, reason: str) -> None:
        """Mark `member` as waiting and hand the turn on, which may come straight back. The caller holds the lock."""
        member.deadline, member.event, member.reason = deadline, event, reason
        member.rank = next(self._ranks)
        self._set(member, State.WAITING)
        self._dispatch()

    def await_turn(self, member: Member) -> None:
        """Block the calling thread until it is the turn of `member`. The caller holds the lock."""
        try:
            while not member.running:
                if not member.turn.wait(POLL):
                    self.look_around(member)
        finally:
            self.resume(member)

    def resume(self, member: Member) -> None:
        """Note that the thread of `member` runs, whoever's turn it is: an exception ended its wait."""
        if not member.running:
            self._run(member)

    def ready(self, member: Member) -> None:
        """End the wait of `member`. The caller holds the lock."""
        if member.state is State.WAITING:
            self._make_ready(member)
            self._dispatch()

    def look_around(self, member: Member) -> None:
        """What a waiting member does every `POLL` seconds. The caller holds the lock. Raises `ClockDeadlock`."""
        for other in [other for other in self._members if _is_dead(other)]:
            _log.debug("%s ended without leaving the clock", other.name)
            self.leave(other)
        self._dispatch()
        waited = time.monotonic() - member.since
        if member.state is State.READY and waited > self._grace:
            self._run(member)
        elif member.state is State.WAITING:
            self._check_progress(member)

    # The turn

    def _dispatch(self) -> None:
        """Give the turn to whoever is next, if nobody has it."""
        if any(member.running for member in self._members):
            return
        for member in self._members:
            if member.state is State.WAITING and member.event is not None and member.event.is_set():
                self._make_ready(member)
        ready = [member for member in self._members if member.state is State.READY]
        if ready:
            self._run(min(ready, key=lambda member: member.rank))
            return
        # Equal deadlines: whoever began to wait first.
        due = min(self._members, key=lambda member: (member.deadline, member.rank), default=None)
        if due is None or all(member.service for member in self._members):
            return
        if due.deadline < math.inf:
            self.now = max(self.now, due.deadline)
            self._run(due)

    def _make_ready(self, member: Member) -> None:
        member.rank = next(self._ranks)
        self._set(member, State.READY)

    def _run(self, member: Member) -> None:
        member.deadline, member.event = math.inf, None
        self._set(member, State.RUNNING)
        member.turn.notify()
        if member.waker is not None:
            member.waker()

    def _set(self, member: Member, state: State) -> None:
        member.state = state
        member.since = self._moved = time.monotonic()
        self._warned = False

    def _check_progress(self, member: Member) -> None:
        """Tell a deadlock from a member that is just busy for long, once nothing moved for `patience` real seconds."""
        if time.monotonic() - self._moved < self._patience:
            return
        if any(other.state is not State.WAITING for other in self._members):
            if not self._warned:
                self._warned = True
                _log.warning("simulated time stands still: %s", self.describe())
        elif not member.service and not any(other.external for other in self._members):
            raise ClockDeadlock(f"nobody is left who could move simulated time; {self.describe()}")


def _is_dead(member: Member) -> bool:
    return member.thread is not None and not member.thread.is_alive()
