"""Looks after the link's certificates: says when they end, and takes up new ones without the lane noticing.

Files are replaced one after the other, so that for a moment certificate and key do not match: the connection that there
is stays until what lies there would do for another one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from controller.errors import StoreError
from controller.health.device import Health
from controller.lane.effects import RecordKind
from controller.link.certificates import Checked, Files, look
from controller.observe.log import get_logger
from controller.record.boot import Stamp, stamp
from controller.record.entry import Entry
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.app import App
    from controller.config import Config
    from controller.health.followed import Stated
    from controller.link.certificates import Stamp as FileStamp
    from controller.observe.metrics import Metrics
    from controller.record.journal import Journal
    from hw.clock import Clock

EVERY: Final = 10.0
"""Seconds between two looks."""
APPEND_SECONDS: Final = 30.0
"""How long a record may take: nobody waits for it."""

log = get_logger("certificate")


def files_of(config: Config) -> Files | None:
    """The certificates of a gate's link; None: it has none."""
    tls = None if config.link is None else config.link.tls
    return None if tls is None else Files("[link.tls]", tls.ca, tls.cert, tls.key)


class CertificateWatch:
    """Follows the files of one link, as a service of the app.

    Args:
        files: see there.
        warn_days: days before an end from which on it is told.
        clock: the board's.
        journal: takes what the campus is to hear.
        health: where it shows; None while there is none.
        renew: connects anew, with the files as they are.
        days_left: told the days left of each, by what it is.
        now: reads the board's clocks.
    """

    def __init__(
        self,
        files: Files,
        *,
        warn_days: float,
        clock: Clock,
        journal: Journal,
        health: Callable[[], Stated | None],
        renew: Callable[[], None],
        days_left: Callable[[str, float], None] = lambda _what, _days: None,
        now: Callable[[], Stamp] = stamp,
    ) -> None:
        self._files, self._warn_days = files, warn_days
        self._journal, self._health, self._renew, self._days_left = journal, health, renew, days_left
        self._now = now
        self._executor = ClockExecutor(clock, 1, "certificate")
        self._seen: FileStamp | None = None
        self._checked = Checked()
        self._connected_with: FileStamp | None = None
        """What the connection that there is was made with, as far as that is known."""
        self._told: tuple[str, int | None] = ("", None)

    @property
    def fault(self) -> str:
        """Why the files cannot be used; empty: they can."""
        return self._checked.fault

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)

    def close(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False)

    async def look(self) -> None:
        """Look at the files and at the time, once."""
        now = self._now()
        unix = now.wall if now.clock == "synchronised" else None
        loop = asyncio.get_running_loop()
        seen, checked = await loop.run_in_executor(self._executor, self._read, unix)
        replaced = self._seen is not None and seen != self._seen
        if self._seen is None and unix is not None:
            log.info("certificates", **{f"{what}_days": round(days) for what, days in checked.days(unix).items()})
        self._seen, self._checked = seen, checked
        if self._connected_with is None:
            self._connected_with = seen
        if replaced:
            log.info("files replaced", usable=not checked.fault)
        if seen != self._connected_with and not checked.fault:
            self._connected_with = seen
            self._renew()
        self._show(checked, now.wall if unix is not None else None)
        await self._tell(checked, now)

    def _read(self, unix: float | None) -> tuple[FileStamp, Checked]:
        before = self._files.stamp
        checked = look(self._files, unix, self._warn_days)
        # Replaced while it was read: the next look sees another stamp than this one.
        return before, checked

    def _show(self, checked: Checked, unix: float | None) -> None:
        for what, days in checked.days(unix).items() if unix is not None else ():
            self._days_left(what, days)
        health = self._health()
        if health is None:
            return
        if checked.fault:
            health.become(Health.FAILED, checked.fault)
        elif checked.ends:
            health.become(Health.DEGRADED, checked.ends)
        else:
            health.become(Health.OK, "")

    async def _tell(self, checked: Checked, now: Stamp) -> None:
        """Log and journal what is new: a fault, another of the days at which an end is told, and that all is well."""
        unix = now.wall if now.clock == "synchronised" else None
        step = None if unix is None or checked.unusable else checked.step(unix, self._warn_days)
        told = (checked.fault, step)
        if told == self._told:
            return
        before, self._told = self._told, told
        if checked.fault:
            log.error("certificates not usable", error=checked.fault)
        elif step is not None:
            log.warning("certificate ends", what=checked.ends)
        elif before != ("", None):
            log.info("certificates in order")
        if told == ("", None):
            return
        reason = "certificate_unusable" if checked.unusable else "certificate_expired" if checked.expired else None
        detail: dict[str, str | float] = {"reason": reason or "certificate_expires"}
        if unix is not None and checked.until:
            what, days = min(checked.days(unix).items(), key=lambda pair: pair[1])
            detail |= {"which": what, "days": round(days, 1)}
        entry = Entry(RecordKind.WARNING.value, now.monotonic, now.wall, now.clock, None, None, detail)
        try:
            await self._journal.append(entry, timeout=APPEND_SECONDS)
        except StoreError as error:
            log.warning("the campus does not hear of it", error=str(error))


def certificate_watch(
    config: Config,
    clock: Clock,
    journal: Journal,
    metrics: Metrics,
    *,
    app: Callable[[], App],
    renew: Callable[[], None],
) -> CertificateWatch | None:
    """What looks after the link's certificates, where it has any."""
    files = files_of(config)
    if files is None or config.link is None or config.link.tls is None:
        return None
    return CertificateWatch(
        files,
        warn_days=config.link.tls.warn_days,
        clock=clock,
        journal=journal,
        health=lambda: app().certificate_health,
        renew=renew,
        days_left=lambda what, days: metrics.certificate_days.labels(what).set(days),
    )
