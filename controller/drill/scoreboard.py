"""What the live view and the plain lines show. Kept by the loop's thread, read by the one that draws."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from controller.drill.diary import Sign
from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from controller.drill.diary import VisitLog
    from controller.drill.scenario import Ending, Visit
    from controller.lane.model import Assessment

LINES_KEPT: Final = 12


@dataclass(slots=True)
class Scoreboard:
    """The present state of a rehearsal. Every field is replaced whole, so a reader sees the old or the new one."""

    title: str
    people: int
    say: Callable[[str], None] | None = None
    """Prints a line where there is no live view."""
    temperatures: NDArray[np.float32] | None = None
    """float32[rows, columns], °C; None before the first frame and while the sensor is lost."""
    sign: Sign = field(default_factory=lambda: Sign(Prompt.OUT_OF_SERVICE, None, 0.0))
    lane: str = "boot"
    visit: Visit | None = None
    assessment: Assessment | None = None
    done: int = 0
    as_expected: int = 0
    endings: Counter[Ending] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    """Seconds from foot on the mark to the answer, first looks."""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))

    def begin(self, visit: Visit) -> None:
        """Somebody comes up."""
        self.visit = visit
        self.assessment = None

    def end(self, log: VisitLog) -> None:
        """Somebody is done."""
        self.done += 1
        self.as_expected += log.ending is log.visit.expected
        self.endings = self.endings + Counter({log.ending: 1})
        first = log.tries[0] if log.tries else None
        if first is not None and first.stepped and first.answer is not None:
            self.latencies = [*self.latencies, first.answer.at - first.began]
        self.tell(describe(log))

    def tell(self, line: str) -> None:
        """One more line of what happened."""
        self.lines.append(line)
        if self.say is not None:
            self.say(line)


def describe(log: VisitLog) -> str:
    """One line about a finished visit."""
    mark = "  " if log.ending is log.visit.expected else "! "
    text = f"{mark}{log.visit.number:>3} {log.visit.person} {log.visit.kind.value:<14} {log.ending.value}"
    if reasons := refusals(log):
        text += f" ({', '.join(reasons)})"
    if any(stay.warm_minutes for stay in log.stays):
        minutes = max(stay.warm_minutes or 0.0 for stay in log.stays)
        text += f", came back after {minutes:.0f} min indoors (skipped)"
    if any(push.follower for push in log.pushes):
        text += ", with a tailgater behind"
    return text


def refusals(log: VisitLog) -> list[str]:
    """Why the sign refused, look by look."""
    answers = [attempt.answer for attempt in log.tries]
    return [answer.reason or answer.prompt.value for answer in answers if answer is not None and answer.refuses]
