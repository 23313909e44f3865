"""What is known about a rehearsal once it is over: the material of the audit and the report. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.drill.diary import VisitLog
    from controller.lane.model import Direction, Verdict
    from controller.record.entry import Stored


@dataclass(frozen=True, slots=True)
class RelayMove:
    """An unlock relay changed its level, as the turnstile saw it."""

    at: float
    """Monotonic seconds of the board's clock."""
    direction: Direction
    active: bool
    grants_on_disk: int
    """Grants that another reader found committed in the journal's file at that very moment."""


@dataclass(frozen=True, slots=True)
class ArmTurn:
    """Somebody passed through the arm, as the turnstile saw it."""

    at: float
    direction: Direction


@dataclass(frozen=True, slots=True)
class Reading:
    """The first screening of a living person whose true face temperature is known."""

    visit: int
    surface: float
    """True temperature of the warmest part of the face, °C."""
    verdict: Verdict
    predicted: Mapping[Verdict, float]
    """Probability of each verdict for that temperature and the sensor's noise; sums to 1."""


@dataclass(frozen=True, slots=True)
class Latency:
    """One visit's way from foot on the mark to relay, in seconds of the board's clock."""

    visit: int
    seen: float
    """Foot on the mark until the lane knows that somebody stands there."""
    evidence: float
    """From there until perception has its finding."""
    decision: float
    """From the finding until the lane's decision is ready to be recorded."""
    commit: float
    """Until the grant is on disk and the relay moves."""

    @property
    def total(self) -> float:
        """Foot on the mark to relay."""
        return self.seen + self.evidence + self.decision + self.commit


@dataclass(frozen=True, slots=True)
class Evidence:
    """A rehearsal's traces. Those of the gate and those of the director are independent of each other."""

    visits: tuple[VisitLog, ...]
    """The director's diary."""
    relay: tuple[RelayMove, ...]
    arm: tuple[ArmTurn, ...]
    journal: tuple[Stored, ...]
    """Rows read back from the journal's file after the end, in its order."""
    reported: tuple[Stored, ...]
    """Rows that the lane's steps said were on disk, in their order."""
    unwritten: int
    """Records that the lane asked for in steps and that were not reported as on disk."""
    readings: tuple[Reading, ...]
    refused_twice: Mapping[int, float]
    """By visit: predicted chance that both looks at this person, indoors, give a reading that denies."""
    latencies: tuple[Latency, ...]
    complete: bool
    """False: interrupted; what did not happen any more proves nothing."""
