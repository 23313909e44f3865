"""When an event happened, though its gate may not have known the time: the one answer that everybody is given.

A board has no clock of its own at power-on. It stamps each event with the boot it counts from and the seconds since;
one later event or state of the same boot with a clock that was right dates them all. So an event is dated when it
arrives, by what is known of its boot then, and once more if nothing was: when its boot's first such moment comes. What
was found is written beside the event, and nobody works it out anew: REST, the change feed, webhooks and the SQL views
tell the same (docs/integration.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOCK_ERROR = 1.0
"""Seconds that a clock which its kernel calls synchronised is trusted to be within."""
DRIFT = 500e-6
"""Seconds a second by which the count since boot may be off: a board's crystal is better, and the kernel's discipline
corrects the rate by no more (MAXFREQ in include/linux/timex.h)."""
AHEAD = 86_400.0
"""Seconds by which a gate's clock may be ahead of the hub's before it is not believed."""

Source = Literal["clock", "estimated", "unknown"]


class Moment(NamedTuple):
    """When an event happened."""

    time: float
    """Unix seconds; while nobody knows, those of the event's arrival."""
    error: float | None
    """Seconds by which that may be off at most; None: nobody knows."""
    source: Source
    """`clock`: the gate's, which was right; `estimated`: from another moment of the same boot."""

    @property
    def dated(self) -> bool:
        """Whether the gate told when, by its clock then or later."""
        return self.source != "unknown"

    @property
    def columns(self) -> dict[str, float | None]:
        """As it stands beside an event: nothing where the gate's own time counts."""
        if self.source == "clock":
            return {"happened": None, "happened_error": None}
        return {"happened": self.time, "happened_error": self.error}


class Anchor(NamedTuple):
    """A moment of a boot at which the gate knew the time."""

    monotonic: float
    """Seconds since that boot."""
    time: float
    """Unix seconds then."""


def is_right(time: float, clock: str, received: float) -> bool:
    """Whether a gate's time is believed: its clock was synchronised, and what it says can be."""
    return clock == "synchronised" and 0 < time < received + AHEAD


def moment(time: float, clock: str, monotonic: float, anchors: Iterable[Anchor], *, received: float) -> Moment:
    """Date an event.

    Args:
        time: Unix seconds by the gate's clock.
        clock: what the gate knew of that.
        monotonic: seconds since its boot.
        anchors: moments of the same boot; empty: there is none yet.
        received: Unix seconds when it arrived.
    """
    if is_right(time, clock, received):
        return Moment(time, CLOCK_ERROR, "clock")
    nearest = min(anchors, key=lambda anchor: abs(anchor.monotonic - monotonic), default=None)
    if nearest is None:
        return Moment(received, None, "unknown")
    passed = monotonic - nearest.monotonic
    return Moment(nearest.time + passed, CLOCK_ERROR + DRIFT * abs(passed), "estimated")


def estimate(monotonic: sa.ColumnElement[float], anchor: Anchor) -> dict[str, sa.ColumnElement[float]]:
    """The same by the database, for events of whose boot nothing was known: their columns."""
    passed = monotonic - anchor.monotonic
    return {"happened": anchor.time + passed, "happened_error": CLOCK_ERROR + DRIFT * sa.func.abs(passed)}


def moment_of(row: sa.Row[*tuple[Any, ...]]) -> Moment:
    """When an event happened, by a row that has the columns `campus.tables.dates`."""
    if row.happened is None:
        return Moment(row.time, CLOCK_ERROR, "clock")
    return Moment(row.happened, row.happened_error, "unknown" if row.happened_error is None else "estimated")
