"""FREE: an order that holds a way open until another one ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import RecordKind
from controller.lane.model import Direction
from controller.lane.table import State

if TYPE_CHECKING:
    from tests.lane.conftest import Rig

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


def refusal(rig: Rig) -> object:
    return rig.records(RecordKind.COMMAND)[-1].detail.get("refused")


@pytest.mark.parametrize(
    ("ways", "state", "held"),
    [
        ({"entry": True}, State.FREE_ENTRY, {ENTRY}),
        ({"exit_": True}, State.FREE_EXIT, {EXIT}),
        ({"entry": True, "exit_": True}, State.FREE_BOTH, {ENTRY, EXIT}),
    ],
)
def test_ways_are_freed_and_restored(rig: Rig, ways: dict[str, bool], state: State, held: set[Direction]) -> None:
    rig.set_free(**ways)
    assert rig.state() is state
    assert rig.held == held
    rig.set_free()
    assert rig.state() is State.LOCKED
    assert rig.held == set()


def test_the_entry_is_freed_after_the_record_of_it(rig: Rig) -> None:
    rig.set_free(entry=True)
    assert isinstance(rig.last[-1], fx.Hold)
    order = rig.records(RecordKind.COMMAND)[0]
    assert order.detail == {"command": "set_free", "actor": "guard", "entry": True, "exit": False, "accepted": True}


@pytest.mark.parametrize(
    ("kind", "values", "why"),
    [
        (ev.Lockdown, {"active": True, "actor": "campus"}, "lockdown"),
        (ev.Maintenance, {"active": True, "actor": "technician"}, "maintenance"),
        (ev.MechanicalKey, {"active": True}, "key_override"),
        (ev.RelayMismatch, {"direction": Direction.ENTRY}, "fault"),
    ],
)
def test_freeing_the_entry_is_refused_where_something_shuts_it(
    rig: Rig, kind: type[ev.LaneEvent], values: dict[str, Any], why: str
) -> None:
    rig.feed(kind, **values)
    rig.set_free(entry=True, exit_=True)
    assert refusal(rig) == why
    assert rig.held == {EXIT}


def test_a_refused_order_leaves_the_entry_as_it_was(rig: Rig) -> None:
    rig.set_free(entry=True)
    rig.feed(ev.MechanicalKey, active=True)
    rig.set_free(entry=True)
    assert refusal(rig) == "key_override"
    assert rig.held == {ENTRY}
    rig.feed(ev.MechanicalKey, active=False)
    assert rig.state() is State.FREE_ENTRY
    assert rig.moves() == []


def test_freeing_does_not_disturb_a_grant(rig: Rig) -> None:
    grant_id = rig.admit()
    rig.set_free(entry=True)
    assert rig.state() is State.GRANTED
    assert rig.held == {ENTRY}
    rig.contact(ENTRY, active=True)
    assert not any(isinstance(effect, fx.Relock) for effect in rig.last)
    rig.contact(ENTRY, active=False)
    assert rig.state() is State.FREE_ENTRY
    assert rig.outcomes(grant_id) == ["completed"]
    assert rig.held == {ENTRY}


def test_nobody_is_let_in_one_by_one_where_all_may_enter(rig: Rig) -> None:
    rig.set_free(entry=True)
    rig.open_once()
    assert refusal(rig) == "free_entry"


@pytest.mark.parametrize("kind", [ev.Lockdown, ev.Maintenance])
def test_what_shuts_the_entry_ends_its_freedom_and_leaves_the_exit(
    rig: Rig, kind: type[ev.Lockdown | ev.Maintenance]
) -> None:
    rig.set_free(entry=True, exit_=True)
    rig.feed(kind, active=False, actor="campus")
    assert rig.held == {ENTRY, EXIT}
    rig.feed(kind, active=True, actor="campus")
    rig.feed(kind, active=False, actor="campus")
    assert rig.state() is State.FREE_EXIT
    assert rig.held == {EXIT}


def test_freeing_in_an_emergency_is_for_nothing(rig: Rig) -> None:
    rig.feed(ev.FireAlarm, active=True)
    rig.set_free(entry=True, exit_=True)
    assert refusal(rig) == "emergency_open"
    rig.feed(ev.FireAlarm, active=False)
    rig.feed(ev.ResetEmergency, actor="guard")
    assert rig.state() is State.LOCKED
    assert rig.held == set()
