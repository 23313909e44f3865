"""[perception.history]: what is kept of each person's own readings, and from when on it may ask for a second look."""

from __future__ import annotations

from typing import Annotated

import msgspec


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each person's own readings. They can ask for a second look, and never do anything else.

    The bounds are there because such a baseline is unproven: of oral temperatures only .30 of the variance is between
    people (standard deviation .26 K, and .40 K within a person), so that a perfect baseline would take 16 % off the
    scatter. A gate has to measure more than that on its own readings before a baseline informs.
    """

    inform: bool = False
    """Let a baseline that has passed the bounds below ask for a second look."""
    record: bool = True
    """Keep readings on the board, encrypted; without them no gate can ever tell whether a baseline would help."""
    keep_days: Annotated[int, msgspec.Meta(ge=7, le=400)] = 60
    """Days after which a reading is erased."""
    keep_readings: Annotated[int, msgspec.Meta(ge=10, le=2000)] = 200
    """Most readings kept of one person; the oldest go first."""
    readings: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 10
    """Least readings of a person whose baseline informs."""
    days: Annotated[int, msgspec.Meta(ge=2, le=400)] = 5
    """Least days on which these were taken."""
    people: Annotated[int, msgspec.Meta(ge=30)] = 50
    """Least people with readings on two days or more before this gate's own variances count as measured; below, the
    published ones are printed, and nothing informs."""
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.30
    """The share of the variance that is between people must exceed this with its lower 95 % bound."""
    gain: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.15
    """Least part of today's scatter that knowing the person takes away."""
    z: Annotated[float, msgspec.Meta(ge=1, le=6)] = 2.0
    """Standard deviations above the person's own expected value that ask for a second look. Where .62 of the variance
    is between people, 0.2 % of the well are asked once more, and 4 of 10 with a fever 1 K above their usual who read
    clearly normal (simulated: tests/perception/test_history.py)."""
    episode: Annotated[int, msgspec.Meta(ge=0, le=30)] = 3
    """Days before and after a flagged reading that are left out of a baseline as well: an illness begins before it is
    found, and must not become somebody's normal."""

    def __post_init__(self) -> None:
        """Refuse bounds that what is kept can never reach."""
        if self.days > self.keep_days:
            raise ValueError(f"`days` is {self.days}, but readings are kept for `keep_days` = {self.keep_days}")
        if self.readings > self.keep_readings:
            raise ValueError(f"`readings` is {self.readings}, but `keep_readings` is {self.keep_readings}")
