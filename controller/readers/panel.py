"""From the lane to another controller: whoever is let in here, it is told the number it knows them by.

A number goes out once the grant is on disk, and only while the grant is young: a panel that moves a lock of its own
must not do so for somebody who has been and gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from controller.lane.effects import RecordKind
from controller.lane.model import Direction
from controller.observe.log import get_logger
from controller.watch import Watch
from hw.errors import DeviceError, PulseError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from controller.watch import Step
    from hw.clock import Clock
    from hw.ports import CredentialSender

FRESH: Final = 2.0
"""Seconds after a grant in which its number may still go out."""
AGAIN: Final = 5.0
"""Seconds between attempts to have the wires."""
WAITING: Final = 4

log = get_logger("panel")


class PanelDesk(Watch):
    """Sends the number of everybody who is granted entry; a watch and a service of the app.

    Args:
        sender: closed wires.
        number_for: a person's number, as the panel knows it; None where it does not know them.
        clock: the board's.
        executor: one worker, for the wires.
        tell: told when the wires come (what they are) and go (why), as `Watch.on_device` is.
    """

    def __init__(
        self,
        sender: CredentialSender,
        number_for: Callable[[str], str | None],
        *,
        clock: Clock,
        executor: Executor,
        tell: Callable[[bool, str], None] = lambda _up, _text: None,
    ) -> None:
        self._sender = sender
        self._number_for = number_for
        self._clock = clock
        self._executor = executor
        self._tell = tell
        self._queue: asyncio.Queue[tuple[str, float]] = asyncio.Queue(WAITING)
        self.sent = 0
        self.unsent = 0
        """Grants that the panel was not told of, for whatever reason."""

    def on_step(self, step: Step) -> None:
        """Queue whoever was let in."""
        for stored in step.stored:
            entry = stored.entry
            if entry.kind != RecordKind.GRANT.value or entry.detail.get("direction") != Direction.ENTRY.value:
                continue
            if entry.person is None:
                continue  # let in by the guard, who is no number
            if self._queue.full():
                self._not_sent(entry.person, "the wires are busy")
            else:
                self._queue.put_nowait((entry.person, step.ended))

    async def run(self) -> None:
        """Have the wires, again and again where they can't be had, and send for ever."""
        while True:
            await self._open()
            try:
                while True:
                    await self._send(*await self._queue.get())
            except DeviceError as error:
                self._say(str(error), up=False)
                self._sender.close()
                await asyncio.sleep(AGAIN)

    def close(self) -> None:
        """Let the wires go, and take no more work."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._sender.close()

    async def _open(self) -> None:
        loop, complained = asyncio.get_running_loop(), False
        while True:
            try:
                text = await loop.run_in_executor(self._executor, self._sender.open)
            except DeviceError as error:
                if not complained:
                    self._say(str(error), up=False)
                complained = True
                await asyncio.sleep(AGAIN)
                continue
            self._say(text, up=True)
            return

    async def _send(self, person: str, granted: float) -> None:
        number = self._number_for(person)
        if number is None:
            self._not_sent(person, "has no panel number: `thermogate credential add PERSON panel` gives one")
            return
        if self._clock.monotonic() - granted > FRESH:
            self._not_sent(person, "the grant is too old")
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._sender.send, number)
        except (PulseError, ValueError) as error:
            self._not_sent(person, str(error))
        except DeviceError:
            self._not_sent(person, "the wires are gone")
            raise
        else:
            self.sent += 1

    def _not_sent(self, person: str, why: str) -> None:
        self.unsent += 1
        log.error("panel not told", person=person, text=why)

    def _say(self, text: str, *, up: bool) -> None:
        (log.info if up else log.error)("panel", up=up, text=text)
        self._tell(up, text)
