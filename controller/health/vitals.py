"""What has to move for a lane to be alive, and for how long each may stand still; else the watchdog starves.

Only what a restart can cure is a vital sign: a call that never returns, a loop that no longer gets round. A device that
is lost is none, as `App` opens it again and the lane has a mode for it; nor is a disk that fails at once, or a campus
that is away. Where policy says to go on without the disk, not even one that hangs: a restart would open it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.app import App
    from controller.observe.lateness import LatenessMonitor
    from hw.executor import ClockExecutor

CAPTURE_HANGS: Final = 10.0
"""Seconds beyond `CaptureLimits.hang_after` at which a thread should long have been left behind."""
PERCEPTION_HANGS: Final = 10.0
"""Seconds of one look; on a Pi 3 the slowest takes less than one, the first one of all three."""
CARDS_HANG: Final = 30.0
JOURNAL_HANGS: Final = 45.0
"""Seconds of one job; an SD card's fsync can take several, and a query has 30."""
STEP_HANGS: Final = 10.0
"""Seconds of one step of the lane, beside its records, each of which may take `append_timeout`."""
RECORDS: Final = 8
"""Most records of a step, those of a failed one among them."""
LATE: Final = 0.5
"""Seconds of lateness; when all of the last ten seconds were later than that, the loop no longer gets round."""


class Vitals:
    """Looks at a running lane.

    Args:
        app: tells of the lane, once it is there.
        lateness: of the loop.
        journal: the thread that writes it; None: a journal that hangs is lived with.
    """

    def __init__(self, app: Callable[[], App], lateness: LatenessMonitor, journal: ClockExecutor | None) -> None:
        self._app = app
        self._lateness = lateness
        self._journal = journal

    def ailing(self) -> list[str]:
        """What no longer moves, in words that stay the same while it does not; empty while all is well."""
        return [*self._threads(), *self._loop()]

    def _threads(self) -> list[str]:
        app = self._app()
        found = [
            f"the {capture.name}'s thread hangs and was not replaced"
            for capture in app.captures
            if capture.silent_for > capture.limits.hang_after + CAPTURE_HANGS
        ]
        jobs = [("perception", app.eyes.busy_for, PERCEPTION_HANGS)]
        if app.desk is not None:
            jobs.append(("the look-up of cards", app.desk.busy_for, CARDS_HANG))
        if self._journal is not None:
            jobs.append(("the journal's writer", self._journal.busy_for, JOURNAL_HANGS))
        return [*found, *(f"{name} has hung for over {limit:g} s" for name, busy, limit in jobs if busy > limit)]

    def _loop(self) -> list[str]:
        app = self._app()
        found = []
        bound = STEP_HANGS + RECORDS * app.config.store.append_timeout
        if app.runner.busy_for > bound:
            found.append(f"a step of the lane takes over {bound:g} s")
        if self._lateness.least_of_late > LATE:
            found.append(f"the event loop has been over {LATE:g} s late for ten seconds")
        return found
