"""The link: publishes the outbox in order and forgets an event on the campus' own word only.

A PUBACK says that the broker has an event, which is no promise that anybody ever will. So the gate sends what its
journal holds behind the campus' mark, keeps a bounded number on their way, and moves the mark when the campus says
`ack`, after its COMMIT. Everything else follows: a broker or campus that is away costs nothing but disk, and
whoever restarts, the gate starts over at the mark and the campus drops what it has already.

Where the campus has several brokers, a gate goes to the next when one fails. A connection is no proof that the campus
is behind it: so it goes on too when nothing is acknowledged for long.

What happens now must not wait behind a day's back-fill: while more wait than can be on the wire at once, new events go
ahead on `evt/live`. They come again in their turn, so that the mark and the order are the back-fill's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import aiomqtt
import structlog

from controller.errors import LinkError, MessageError, StoreError
from controller.link import messages
from controller.link.brokers import Backoff, Turn
from controller.link.connection import end_if_cancelled, refusals, run_apart
from controller.link.messages import Ack, Kind, Online, State
from controller.link.peers import PeersRefusedError
from controller.link.ports import CommandPort, DocumentsPort, LinkWatch, OutboxPort
from controller.link.session import connect
from controller.link.window import SendWindow
from controller.link.wire import birth, event_message
from controller.record.entry import AckOutcome, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.link.brokers import Address
    from controller.link.publisher import Publisher
    from controller.link.settings import LinkSettings
    from controller.record.entry import Stored

STABLE_SECONDS = 30.0
"""A connection that lasted this long was a good one: the next attempt comes soon."""
STATE_PAUSE = 1.0
"""Seconds between two state messages at least; what changed in between is in the later one."""
GOODBYE_SECONDS = 1.0
ORDERS_LIMIT = 16
"""Commands that may wait; whoever sends more is not answered."""

log = structlog.stdlib.get_logger("link")


class _Renewed(Exception):  # noqa: N818 - not an error: ends the session
    """Other certificates are to be used."""


@dataclass(slots=True)
class LinkCounters:
    """What the link has done since the program started."""

    up: bool = False
    broker: str = ""
    """Which it is connected to, or was last."""
    connects: int = 0
    sent: int = 0
    """Events published in their turn, repeats among them."""
    live: int = 0
    """Events published ahead of their turn."""
    starts_over: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Messages of the campus that were refused, by reason."""


