"""What the director writes down: when somebody stood where, what the sign said, and whether the arm gave way.

Only what a person standing at the gate could see. The audit lays it beside the journal, the relay's log and the steps.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controller.lane.effects import Prompt
from controller.lane.model import DenyReason

if TYPE_CHECKING:
    from controller.drill.scenario import Ending, Visit

_REFUSALS: Final = frozenset(
    {
        Prompt.DENIED,
        Prompt.SEE_DOCTOR,
        Prompt.SEE_GUARD,
        Prompt.ASK_GUARD,
        Prompt.WARM_UP,
        Prompt.COOL_DOWN,
        Prompt.UNCOVER,
        Prompt.ONE_AT_A_TIME,
    }
)
_OUT_OF_ORDER: Final = frozenset(
    {
        DenyReason.LANE_FAULT.value,
        DenyReason.MAINTENANCE.value,
        DenyReason.LOCKDOWN.value,
        DenyReason.JOURNAL_FAILED.value,
    }
)
_GO_ON: Final = frozenset({DenyReason.RECHECK_TEMPERATURE.value})
"""Another look follows by itself: no answer yet."""
_ALL_REASONS: Final = frozenset(reason.value for reason in DenyReason)


@dataclass(frozen=True, slots=True)
class Sign:
    """What the sign before the passer-by shows, from a moment on."""

    prompt: Prompt
    reason: str | None
    at: float
    """Monotonic seconds of the board's clock."""

    @property
    def admits(self) -> bool:
        """It says that the way is free for this person."""
        return self.prompt is Prompt.PASS

    @property
    def refuses(self) -> bool:
        """It says no to this person; being out of service says no to everybody and is no answer."""
        if self.reason in _OUT_OF_ORDER or self.prompt is Prompt.OUT_OF_SERVICE:
            return False
        reason = None if self.reason is None else self.reason.partition("/")[0]
        return self.prompt in _REFUSALS or reason in _ALL_REASONS - _GO_ON

    @property
    def invites(self) -> bool:
        """It waits for somebody to step up."""
        return self.prompt is Prompt.IDLE


@dataclass(frozen=True, slots=True)
class Try:
    """One look at one person, and the sign's answer."""

    number: int
    """From 1 within the visit."""
    began: float
    """Monotonic seconds: foot on the mark; for a second try without leaving it, when the first answer was shown."""
    stepped: bool
    """Whether this try began with a foot on the mark, so that its latency is one."""
    answer: Sign | None
    """None: the sign gave no answer for as long as a person would wait."""


class Arm(enum.Enum):
    """What the arm does when somebody leans on it."""

    GIVES_WAY = "gives way"
    LOCKED = "locked"
    OCCUPIED = "occupied"
    """Somebody else is in it."""


@dataclass(frozen=True, slots=True)
class Push:
    """Somebody leaned on the arm."""

    at: float
    outward: bool
    felt: Arm
    follower: bool = False
    """A tailgater behind somebody who was let in."""

    @property
    def gave_way(self) -> bool:
        """Whether they got through."""
        return self.felt is Arm.GIVES_WAY


@dataclass(frozen=True, slots=True)
class Stay:
    """A stretch of time with one person on the mark."""

    begin: float
    end: float
    warm_minutes: float | None
    """Minutes indoors of somebody from the cold; None for everybody else."""


@dataclass(frozen=True, slots=True)
class Outage:
    """The thermal sensor was off its bus. Monotonic seconds."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class VisitLog:
    """One visit as it went."""

    visit: Visit
    ending: Ending
    stays: tuple[Stay, ...]
    tries: tuple[Try, ...]
    pushes: tuple[Push, ...]
    outage: Outage | None
    begin: float
    """Monotonic seconds when this person's turn began; turns follow each other without overlap."""
    end: float

    def on_mark(self, at: float) -> bool:
        """Whether this person stood on the mark at `at`."""
        return any(stay.begin <= at <= stay.end for stay in self.stays)
