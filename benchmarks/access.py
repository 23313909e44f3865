"""Times one decision of the access policy: `python -m benchmarks.access --people 20000`.

The school is one of many: a dozen points, a rule for each of 60 groups, two calendars, 500 visitors, every optional
rule switched on, everybody's place known.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import time

import numpy as np

from controller.gallery.model import Person
from controller.lane.access import document as doc
from controller.lane.access.keeper import Access
from controller.lane.access.policy import Policy
from controller.lane.access.times import Moment

GROUPS = tuple(f"grade-{year}-{form}" for year in range(1, 13) for form in "abcde")
POINTS = 12
VISITORS = 500
START = dt.datetime(2026, 11, 30, tzinfo=dt.UTC).timestamp()


def school() -> doc.Document:
    """A policy with everything in it."""
    hours = (doc.Hours(from_="06:30", to="18:30", days=("mon", "tue", "wed", "thu", "fri")),)
    holidays = tuple(
        doc.Holiday(name=f"holiday {month}", first=dt.date(2026, month, 1), last=dt.date(2026, month, 5))
        for month in range(1, 13)
    )
    point = doc.Point(
        from_="street",
        to="campus",
        anti_passback="hard",
        first_card=doc.FirstCard(after=("staff",)),
        two_person=doc.TwoPerson(groups=("staff",)),
    )
    return doc.Document(
        format=1,
        revision=1,
        timezone="Asia/Shanghai",
        groups=(*GROUPS, "staff", "guests"),
        zones={"street": doc.Zone(outside=True), "campus": doc.Zone()},
        points={f"gate-{number}": point for number in range(POINTS)},
        schedules={"lessons": doc.Schedule(hours=hours, holidays="school")},
        holidays={"school": holidays},
        rules=tuple(doc.Rule(groups=(group,), zones=("campus",), schedule="lessons") for group in (*GROUPS, "guests")),
        visitors={
            f"v{number}": doc.Visitor(
                host="p0",
                from_=dt.datetime(2026, 11, 30, 8),  # noqa: DTZ001 - by the clock on the wall
                until=dt.datetime(2026, 11, 30, 12),  # noqa: DTZ001
                groups=("guests",),
            )
            for number in range(VISITORS)
        },
    )


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time one decision of the access policy.")
    parser.add_argument("--people", type=int, default=20_000, metavar="N", help="enrolled (default: 20000)")
    parser.add_argument("--decisions", type=int, default=20_000, metavar="N", help="timed (default: 20000)")
    arguments = parser.parse_args(argv)
    dice = random.Random(1)
    started = time.perf_counter()
    document = doc.from_json(doc.to_json(school()), where="benchmark")
    access = Access(Policy(document), "gate-0", find=(people := _people(arguments.people, dice)).get)
    loaded = time.perf_counter() - started
    for number, person in enumerate(people):
        begin, end = ("street", "campus") if number % 2 else ("campus", "street")
        access.whereabouts.passed(person, begin, end, START - number)
    access.whereabouts.came_first("gate-0", ("staff",), START + 1.0)
    names, seconds, granted = list(people), np.empty(arguments.decisions), 0
    for number in range(arguments.decisions):
        moment = Moment(START + dice.uniform(0, 86_400), known=True)
        person = dice.choice(names)
        began = time.thread_time()
        decision = access.decide(person, moment.unix, moment)
        seconds[number] = time.thread_time() - began
        granted += decision.reason is None
    typical, late, longest = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1e6
    size, rules = len(doc.to_json(document)), len(document.rules)
    print(f"{arguments.people} people, {rules} rules, {VISITORS} visitors: {size} bytes, {loaded:.2f} s to load")
    print(f"{arguments.decisions} decisions, {granted} granted; CPU time: ", end="")
    print(f"p50 {typical:.0f} us, p99 {late:.0f} us, max {longest:.0f} us")
    return 0


def _people(count: int, dice: random.Random) -> dict[str, Person]:
    ids = [f"p{number}" for number in range(count - VISITORS)]
    people = {person: Person(person, valid_until=dt.date(2027, 7, 31), groups=(dice.choice(GROUPS),)) for person in ids}
    return people | {f"v{number}": Person(f"v{number}") for number in range(VISITORS)}


if __name__ == "__main__":
    raise SystemExit(main())
