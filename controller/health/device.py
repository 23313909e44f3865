"""The health of one device as a state machine: how it is, when to open it again, and when to cut its supply.

Pure: no clock, no thread, no I/O; `now` comes in with each event, and the jitter's dice are passed in.

    OK ⇄ DEGRADED            it delivers; many bad frames, or far fewer than it should
    OK, DEGRADED → LOST      no good frame for a while, an error, or its driver hangs
    LOST → RECOVERING        it could be opened again; some good frames in a row make it OK
    LOST → FAILED            opened again and again in vain: somebody has to look. It is tried all the same, for ever
    FAILED → RECOVERING      a good frame came after all
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

REASON_LENGTH: Final = 200
"""Characters of a reason that are kept: what a driver says may hold a whole dump."""


class Health(enum.Enum):
    """How a device is. The value is the stable name in metrics and on the wire."""

    OK = "ok"
    DEGRADED = "degraded"
    LOST = "lost"
    RECOVERING = "recovering"
    FAILED = "failed"

    @property
    def usable(self) -> bool:
        """Whether the lane may rely on it."""
        return self in (Health.OK, Health.DEGRADED)


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """When a device counts as what, and how it is tried again. Seconds unless said."""

    lost_after: float = 1.0
    """Without a good frame for this long it is lost."""
    first_pause: float = 0.25
    longest_pause: float = 5.0
    """Pauses between two tries double up to here."""
    jitter: float = 0.2
    """Part of a pause that chance may take off, so that two devices on one hub do not fall into step."""
    steady_frames: int = 3
    """Good frames in a row that end a loss."""
    settled_after: float = 30.0
    """Good for this long, and the tries before are forgotten: a device that flaps is not tried faster for it."""
    failed_after: int = 10
    """Tries in vain after which it counts as failed."""
    power_after: int = 3
    """Its supply is cut at each so-manieth try in vain, where it can be."""
    unit: str = "frames"
    """What it is judged by, for its reason."""
    window: int = 64
    """Frames over which it is judged."""
    degraded_share: float = 0.25
    """Share of bad frames from which it is degraded, and half of which ends that."""
    slow_share: float = 0.4
    """Part of the frames it promised below which it is degraded; a camera halves its rate in the dark by itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one device is, and why."""

    health: Health
    reason: str
    """In words; empty while it is OK."""
    since: float
    """Monotonic seconds of the last change of `health`."""
    tries: int
    """Times it was opened in vain since it last was well."""
    power_cycles: int
    """Times its supply was cut since the program began."""


@dataclass(frozen=True, slots=True)
class Retry:
    """What to do after a failure."""

    pause: float
    """Seconds to wait before it is opened again."""
    power_cycle: bool
    """Cut its supply before."""


class DeviceHealth:
    """Follows one device; one caller at a time.

    Args:
        now: monotonic seconds at which it is opened for the first time.
        random: the jitter's.
        limits: see there.
        can_cycle: its supply can be cut.
    """

    def __init__(
        self, now: float, random: random.Random, limits: HealthLimits | None = None, *, can_cycle: bool = False
    ) -> None:
        self.limits = limits or HealthLimits()
        self.promised: float | None = None
        """Frames a second it should deliver; None: it does not say."""
        self._random = random
        self._can_cycle = can_cycle
        self._health = Health.RECOVERING
        self._reason = "starting"
        self._since = now
        self._tries = 0
        self._power_cycles = 0
        self._run = 0
        self._flaw = ""
        self._last_good = now
        self._well_since = now
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=self.limits.window)

    @property
    def report(self) -> Report:
        """How it is now."""
        return Report(self._health, self._reason, self._since, self._tries, self._power_cycles)

    @property
    def two_frames(self) -> float:
        """Seconds that two frames take at the rate it promised; 0 where it promised none."""
        return 0.0 if self.promised is None else 2.0 / self.promised

    def opened(self, now: float) -> None:
        """It could be opened: that alone makes nothing good."""
        self._last_good = now
        self._run = 0
        self._outcomes.clear()
        if self._health is Health.LOST:
            self._become(Health.RECOVERING, self._reason, now)

    def good(self, now: float) -> None:
        """A good frame came."""
        self._last_good = now
        self._outcomes.append((now, True))
        self._run += 1
        if not self._health.usable:
            if self._run >= self.limits.steady_frames:
                self._well_since = now
                self._become(Health.OK, "", now)
            elif self._health is not Health.RECOVERING:
                self._become(Health.RECOVERING, self._reason, now)
            return
        if self._tries and now - self._well_since >= self.limits.settled_after:
            self._tries = 0
        self._judge(now)

    def waits(self, now: float) -> None:
        """It works, and has nothing to give for a moment: a closed shutter is no loss."""
        self._last_good = now

    def bad(self, now: float, reason: str) -> bool:
        """A bad frame came; True when the last good one is so long ago that the device is to be opened again."""
        self._outcomes.append((now, False))
        self._run, self._flaw = 0, reason
        if self._health.usable:
            self._judge(now)
        return now - self._last_good > max(self.limits.lost_after, self.two_frames)

    def failed(self, now: float, reason: str) -> Retry:
        """It could not be opened, was lost, or hangs."""
        self._tries += 1
        self._run = 0
        health = Health.FAILED if self._tries >= self.limits.failed_after else Health.LOST
        self._become(health, shortened(reason), now)
        cycle = self._can_cycle and self._tries % self.limits.power_after == 0
        self._power_cycles += cycle
        return Retry(self._pause(), cycle)

    def _pause(self) -> float:
        limits = self.limits
        # Beyond 2**60 there is nothing to double, and a float would overflow in a century of tries.
        full = min(limits.longest_pause, limits.first_pause * 2.0 ** min(self._tries - 1, 60))
        return full * (1.0 - limits.jitter * self._random.random())

    def _judge(self, now: float) -> None:
        """OK or DEGRADED, by the latest frames; with a gap between both, so that it does not flutter."""
        if len(self._outcomes) < self.limits.window // 2:
            return
        bad = sum(not good for _, good in self._outcomes) / len(self._outcomes)
        slow = self._slow()
        limit = self.limits.degraded_share * (0.5 if self._health is Health.DEGRADED else 1.0)
        if bad > limit:
            self._become(Health.DEGRADED, shortened(f"{bad:.0%} of its {self.limits.unit} are bad: {self._flaw}"), now)
        elif slow is not None:
            self._become(Health.DEGRADED, f"{slow:.1f} of {self.promised:g} frames a second", now)
        else:
            self._become(Health.OK, "", now)

    def _slow(self) -> float | None:
        """Frames a second, good or bad, where they are far fewer than promised; None where not."""
        seconds = self._outcomes[-1][0] - self._outcomes[0][0]
        if self.promised is None or seconds <= 0:
            return None
        rate = (len(self._outcomes) - 1) / seconds
        share = self.limits.slow_share * (1.25 if self._health is Health.DEGRADED else 1.0)
        return rate if rate < share * self.promised else None

    def _become(self, health: Health, reason: str, now: float) -> None:
        if health is not self._health:
            self._health, self._since, self._reason = health, now, reason
        elif not health.usable:
            self._reason = reason


def shortened(reason: str) -> str:
    """A reason on one line, no longer than is kept of one."""
    plain = " ".join(reason.split())
    return plain if len(plain) <= REASON_LENGTH else f"{plain[: REASON_LENGTH - 1]}…"
