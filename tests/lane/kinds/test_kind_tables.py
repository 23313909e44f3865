"""The tables of door and barrier are whole, their handlers fit their events, and what they share is a turnstile's."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from controller.lane import arm, barrier, door
from controller.lane.diagram import render
from controller.lane.events import TimerFired
from controller.lane.kinds import MECHANICS
from controller.lane.sensed import LowerRefused, Reading, Sensed, Sensor
from controller.lane.states import State, Timer, Trigger
from controller.lane.table import ILLEGAL, TRANSITIONS, Skip

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping

KINDS: dict[str, tuple[type[enum.Enum], type[enum.Enum], type[enum.Enum], Mapping[Any, Any]]] = {
    "door": (door.Leaf, door.LeafTrigger, door.LeafTimer, door.LEAF_LEADS_TO),
    "barrier": (arm.Arm, arm.ArmTrigger, arm.ArmTimer, barrier.ARM_LEADS_TO),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_place_has_a_cell_for_every_trigger(name: str) -> None:
    places, triggers, _, _ = KINDS[name]
    table = MECHANICS[name].table
    assert list(table) == list(places)
    for place, row in table.items():
        assert set(row) == set(triggers), place


@pytest.mark.parametrize("name", KINDS)
def test_the_visit_has_a_cell_for_every_trigger_in_every_state(name: str) -> None:
    visit = MECHANICS[name].visit
    assert list(visit) == list(State)
    for state, row in visit.items():
        assert set(row) == set(Trigger), state


@pytest.mark.parametrize("name", KINDS)
def test_every_handler_takes_the_event_of_its_trigger(name: str) -> None:
    for row in MECHANICS[name].table.values():
        for trigger, cell in row.items():
            if isinstance(cell, Skip):
                continue
            annotation = list(inspect.signature(cell).parameters.values())[1].annotation
            assert annotation == trigger.value.partition("(")[0], (trigger, cell)


@pytest.mark.parametrize("name", KINDS)
def test_every_timer_and_every_sensor_has_a_trigger(name: str) -> None:
    _, triggers, timers, _ = KINDS[name]
    trigger_of = MECHANICS[name].trigger_of
    reached: set[enum.Enum | None] = set()
    for timer in timers:
        found = trigger_of(TimerFired(now=0.0, name=timer.value, token=1))
        assert found is not None
        assert found.value == f"TimerFired({timer.value})"
        reached.add(found)
    for sensor in Sensor:
        reached |= {trigger_of(Sensed(now=0.0, sensor=sensor, reading=reading)) for reading in Reading}
    reached |= {trigger_of(LowerRefused(now=0.0)), None}
    assert reached == set(triggers) | {None}


@pytest.mark.parametrize("name", KINDS)
def test_timers_have_names_of_their_own(name: str) -> None:
    own = {timer.value for timer in KINDS[name][2]}
    assert not own & {timer.value for timer in Timer}


@pytest.mark.parametrize("name", KINDS)
def test_what_leads_somewhere_stands_in_the_table(name: str) -> None:
    used = {cell for row in MECHANICS[name].table.values() for cell in row.values()}
    assert set(KINDS[name][3]) <= used


@pytest.mark.parametrize("name", KINDS)
def test_policy_orders_faults_and_egress_are_not_written_twice(name: str) -> None:
    """Only what the mechanics change is a kind's own; every other cell is the turnstile's, to the object."""
    own = {Trigger.ENTRY_BEGINS, Trigger.EXIT_BEGINS, Trigger.GRANT_OVER, Trigger.PRESENTED}
    for state, row in MECHANICS[name].visit.items():
        for trigger, cell in row.items():
            if cell is not TRANSITIONS[state][trigger]:
                assert trigger in own or cell is ILLEGAL, (state, trigger)


def test_the_page_has_both_tables() -> None:
    page = render()
    for places, triggers, _, _ in KINDS.values():
        for place in places:
            for trigger in triggers:
                assert f"| {place.name} | {trigger.value} |" in page
