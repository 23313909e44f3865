"""Feeds events to the lane and performs its effects in order: the record first, then the relay. Owns the timers.

One event is finished, its records on disk and its outputs moved, before the next one is taken. Two things do not wait:
`Runner.on_edge` frees both ways and releases STOP in a fire, and a door for whoever asks to leave, on the gate's own
thread, before the event is even queued, so that neither a slow disk nor a hanging loop stands in the way out. From then
on nothing that closes such a way is performed until the lane itself knows.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Protocol, assert_never

from controller.errors import StoreError
from controller.health.followed import Followed
from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.access.times import UNKNOWN
from controller.lane.model import Direction, FaultKind
from controller.lane.sensed import LowerRefused, Reading, Sensed, Sensor
from controller.observe.log import get_logger
from controller.prompts import LAMPS
from controller.record.entry import Entry, Stored
from controller.sensing import Sensing
from controller.watch import Step
from hw.errors import DeviceError
from hw.ports import Edge, Gate, Lamp, Side, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.access.times import Moment
    from controller.lane.machine import Lane
    from controller.lane.sensed import AnyEvent
    from controller.watch import Watch
    from hw.clock import Clock
    from hw.ports import BarrierArm

MEMORY_RECORDS = 1000
"""Records kept in memory while a disk is dead and policy says to go on (degraded)."""

SLOW_SHARE = 0.5
"""Part of the time a record may take from which the disk counts as straining."""

_SIDE = {Signal.PASS_A: Side.A, Signal.PASS_B: Side.B, Signal.RELAY_A: Side.A, Signal.RELAY_B: Side.B}

log = get_logger("runner")


class JournalPort(Protocol):
    """The part of the journal the runner needs."""

    async def append(self, entry: Entry, *, timeout: float) -> Stored:  # noqa: ASYNC109 - the journal bounds its own wait
        """Return when the entry is on disk; raises `StoreError` when that fails or takes longer than `timeout` s."""
        ...


class Runner:
    """Performs what the lane decides.

    Args:
        lane: the state machine.
        gate: an open gate.
        entry_side: the side of the gate that leads in.
        journal: where records go before their effects.
        append_timeout: seconds a record may take to reach the disk.
        degraded_without_disk: go on with the record in memory when the disk fails, in place of refusing.
        latching: the turnstile latches a pulse itself; False: its line is held until the passage or its expiry.
        clock: the board's clock; the loop's time is the same.
        clock_state: tells what is known of the wall clock, for the record.
        moment: reads the wall clock, for the access policy.
        on_reassess: called with a hold-off in seconds when the lane wants a fresh attempt.
        on_expect: called with a person and whether to look at faces when the lane says whom to compare with.
        watches: told of every step.
        arm: a barrier's arm; None: the lane has none.
        disk: follows the journal's disk.
    """

    def __init__(
        self,
        lane: Lane,
        gate: Gate,
        *,
        entry_side: Side,
        journal: JournalPort,
        append_timeout: float,
        degraded_without_disk: bool,
        latching: bool,
        clock: Clock,
        clock_state: Callable[[], str],
        moment: Callable[[], Moment] = lambda: UNKNOWN,
        on_reassess: Callable[[float], None],
        on_expect: Callable[[str | None, bool], None] = lambda _person, _face: None,
        watches: tuple[Watch, ...] = (),
        arm: BarrierArm | None = None,
        disk: Followed | None = None,
    ) -> None:
        self.lane = lane
        self.prompt = fx.Prompt.OUT_OF_SERVICE
        self.reason: str | None = None
        self.unrecorded: deque[Entry] = deque(maxlen=MEMORY_RECORDS)
        self.failed_records = 0
        self._forgotten = 0
        """Records of a dead disk for which memory had no room; the disk is told of them once it lives again."""
        self._gate = gate
        self._sides = _sides(entry_side)
        self._directions = {side: direction for direction, side in self._sides.items()}
        self._journal = journal
        self._append_timeout = append_timeout
        self._degraded = degraded_without_disk
        self._latching = latching
        self._clock = clock
        self._clock_state = clock_state
        self._moment = moment
        self._on_reassess = on_reassess
        self._on_expect = on_expect
        self._watches = watches
        self._arm_port = arm
        self._disk = disk or Followed("journal", clock, Random(), lambda _name, _report: None)  # noqa: S311 - no secret
        self._probe: asyncio.Task[None] | None = None
        """Tries a journal that failed until it works again."""
        self._sensing = Sensing()
        self._leaving: deque[Sensed] = deque()
        """Requests to exit that the lane has not heard of yet."""
        self._queue: asyncio.Queue[AnyEvent] = asyncio.Queue()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began: float | None = None
        self._fire_line = False
        self._fires_queued = 0
        self._outputs = threading.Lock()
        """Held while an effect that closes a way is weighed and performed: a fire comes before or after it."""
        self._illegal = 0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that edges are posted to, before the gate is opened."""
        self._loop = loop

    def post(self, event: AnyEvent) -> None:
        """Queue an event. On the loop's thread."""
        self._queue.put_nowait(event)

    @property
    def busy_for(self) -> float:
        """Seconds that the step under way has taken; 0 when there is none."""
        return 0.0 if self._began is None else self._clock.monotonic() - self._began

    async def run(self) -> None:
        """Feed events for ever."""
        while True:
            event = await self._queue.get()
            self._began = self._clock.monotonic()
            await self.step(event)
            self._began = None

    async def drain(self) -> None:
        """Finish what is queued."""
        while not self._queue.empty():
            await self.step(self._queue.get_nowait())

    def on_edge(self, edge: Edge) -> None:
        """Take an input's change, on the gate's thread."""
        if edge.signal is Signal.FIRE:
            self._sense_fire(active=edge.active)
        event = self._event(edge)
        if isinstance(event, Sensed) and event.sensor is Sensor.REX and event.reading is Reading.ON:
            self._let_out(event)
        self._post_soon(event)

    def _let_out(self, request: Sensed) -> None:
        with self._outputs:
            self._leaving.append(request)
            try:
                self._gate.hold(self._sides[Direction.EXIT], on=True)
            except DeviceError as error:
                log.error("output failed for somebody who leaves", error=str(error))

    def _sense_fire(self, *, active: bool) -> None:
        with self._outputs:
            self._fire_line = active
            if not active:
                return
            self._fires_queued += 1
            releases: list[Callable[[], None]] = [partial(self._gate.stop, on=False)]
            releases += [partial(self._gate.hold, side, on=True) for side in Side]
            for release in releases:
                try:
                    release()
                except Exception as error:  # noqa: BLE001 - whatever one output does, the others are released
                    log.error("output failed in a fire alarm", error=str(error))

    def on_level(self, signal: Signal, now: float, *, active: bool) -> None:
        """Take an input's level as it was before anybody looked, on the loop's thread."""
        edge = Edge(signal, active=active, timestamp=now)
        event = self._event(edge)
        if isinstance(event, Sensed):
            # What is found asks for nothing: a button that was pressed at the start moves no lock.
            self._post_soon(replace(event, found=True))
        else:
            self.on_edge(edge)

    def _post_soon(self, event: AnyEvent) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.post, event)

    async def step(self, event: AnyEvent) -> None:
        """Feed one event and perform its effects."""
        begun = self._clock.monotonic()
        before = self.lane.state
        if self._leaving and event is self._leaving[0]:
            self._leaving.popleft()
        effects = self._feed(event)
        stored: list[Stored] = []
        failed: fx.Append | None = None
        for effect in effects:
            if isinstance(effect, fx.Append):
                place = await self._append(effect)
                if place is not None:
                    stored.append(place)
                    continue
                failed = effect
                if not self._degraded:
                    break
            else:
                self._perform(effect)
                if isinstance(effect, fx.Unlock):
                    self._tell_way(event)
        if self.lane.illegal_events > self._illegal:
            self._illegal = self.lane.illegal_events
            log.error("an event that cannot happen", kind=type(event).__name__, state=before.value)
        step = Step(event, before, self.lane.state, effects, tuple(stored), begun, self._clock.monotonic())
        for watch in self._watches:
            watch.on_step(step)
        # A record of the failure itself may fail as well; that must not go round for ever.
        if failed is not None and not isinstance(event, ev.JournalFailed):
            await self.step(ev.JournalFailed(now=self._clock.monotonic(), grant_id=failed.grant_id))

    def _feed(self, event: AnyEvent) -> tuple[fx.Effect, ...]:
        started = time.perf_counter()
        if isinstance(event, ev.Assessed | ev.Presented):
            event = replace(event, moment=self._moment())
        effects = self.lane.feed(event)
        if isinstance(event, ev.Assessed):
            self._tell("decision", time.perf_counter() - started)
        if isinstance(event, ev.FireAlarm) and event.active:
            with self._outputs:
                self._fires_queued = max(0, self._fires_queued - 1)
        return effects

    async def _append(self, record: fx.Append) -> Stored | None:
        entry = self._entry(record)
        started, begun = time.perf_counter(), self._clock.monotonic()
        try:
            await self._catch_up()
            stored = await self._journal.append(entry, timeout=self._append_timeout)
        except StoreError as error:
            self.failed_records += 1
            log.error("record not on disk", kind=entry.kind, grant_id=entry.grant_id, error=str(error))
            if self._degraded:
                self._forgotten += len(self.unrecorded) == MEMORY_RECORDS
                self.unrecorded.append(entry)
            retry = self._disk.fails(str(error))
            if self._probe is None or self._probe.done():
                self._probe = asyncio.get_running_loop().create_task(self._try_disk(retry.pause, str(error)))
            return None
        self._tell("journal", time.perf_counter() - started)
        took = self._clock.monotonic() - begun
        if took > SLOW_SHARE * self._append_timeout:
            self._disk.strains(f"a record took {took:.1f} s")
        else:
            self._disk.works()
        return stored

    async def _try_disk(self, pause: float, cause: str) -> None:
        """Write down that the journal failed, again and again until that is on disk; then it lives again.

        Beside the lane's steps, which must not wait for it. One failure may be a hiccup; from the second on nobody is
        called to a lane that could not let them in.
        """
        began, told = self._clock.monotonic(), False
        while True:
            await asyncio.sleep(pause)
            detail: dict[str, str | float] = {"reason": "journal_lost", "cause": cause}
            detail["seconds"] = round(self._clock.monotonic() - began, 1)
            lost = self._entry(fx.Append(fx.RecordKind.WARNING, detail=detail))
            try:
                await self._journal.append(lost, timeout=self._append_timeout)
            except Exception as error:  # noqa: BLE001 - whatever the disk does, the lane waits for the end of this
                pause = self._disk.fails(str(error)).pause
                if not (told or self._degraded):
                    told = True
                    self.post(ev.DeviceLost(now=self._clock.monotonic(), fault=FaultKind.JOURNAL, cause="lost"))
                continue
            self._disk.works()
            self.post(ev.DeviceBack(now=self._clock.monotonic(), fault=FaultKind.JOURNAL))
            return

    def _entry(self, record: fx.Append) -> Entry:
        return Entry(
            kind=record.kind.value,
            monotonic=self._clock.monotonic(),
            wall=time.time(),
            clock=self._clock_state(),
            grant_id=record.grant_id,
            person=record.person,
            detail=record.detail,
        )

    def _tell(self, stage: str, seconds: float) -> None:
        for watch in self._watches:
            watch.on_stage(stage, seconds)

    def _tell_way(self, event: AnyEvent) -> None:
        """How long it took from what led to an unlock to the line."""
        if not isinstance(event, ev.Assessed):
            return
        now = self._clock.monotonic()
        for watch in self._watches:
            watch.on_delay("found to relay", now - event.now)
            if event.seen_at is not None:
                watch.on_delay("last frame to relay", now - event.seen_at)

    async def _catch_up(self) -> None:
        """Write what a dead disk left in memory, oldest first, once it lives again."""
        if not (self.unrecorded or self._forgotten):
            return
        while self.unrecorded:
            await self._journal.append(self.unrecorded[0], timeout=self._append_timeout)
            self.unrecorded.popleft()
        if self._forgotten:
            detail: dict[str, str | float] = {"reason": "records_lost", "count": self._forgotten}
            lost = self._entry(fx.Append(fx.RecordKind.WARNING, detail=detail))
            await self._journal.append(lost, timeout=self._append_timeout)
            self._forgotten = 0
        self.post(ev.DeviceBack(now=self._clock.monotonic(), fault=FaultKind.JOURNAL))

    def _perform(self, effect: fx.Effect) -> None:
        try:
            if not _closes(effect):
                self._perform_unguarded(effect)
                return
            with self._outputs:
                if self._fire_line or self._fires_queued:
                    # Decided before the lane knew of the fire, which is in the queue behind it.
                    log.warning("not performed during a fire alarm", effect=type(effect).__name__)
                    return
                if self._leaving and effect in (fx.Hold(Direction.EXIT, on=False), fx.Relock(Direction.EXIT)):
                    return  # decided before the lane knew that somebody asks to leave
                self._perform_unguarded(effect)
        except DeviceError as error:
            log.error("output failed", effect=type(effect).__name__, error=str(error))
            self.post(ev.DeviceLost(now=self._clock.monotonic(), fault=FaultKind.RELAY))

    def _perform_unguarded(self, effect: fx.Effect) -> None:  # noqa: C901, PLR0912 - one branch an effect is the table
        match effect:
            case fx.Unlock(direction=direction, seconds=seconds, window=window):
                started = time.perf_counter()
                self._gate.unlock(self._sides[direction], seconds if self._latching else window)
                self._tell("relay", time.perf_counter() - started)
            case fx.Hold(direction=direction, on=on):
                self._gate.hold(self._sides[direction], on=on)
            case fx.Relock(direction=direction):
                self._gate.relock(self._sides[direction])
            case fx.BlockEntry(on=on):
                self._gate.stop(on=on)
            case fx.Lower():
                if self._arm_port is not None and not self._arm_port.lower():
                    self.post(LowerRefused(now=self._clock.monotonic()))
            case fx.Lift():
                if self._arm_port is not None:
                    self._arm_port.lift()
            case fx.Indicate(prompt=prompt, reason=reason, silent=silent):
                self.prompt, self.reason = prompt, reason
                self._gate.indicate(LAMPS[prompt], silent=silent)
            case fx.ArmTimer(name=name, seconds=seconds, token=token):
                self._arm(name, seconds, token)
            case fx.CancelTimer(name=name):
                self._cancel(name)
            case fx.Reassess(hold_off=hold_off):
                self._on_reassess(hold_off)
            case fx.Expect(person=person, face=face):
                self._on_expect(person, face)
            case fx.Append():
                raise AssertionError("records are written by step()")
            case _:
                assert_never(effect)

    def _arm(self, name: str, seconds: float, token: int) -> None:
        self._cancel(name)
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(seconds, self._fire, name, token)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _fire(self, name: str, token: int) -> None:
        self._timers.pop(name, None)
        self.post(ev.TimerFired(now=self._clock.monotonic(), name=name, token=token))

    def close(self) -> None:
        """Cancel the timers and show that the lane is out of service."""
        for name in list(self._timers):
            self._cancel(name)
        if self._probe is not None:
            self._probe.cancel()
        self.prompt = fx.Prompt.OUT_OF_SERVICE
        self._gate.indicate(Lamp.STOP)

    def _event(self, edge: Edge) -> AnyEvent:
        now, active = edge.timestamp, edge.active
        match edge.signal:
            case Signal.PASS_A | Signal.PASS_B:
                return ev.PassContact(now=now, direction=self._directions[_SIDE[edge.signal]], active=active)
            case Signal.READY:
                return ev.Home(now=now, ready=active)
            case Signal.FIRE:
                return ev.FireAlarm(now=now, active=active)
            case Signal.TAMPER:
                return ev.Tamper(now=now, active=active)
            case Signal.KEY:
                return ev.MechanicalKey(now=now, active=active)
            case Signal.MAINS:
                return ev.Mains(now=now, present=active)
            case Signal.INTRUSION:
                return ev.Intrusion(now=now, active=active)
            case Signal.RELAY_A | Signal.RELAY_B:
                direction = self._directions[_SIDE[edge.signal]]
                return ev.RelayMismatch(now=now, direction=direction, stands=active, cause=edge.cause)
            case _:
                return self._sensing.event(edge)


def _closes(effect: fx.Effect) -> bool:
    """Whether an effect would take back an open way."""
    match effect:
        case fx.Relock() | fx.Hold(on=False) | fx.BlockEntry(on=True) | fx.Lower():
            return True
        case _:
            return False


def _sides(entry: Side) -> dict[Direction, Side]:
    other = Side.B if entry is Side.A else Side.A
    return {Direction.ENTRY: entry, Direction.EXIT: other}
