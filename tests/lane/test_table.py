"""The table is whole, its handlers fit their events, and the page drawn from it is fresh."""

from __future__ import annotations

import inspect
import typing
from typing import TYPE_CHECKING

import pytest

from controller.lane import events as ev
from controller.lane import facts
from controller.lane.diagram import PAGE, main, render
from controller.lane.facts import PRIORITY, Facts, Phase, resting
from controller.lane.model import Direction, FaultKind
from controller.lane.states import CYCLE, Timer, Trigger, trigger_of
from controller.lane.table import IGNORE, ILLEGAL, LEADS_TO, TRANSITIONS, Skip, State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lane.conftest import MakeRig, Rig

EVENTS: dict[Trigger, type[ev.Event]] = {
    Trigger.BOOTED: ev.Booted,
    Trigger.SELFTEST_PASSED: ev.SelfTestPassed,
    Trigger.SELFTEST_FAILED: ev.SelfTestFailed,
    Trigger.APPROACHED: ev.Approached,
    Trigger.LEFT: ev.Left,
    Trigger.ASSESSED: ev.Assessed,
    Trigger.PRESENTED: ev.Presented,
    Trigger.HOME: ev.Home,
    Trigger.FIRE: ev.FireAlarm,
    Trigger.KEY: ev.MechanicalKey,
    Trigger.TAMPER: ev.Tamper,
    Trigger.MAINS: ev.Mains,
    Trigger.INTRUSION: ev.Intrusion,
    Trigger.JOURNAL_FAILED: ev.JournalFailed,
    Trigger.DEVICE_LOST: ev.DeviceLost,
    Trigger.DEVICE_BACK: ev.DeviceBack,
    Trigger.SELF_TESTED: ev.SelfTested,
    Trigger.RELAY_MISMATCH: ev.RelayMismatch,
    Trigger.ACKNOWLEDGE: ev.Acknowledge,
    Trigger.OTHER_SHUT: ev.OtherLaneShut,
    Trigger.OPEN_ENTRY: ev.OpenOnce,
    Trigger.OPEN_EXIT: ev.OpenOnce,
    Trigger.SET_FREE: ev.SetFree,
    Trigger.LOCKDOWN: ev.Lockdown,
    Trigger.MAINTENANCE: ev.Maintenance,
    Trigger.RESET: ev.ResetEmergency,
}


def test_every_state_has_a_cell_for_every_trigger() -> None:
    assert list(TRANSITIONS) == list(State)
    for state, row in TRANSITIONS.items():
        assert set(row) == set(Trigger), state


def test_every_event_and_every_timer_has_a_trigger() -> None:
    kinds = set(typing.get_args(ev.LaneEvent))
    defined = {kind for kind in vars(ev).values() if isinstance(kind, type) and issubclass(kind, ev.Event)}
    assert kinds == defined - {ev.Event, ev.Command}
    for timer in Timer:
        trigger = trigger_of(ev.TimerFired(now=0.0, name=timer.value, token=1))
        assert trigger.value == f"TimerFired({timer.value})"


@pytest.mark.parametrize("state", State)
def test_every_handler_takes_the_event_of_its_trigger(state: State) -> None:
    for trigger, cell in TRANSITIONS[state].items():
        if isinstance(cell, Skip):
            continue
        event = EVENTS.get(trigger, ev.TimerFired if trigger.value.startswith("Timer") else ev.PassContact)
        annotation = list(inspect.signature(cell).parameters.values())[1].annotation
        assert annotation == event.__name__, (trigger, cell)


def test_only_timers_that_a_state_arms_can_fire_in_it() -> None:
    arms = {
        Trigger.SCREENING_OVER: {State.SCREENING},
        Trigger.SHOW_OVER: {State.COMPLETE, State.DENIED, State.GRANT_EXPIRED, State.LANE_OCCUPIED},
        Trigger.GRANT_OVER: {State.GRANTED},
        Trigger.PASSING_OVER: {State.PASSING},
    }
    for trigger, states in arms.items():
        assert {state for state in State if TRANSITIONS[state][trigger] is not ILLEGAL} == states


@pytest.mark.parametrize("trigger", [Trigger.FIRE, Trigger.KEY, Trigger.EXIT_ENDS, Trigger.OPEN_EXIT, Trigger.RESET])
def test_fire_key_egress_and_reset_are_handled_in_every_state(trigger: Trigger) -> None:
    assert all(not isinstance(TRANSITIONS[state][trigger], Skip) for state in State)


