"""The health of what gives no frames: the card reader, the journal's disk, the link to the campus, its certificates.

The machine is the sensor's and the camera's (`controller.health.device`), fed with successes and failures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from controller.health.device import DeviceHealth, Health, HealthLimits, Report, shortened

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from controller.health.device import Retry
    from hw.clock import Clock

LIMITS: Final = HealthLimits(steady_frames=1, unit="jobs")
"""One success is what it takes: there may be none for hours."""


class Followed:
    """Follows one of them, on the loop's thread.

    Args:
        name: in metrics, on the wire and in the log.
        clock: the board's.
        random: the jitter's.
        tell: told of each change of health.
    """

    def __init__(self, name: str, clock: Clock, random: Random, tell: Callable[[str, Report], None]) -> None:
        self._name = name
        self._clock = clock
        self._health = DeviceHealth(clock.monotonic(), random, LIMITS)
        self._tell = tell
        self._told = self._health.report

    @property
    def report(self) -> Report:
        """How it is now."""
        return self._health.report

    def works(self) -> None:
        """It did what it was asked to."""
        self._health.good(self._clock.monotonic())
        self._look()

    def strains(self, reason: str) -> None:
        """It did, and badly: after many of those it is degraded."""
        self._health.bad(self._clock.monotonic(), reason)
        self._look()

    def fails(self, reason: str) -> Retry:
        """It did not; returns when to try again."""
        retry = self._health.failed(self._clock.monotonic(), reason)
        self._look()
        return retry

    def _look(self) -> None:
        report = self._health.report
        if (report.health, report.reason) != (self._told.health, self._told.reason):
            self._told = report
            self._tell(self._name, report)


class Stated:
    """One that is not tried, but judged by somebody else: its health is what they say. On the loop's thread.

    Args: as `Followed`.
    """

    def __init__(self, name: str, clock: Clock, tell: Callable[[str, Report], None]) -> None:
        self._name, self._clock, self._tell = name, clock, tell
        self.report = Report(Health.OK, "", clock.monotonic(), 0, 0)
        """How it is now."""

    def become(self, health: Health, reason: str) -> None:
        """It is so from now on."""
        before, reason = self.report, shortened(reason)
        if (health, reason) == (before.health, before.reason):
            return
        since = before.since if health is before.health else self._clock.monotonic()
        self.report = Report(health, reason, since, 0, 0)
        self._tell(self._name, self.report)
