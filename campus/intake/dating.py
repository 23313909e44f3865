"""When an event happened, though its gate may not have known the time.

A board has no clock of its own at power-on. It stamps each event with the boot it counts from and the seconds since;
one later event or state of the same boot with a clock that was right dates them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import sqlalchemy as sa

CLOCK_ERROR = 1.0
"""Seconds that a clock which its kernel calls synchronised is trusted to be within."""
DRIFT = 500e-6
"""Seconds a second by which the count since boot may be off: a board's crystal is better, and the kernel's discipline
corrects the rate by no more (MAXFREQ in include/linux/timex.h)."""

Source = Literal["clock", "estimated", "unknown"]


class Moment(NamedTuple):
    """When an event happened."""

    time: float
    """Unix seconds."""
    error: float | None
    """Seconds by which that may be off at most; None: nobody knows, it is what the gate's clock happened to show."""
    source: Source
    """`clock`: the gate's, which was right; `estimated`: from another moment of the same boot."""


class Anchor(NamedTuple):
    """A moment of a boot at which the gate knew the time."""

    monotonic: float
    """Seconds since that boot."""
    time: float
    """Unix seconds then."""


def moment(time: float, clock: str, monotonic: float, anchors: tuple[Anchor, ...]) -> Moment:
    """Date an event.

    Args:
        time: Unix seconds by the gate's clock.
        clock: what the gate knew of that.
        monotonic: seconds since its boot.
        anchors: moments of the same boot; empty: there is none yet.
    """
    if clock == "synchronised":
        return Moment(time, CLOCK_ERROR, "clock")
    if not anchors:
        return Moment(time, None, "unknown")
    nearest = min(anchors, key=lambda anchor: abs(anchor.monotonic - monotonic))
    passed = monotonic - nearest.monotonic
    return Moment(nearest.time + passed, CLOCK_ERROR + DRIFT * abs(passed), "estimated")


def moment_of(row: sa.Row[*tuple[Any, ...]]) -> Moment:
    """Date an event by a row that has the columns `campus.tables.dates`."""
    known = row.first_monotonic is not None
    anchors = (Anchor(row.first_monotonic, row.first_time), Anchor(row.last_monotonic, row.last_time)) if known else ()
    return moment(row.time, row.clock, row.monotonic, anchors)