def test_nobody_is_granted_by_perception_except_while_screening() -> None:
    granting = [handler for handler, targets in LEADS_TO.items() if State.GRANTED in targets]
    by_perception = [state for state in State if TRANSITIONS[state][Trigger.ASSESSED] in granting]
    assert by_perception == [State.SCREENING]


def test_a_card_leads_to_a_look_or_a_denial_and_never_further() -> None:
    cells = {TRANSITIONS[state][Trigger.PRESENTED] for state in State} - {IGNORE}
    targets = {target for cell in cells if not isinstance(cell, Skip) for target in LEADS_TO.get(cell, frozenset())}
    assert ILLEGAL not in cells
    assert targets == {State.SCREENING, State.DENIED}


def test_what_leads_somewhere_stands_in_the_table() -> None:
    used = {cell for row in TRANSITIONS.values() for cell in row.values()}
    assert set(LEADS_TO) <= used


def test_an_illegal_event_changes_nothing_and_is_counted(rig: Rig) -> None:
    assert TRANSITIONS[State.LOCKED][Trigger.BOOTED] is ILLEGAL
    assert rig.feed(ev.Booted) == ()
    assert rig.state() is State.LOCKED
    assert rig.lane.illegal_events == 1


def test_a_stale_timer_is_no_event(rig: Rig) -> None:
    rig.approach()
    ((name, (_, token)),) = rig.timers.items()
    rig.feed(ev.Left)
    rig.approach()
    assert rig.feed(ev.TimerFired, name=name, token=token) == ()
    assert rig.feed(ev.TimerFired, name="nobody's", token=token + 1) == ()
    assert rig.lane.illegal_events == 0


def test_an_ignored_event_is_not_an_error(rig: Rig) -> None:
    assert TRANSITIONS[State.LOCKED][Trigger.LEFT] is IGNORE
    assert rig.feed(ev.Left) == ()
    assert rig.lane.illegal_events == 0


ORDERED: dict[State, dict[str, typing.Any]] = {
    State.EMERGENCY_OPEN: {"emergency": True},
    State.KEY_OVERRIDE: {"key": True},
    State.LOCKDOWN: {"lockdown": True},
    State.FAULT: {"faults": frozenset({FaultKind.RELAY})},
    State.MAINTENANCE: {"maintenance": True},
    State.FREE_BOTH: {"free": frozenset(Direction)},
    State.LOCKED: {},
}


def test_what_is_stronger_wins() -> None:
    names = list(ORDERED)
    for place, stronger in enumerate(names):
        standing: dict[str, typing.Any] = {"phase": Phase.READY}
        for weaker in reversed(names[place:]):
            standing |= ORDERED[weaker]
        assert resting(Facts(**standing)) is stronger


def test_every_standing_state_has_a_place_and_a_prompt() -> None:
    assert {state for state, _, _ in PRIORITY} == frozenset(State) - CYCLE
    for state in frozenset(State) - CYCLE:
        assert facts.standing_prompt(state)


def test_free_needs_no_sensor_but_a_relay_that_obeys() -> None:
    free = frozenset({Direction.ENTRY})
    without_sensor = Facts(phase=Phase.READY, free=free, faults=frozenset({FaultKind.SENSOR_THERMAL}))
    without_relay = Facts(phase=Phase.READY, free=free, faults=frozenset({FaultKind.RELAY}))
    assert resting(without_sensor) is State.FREE_ENTRY
    assert resting(without_relay) is State.FAULT


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()
    assert main(["--check"]) == 0


def test_the_page_names_every_cell() -> None:
    page = render()
    for state in State:
        section = page.partition(f"### {state.name}\n")[2].partition("\n### ")[0]
        for trigger in Trigger:
            assert trigger.value in section, (state, trigger)


def test_a_stale_page_is_told_and_redrawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "states.md"
    assert main([str(page), "--check"]) == 1
    assert "not fresh" in capsys.readouterr().err
    page.write_text("old", encoding="utf-8")
    assert main([str(page), "--check"]) == 1
    assert main([str(page)]) == 0
    assert main([str(page), "--check"]) == 0


def test_a_lane_begins_in_boot_and_tells_nothing_before(make_rig: MakeRig) -> None:
    rig = make_rig()
    assert rig.state() is State.BOOT
    assert rig.lane.faults == frozenset()
    assert dict(rig.lane.grants) == {}
    assert rig.lane.prompt.value == "out_of_service"
