"""What the steps of a calibration share: the configuration, the sensors, the guide, and what they end in."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from controller.calibrate.canvas import save
from controller.calibrate.dialogue import REFUSED, Answer
from controller.calibrate.refusal import CalibrationError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from controller.calibrate.dialogue import Guide, Helper
    from controller.calibrate.looking import Eyes
    from controller.calibrate.rewrite import Change
    from controller.config import Config
    from controller.prompts import Text

T = TypeVar("T")

ATTEMPTS: Final = 5
"""How often one thing is tried to be seen before it is skipped."""
AGAIN: Final = frozenset(
    {
        Refusal.NO_TARGET,
        Refusal.TWO_CANDIDATES,
        Refusal.UNSTEADY,
        Refusal.CUT_OFF,
        Refusal.TOO_SMALL,
        Refusal.SENSOR,
    }
)
"""What the person at the gate can mend at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One calibration on one gate."""

    config: Config
    eyes: Eyes
    guide: Guide
    helper: Helper
    seconds: float
    """How long the thermal sensor looks each time."""
    picture: Path
    """Where what was seen is drawn to, a PNG file."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a step measured."""

    changes: tuple[Change, ...]
    lines: tuple[str, ...]
    """The figures, for the terminal."""
    image: NDArray[np.uint8] | None
    """What was seen, BGR; None where there is nothing to draw."""
    caution: Text | None = None
    """What to think of before it is written."""


def seen(session: Session, text: Text, look: Callable[[int], T]) -> T | Answer:
    """Let something be set up and look at it; again while it can't be seen. SKIP or FINISH when the guide says so.

    `look` is given the number of the attempt, from 0.
    """
    for attempt in range(ATTEMPTS):
        answer = session.guide.ready(text)
        if answer is not Answer.READY:
            return answer
        try:
            return look(attempt)
        except CalibrationError as error:
            if error.refusal not in AGAIN:
                raise
            session.guide.say(f"  {REFUSED[error.refusal]}\n  {error}")
    return Answer.SKIP


@contextmanager
def drawn_anyway(session: Session, draw: Callable[[], NDArray[np.uint8]]) -> Iterator[None]:
    """Draw what was seen even if it is refused: the picture is what tells why."""
    try:
        yield
    except CalibrationError:
        save(session.picture, draw())
        session.guide.say(f"drawn: {session.picture}")
        raise


def today() -> str:
    """The date for a remark in gate.toml, as ISO 8601."""
    return dt.datetime.now(tz=dt.UTC).astimezone().date().isoformat()
