"""Feeds the watchdogs, the service manager's and the hardware's, for as long as the lane's vital signs are good.

It runs on the event loop on purpose: a loop that hangs feeds nobody. A service of the app.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from controller.observe.log import get_logger
from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from controller.app import App
    from controller.health.notify import Notifier
    from controller.health.vitals import Vitals
    from hw.ports import HardwareWatchdog

SHARE: Final = 1 / 3
"""Of a watchdog's patience between two feedings: one that is late does no harm."""
LONGEST: Final = 1.0
"""Seconds between two looks, so that the status is fresh."""

log = get_logger("watchdog")


def guarding_all(dogs: Sequence[HardwareWatchdog], lanes: int) -> list[HardwareWatchdog]:
    """A board's hardware watchdogs as each of its lanes has them.

    They begin to count once every lane guards, and are fed when every lane has fed since the last time: one lane that
    hangs starves them all.
    """
    pack = _Pack(dogs, lanes)
    return [_Share(pack, number) for number in range(lanes)]


class _Pack:
    """What the lanes of one board have done; all of them on one event loop."""

    def __init__(self, dogs: Sequence[HardwareWatchdog], lanes: int) -> None:
        self._dogs = dogs
        self._lanes = lanes
        self._guarding: set[int] = set()
        self._fed: set[int] = set()

    def open(self, number: int) -> float:
        self._guarding.add(number)
        return min(dog.open() for dog in self._dogs) if self._is_guarded else math.inf

    def feed(self, number: int) -> None:
        self._fed.add(number)
        if self._is_guarded and len(self._fed) == self._lanes:
            self._fed.clear()
            for dog in self._dogs:
                dog.feed()

    def close(self) -> None:
        """The first lane that ends takes the others along."""
        self._guarding.clear()
        for dog in self._dogs:
            dog.close()

    @property
    def _is_guarded(self) -> bool:
        return len(self._guarding) == self._lanes


class _Share:
    """One lane's share in them."""

    def __init__(self, pack: _Pack, number: int) -> None:
        self._pack = pack
        self._number = number

    def open(self) -> float:
        """The shortest wait of them; infinite for as long as a lane does not guard yet."""
        return self._pack.open(self._number)

    def feed(self) -> None:
        """Fed when every lane has done so."""
        self._pack.feed(self._number)

    def close(self) -> None:
        """Let all of them go."""
        self._pack.close()


class Watchdog:
    """Begins when the self-test has ended: until then the start has its own bounds (`Notifier.starting`).

    Args:
        notifier: the service manager.
        vitals: tells what no longer moves.
        app: tells of the lane.
        waiting: how many events the campus does not have.
        hardware: a watchdog that the program itself feeds.
    """

    def __init__(
        self,
        notifier: Notifier,
        vitals: Vitals,
        app: Callable[[], App],
        waiting: Callable[[], int],
        hardware: HardwareWatchdog | None = None,
    ) -> None:
        self._notifier = notifier
        self._vitals = vitals
        self._app = app
        self._waiting = waiting
        self._hardware = hardware
        self._ill: list[str] = []
        self._fed_badly = False

    async def run(self) -> None:
        """Tell of the start, then feed for ever."""
        await self._app().ready.wait()
        self._notifier.ready(self._status())
        bounds = [LONGEST, *self._patience()]
        every = SHARE * min(bounds) if len(bounds) > 1 else LONGEST
        try:
            while True:
                self.look()
                await asyncio.sleep(every)
        finally:
            if self._hardware is not None:
                self._hardware.close()

    def look(self) -> None:
        """Feed, if all is well."""
        ill = self._vitals.ailing()
        if ill != self._ill:
            if ill:
                log.error("watchdog not fed", reasons=ill)
            else:
                log.warning("watchdog fed again", after=self._ill)
            self._ill = ill
        if not ill:
            self._notifier.alive()
            self._feed_hardware()
        self._notifier.status(self._status())

    def _patience(self) -> list[float]:
        """What each watchdog waits, seconds; starts that of the hardware."""
        found = [] if self._notifier.watchdog is None else [self._notifier.watchdog]
        if self._hardware is not None:
            try:
                seconds = self._hardware.open()
            except DeviceError as error:
                # Without it people pass as ever; the self-test calls it wrong.
                log.error("no hardware watchdog", error=str(error))
                self._hardware = None
            else:
                log.info("hardware watchdog", seconds=seconds)
                found.append(seconds)
        return found

    def _feed_hardware(self) -> None:
        if self._hardware is None:
            return
        try:
            self._hardware.feed()
        except DeviceError as error:
            if not self._fed_badly:
                log.error("hardware watchdog not fed", error=str(error))
            self._fed_badly = True
        else:
            self._fed_badly = False

    def _status(self) -> str:
        """One line on everything."""
        app = self._app()
        words = [app.lane.state.value]
        for name, report in app.health.items():
            tries = f", try {report.tries}" if report.tries else ""
            why = f" ({report.reason}{tries})" if report.reason else ""
            words.append(f"{name} {report.health.value}{why}")
        words += [f"ALARM {reason}{' (acknowledged)' if known else ''}" for reason, known in app.lane.alarms.items()]
        words.append(f"{self._waiting()} events for the campus")
        return "; ".join([*(f"HANGS: {ill}" for ill in self._ill), *words])