class Link:
    """The link of one gate.

    Args:
        settings: see there.
        gate: the gate's name in topics.
        outbox: what is to be sent.
        boot_id: of this start of the board.
        state: makes the state message, when one is due; None: there is none.
        watch: is told what happens, for metrics.
        commands: carries out what the campus orders; None: nothing is subscribed to.
        peers: given the campus' word of what other gates have seen, and raises `PeersRefusedError` for what it does
            not take; None: nothing is subscribed to.
        documents: installs what the hub hands out; the same.
        introduction: a topic outside ours and what is retained there at each connection; None: nothing.
        rng: the dice of the pauses between attempts.

    Raises `MessageError` when a name cannot stand in a topic.
    """

    def __init__(
        self,
        settings: LinkSettings,
        gate: str,
        outbox: OutboxPort,
        *,
        boot_id: str,
        state: Callable[[], State] | None = None,
        watch: LinkWatch | None = None,
        commands: CommandPort | None = None,
        peers: Callable[[bytes], None] | None = None,
        documents: DocumentsPort | None = None,
        introduction: tuple[str, bytes] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.counters = LinkCounters()
        self._settings = settings
        self._gate = gate
        self._outbox = outbox
        self._boot_id = boot_id
        self._state = state
        self._watch = watch or LinkWatch()
        self._commands = commands
        self._peers = peers
        self._documents = documents
        self._introduction = introduction
        self._topics = {kind: messages.topic(settings.campus, gate, kind) for kind in messages.KINDS}
        self._turn = Turn(settings.brokers)
        self._backoff = Backoff(settings.reconnect_min, settings.reconnect_max, rng or random.Random())  # noqa: S311
        self._wake = asyncio.Event()
        self._grown = asyncio.Event()
        self._state_due = asyncio.Event()
        self._birth_due = asyncio.Event()
        self._renewed = asyncio.Event()
        self._window = self._new_window()
        self._orders: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(ORDERS_LIMIT)
        self._may_retire = True
        self._last_trouble: dict[Address, str] = {}
        self._heard = 0.0
        self._patience = 2 * settings.ack_timeout

    def notify(self) -> None:
        """The journal has grown. On the loop's thread."""
        self._wake.set()
        self._grown.set()

    def state_changed(self) -> None:
        """The state message is due. On the loop's thread."""
        self._state_due.set()

    def renew(self) -> None:
        """Connect anew, at once, with the files as they are: certificates were replaced. On the loop's thread."""
        self._renewed.set()

    async def run(self) -> NoReturn:
        """Connect, publish and listen until cancelled; lost brokers are tried again, in turn, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            started, broker, lost = loop.time(), self._turn.current, True
            self._renewed.clear()
            try:
                await run_apart(self._session(broker))
            except* _Renewed:
                self._backoff.reset()
                lost = False
            except* (aiomqtt.MqttError, LinkError, StoreError) as group:
                self._report(broker, _first(group))
            except* Exception:  # the gate decides without the campus: a mistake in here must not stop it
                log.exception("link crashed")
            finally:
                self._set_up(broker, up=False)
            if loop.time() - started > STABLE_SECONDS:
                self._backoff.reset()
                self._turn.held()
            if lost:
                self._turn.failed(broker)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.next(another=self._turn.has_untried)):
                    await self._renewed.wait()

    async def _session(self, broker: Address) -> None:
        identifier = f"thermogate-{self._settings.campus}-{self._gate}"
        gone = aiomqtt.Will(self._topics["online"], self._gone(), qos=1, retain=True)
        async with connect(self._settings, broker, identifier, gone) as (client, publisher):
            self._window = self._new_window()
            self._heard = asyncio.get_running_loop().time()
            self._may_retire = True
            self._orders = asyncio.Queue(ORDERS_LIMIT)
            await self._subscribe(client)
            self._birth_due.set()
            self._state_due.set()
            self._grown.set()
            self._set_up(broker, up=True)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client), name="link-listen")
                    tasks.create_task(self._until_renewed(broker), name="link-renewed")
                    tasks.create_task(self._introduce(publisher), name="link-introduce")
                    tasks.create_task(self._pump(publisher), name="link-pump")
                    tasks.create_task(self._hurry(publisher), name="link-hurry")
                    if self._state is not None:
                        tasks.create_task(self._tell_state(publisher, self._state), name="link-state")
                    if self._commands is not None:
                        tasks.create_task(self._obey(publisher, self._commands), name="link-commands")
                    if self._documents is not None:
                        tasks.create_task(self._tell_reported(publisher, self._documents), name="link-documents")
            except asyncio.CancelledError:
                await self._say_goodbye(publisher)
                raise

    async def _until_renewed(self, broker: Address) -> None:
        await self._renewed.wait()
        self._renewed.clear()
        log.info("connecting anew, with other certificates", broker=str(broker))
        raise _Renewed

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        kinds: dict[Kind, object] = {"ack": self._outbox, "cmd": self._commands, "cfg/desired": self._documents}
        for kind in (kind for kind, port in kinds.items() if port is not None):
            for reason in refusals(await client.subscribe(self._topics[kind], qos=self._settings.subscribe_qos)):
                raise LinkError(f"the broker refuses the subscription to {self._topics[kind]}: {reason}")
        if self._peers is not None:
            for reason in refusals(await client.subscribe(self._topics["peers"], qos=self._settings.subscribe_qos)):
                # An earlier broker's list of rights may not have it; the gate works as well without.
                log.warning("the broker refuses the subscription", topic=self._topics["peers"], code=reason)
        end_if_cancelled()

    async def _introduce(self, publisher: Publisher) -> None:
        """Publish the birth message, at the start and whenever the campus seems not to know our marks."""
        if self._introduction is not None:
            await publisher.publish(*self._introduction, retain=True)
        while True:
            await self._birth_due.wait()
            self._birth_due.clear()
            message = birth(self._boot_id, await self._outbox.cursors())
            await publisher.publish(self._topics["online"], messages.encode(message), retain=True)
            await asyncio.sleep(STATE_PAUSE)

    async def _tell_state(self, publisher: Publisher, state: Callable[[], State]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.state_every):
                    await self._state_due.wait()
            self._state_due.clear()
            await publisher.publish(self._topics["state"], messages.encode(state()), retain=True)
            await asyncio.sleep(STATE_PAUSE)

    async def _tell_reported(self, publisher: Publisher, documents: DocumentsPort) -> None:
        while True:
            documents.changed.clear()
            await publisher.publish(self._topics["cfg/reported"], documents.reported(), retain=True)
            await documents.changed.wait()

    async def _pump(self, publisher: Publisher) -> None:
        """Publish what is pending in its order, as far as the window allows; wait for journal, ack or deadline."""
        loop = asyncio.get_running_loop()
        window = self._window
        while True:
            self._wake.clear()
            starts = window.starts
            batch = await self._outbox.pending(window.room, window.last) if window.room else []
            if window.starts != starts:
                continue  # the batch was read behind a place that no longer counts
            if batch:
                window.sent([stored.place for stored in batch], loop.time())
                await publisher.publish_all(self._topics["evt"], self._payloads(batch), back_fill=True)
                self.counters.sent += len(batch)
                self._watch.on_sent(len(batch))
                continue
            await self._wait(window.deadline)
            if window.expire(loop.time()):
                self.counters.starts_over += 1
                log.info("no acknowledgement, sending again", outbox=self._outbox.depth)
                self._doubt(loop.time())

    def _doubt(self, now: float) -> None:
        """Leave a broker behind which nobody is heard, for another one; less and less readily, as the campus may rest.

        The window asks at `ack_timeout`, and again at twice that: so the first doubt comes after both.
        """
        if self._turn.is_several and now - self._heard >= self._patience:
            silent, longest = self._patience, max(self._patience, self._settings.ack_timeout_max)
            self._patience = min(2 * silent, longest)
            raise LinkError(f"nothing was acknowledged by way of this broker for more than {silent:g} s")

    async def _wait(self, deadline: float | None) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _hurry(self, publisher: Publisher) -> None:
        """Publish what is new ahead of its turn while older events wait; at first, the newest of them.

        At most a window's worth: what a burst pushes beyond it comes in its turn.
        """
        sent = Place(0, 0)
        while True:
            await self._grown.wait()
            self._grown.clear()
            newest = self._outbox.newest
            if self._outbox.depth <= publisher.patient:
                continue  # its turn is now
            first = max(0, newest.seq - self._settings.window)
            after = max(first, sent.seq) if sent.epoch == newest.epoch else first
            batch = await self._outbox.pending(self._settings.window, Place(newest.epoch, after))
            if batch:
                await publisher.publish_all(self._topics["evt/live"], self._payloads(batch))
                sent = batch[-1].place
                self.counters.live += len(batch)
                self._watch.on_sent(len(batch))

    def _payloads(self, batch: Sequence[Stored]) -> list[bytes]:
        return [messages.encode(event_message(self._gate, stored)) for stored in batch]

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if str(message.topic) == self._topics["cmd"]:
                self._queue_order(message)
                continue
            if str(message.topic) == self._topics["peers"]:
                self._hear(message)
                continue
            if self._documents is not None and str(message.topic) == self._topics["cfg/desired"]:
                self._documents.offer(_payload(message))
                continue
            try:
                ack = messages.decode(str(message.topic), _payload(message), Ack)
            except MessageError as error:
                self._refuse("malformed", error=str(error))
                continue
            if message.retain:
                self._refuse("retained", seq=ack.seq)
                continue
            await self._take(ack)

    def _hear(self, message: aiomqtt.Message) -> None:
        """Pass on what other gates have seen; what was kept by the broker is old."""
        if self._peers is None or message.retain:
            return
        try:
            self._peers(_payload(message))
        except PeersRefusedError as error:
            self.counters.refused[error.reason] += 1
            self._watch.on_refused(error.reason)
            count = self.counters.refused[error.reason]
            if count & (count - 1) == 0:  # whoever floods the topic must not fill the log
                log.warning("news of other gates refused", reason=error.reason, error=str(error), count=count)

    def _queue_order(self, message: aiomqtt.Message) -> None:
        """Leave an order to its own task: one that waits for the disk must not hold up acknowledgements."""
        try:
            self._orders.put_nowait((_payload(message), bool(message.retain)))
        except asyncio.QueueFull:
            self._refuse("too_many_commands")

    async def _obey(self, publisher: Publisher, commands: CommandPort) -> None:
        """Carry out orders, one after the other."""
        while True:
            payload, retained = await self._orders.get()
            answer = await commands.take(payload, retained=retained)
            # The challenge that was just answered is spent for whoever waits to give the next order.
            self._state_due.set()
            if answer is not None:
                await publisher.publish(self._topics["cmd/reply"], answer)

    async def _take(self, ack: Ack) -> None:
        """Act on an acknowledgement of good form."""
        place = Place(int(ack.epoch, 16), ack.seq)
        outcome = await self._outbox.acknowledge(*place, ack.chain)
        self._heard = asyncio.get_running_loop().time()
        if outcome is AckOutcome.ADVANCED:
            self._window.acknowledged(place, self._heard)
            self._last_trouble.clear()
            self._patience = 2 * self._settings.ack_timeout
        elif outcome is AckOutcome.REPEATED:
            self._window.hint()
        elif outcome is AckOutcome.BEHIND:
            log.warning("the campus has lost events it once acknowledged", epoch=ack.epoch, campus_has=ack.seq)
            self._window.hint()
            self._birth_due.set()
        else:
            self._refuse(outcome.value, epoch=ack.epoch, seq=ack.seq)
            if outcome is not AckOutcome.UNKNOWN_EPOCH:
                await self._retire(place, outcome)
        self._wake.set()

    async def _retire(self, place: Place, outcome: AckOutcome) -> None:
        """The campus knows this epoch otherwise than we do, as after a restored card: go on in another one.

        Once a connection: an acknowledgement may be forged, and each of these writes the outbox again.
        """
        if not self._may_retire:
            return
        self._may_retire = False
        if await self._outbox.retire_epoch(place.epoch, f"campus acknowledged {place.seq}: {outcome.value}"):
            self._window.start_over()
            self._birth_due.set()

    def _refuse(self, reason: str, **details: object) -> None:
        self.counters.refused[reason] += 1
        self._watch.on_refused(reason)
        count = self.counters.refused[reason]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th…: whoever floods the topic must not fill the log
            log.warning("message refused", reason=reason, count=count, **details)

    def _new_window(self) -> SendWindow:
        return SendWindow(self._settings.window, self._settings.ack_timeout, self._settings.ack_timeout_max)

    def _gone(self) -> bytes:
        return messages.encode(Online(online=False, boot_id=self._boot_id))

    async def _say_goodbye(self, publisher: Publisher) -> None:
        """A clean end discards the last will, so say it ourselves."""
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await publisher.publish(self._topics["online"], self._gone(), retain=True)

    def _set_up(self, broker: Address, *, up: bool) -> None:
        if up != self.counters.up:
            self.counters.up = up
            self.counters.broker = str(broker)
            self.counters.connects += up
            self._watch.on_up(up=up, broker=str(broker))
            if up:
                log.info("link up", broker=str(broker), outbox=self._outbox.depth)

    def _report(self, broker: Address, error: BaseException) -> None:
        """A broker that is away for days is worth one line for each reason, not one for each attempt."""
        text = f"{type(error).__name__}: {error}"
        level = log.debug if text == self._last_trouble.get(broker) and not self.counters.up else log.warning
        level("link down", broker=str(broker), error=text, outbox=self._outbox.depth)
        self._last_trouble[broker] = text
        self._watch.on_trouble(f"{broker}: {text}" if self._turn.is_several else text)


def _payload(message: aiomqtt.Message) -> bytes:
    return bytes(message.payload)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error of a group, which stands for it in the log."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
