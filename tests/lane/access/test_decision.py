"""Each rule denies for its reason; what no rule may do is drawn by Hypothesis."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.gallery.model import Person
from controller.lane.access.decision import told
from controller.lane.access.document import Hours, Schedule
from controller.lane.access.times import Week, local, time_zone, unix_of
from controller.lane.model import DenyReason, Direction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lane.access.conftest import Desk

    MakeDesk = Callable[..., Desk]

DORM = 'from = "grounds"\nto = "dormitory"'
MAIN = 'from = "street"\nto = "grounds"'


@pytest.mark.parametrize(
    ("person", "point", "when", "reason"),
    [
        ("pupil", "main", "2026-11-30T07:00", None),
        ("pupil", "main", "2026-11-30T06:59", "out_of_hours"),
        ("pupil", "main", "2026-11-30T18:29", None),
        ("pupil", "main", "2026-11-30T18:30", "out_of_hours"),
        ("pupil", "main", "2026-11-29T09:00", "out_of_hours"),  # Sunday
        ("pupil", "main", "2026-10-05T09:00", "out_of_hours"),  # a Monday in the holidays
        ("pupil", "main", "2026-10-10T09:00", None),  # a Saturday of work
        ("pupil", "dorm", "2026-11-30T21:30", "out_of_hours"),
        ("pupil", "dorm", "2026-11-27T21:30", None),
        ("pupil", "dorm", "2026-11-28T00:59", None),  # the night goes on
        ("pupil", "dorm", "2026-11-28T01:00", "out_of_hours"),
        ("teacher", "dorm", "2026-10-05T03:00", None),
        ("nobody", "main", "2026-11-30T09:00", "not_permitted"),
        ("v1", "main", "2026-11-30T07:59", "out_of_hours"),
        ("v1", "main", "2026-11-30T11:59", None),
        ("v1", "main", "2026-11-30T12:00", "visit_over"),
        ("v1", "dorm", "2026-11-30T11:00", "not_permitted"),
        ("gone", "main", "2026-07-31T23:59", None),
        ("gone", "main", "2026-08-01T00:00", "credential_expired"),
        ("new", "main", "2027-01-31T23:59", "not_permitted"),
        ("new", "main", "2027-02-01T00:00", None),
        ("stranger", "main", "2026-11-30T09:00", "unknown_person"),
    ],
)
def test_who_may_pass_where_and_when(desk: Desk, person: str, point: str, when: str, reason: str | None) -> None:
    assert desk.why(person, point, when) == reason


def test_a_visitor_whose_host_is_gone_is_no_visitor(desk: Desk) -> None:
    del desk.people["teacher"]
    assert desk.why("v1") == "visit_over"


@pytest.mark.parametrize(
    ("policy", "person", "when", "reason"),
    [
        ("deny", "pupil", "2026-11-30T09:00", "clock_unknown"),
        ("deny", "teacher", "2026-11-30T09:00", None),
        ("deny", "gone", "2026-01-01T00:00", "clock_unknown"),
        ("deny", "v1", "2026-11-30T09:00", "clock_unknown"),
        ("ignore_schedules", "pupil", "1970-01-02T03:00", None),
        ("ignore_schedules", "new", "1970-01-02T03:00", None),
        ("ignore_schedules", "gone", "1970-01-02T03:00", None),
        ("ignore_schedules", "gone", "2026-08-01T00:00", "credential_expired"),
        ("ignore_schedules", "v1", "1970-01-02T03:00", None),
        ("ignore_schedules", "v1", "2026-11-30T12:00", "visit_over"),
        ("ignore_schedules", "nobody", "1970-01-02T03:00", "not_permitted"),
    ],
)
def test_without_a_clock(make_desk: MakeDesk, policy: str, person: str, when: str, reason: str | None) -> None:
    desk = make_desk(('"deny"', f'"{policy}"'))
    assert desk.why(person, when=when, known=False) == reason


def test_the_first_card_opens_for_the_day(make_desk: MakeDesk) -> None:
    desk = make_desk((MAIN, f'{MAIN}\nfirst_card = {{ after = ["staff"], groups = ["pupils"] }}'))
    assert desk.why("pupil") == "first_person_needed"
    assert desk.why("teacher") is None
    desk.whereabouts.came_first("main", ("staff",), desk.seconds("2026-11-30T07:10"))
    assert desk.why("pupil") is None
    assert desk.why("pupil", when="2026-12-01T07:05") == "first_person_needed", "another day"
    desk.whereabouts.came_first("dorm", ("staff",), desk.seconds("2026-12-01T07:00"))
    assert desk.why("pupil", when="2026-12-01T07:05") == "first_person_needed", "another point"


def test_two_persons_within_the_time(make_desk: MakeDesk) -> None:
    desk = make_desk((MAIN, f"{MAIN}\ntwo_person = {{ persons = 2, seconds = 30 }}"))
    assert desk.why("pupil") == "second_person_needed"
    desk.whereabouts.ask("main", "pupil", desk.seconds("2026-11-30T09:00"))
    assert desk.why("pupil") == "second_person_needed", "the same one twice"
    assert desk.why("teacher", when="2026-11-30T09:00:30") is None
    assert desk.why("teacher", when="2026-11-30T09:00:31") == "second_person_needed"


@pytest.mark.parametrize(
    ("mode", "reason", "noted"),
    [("off", None, None), ("soft", None, "anti_passback"), ("hard", "anti_passback", None)],
)
def test_anti_passback(make_desk: MakeDesk, mode: str, reason: str | None, noted: str | None) -> None:
    desk = make_desk((DORM, f'{DORM}\nanti_passback = "{mode}"'))
    desk.whereabouts.passed("teacher", "grounds", "dormitory", desk.seconds("2026-11-30T08:00"))
    decision = desk.ask("teacher", "dorm")
    assert (decision.reason and decision.reason.value) == reason
    assert (decision.noted and decision.noted.value) == noted
    assert desk.why("teacher", "dorm", "2026-12-01T08:00") is None, "nobody stays a day"
    desk.whereabouts.passed("teacher", "dormitory", "grounds", desk.seconds("2026-11-30T08:30"))
    assert desk.ask("teacher", "dorm").noted is None
    assert desk.why("teacher", "dorm") is None


def test_hard_anti_passback_is_soft_where_too_little_is_known(make_desk: MakeDesk) -> None:
    desk = make_desk((DORM, f'{DORM}\nanti_passback = "hard"'))
    desk.whereabouts.passed("teacher", "grounds", "dormitory", desk.seconds("2026-11-30T08:00"))
    assert desk.why("teacher", "dorm") == "anti_passback"
    assert desk.why("teacher", "dorm", seen=False) is None, "a contact is stuck"
    desk.whereabouts.points.discard("dorm")
    assert desk.why("teacher", "dorm") is None, "others may have let them out"
    desk.whereabouts.points.add("dorm")
    desk.whereabouts.passed(None, "dormitory", "grounds", desk.seconds("2026-11-30T08:10"))
    assert desk.why("teacher", "dorm") is None, "it may have been them"


def test_timed_anti_passback_asks_only_how_long_ago(make_desk: MakeDesk) -> None:
    desk = make_desk((DORM, f'{DORM}\nanti_passback = "timed"\nanti_passback_seconds = 60'))
    desk.whereabouts.reserve("teacher", "g1")
    assert desk.why("teacher", "dorm") == "anti_passback", "from the grant on"
    desk.whereabouts.release("teacher", "g1")
    desk.whereabouts.passed("teacher", "grounds", "dormitory", desk.seconds("2026-11-30T08:59:01"))
    desk.whereabouts.passed(None, "dormitory", "grounds", desk.seconds("2026-11-30T08:59:30"))
    assert desk.why("teacher", "dorm", "2026-11-30T09:00") == "anti_passback"
    assert desk.why("teacher", "dorm", "2026-11-30T09:00:01") is None


def test_every_rule_says_what_it_found(desk: Desk) -> None:
    lines = list(told(desk.ask("pupil", when="2026-10-05T09:00")))
    assert lines[0] == "denied: out_of_hours"
    assert [line.split()[1] for line in lines[1:]] == [
        "validity",
        "visit",
        "rules",
        "first",
        "anti-passback",
        "two-person",
    ]
    assert "rule 1 lets pupils in by schedule lessons, closed on Mon 2026-10-05 09:00, National Day" in lines[3]


def test_way_out_is_told_and_never_denied(make_desk: MakeDesk) -> None:
    desk = make_desk((DORM, f'{DORM}\n[points.exit]\nfrom = "grounds"\nto = "street"'))
    decision = desk.ask("nobody", "exit")
    assert (decision.reason, decision.noted) == (None, DenyReason.NOT_PERMITTED)
    assert "the way out: no rule denies it" in list(told(decision))[1]


WHEN = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31))  # noqa: DTZ001 - by the wall clock
PERSON = st.sampled_from(["pupil", "teacher", "nobody", "gone", "new", "v1"])
POINT = st.sampled_from(["main", "dorm"])
MODE = st.sampled_from(["off", "soft", "hard"])


@given(
    person=st.one_of(PERSON, st.just("stranger")),
    when=WHEN,
    known=st.booleans(),
    mode=MODE,
    policy=st.sampled_from(["deny", "ignore_schedules"]),
)
@settings(max_examples=200, deadline=None)
def test_leaving_is_never_denied(
    make_desk: MakeDesk, person: str, when: dt.datetime, *, known: bool, mode: str, policy: str
) -> None:
    strict = f'first_card.after = ["staff"]\ntwo_person.persons = 3\nanti_passback = "{mode}"'
    desk = make_desk(
        ('"deny"', f'"{policy}"'),
        (MAIN, f"{MAIN}\n{strict}"),
        (DORM, f'{DORM}\n{strict}\n[points.out]\nfrom = "dormitory"\nto = "grounds"\n{strict}'),
    )
    for point in ("main", "dorm", "out"):
        assert desk.why(person, point, when.isoformat(), known=known, direction=Direction.EXIT) is None
    if person != "stranger":
        assert desk.why(person, "out", when.isoformat(), known=known) is None


@given(person=PERSON, when=WHEN, point=POINT, days=st.integers(0, 400), known=st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_longer_validity_never_takes_a_right_away(
    make_desk: MakeDesk, person: str, when: dt.datetime, point: str, days: int, *, known: bool
) -> None:
    desk = make_desk()
    before = desk.why(person, point, when.isoformat(), known=known)
    owner = desk.people[person]
    more = dt.timedelta(days=days)
    desk.people[person] = dataclasses.replace(
        owner,
        valid_from=owner.valid_from and owner.valid_from - more,
        valid_until=owner.valid_until and owner.valid_until + more,
    )
    after = desk.why(person, point, when.isoformat(), known=known)
    assert before is not None or after is None


@given(
    person=PERSON,
    when=WHEN,
    point=st.sampled_from(["main", "dorm"]),
    groups=st.sets(st.sampled_from(["staff", "pupils"])),
)
@settings(max_examples=200, deadline=None)
def test_one_more_group_never_takes_a_right_away(
    make_desk: MakeDesk, person: str, when: dt.datetime, point: str, groups: set[str]
) -> None:
    desk = make_desk()
    before = desk.why(person, point, when.isoformat())
    owner = desk.people[person]
    desk.people[person] = dataclasses.replace(owner, groups=(*owner.groups, *groups))
    assert before is not None or desk.why(person, point, when.isoformat()) is None


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "UTC"]


@given(zone=st.sampled_from(ZONES), unix=st.integers(1_760_000_000, 1_860_000_000))
@settings(max_examples=300, deadline=None)
def test_a_schedule_is_what_the_clock_on_the_wall_says(zone: str, unix: int) -> None:
    week = Week(Schedule(hours=(Hours(from_="01:30", to="02:30"), Hours(from_="22:00", to="00:15"))))
    wall = local(unix, time_zone(zone))
    minute = wall.hour * 60 + wall.minute
    assert week.is_open(wall) == (90 <= minute < 150 or minute >= 22 * 60 or minute < 15)


def test_days_on_which_the_clocks_change() -> None:
    berlin = time_zone("Europe/Berlin")
    week = Week(Schedule(hours=(Hours(from_="02:00", to="03:00"),)))

    def minutes_open(day: dt.datetime) -> int:
        start = unix_of(day, berlin)
        return sum(week.is_open(local(start + 60 * minute, berlin)) for minute in range(24 * 60))

    assert minutes_open(dt.datetime(2026, 3, 28)) == 60  # noqa: DTZ001
    assert minutes_open(dt.datetime(2026, 3, 29)) == 0, "the hour does not come"  # noqa: DTZ001
    assert minutes_open(dt.datetime(2026, 10, 25)) == 120, "it comes twice"  # noqa: DTZ001


def test_an_end_by_a_clock_that_shows_it_twice_is_the_first(make_desk: MakeDesk) -> None:
    change = ("2026-11-30T08:00:00\nuntil = 2026-11-30T12:00:00", "2026-10-25T00:00:00\nuntil = 2026-10-25T02:30:00")
    desk = make_desk(('"Asia/Shanghai"', '"Europe/Berlin"'), change, ('schedule = "lessons"', ""))
    end = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC).timestamp()
    assert desk.seconds("2026-10-25T02:30") == end


def test_nobody_is_remembered_for_ever(desk: Desk) -> None:
    for number in range(2000):
        desk.whereabouts.passed(f"p{number}", "street", "grounds", number * 60.0)
    assert len(desk.whereabouts) == 24 * 60
    assert desk.whereabouts.inside(2000 * 60.0)["grounds"] == 24 * 60 - 1


def test_late_news_changes_nothing(desk: Desk) -> None:
    desk.whereabouts.passed("p", "grounds", "street", 20.0)
    desk.whereabouts.passed("p", "street", "grounds", 10.0)
    place = desk.whereabouts.place("p", 21.0)
    assert place is not None
    assert place.zone == "street"


def test_a_person_of_the_gallery_is_a_subject(desk: Desk) -> None:
    desk.people["x"] = Person("x", groups=("staff",))
    assert desk.why("x") is None
