"""Those whom the access policy is about, behind everybody else: `thermogate drill --access`.

It is a Monday morning at the gate: somebody of the night shift comes by day, a visitor after the visit, and to the pool
somebody before the coach, the coach, and somebody after the coach.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from controller.drill.scenario import ACCESS_KINDS, Kind, Scenario, person_id, visit_of
from controller.lane.access import document as doc
from controller.lane.access.times import Moment, time_zone, unix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from controller.drill.scenario import Visit
    from controller.gallery.store import GalleryStore
    from hw.clock import Clock

ZONE: Final = "Asia/Shanghai"
MORNING: Final = dt.datetime(2026, 11, 30, 7, 40)  # noqa: DTZ001 - by the clock on the wall
"""When the rehearsal begins."""
FILE: Final = "policy.json"
GROUPS: Final = {
    Kind.OUT_OF_HOURS: "night",
    Kind.VISIT_OVER: "guests",
    Kind.TOO_EARLY: "swimmers",
    Kind.OPENER: "coaches",
    Kind.OPENED: "swimmers",
}
OTHERS: Final = "day"


def with_access(scenario: Scenario) -> Scenario:
    """The same morning with one visit of each kind behind it."""
    dice = random.Random(f"thermogate-drill-access-{scenario.seed}")
    # Neither those of the morning nor those with cards.
    faces = iter(dice.sample(range(110_000, 120_000), len(ACCESS_KINDS)))
    first = len(scenario.visits) + 1
    visits = tuple(visit_of(number, kind, faces, dice) for number, kind in enumerate(ACCESS_KINDS, start=first))
    registered = sorted((*scenario.registered, *(visit.identity for visit in visits)))
    return replace(scenario, visits=(*scenario.visits, *visits), registered=tuple(registered))


def has_access(visits: Iterable[Visit]) -> bool:
    """Whether somebody comes for the access policy's sake."""
    return any(visit.kind in ACCESS_KINDS for visit in visits)


def enlist(scenario: Scenario, store: GalleryStore) -> None:
    """Put everybody who is enrolled into a group."""
    if not has_access(scenario.visits):
        return
    groups = {visit.person: GROUPS[visit.kind] for visit in scenario.visits if visit.kind in GROUPS}
    store.write(
        [
            replace(one, person=replace(one.person, groups=(groups.get(one.person.person, OTHERS),)))
            for one in store.enrolments()
        ]
    )


def write_policy(scenario: Scenario, point: str, folder: Path) -> Path:
    """Write the policy of this morning; returns its file."""
    visitor = next(visit.person for visit in scenario.visits if visit.kind is Kind.VISIT_OVER)
    host = person_id(scenario.visits[0].identity)
    evening, morning = doc.Hours(from_="20:00", to="06:00"), doc.Hours(from_="06:00", to="20:00")
    document = doc.Document(
        format=1,
        revision=1,
        timezone=ZONE,
        groups=(OTHERS, *sorted(set(GROUPS.values()))),
        zones={"street": doc.Zone(outside=True), "school": doc.Zone()},
        points={
            point: doc.Point(
                from_="street", to="school", first_card=doc.FirstCard(after=("coaches",), groups=("swimmers",))
            )
        },
        schedules={"night": doc.Schedule(hours=(evening,)), "day": doc.Schedule(hours=(morning,))},
        rules=(
            doc.Rule(groups=(OTHERS, "coaches", "swimmers", "guests"), points=(point,), schedule="day"),
            doc.Rule(groups=("night",), points=(point,), schedule="night"),
        ),
        visitors={
            visitor: doc.Visitor(host=host, from_=MORNING - dt.timedelta(days=1), until=MORNING, groups=("guests",))
        },
    )
    path = folder / FILE
    path.write_bytes(doc.to_json(document))
    return path


def morning(clock: Clock) -> Callable[[], Moment]:
    """The wall clock of the rehearsal, which goes with the board's own."""
    start = unix_of(MORNING, time_zone(ZONE)) - clock.monotonic()
    return lambda: Moment(start + clock.monotonic(), known=True)
