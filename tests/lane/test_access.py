"""The lane under an access policy: what it denies moves no relay, and nobody who leaves is asked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.gallery.model import Person
from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.access import document as doc
from controller.lane.access.keeper import Access
from controller.lane.access.policy import Policy
from controller.lane.access.times import Moment
from controller.lane.access.whereabouts import Whereabouts
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction
from controller.lane.table import State

if TYPE_CHECKING:
    from tests.lane.conftest import MakeRig, Rig

GROUPS = {"pupil": "pupils", "friend": "pupils", "teacher": "staff"}
PEOPLE = {person: Person(person, groups=(group,)) for person, group in GROUPS.items()}
PEOPLE["gone"] = Person("gone", valid_until=dt.date(2026, 1, 1), groups=("staff",))
MORNING = Moment(dt.datetime(2026, 11, 30, 8, 0, tzinfo=dt.UTC).timestamp(), known=True)
NIGHT = Moment(dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC).timestamp(), known=True)


def access(whereabouts: Whereabouts | None = None, **point: Any) -> Access:
    policy = Policy(
        doc.Document(
            format=1,
            revision=1,
            timezone="UTC",
            groups=("pupils", "staff"),
            zones={"street": doc.Zone(outside=True), "school": doc.Zone()},
            points={"gate": doc.Point(from_="street", to="school", **point)},
            schedules={"day": doc.Schedule(hours=(doc.Hours(from_="07:00", to="18:00"),))},
            rules=(
                doc.Rule(groups=("pupils",), points=("gate",), schedule="day"),
                doc.Rule(groups=("staff",), points=("gate",)),
            ),
        )
    )
    return Access(policy, "gate", find=PEOPLE.get, whereabouts=whereabouts)


def enter(rig: Rig, person: str, moment: Moment) -> None:
    rig.visit(person, moment=moment)
    assert rig.state() is State.GRANTED
    rig.pass_through()
    clear(rig)


def clear(rig: Rig) -> None:
    rig.feed(ev.Left)
    rig.advance(10.0)


@pytest.mark.parametrize("kind", ["turnstile", "door", "barrier"])
@pytest.mark.parametrize(
    ("person", "moment", "reason"),
    [
        ("pupil", MORNING, None),
        ("pupil", NIGHT, "out_of_hours"),
        ("teacher", NIGHT, None),
        ("gone", MORNING, "credential_expired"),
        ("stranger", MORNING, "unknown_person"),
        ("pupil", Moment(MORNING.unix, known=False), "clock_unknown"),
    ],
)
def test_the_policy_decides_at_every_kind_of_lane(
    make_rig: MakeRig, kind: str, person: str, moment: Moment, reason: str | None
) -> None:
    rig = make_rig(access(), kind=kind).boot()
    rig.visit(person, moment=moment)
    if reason is None:
        assert rig.state() is State.GRANTED
        return
    assert rig.shown()[1] == reason
    (record,) = rig.records(RecordKind.DENY)
    assert record.detail["reason"] == reason
    assert (rig.unlocked, rig.held, rig.records(RecordKind.GRANT)) == (set(), set(), [])


def test_a_card_out_of_hours_is_refused_when_it_is_presented(make_rig: MakeRig) -> None:
    rig = make_rig(access()).boot()
    rig.present("pupil", moment=NIGHT)
    assert rig.shown() == (Prompt.DENIED, "out_of_hours")


def test_a_gate_that_heard_nothing_for_too_long_lets_nobody_in_and_everybody_out(make_rig: MakeRig) -> None:
    silent: list[bool] = []
    rig = make_rig(Access(access().policy, "gate", find=PEOPLE.get, stale=lambda: bool(silent))).boot()
    enter(rig, "teacher", MORNING)
    silent.append(True)
    rig.visit("teacher", moment=MORNING)
    assert rig.shown() == (Prompt.ASK_GUARD, "roster_stale")
    assert rig.unlocked == set()
    clear(rig)
    rig.present("teacher", moment=MORNING)
    assert rig.shown() == (Prompt.ASK_GUARD, "roster_stale")
    rig.pass_through(Direction.EXIT)
    assert [record.detail.get("direction") for record in rig.records(RecordKind.PASSAGE)][-1] == "exit"
    silent.clear()
    clear(rig)
    enter(rig, "teacher", MORNING)


def test_the_first_card_opens_the_lane(make_rig: MakeRig) -> None:
    rig = make_rig(access(first_card=doc.FirstCard(after=("staff",)))).boot()
    rig.visit("pupil", moment=MORNING)
    assert rig.shown() == (Prompt.DENIED, "first_person_needed")
    clear(rig)
    enter(rig, "teacher", MORNING)
    enter(rig, "pupil", MORNING)


def test_a_grant_that_opened_nothing_is_no_first_card(make_rig: MakeRig) -> None:
    rig = make_rig(access(first_card=doc.FirstCard(after=("staff",)))).boot()
    rig.visit("teacher", moment=MORNING)
    clear(rig)
    rig.visit("pupil", moment=MORNING)
    assert rig.shown() == (Prompt.DENIED, "first_person_needed")


def test_two_come_one_after_the_other(make_rig: MakeRig) -> None:
    rig = make_rig(access(two_person=doc.TwoPerson())).boot()
    rig.visit("pupil", moment=MORNING)
    assert rig.shown() == (Prompt.WAIT, "second_person_needed")
    clear(rig)
    enter(rig, "friend", MORNING)
    enter(rig, "pupil", MORNING)
    rig.advance(31.0)
    rig.visit("pupil", moment=MORNING)
    assert rig.state() is State.DENIED


def test_who_may_not_pass_is_no_second_person(make_rig: MakeRig) -> None:
    rig = make_rig(access(two_person=doc.TwoPerson())).boot()
    rig.visit("gone", moment=MORNING)
    clear(rig)
    rig.visit("pupil", moment=MORNING)
    assert rig.shown() == (Prompt.WAIT, "second_person_needed")


def test_hard_anti_passback_holds_at_both_lanes_until_somebody_leaves_unnamed(make_rig: MakeRig) -> None:
    board = Whereabouts()
    first = make_rig(access(board, anti_passback="hard")).boot()
    second = make_rig(access(board, anti_passback="hard")).boot()
    enter(first, "teacher", MORNING)
    second.advance(first.now)
    second.visit("teacher", moment=MORNING)
    assert second.shown() == (Prompt.DENIED, "anti_passback")
    clear(second)
    second.pass_through(Direction.EXIT)
    second.visit("teacher", moment=MORNING)
    assert second.state() is State.GRANTED


def test_soft_anti_passback_is_on_record(make_rig: MakeRig) -> None:
    rig = make_rig(access(anti_passback="soft")).boot()
    enter(rig, "teacher", MORNING)
    enter(rig, "teacher", MORNING)
    assert [grant.detail.get("noted") for grant in rig.records(RecordKind.GRANT)] == [None, "anti_passback"]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["look", "card", "out", "exit button"]),
        st.sampled_from([*PEOPLE, "stranger"]),
        st.sampled_from([MORNING, NIGHT, Moment(0.0, known=False)]),
    ),
    max_size=12,
)


@given(
    events=EVENTS,
    mode=st.sampled_from(["off", "soft", "hard"]),
    first=st.booleans(),
    two=st.booleans(),
    kind=st.sampled_from(["turnstile", "door"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_denial_moves_no_relay_and_leaving_stays_free(
    make_rig: MakeRig, events: list[tuple[str, str, Moment]], mode: str, *, first: bool, two: bool, kind: str
) -> None:
    strict = access(
        anti_passback=mode,
        first_card=doc.FirstCard(after=("staff",)) if first else None,
        two_person=doc.TwoPerson() if two else None,
    )
    rig = make_rig(strict, kind=kind).boot()
    for what, person, moment in events:
        match what:
            case "look":
                rig.visit(person, moment=moment)
            case "card":
                rig.approach()
                rig.present(person, moment=moment)
            case "out" if kind == "turnstile":
                before = len(rig.records(RecordKind.PASSAGE))
                rig.pass_through(Direction.EXIT)
                assert len(rig.records(RecordKind.PASSAGE)) > before
            case _:
                rig.open_once(Direction.EXIT)
                assert Direction.EXIT in rig.unlocked | rig.held
        denied = any(isinstance(one, fx.Append) and one.kind is RecordKind.DENY for one in rig.last)
        moved = [one for one in rig.last if isinstance(one, fx.Unlock | fx.Hold | fx.Relock | fx.BlockEntry)]
        assert not (denied and moved)
        clear(rig)
