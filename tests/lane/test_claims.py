"""Cards, codes and PINs at the lane: by card alone, by card and face, and what a card never does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import CredentialKind, DenyReason, Direction, FaultKind, Liveness, Verdict
from controller.lane.policy import ADVICE, needs_face
from controller.lane.table import State
from controller.prompts import PROMPTS, REASONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

    Someone = Callable[..., Assessment]

EVERYBODY, NOBODY = fx.Expect(None, face=True), fx.Expect(None, face=False)


def test_by_card_one_is_screened_without_a_face_and_let_in(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.present("p1")
    assert rig.state() is State.SCREENING
    assert rig.expected == fx.Expect("p1", face=False)
    assert fx.Reassess(0.0) in rig.last
    assert rig.moves() == []
    rig.assess(someone(None, quality=0.0, faces=0, liveness=Liveness.UNKNOWN))
    assert rig.state() is State.GRANTED
    (record,) = rig.records(RecordKind.GRANT)
    assert (record.person, record.detail["credential"], record.detail["verified"]) == ("p1", "card", None)
    assert record.detail["temperature"] == 36.6
    assert rig.expected == EVERYBODY


@pytest.mark.parametrize("kind", [CredentialKind.CARD, CredentialKind.QR, CredentialKind.PIN])
def test_the_kind_is_on_record(rig: Rig, someone: Someone, kind: CredentialKind) -> None:
    rig.approach()
    rig.present("p1", kind)
    rig.assess(someone(None))
    assert rig.records(RecordKind.GRANT)[0].detail["credential"] == kind.value
    assert rig.lane.grant is not None
    assert rig.lane.grant.credential is kind


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.ELEVATED, DenyReason.ELEVATED_TEMPERATURE),
        (Verdict.TOO_COLD, DenyReason.TOO_COLD),
        (Verdict.UNSTABLE, DenyReason.NO_TEMPERATURE),
        (Verdict.OBSTRUCTED, DenyReason.FACE_COVERED),
    ],
)
def test_a_fever_is_a_fever_by_card_too(rig: Rig, someone: Someone, verdict: Verdict, reason: DenyReason) -> None:
    rig.approach()
    rig.present("p1")
    rig.assess(someone(None, verdict))
    assert rig.shown() == (ADVICE[reason].prompt, reason.value)
    (record,) = rig.records(RecordKind.DENY)
    assert (record.person, record.detail["credential"]) == ("p1", "card")
    tickets = rig.records(RecordKind.TICKET)
    assert [ticket.person for ticket in tickets] == (["p1"] if verdict is Verdict.ELEVATED else [])


def test_another_look_needs_no_other_card(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.present("p1")
    rig.assess(someone(None, Verdict.RECHECK))
    assert rig.expected == fx.Expect("p1", face=False)
    rig.advance(rig.settings.recheck_show)
    assert rig.state() is State.SCREENING
    rig.assess(someone(None))
    assert rig.state() is State.GRANTED


def test_card_and_face_are_compared_with_each_other(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(require="face_and_card").boot()
    rig.approach()
    rig.present("p1")
    assert rig.expected == fx.Expect("p1", face=True)
    rig.assess(someone("p1"))
    (record,) = rig.records(RecordKind.GRANT)
    assert (record.person, record.detail["credential"], record.detail["verified"]) == ("p1", "card", True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"person": None}, DenyReason.FACE_MISMATCH),
        ({"person": "p2"}, DenyReason.FACE_MISMATCH),
        ({"faces": 2}, DenyReason.LANE_OCCUPIED),
        ({"liveness": Liveness.SPOOF}, DenyReason.SPOOF_SUSPECTED),
        ({"liveness": Liveness.UNKNOWN}, DenyReason.LIVENESS_UNKNOWN),
        ({"quality": 0.0}, DenyReason.POOR_PICTURE),
        ({"quality": float("nan")}, DenyReason.POOR_PICTURE),
        ({"person": None, "verdict": Verdict.OBSTRUCTED}, DenyReason.FACE_COVERED),
        ({"verdict": Verdict.ELEVATED}, DenyReason.ELEVATED_TEMPERATURE),
    ],
)
def test_what_is_wrong_with_card_and_face(
    make_rig: MakeRig, someone: Someone, changes: dict[str, object], reason: DenyReason
) -> None:
    rig = make_rig(require="face_and_card").boot()
    rig.approach()
    rig.present("p1")
    rig.assess(someone(**changes))
    assert rig.shown() == (ADVICE[reason].prompt, reason.value)
    assert rig.moves() == []
    assert rig.records(RecordKind.DENY)[0].person == "p1"


def test_somebody_elses_card_has_to_be_presented_again(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(require="face_and_card").boot()
    rig.approach()
    rig.present("p1")
    rig.assess(someone(None))
    assert rig.expected == NOBODY
    rig.advance(rig.settings.deny_show)
    rig.assess(someone("p1"))
    assert rig.shown() == (Prompt.PRESENT_CARD, "credential_needed")


@pytest.mark.parametrize("require", ["card", "face_and_card"])
def test_where_a_card_is_required_a_face_is_asked_for_one(make_rig: MakeRig, someone: Someone, require: str) -> None:
    rig = make_rig(require=require).boot()
    assert rig.lane._core.expected == NOBODY, "no face is looked up before a card"
    rig.approach()
    rig.assess(someone("p1"))
    assert rig.shown() == (Prompt.PRESENT_CARD, "credential_needed")
    rig.advance(rig.settings.card_wait - 0.1)
    assert rig.state() is State.DENIED
    rig.present("p1")
    assert rig.state() is State.SCREENING
    rig.assess(someone("p1"))
    assert rig.state() is State.GRANTED


def test_twins_need_a_card_besides(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1"), second_factor=True)
    assert rig.shown() == (Prompt.PRESENT_CARD, "credential_needed")
    rig.present("p1", second_factor=True)
    assert rig.expected == fx.Expect("p1", face=True)
    rig.assess(someone("p1"), second_factor=True)
    assert rig.state() is State.GRANTED


def test_a_twins_fever_is_asked_for_a_card_first(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.assess(someone("p1", Verdict.ELEVATED), second_factor=True)
    assert rig.shown() == (Prompt.PRESENT_CARD, "credential_needed")


def test_who_refuses_a_face_passes_by_card_at_every_lane(make_rig: MakeRig, someone: Someone) -> None:
    for require in ("face", "card", "face_or_card", "face_and_card"):
        rig = make_rig(require=require).boot()
        rig.approach()
        rig.present("p1", no_face=True, second_factor=True)
        assert rig.expected == fx.Expect("p1", face=False)
        rig.assess(someone(None))
        assert rig.state() is State.GRANTED, require


def test_at_a_lane_for_faces_a_card_alone_is_not_enough(make_rig: MakeRig) -> None:
    rig = make_rig(require="face").boot()
    rig.approach()
    rig.present("p1")
    assert rig.shown() == (Prompt.LOOK_HERE, "face_needed")
    assert rig.expected is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"person": None}, DenyReason.UNKNOWN_CREDENTIAL),
        ({"locked": True}, DenyReason.PIN_LOCKED),
    ],
)
def test_a_card_that_is_not_followed(rig: Rig, changes: dict[str, object], reason: DenyReason) -> None:
    rig.present(**changes)  # type: ignore[arg-type]
    assert rig.shown() == (ADVICE[reason].prompt, reason.value)
    (record,) = rig.records(RecordKind.DENY)
    assert dict(record.detail) == {"reason": reason.value, "credential": "card"}
    rig.advance(rig.settings.deny_show)
    assert rig.state() is State.LOCKED


def test_cards_that_are_tried_one_after_the_other_call_the_guard(rig: Rig) -> None:
    for _ in range(rig.settings.failed_attempts):
        rig.present(None)
        rig.advance(rig.settings.deny_show)
    assert [record.detail["reason"] for record in rig.records(RecordKind.WARNING)] == ["repeated_failures"]


def test_a_card_may_come_before_its_owner(rig: Rig, someone: Someone) -> None:
    rig.present("p1")
    assert rig.state() is State.SCREENING
    assert rig.shown() == (Prompt.LOOK_HERE, None)
    rig.advance(2.0)
    rig.approach(presence=7)
    rig.assess(someone(None), presence=7)
    assert rig.state() is State.GRANTED
    assert rig.records(RecordKind.GRANT)[0].person == "p1"


def test_a_card_whose_owner_does_not_come_lets_nobody_in(rig: Rig, someone: Someone) -> None:
    rig.present("p1")
    rig.advance(rig.settings.screening_timeout)
    assert rig.state() is State.LOCKED
    assert rig.expected == EVERYBODY
    (record,) = rig.records(RecordKind.DENY)
    assert (record.person, record.detail["seen"]) == ("p1", False)
    rig.approach()
    rig.assess(someone(None))
    assert rig.shown() == (Prompt.DENIED, "unknown_person")


@pytest.mark.parametrize("how", ["leaves", "another comes"])
def test_a_card_is_one_persons_visit(rig: Rig, someone: Someone, how: str) -> None:
    rig.approach(presence=1)
    rig.present("p1")
    if how == "leaves":
        rig.feed(ev.Left)
    rig.approach(presence=2)
    assert rig.expected == EVERYBODY
    rig.assess(someone(None), presence=2)
    assert rig.shown() == (Prompt.DENIED, "unknown_person")


def test_a_look_that_had_begun_before_the_card_decides_nothing(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.present("p1")
    rig.assess(someone("p2"), claimed=None)
    assert rig.state() is State.SCREENING
    rig.assess(someone(None), claimed="p2")
    assert rig.state() is State.SCREENING


def test_a_second_card_takes_the_place_of_the_first(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.present("p1")
    rig.present("p2")
    assert rig.expected == fx.Expect("p2", face=False)
    rig.assess(someone(None))
    assert rig.records(RecordKind.GRANT)[0].person == "p2"
    rig.present("p1")
    assert rig.last == (), "whoever is being let in is let in first"


def test_a_card_twice_is_followed_by_a_fresh_look(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.present("p1")
    rig.assess(someone(None, Verdict.UNSTABLE))
    rig.present("p1")
    assert rig.state() is State.SCREENING
    assert fx.Reassess(0.0) in rig.last


def test_a_card_twice_in_a_row_is_passed_back(make_rig: MakeRig, someone: Someone) -> None:
    rig = make_rig(anti_passback=60.0).boot()
    for expected in (State.GRANTED, State.DENIED):
        rig.approach()
        rig.present("p1")
        rig.assess(someone(None))
        assert rig.state() is expected
        if expected is State.GRANTED:
            rig.pass_through()
            rig.feed(ev.Left)
            rig.advance(1.0)
    assert rig.shown() == (Prompt.DENIED, "anti_passback")


def test_with_a_sensor_that_is_not_fit_the_guard_measures_and_the_card_is_on_record(rig: Rig, someone: Someone) -> None:
    rig.feed(ev.DeviceLost, fault=FaultKind.SCREENING)
    rig.approach()
    rig.present("p1")
    rig.assess(someone(None, Verdict.SENSOR_UNFIT))
    assert rig.shown() == (Prompt.SEE_GUARD, "manual_temperature")
    rig.feed(ev.OpenOnce, direction=Direction.ENTRY, grant_id="g9", actor="guard", temperature=36.5)
    (record,) = rig.records(RecordKind.GRANT)
    assert (record.person, record.detail["credential"]) == ("p1", "card")


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ((ev.Lockdown, {"active": True, "actor": "guard"}), "lockdown"),
        ((ev.Maintenance, {"active": True, "actor": "guard"}), "maintenance"),
        ((ev.DeviceLost, {"fault": FaultKind.CAMERA}), "lane_fault"),
    ],
)
def test_where_nobody_is_admitted_a_card_is_denied_and_recorded(
    rig: Rig, order: tuple[type[ev.LaneEvent], dict[str, object]], reason: str
) -> None:
    rig.approach()
    rig.present("p1")
    kind, values = order
    rig.feed(kind, **values)
    assert rig.lane._core.claim is None
    before = rig.state()
    rig.present("p1")
    assert rig.state() is before
    assert rig.records(RecordKind.DENY)[-1].detail == {"reason": reason, "credential": "card"}


@pytest.mark.parametrize("state", ["free", "fire"])
def test_where_the_way_is_free_a_card_is_nothing(rig: Rig, state: str) -> None:
    if state == "free":
        rig.set_free(entry=True)
    else:
        rig.feed(ev.FireAlarm, active=True)
    rig.present("p1")
    assert rig.last == ()
    assert rig.lane.illegal_events == 0


def test_a_disk_that_fails_takes_a_grant_by_card_back(rig: Rig, someone: Someone) -> None:
    rig.approach()
    rig.present("p1")
    rig.disk_fails = lambda record: record.kind is RecordKind.GRANT
    rig.assess(someone(None))
    assert rig.unlocked == set()
    assert rig.shown() == (Prompt.DENIED, "journal_failed")


def test_who_needs_a_face_besides() -> None:
    told = {
        (require, second, none): needs_face(require, second_factor=second, no_face=none)
        for require in ("face", "card", "face_or_card", "face_and_card")
        for second in (False, True)
        for none in (False, True)
    }
    assert {key for key, face in told.items() if face} == {
        ("face", False, False),
        ("face", True, False),
        ("card", True, False),
        ("face_or_card", True, False),
        ("face_and_card", False, False),
        ("face_and_card", True, False),
    }


def test_everything_is_said_in_both_languages() -> None:
    assert set(REASONS) == set(DenyReason)
    assert set(PROMPTS) == set(Prompt)
    for text in (*REASONS.values(), *PROMPTS.values()):
        assert text.english.isascii()
        assert not text.chinese.isascii()
