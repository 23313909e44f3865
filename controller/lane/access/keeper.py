"""What a lane asks: the policy in force at its point, who is enrolled, and who is where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.access.decision import Question, decide
from controller.lane.access.policy import simple
from controller.lane.access.whereabouts import Whereabouts
from controller.lane.model import Direction

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from controller.lane.access.decision import Decision, Subject
    from controller.lane.access.policy import Policy
    from controller.lane.access.times import Moment


class Anybody:
    """Somebody of whom nothing is known but that they are enrolled."""

    groups: tuple[str, ...] = ()
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None


ANYBODY = Anybody()


class Access:
    """Who may pass one point.

    Args:
        policy: in force until it is replaced, whole, from whatever thread. It has the point.
        point: the lane's.
        find: who is enrolled; None: whoever is asked about.
        whereabouts: give the same one to all lanes of a board.
        stale: whether it was not heard for too long who may still pass.
    """

    def __init__(
        self,
        policy: Policy,
        point: str,
        *,
        find: Callable[[str], Subject | None] | None = None,
        whereabouts: Whereabouts | None = None,
        stale: Callable[[], bool] = lambda: False,
    ) -> None:
        self.policy = policy
        self.point = point
        self._stale = stale
        self.find = find or (lambda _: ANYBODY)
        self.whereabouts = Whereabouts() if whereabouts is None else whereabouts
        self.whereabouts.points.add(point)

    @classmethod
    def of_lane(cls, anti_passback: float) -> Access:
        """Of a lane for itself, which lets in everybody who is recognised."""
        return cls(simple("lane", anti_passback=anti_passback), "lane")

    def decide(self, person: str, now: float, moment: Moment, *, seen: bool = True) -> Decision:
        """Whether `person` may enter. `now`: monotonic seconds; `moment`: the wall clock then; `seen`: passages are."""
        return decide(
            Question(
                policy=self.policy,
                point=self.point,
                direction=Direction.ENTRY,
                person=person,
                find=self.find,
                moment=moment,
                now=now,
                whereabouts=self.whereabouts,
                seen=seen,
                stale=self._stale(),
            )
        )

    def asked(self, person: str, now: float) -> None:
        """Somebody may pass but for whoever has to come with them, or does with one who asked before."""
        if self.policy.document.points[self.point].two_person is not None:
            self.whereabouts.ask(self.point, person, now)

    def passed(self, person: str | None, direction: Direction, at: float) -> None:
        """Somebody went through, at `at` monotonic seconds; None: nobody knows who."""
        self._went(self.point, person, direction, at)
        subject = None if person is None else self.find(person)
        if subject is not None and direction is Direction.ENTRY:
            self.whereabouts.came_first(self.point, subject.groups, at)

    def heard(self, point: str, person: str | None, direction: Direction, at: float) -> None:
        """Another gate says that somebody went through its point. One that is not of this policy says nothing."""
        if point in self.policy.document.points:
            self._went(point, person, direction, at)

    def _went(self, name: str, person: str | None, direction: Direction, at: float) -> None:
        point = self.policy.document.points[name]
        begin, end = (point.from_, point.to) if direction is Direction.ENTRY else (point.to, point.from_)
        self.whereabouts.passed(person, begin, end, at)
