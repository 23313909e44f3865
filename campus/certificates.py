"""The hub's own certificates: how long they last, and its HTTPS certificate taken up anew while it answers.

The broker's are read at each connection anyway.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NoReturn

import structlog

from controller.link.certificates import Files, look

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Gauge

    from campus.config import HubConfig
    from controller.link.certificates import Checked, Stamp

EVERY: Final = 10.0
"""Seconds between two looks at whether a file was replaced."""

log = structlog.stdlib.get_logger("hub")


def files_of(config: HubConfig) -> dict[str, Files]:
    """What the hub uses, by the name under which it is told."""
    found = {}
    broker, http = config.broker, config.http
    if broker is not None and (broker.ca is not None or broker.cert is not None):
        found["broker"] = Files("[broker]", broker.ca, broker.cert, broker.key)
    if http.cert is not None:
        found["https"] = Files("[http]", None, http.cert, http.key)
    return found


class Certificates:
    """Looks after them.

    Args:
        files: by name.
        warn_days: days before an end from which on it is told.
        days_left: the metric, labelled by name and what it is.
        renew: told the name of files that were replaced and would do.
    """

    def __init__(
        self, files: dict[str, Files], *, warn_days: float, days_left: Gauge, renew: Callable[[str], None]
    ) -> None:
        self._files, self._warn_days, self._days_left, self._renew = files, warn_days, days_left, renew
        self._used: dict[str, Stamp] = {}
        self._told: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        """By name what is wrong or over soon, in English and Chinese."""

    async def run(self) -> NoReturn:
        """Look until cancelled."""
        while True:
            await self.look(time.time())
            await asyncio.sleep(EVERY)

    async def look(self, now: float) -> None:
        """Look once. `now`: Unix seconds."""
        for name, files in self._files.items():
            stamp, checked = await asyncio.to_thread(self._read, files, now)
            for what, days in checked.days(now).items():
                self._days_left.labels(name, what).set(days)
            told = checked.fault or checked.ends
            if told:
                self.wrong[name] = told
            else:
                self.wrong.pop(name, None)
            if told != self._told.get(name, ""):
                self._told[name] = told
                (log.error if checked.fault else log.warning if told else log.info)("certificate", of=name, text=told)
            if stamp != self._used.setdefault(name, stamp) and not checked.fault:
                self._used[name] = stamp
                log.info("certificate replaced", of=name)
                self._renew(name)

    def _read(self, files: Files, now: float) -> tuple[Stamp, Checked]:
        before = files.stamp
        return before, look(files, now, self._warn_days)
