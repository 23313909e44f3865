"""Takes in what the gates report: stores it, and acknowledges what is complete after the database's COMMIT.

Everything may come twice, out of order or not at all; the mark says what is complete, and a gate sends again what comes
after it. Messages that are not of good form, or that the database will never take, are counted, logged and never
acknowledged.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import aiomqtt
import structlog

from campus.broker import Broker, connect
from campus.errors import HubDataError, HubStoreError
from campus.intake.share import EVERYTHING, Share
from campus.intake.store import Incoming, Mark
from controller.errors import MessageError
from controller.link import messages
from controller.link.brokers import Backoff
from controller.link.connection import arrived, end_if_cancelled, run_apart
from controller.link.messages import Ack, EventMessage, Online, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from campus.gates.peers import PeerNews
    from campus.intake.store import HubStore

BATCH_LIMIT = 500
"""Messages of one COMMIT at most."""
LANE_LIMIT = 5000
"""Messages of a lane that may wait for the database; the newest beyond it are dropped, which shows as a gap and is sent
again."""
REPEAT_AFTER = 2.0
"""Seconds in which a mark is not acknowledged again for events that it has. A gate that waits long sends them again
before it can have heard; it would take each of those answers as a request to send again (`controller.link.window`), and
so a hub under load would make its load. Where the answer was lost, the gate sends them once more."""
RECONNECT_LEAST, RECONNECT_MOST = 0.5, 5.0
"""Bounds of the random pause between attempts to connect, seconds: one client, for which every gate waits."""

STABLE_SECONDS = 30.0
"""A connection that lasted this long was a good one: brokers that failed before it are tried again without a pause."""

ONLINE: messages.Kind = "online"

log = structlog.stdlib.get_logger("hub")


class Commit(NamedTuple):
    """What an intake has just stored."""

    batch: Sequence[Incoming]
    marks: Sequence[Mark]
    received: float
    """Unix seconds."""
    seconds: float
    """What it took."""


class Ingest:
    """The hub's intake for one campus.

    Args:
        campus: its name in topics.
        broker: how to reach it.
        store: where it goes; open for as long as this runs.
        on_commit: told after each COMMIT and before its acknowledgements, on the loop's thread.
        share: the gates that are its; the others are another worker's.
        peers: says which gates are to hear of what was stored; None: none is.
    """

    def __init__(
        self,
        campus: str,
        broker: Broker,
        store: HubStore,
        *,
        on_commit: Sequence[Callable[[Commit], None]] = (),
        share: Share = EVERYTHING,
        peers: PeerNews | None = None,
    ) -> None:
        self.store = store
        self.refused: Counter[str] = Counter()
        """Messages not of good form, by gate (or `?`)."""
        self.dropped = 0
        """Messages that came faster than the database took them, for longer than there is room."""
        self.asked = 0
        """Requests to send again."""
        self.connected = asyncio.Event()
        """Set once subscribed."""
        self._campus = messages.check_name(campus)
        self._broker = broker
        self._on_commit = on_commit
        self._share = share
        self._followed: set[str] = set()
        self._answered: dict[tuple[str, str], tuple[int, float]] = {}
        """By gate and epoch: the mark that was acknowledged last on this connection, and when (monotonic seconds)."""
        self._client: aiomqtt.Client | None = None
        self._peers = peers
        self._backoff = Backoff(RECONNECT_LEAST, RECONNECT_MOST, random.Random())  # noqa: S311 - pauses, not secrets

    async def run(self) -> NoReturn:
        """Take in until cancelled; lost brokers are tried again, in turn, for ever.

        Raises `HubError` where that cannot help.
        """
        try:
            await self._keep_on()
        finally:
            self._lost()

    async def _keep_on(self) -> NoReturn:
        turn, loop = self._broker.turn, asyncio.get_running_loop()
        while True:
            broker, started = turn.current, loop.time()
            try:
                # A batch that was being written is undone, and sent again.
                await run_apart(self._session())
            except* (aiomqtt.MqttError, HubStoreError) as group:
                log.warning("intake interrupted", broker=str(broker), error=str(_first(group)))
            if self.connected.is_set():
                self._backoff.reset()
            if loop.time() - started > STABLE_SECONDS:
                turn.held()
            self._lost()
            await asyncio.sleep(self._backoff.next(another=turn.current != broker and turn.has_untried))

    def _lost(self) -> None:
        self.connected.clear()
        self._client = None

    async def _session(self) -> None:
        broker = self._broker.turn.current
        async with connect(self._broker, f"thermogate-hub-{self._campus}{self._share.suffix}") as client:
            self._followed = set()
            self._answered = {}
            # A worker hears of every gate, and asks for what its own ones report when it does (`_follow`).
            for kind in _KINDS if self._share.is_everything else (ONLINE,):
                await client.subscribe(messages.every_gate(self._campus, kind), qos=self._broker.subscribe_qos)
            end_if_cancelled()
            self._client = client
            self.connected.set()
            log.info("listening", broker=str(broker), campus=self._campus)
            lanes = _Lanes()
            async with asyncio.TaskGroup() as tasks:
                # Two tasks, as aiomqtt tells only a reader at once that the connection is lost.
                tasks.create_task(self._read_all(client, lanes))
                tasks.create_task(self._store_all(client, lanes))

    async def _read_all(self, client: aiomqtt.Client, lanes: _Lanes) -> None:
        """Read at once whatever comes: what is live must not wait in a socket behind what is not."""
        async for first in client.messages:
            for message in (first, *arrived(client)):
                content = self._read(message)
                if content is not None and self._share.takes(content.gate):
                    await self._follow(client, content.gate)
                    if not lanes.put(content):
                        self.dropped += 1

    async def _follow(self, client: aiomqtt.Client, gate: str) -> None:
        """Listen to a gate of this worker's, before it is answered."""
        if self._share.is_everything or gate in self._followed:
            return
        for kind in _KINDS.keys() - {ONLINE}:
            await client.subscribe(messages.topic(self._campus, gate, kind), qos=self._broker.subscribe_qos)
        end_if_cancelled()
        self._followed.add(gate)

    async def _store_all(self, client: aiomqtt.Client, lanes: _Lanes) -> None:
        """Store what has come, batch by batch, and acknowledge each after its COMMIT."""
        while True:
            for commit in await self.take_in(await lanes.take()):
                await self._acknowledge(client, self._worth_saying(commit.batch, commit.marks))
                if self._peers is not None:
                    await self._tell_peers(client, await self._peers.messages(commit.batch, time.time()))

    async def take_in(self, batch: Sequence[Incoming]) -> list[Commit]:
        """Store a batch; what was, in one COMMIT as a rule. Raises `HubStoreError`.

        A message that the database will never take must not keep the others out: it is sought by halves, and refused
        like one that is not of good form.
        """
        began, received = time.monotonic(), time.time()
        try:
            marks = await self.store.apply(batch, received)
        except HubDataError as error:
            if len(batch) == 1:
                self._refuse(batch[0].gate, error)
                return []
            half = len(batch) // 2
            return [*await self.take_in(batch[:half]), *await self.take_in(batch[half:])]
        commit = Commit(batch, marks, received, time.monotonic() - began)
        for told in self._on_commit:
            told(commit)
        return [commit]

    def _worth_saying(self, batch: Sequence[Incoming], marks: Sequence[Mark]) -> list[Mark]:
        """Those of the marks that a gate does not know, that it asked for, or that ask it to close a gap."""
        asked, newest = set(), dict[tuple[str, str], int]()
        for gate, message, _, _ in batch:
            if isinstance(message, Online):
                asked.add(gate)
            elif isinstance(message, EventMessage):
                newest[gate, message.epoch] = max(message.seq, newest.get((gate, message.epoch), 0))
        now, said = time.monotonic(), []
        for mark in marks:
            place = mark.gate, mark.epoch
            seq, told = self._answered.get(place, (-1, 0.0))
            news = seq != mark.seq or newest.get(place, 0) > mark.seq
            if news or mark.gate in asked or now - told > REPEAT_AFTER:
                said.append(mark)
        return said

    async def ask(self, marks: Sequence[Mark]) -> bool:
        """Ask gates for what comes after these marks, by acknowledging them again; whether it could be said."""
        client, said = self._client, False
        if client is not None:
            try:
                await self._acknowledge(client, marks)
                said = True
                self.asked += len(marks)
            except* aiomqtt.MqttError as group:
                log.warning("gates could not be asked", error=str(_first(group)))
        return said

    async def _acknowledge(self, client: aiomqtt.Client, marks: Sequence[Mark]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for gate, epoch, seq, chain in marks:
                self._answered[gate, epoch] = seq, time.monotonic()
                payload = messages.encode(Ack(epoch=epoch, seq=seq, chain=chain))
                tasks.create_task(client.publish(messages.topic(self._campus, gate, "ack"), payload, qos=1))

    async def _tell_peers(self, client: aiomqtt.Client, news: Sequence[tuple[str, bytes]]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for gate, payload in news:
                tasks.create_task(client.publish(messages.topic(self._campus, gate, "peers"), payload, qos=1))

    def _read(self, message: aiomqtt.Message) -> Incoming | None:
        gate = "?"
        try:
            _, gate, kind = messages.parse_topic(str(message.topic))
            payload = bytes(message.payload)
            content = messages.decode(str(message.topic), payload, _KINDS[kind])
            _check_id(gate, content)
        except MessageError as error:
            self._refuse(gate, error)
            return None
        return Incoming(gate, content, payload, live=kind == "evt/live")

    def _refuse(self, gate: str, error: MessageError | HubDataError) -> None:
        self.refused[gate] += 1
        count = self.refused[gate]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th...: a gate gone wild must not fill the log
            log.warning("message refused", gate=gate, count=count, error=str(error))


class _Lanes:
    """What waits for the database: the gates' back-fill, and before it what is new now. Neither starves the other."""

    def __init__(self) -> None:
        self._new: deque[Incoming] = deque()
        self._old: deque[Incoming] = deque()
        self._filled = asyncio.Event()

    def put(self, content: Incoming) -> bool:
        """Take a message in; whether there was room."""
        in_turn = isinstance(content.message, EventMessage) and not content.live
        lane = self._old if in_turn else self._new
        if len(lane) >= LANE_LIMIT:
            return False
        lane.append(content)
        self._filled.set()
        return True

    async def take(self) -> list[Incoming]:
        """The next batch: what is new first, but half of the room at most while older things wait."""
        await self._filled.wait()
        new = min(len(self._new), max(BATCH_LIMIT // 2, BATCH_LIMIT - len(self._old)))
        old = min(len(self._old), BATCH_LIMIT - new)
        batch = [self._new.popleft() for _ in range(new)] + [self._old.popleft() for _ in range(old)]
        if not (self._new or self._old):
            self._filled.clear()
        return batch


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error of a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _check_id(gate: str, content: EventMessage | Online | State) -> None:
    if isinstance(content, EventMessage) and content.id != messages.event_id(gate, content.epoch, content.seq):
        raise MessageError(f"{gate}: an event's id {content.id!r} is not that of its gate, epoch and seq")


_KINDS: dict[messages.Kind, type[EventMessage | Online | State]] = {
    ONLINE: Online,
    "evt": EventMessage,
    "evt/live": EventMessage,
    "state": State,
}
