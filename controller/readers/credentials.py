"""From a reader to the lane: whose card, code or PIN it is. Numbers end here; the lane and the journal see a person.

PINs are guessed more easily than cards, so wrong ones are counted: by the number they are entered after, and all
together, so that nobody tries one PIN with every number.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from controller.lane import events as ev
from controller.lane.model import CredentialKind
from controller.observe.log import get_logger
from hw.errors import DeviceError
from hw.ports import ReadKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.gallery.credentials import CredentialBook
    from controller.gallery.index import GalleryIndex
    from controller.health.followed import Followed
    from controller.watch import Watch
    from hw.clock import Clock
    from hw.executor import ClockExecutor
    from hw.ports import CredentialRead, CredentialReader, ReaderState

REPEAT: Final = 1.0
"""Seconds in which the same credential again is the reader's stammer or a card that is held, not a second try."""
WAITING: Final = 8
"""Reads that may wait; a reader gone mad must not fill the memory."""
_KINDS: Final = {
    ReadKind.CARD: CredentialKind.CARD,
    ReadKind.QR: CredentialKind.QR,
    ReadKind.PIN: CredentialKind.PIN,
    ReadKind.PLATE: CredentialKind.PLATE,
}

log = get_logger("credentials")


class PinGuard:
    """Wrong PINs in a row lock what they were entered after, and too many of all numbers lock every PIN.

    Args:
        tries: wrong PINs after which a number is locked.
        locked: seconds for which it is.
        all_tries: wrong PINs of all numbers, within `locked`, after which none is taken.
    """

    NUMBERS: Final = 1000
    """Numbers that are remembered."""

    def __init__(self, tries: int = 5, locked: float = 300.0, all_tries: int = 30) -> None:
        self._tries, self._locked, self._all_tries = tries, locked, all_tries
        self._wrong: dict[str, tuple[int, float]] = {}
        self._all: deque[float] = deque(maxlen=all_tries)

    def blocks(self, number: str, now: float) -> bool:
        """Whether a PIN after this number is not even looked at, at `now` (monotonic seconds)."""
        if len(self._all) == self._all_tries and now - self._all[0] < self._locked:
            return True
        count, last = self._wrong.get(number, (0, 0.0))
        if count and now - last >= self._locked:
            del self._wrong[number]
            return False
        return count >= self._tries

    def wrong(self, number: str, now: float) -> None:
        """Count a wrong PIN."""
        self._all.append(now)
        count, _ = self._wrong.pop(number, (0, 0.0))
        self._wrong[number] = (count + 1, now)
        if len(self._wrong) > self.NUMBERS:
            del self._wrong[next(iter(self._wrong))]

    def right(self, number: str) -> None:
        """Forget the wrong ones."""
        self._wrong.pop(number, None)


class CredentialDesk:
    """Looks up what a reader reads.

    Args:
        reader: a closed reader.
        book: who is known by what.
        gallery: who is enrolled.
        clock: the board's.
        executor: one worker, for PINs, whose check takes a tenth of a second on purpose.
        post: gives the lane an event, on the loop's thread.
        health: follows the reader.
        watches: told of the reader.
        guard: of PINs.
        repeat: seconds in which the same credential again is the same presentation, counted from when it was last seen.
    """

    def __init__(
        self,
        reader: CredentialReader,
        book: CredentialBook,
        gallery: GalleryIndex,
        *,
        clock: Clock,
        executor: ClockExecutor,
        post: Callable[[ev.LaneEvent], None],
        health: Followed,
        watches: tuple[Watch, ...] = (),
        guard: PinGuard | None = None,
        repeat: float = REPEAT,
    ) -> None:
        self._reader = reader
        self._book = book
        self._gallery = gallery
        self._clock = clock
        self._executor = executor
        self._post = post
        self._health = health
        self._watches = watches
        self._guard = guard or PinGuard()
        self._repeat = repeat
        self._queue: asyncio.Queue[CredentialRead] = asyncio.Queue(WAITING)
        self._last: tuple[ReadKind, str, float] | None = None
        self.dropped = 0
        """Reads that came faster than they could be looked up."""

    async def run(self) -> None:
        """Open the reader, again and again where it is not there, and look up what it reads, for ever."""
        await self._open(asyncio.get_running_loop())
        while True:
            await self._present(await self._queue.get())

    @property
    def busy_for(self) -> float:
        """Seconds that the look-up under way has taken; 0 when there is none."""
        return self._executor.busy_for

    def close(self) -> None:
        """Close the reader, and take no more work."""
        self._reader.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        def on_read(read: CredentialRead) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._take, read)

        def on_state(state: ReaderState) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._take_state, state)

        complained = False
        while True:
            try:
                text = self._reader.open(on_read, on_state)
            except DeviceError as error:
                retry = self._health.fails(str(error))
                if not complained:
                    self._tell(str(error), up=False)
                complained = True
                await asyncio.sleep(retry.pause)
                continue
            self._health.works()
            self._tell(text, up=True)
            return

    def _tell(self, text: str, *, up: bool) -> None:
        (log.info if up else log.error)("reader", up=up, text=text)
        for watch in self._watches:
            watch.on_device("reader", up=up, text=text)

    def _take_state(self, state: ReaderState) -> None:
        if state.up:
            self._health.works()
        else:
            self._health.fails(state.text)
        self._tell(state.text, up=state.up)
        if state.tampered is not None:
            self._post(ev.Tamper(now=self._clock.monotonic(), active=state.tampered))

    def _take(self, read: CredentialRead) -> None:
        self._health.works()
        last, self._last = self._last, (read.kind, read.value, read.timestamp)
        if last is not None and last[:2] == self._last[:2] and read.timestamp - last[2] < self._repeat:
            return
        if self._queue.full():
            self.dropped += 1
            return
        self._queue.put_nowait(read)

    async def _present(self, read: CredentialRead) -> None:
        kind = _KINDS[read.kind]
        number = read.value.partition("*")[0]
        if kind is CredentialKind.PIN and self._guard.blocks(number, self._clock.monotonic()):
            self._post(ev.Presented(now=self._clock.monotonic(), credential=kind, person=None, locked=True))
            return
        loop = asyncio.get_running_loop()
        person = await loop.run_in_executor(self._executor, self._book.find, kind.value, read.value)
        now = self._clock.monotonic()
        if kind is CredentialKind.PIN:
            if person is None:
                self._guard.wrong(number, now)
            else:
                self._guard.right(number)
        owner = None if person is None else self._gallery.person(person)
        if owner is None:
            self._post(ev.Presented(now=now, credential=kind, person=None))
            return
        self._post(
            ev.Presented(
                now=now,
                credential=kind,
                person=person,
                second_factor=owner.second_factor,
                no_face=owner.no_face,
            )
        )
