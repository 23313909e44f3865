"""Who is where by their last passage, as far as a policy needs it. One object serves all lanes of a board.

What is not known makes anti-passback softer, and locks nobody out: leaving is free and needs no name, so where anybody
has left a zone unnamed since, it is no longer known that somebody is in it; and nobody counts as inside for longer than
a day. All times are monotonic seconds; they may lie before the start.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

FORGOTTEN_AFTER: Final = 24 * 3600.0
"""Seconds after which a passage says nothing any more of where somebody is."""


class Place(NamedTuple):
    """Where somebody went last."""

    zone: str
    since: float


class Whereabouts:
    """Remembers passages.

    Args:
        points: the points whose passages it is told of: those of this board.
    """

    def __init__(self, points: Iterable[str] = ()) -> None:
        self.points = set(points)
        self._places: dict[str, Place] = {}
        self._left_unnamed: dict[str, float] = {}
        self._reserved: dict[str, str] = {}
        self._groups: dict[tuple[str, str], float] = {}
        self._asked: dict[str, dict[str, float]] = {}

    def passed(self, person: str | None, begin: str, end: str, at: float) -> None:
        """Somebody went from zone `begin` to zone `end`; None: nobody knows who. Late news of a person is ignored."""
        if person is None:
            self._left_unnamed[begin] = max(at, self._left_unnamed.get(begin, -math.inf))
            return
        known = self._places.pop(person, None)
        # Reinserted at the end: the dict stays nearly in order of time, and what has run out is at its front.
        self._places[person] = known if known is not None and known.since > at else Place(end, at)
        self._forget(at)

    def came_first(self, point: str, groups: Iterable[str], at: float) -> None:
        """Somebody of these groups passed a point."""
        for group in groups:
            self._groups[point, group] = max(at, self._groups.get((point, group), -math.inf))

    def last_of(self, point: str, groups: Iterable[str]) -> float | None:
        """When somebody of any of these groups passed a point last; None: not that anybody knows."""
        return max((at for group in groups if (at := self._groups.get((point, group))) is not None), default=None)

    def place(self, person: str, now: float) -> Place | None:
        """Where somebody is; None: that is not known."""
        place = self._places.get(person)
        return None if place is None or now - place.since >= FORGOTTEN_AFTER else place

    def is_certain(self, place: Place) -> bool:
        """Whether nobody has left that zone unnamed since."""
        return self._left_unnamed.get(place.zone, -math.inf) < place.since

    def inside(self, now: float) -> Counter[str]:
        """How many people are in each zone, by their last passage."""
        return Counter(place.zone for place in self._places.values() if now - place.since < FORGOTTEN_AFTER)

    def reserve(self, person: str, grant_id: str) -> None:
        """Note that somebody holds a grant."""
        self._reserved[person] = grant_id

    def release(self, person: str, grant_id: str) -> None:
        """Note that somebody holds that grant no more. Another grant's reservation stands."""
        if self._reserved.get(person) == grant_id:
            del self._reserved[person]

    def holds_grant(self, person: str) -> bool:
        """Whether somebody is about to pass."""
        return person in self._reserved

    def ask(self, point: str, person: str, now: float) -> None:
        """Note that somebody asked to pass where several people have to."""
        self._asked.setdefault(point, {})[person] = now

    def asking(self, point: str, now: float, within: float) -> frozenset[str]:
        """Who asked lately."""
        asked = self._asked.get(point, {})
        for person in [person for person, at in asked.items() if now - at > within]:
            del asked[person]
        return frozenset(asked)

    def _forget(self, now: float) -> None:
        while self._places:
            person, place = next(iter(self._places.items()))
            if now - place.since < FORGOTTEN_AFTER:
                return
            del self._places[person]

    def __len__(self) -> int:
        """People it remembers."""
        return len(self._reserved.keys() | self._places.keys())
