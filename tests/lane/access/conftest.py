"""A small school: the street, the grounds, a dormitory inside them; people by id and a policy by its TOML."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from controller.gallery.model import Person
from controller.lane.access import document as doc
from controller.lane.access.decision import Decision, Question, decide
from controller.lane.access.policy import Policy
from controller.lane.access.times import Moment, unix_of
from controller.lane.access.whereabouts import Whereabouts
from controller.lane.model import Direction

if TYPE_CHECKING:
    from collections.abc import Callable

SCHOOL = """
format = 1
revision = 7
timezone = "Asia/Shanghai"
without_clock = "deny"
groups = ["pupils", "boarders", "staff", "guests"]

[zones.street]
outside = true
[zones.grounds]
chinese = "校园"
[zones.dormitory]

[points.main]
from = "street"
to = "grounds"
[points.dorm]
from = "grounds"
to = "dormitory"

[holidays]
school = [
    { name = "National Day", first = 2026-10-01, last = 2026-10-07 },
    { name = "in place of Friday", first = 2026-10-10, as = "fri" },
]

[schedules.lessons]
hours = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "07:00", to = "18:30" }]
holidays = "school"
[schedules.night]
hours = [{ days = ["fri"], from = "21:00", to = "01:00" }]

[[rules]]
groups = ["pupils", "guests"]
zones = ["grounds"]
schedule = "lessons"
[[rules]]
groups = ["staff"]
points = ["main", "dorm"]
[[rules]]
groups = ["boarders"]
zones = ["dormitory"]
schedule = "night"

[visitors.v1]
host = "teacher"
from = 2026-11-30T08:00:00
until = 2026-11-30T12:00:00
groups = ["guests"]
"""

PEOPLE = {
    one.person: one
    for one in (
        Person("pupil", groups=("pupils", "boarders")),
        Person("teacher", groups=("staff",)),
        Person("nobody"),
        Person("gone", groups=("staff",), valid_until=dt.date(2026, 7, 31)),
        Person("new", groups=("staff",), valid_from=dt.date(2027, 2, 1)),
        Person("v1"),
    )
}
MONDAY = "2026-11-30T09:00"


def school(*changes: tuple[str, str]) -> Policy:
    text = SCHOOL
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return Policy(doc.from_toml(text.encode(), where="policy.toml"))


@dataclass
class Desk:
    """Asks a policy at times by the wall clock; monotonic time goes along with it."""

    policy: Policy
    whereabouts: Whereabouts = field(default_factory=lambda: Whereabouts(["main", "dorm"]))
    people: dict[str, Person] = field(default_factory=lambda: dict(PEOPLE))

    def seconds(self, when: str) -> float:
        return unix_of(dt.datetime.fromisoformat(when), self.policy.zone)

    def ask(
        self, person: str, point: str = "main", when: str = MONDAY, *, known: bool = True, **other: Any
    ) -> Decision:
        unix = self.seconds(when)
        return decide(
            Question(
                policy=self.policy,
                point=point,
                direction=other.pop("direction", Direction.ENTRY),
                person=person,
                find=self.people.get,
                moment=Moment(unix, known=known),
                now=unix,
                whereabouts=self.whereabouts,
                **other,
            )
        )

    def why(self, person: str, point: str = "main", when: str = MONDAY, **other: Any) -> str | None:
        reason = self.ask(person, point, when, **other).reason
        return None if reason is None else reason.value


@pytest.fixture(scope="session")
def make_desk() -> Callable[..., Desk]:
    return lambda *changes: Desk(school(*changes))


@pytest.fixture
def desk() -> Desk:
    return Desk(school())
