"""Tells the service manager that the hub answers, how it is, and that its event loop gets round (sd_notify(3))."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from campus.api.health import BrokerState
    from controller.health.notify import Notifier

SHARE: Final = 1 / 3
"""Of the watchdog's patience between two signs of life: one that is late does no harm."""
LONGEST: Final = 5.0
"""Seconds between two looks, so that the status is fresh."""
WORDS: Final[dict[BrokerState, str]] = {
    "connected": "broker connected",
    "away": "broker away",
    "standby": "another hub takes in what gates report",
    "none": "no broker",
}


class Heartbeat:
    """A part of the hub. It runs on the event loop on purpose: a loop that hangs is ended and started anew.

    Args:
        notifier: the service manager.
        answering: where HTTP is answered; done once it is.
        broker: how it stands with it.
    """

    def __init__(self, notifier: Notifier, answering: asyncio.Future[int], broker: Callable[[], BrokerState]) -> None:
        self._notifier = notifier
        self._answering = answering
        self._broker = broker

    async def run(self) -> NoReturn:
        """Tell that it has started, then that it lives, for ever."""
        # Shielded: who waits for the port beside this part is not to be cancelled with it.
        port = await asyncio.shield(self._answering)
        self._notifier.ready(self._status(port))
        patience = self._notifier.watchdog
        every = LONGEST if patience is None else min(LONGEST, SHARE * patience)
        while True:
            self._notifier.alive()
            self._notifier.status(self._status(port))
            await asyncio.sleep(every)

    def _status(self, port: int) -> str:
        return f"answering on port {port}; {WORDS[self._broker()]}"
