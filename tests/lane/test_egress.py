"""The way out: free in every state, with or without a grant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction, FaultKind
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lane.conftest import MakeRig, Rig

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT

SHUT: dict[State, tuple[type[ev.LaneEvent], dict[str, Any]]] = {
    State.LOCKDOWN: (ev.Lockdown, {"active": True, "actor": "guard"}),
    State.MAINTENANCE: (ev.Maintenance, {"active": True, "actor": "guard"}),
    State.FAULT: (ev.RelayMismatch, {"direction": Direction.ENTRY}),
    State.KEY_OVERRIDE: (ev.MechanicalKey, {"active": True}),
}


def test_leaving_is_recorded_and_alarms_nobody(rig: Rig) -> None:
    rig.contact(EXIT, active=True)
    assert rig.moves() == []
    rig.advance(0.5)
    rig.contact(EXIT, active=False)
    (record,) = rig.records(RecordKind.PASSAGE)
    assert record.detail == {"direction": "exit", "outcome": "completed", "cause": "egress", "passing": 0.5}
    assert rig.state() is State.LOCKED
    assert rig.shown() == (Prompt.IDLE, None)


@pytest.mark.parametrize("state", SHUT)
def test_whatever_shuts_the_entry_leaves_egress_free(rig: Rig, state: State) -> None:
    kind, values = SHUT[state]
    rig.set_free(exit_=True)
    rig.feed(kind, **values)
    assert rig.state() is state
    assert EXIT in rig.held
    rig.pass_through(EXIT)
    assert rig.records(RecordKind.PASSAGE)[-1].detail["cause"] == "egress"
    rig.set_free(exit_=False)
    grant_id = rig.open_once(EXIT)
    assert EXIT in rig.unlocked
    rig.pass_through(EXIT)
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.records(RecordKind.INTRUSION) == []


def test_the_exit_is_freed_before_the_record_of_it(rig: Rig) -> None:
    rig.set_free(exit_=True)
    assert rig.state() is State.FREE_EXIT
    kinds = [type(effect) for effect in rig.last]
    assert kinds.index(fx.Hold) < kinds.index(fx.Append)


def test_with_the_exit_free_the_entry_works_as_usual(rig: Rig) -> None:
    rig.set_free(exit_=True)
    grant_id = rig.admit()
    rig.feed(ev.Left)
    rig.pass_through()
    rig.advance(2.0)
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.state() is State.FREE_EXIT
    rig.contact(ENTRY, active=True)
    assert len(rig.records(RecordKind.INTRUSION)) == 1


def test_a_grant_to_leave_is_used(rig: Rig) -> None:
    grant_id = rig.open_once(EXIT)
    assert rig.state() is State.LOCKED
    assert rig.unlocked == {EXIT}
    assert rig.lane.grant is None
    assert rig.lane.grants[EXIT].grant_id == grant_id
    rig.contact(EXIT, active=True)
    assert rig.unlocked == set()
    assert rig.timers.keys() == {"stuck_exit"}
    rig.contact(EXIT, active=False)
    assert rig.outcomes(grant_id) == ["completed"]


def test_a_grant_to_leave_expires(rig: Rig) -> None:
    grant_id = rig.open_once(EXIT)
    rig.advance(rig.settings.passage_wait)
    assert rig.unlocked == set()
    assert rig.outcomes(grant_id) == ["expired"]


def test_a_grant_to_leave_runs_beside_a_grant_to_enter(rig: Rig) -> None:
    leave, enter = rig.open_once(EXIT), rig.admit()
    assert rig.unlocked == {ENTRY, EXIT}
    rig.pass_through(EXIT)
    assert rig.state() is State.GRANTED
    rig.pass_through(ENTRY)
    assert (rig.outcomes(leave), rig.outcomes(enter)) == (["completed"], ["completed"])


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda rig: rig.open_once(EXIT, "g-first"), "granted"),
        (lambda rig: rig.set_free(exit_=True), "free"),
        (lambda rig: rig.feed(ev.FireAlarm, active=True), "free"),
    ],
)
def test_an_order_that_would_do_nothing_is_refused(rig: Rig, prepare: Callable[[Rig], object], why: str) -> None:
    prepare(rig)
    grant_id = rig.open_once(EXIT)
    order = rig.records(RecordKind.COMMAND)[-1]
    assert (order.detail["accepted"], order.detail["refused"]) == (False, why)
    assert grant_id not in [record.grant_id for record in rig.records(RecordKind.GRANT)]


def test_an_order_to_leave_that_comes_twice_opens_once(rig: Rig) -> None:
    grant_id = rig.open_once(EXIT)
    rig.pass_through(EXIT)
    rig.open_once(EXIT, grant_id)
    assert rig.records(RecordKind.COMMAND)[-1].detail["refused"] == "repeated"
    assert rig.outcomes(grant_id) == ["completed"]


def test_entering_on_a_grant_to_leave_is_an_intrusion(rig: Rig) -> None:
    grant_id = rig.open_once(EXIT)
    rig.contact(ENTRY, active=True)
    assert rig.kinds()[-3:] == [RecordKind.REVERSE, RecordKind.PASSAGE, RecordKind.INTRUSION]
    assert rig.outcomes(grant_id) == ["reversed"]
    assert rig.unlocked == set()
    assert rig.timers.keys() == {"stuck_entry", "alarm"}


def test_someone_leaving_and_someone_forcing_in_are_kept_apart(rig: Rig) -> None:
    grant_id = rig.open_once(EXIT)
    rig.contact(EXIT, active=True)
    rig.contact(ENTRY, active=True)
    rig.contact(EXIT, active=False)
    assert rig.outcomes(grant_id) == ["completed"]
    assert len(rig.records(RecordKind.INTRUSION)) == 1


def test_a_stuck_exit_contact_ends_the_passage_and_later_grants_by_time(rig: Rig) -> None:
    first = rig.open_once(EXIT)
    rig.contact(EXIT, active=True)
    rig.advance(rig.settings.pass_stuck)
    assert rig.lane.faults == {FaultKind.PASS_STUCK}
    assert rig.state() is State.LOCKED
    second = rig.open_once(EXIT)
    rig.advance(rig.settings.passage_wait)
    assert (rig.outcomes(first), rig.outcomes(second)) == (["completed"], ["completed"])
    assert all(record.detail["presumed"] for record in rig.records(RecordKind.PASSAGE))
    enter = rig.admit()
    rig.pass_through()
    assert "presumed" not in rig.records(RecordKind.PASSAGE)[-1].detail
    assert rig.outcomes(enter) == ["completed"]


def test_a_stuck_exit_contact_without_a_grant(rig: Rig) -> None:
    rig.contact(EXIT, active=True)
    rig.advance(rig.settings.pass_stuck)
    (record,) = rig.records(RecordKind.PASSAGE)
    assert (record.grant_id, record.detail["presumed"]) == (None, True)


def test_leaving_while_the_program_starts(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.pass_through(EXIT)
    assert rig.kinds() == [RecordKind.PASSAGE]
    grant_id = rig.open_once(EXIT)
    rig.pass_through(EXIT)
    assert rig.outcomes(grant_id) == ["completed"]
