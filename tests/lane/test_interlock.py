"""Two lanes of which only one lets people in at a time; fire, the key and whoever leaves ask nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from controller.lane import effects as fx
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.interlock import Interlock
from controller.lane.model import Direction
from controller.lane.sensed import Reading, Sensor
from controller.lane.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.model import Assessment
    from tests.lane.conftest import MakeRig, Rig

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT

Pair = tuple["Rig", "Rig"]


@pytest.fixture
def make_pair(make_rig: MakeRig) -> Callable[..., Pair]:
    """Two lanes in service that share an interlock."""

    def make(**changes: Any) -> Pair:
        shared = Interlock()
        first, second = (make_rig(interlock=shared, **changes).boot() for _ in range(2))
        return first, second

    return make


@pytest.fixture
def pair(make_pair: Callable[..., Pair]) -> Pair:
    return make_pair()


def test_while_one_is_granted_the_other_waits_and_then_passes(pair: Pair) -> None:
    first, second = pair
    first.admit("p1")
    second.approach()
    second.assess()
    assert second.state() is State.DENIED
    assert second.shown() == (Prompt.WAIT, "interlock")
    assert second.moves() == []
    first.pass_through()
    second.advance(second.settings.deny_show)
    second.assess()
    assert second.state() is State.GRANTED
    assert first.lane.illegal_events == second.lane.illegal_events == 0


def test_it_is_nobodys_failed_attempt_and_a_card_need_not_be_shown_again(make_pair: Callable[..., Pair]) -> None:
    first, second = make_pair(require="card")
    first.open_once()
    second.approach()
    second.present("p1")
    for _ in range(10):
        second.assess()
        assert second.records(RecordKind.DENY)[-1].detail["reason"] == "interlock"
        second.advance(second.settings.deny_show)
    assert second.records(RecordKind.WARNING) == []
    first.pass_through()
    second.assess()
    assert second.state() is State.GRANTED


def begin_to_pass(rig: Rig) -> None:
    rig.admit()
    rig.contact(ENTRY, active=True)


OPENS: dict[str, Callable[[Rig], Any]] = {
    "granted": lambda rig: rig.admit(),
    "passing": begin_to_pass,
    "by order": lambda rig: rig.open_once(),
    "held": lambda rig: rig.set_free(entry=True),
    "in emergency": lambda rig: rig.feed(ev.FireAlarm, active=True),
    "by key": lambda rig: rig.feed(ev.MechanicalKey, active=True),
    "not home": lambda rig: rig.feed(ev.Home, ready=False),
}
CLOSES: dict[str, Callable[[Rig], Any]] = {
    "granted": lambda rig: rig.advance(rig.settings.passage_wait),
    "passing": lambda rig: rig.contact(ENTRY, active=False),
    "by order": lambda rig: rig.feed(ev.Lockdown, active=True, actor="guard"),
    "held": lambda rig: rig.set_free(),
    "in emergency": lambda rig: (
        rig.feed(ev.FireAlarm, active=False),
        rig.feed(ev.ResetEmergency, actor="guard"),
    ),
    "by key": lambda rig: rig.feed(ev.MechanicalKey, active=False),
    "not home": lambda rig: rig.feed(ev.Home, ready=True),
}


@pytest.mark.parametrize("how", OPENS)
def test_whatever_opens_one_bars_every_way_into_the_other_until_it_ends(pair: Pair, how: str) -> None:
    first, second = pair
    OPENS[how](first)
    second.open_once()
    assert second.records(RecordKind.COMMAND)[-1].detail["refused"] == "interlock"
    second.set_free(entry=True, exit_=True)
    assert second.records(RecordKind.COMMAND)[-1].detail["refused"] == "interlock"
    assert second.held == {EXIT}, "the way out is free all the same"
    CLOSES[how](first)
    second.open_once()
    assert second.state() is State.GRANTED


def test_a_grant_that_did_not_reach_the_disk_bars_nobody(pair: Pair) -> None:
    first, second = pair
    first.disk_fails = lambda record: record.kind is RecordKind.GRANT
    first.approach()
    first.assess()
    assert first.unlocked == set()
    second.admit("p2")


def test_whoever_leaves_asks_nobody(pair: Pair) -> None:
    first, second = pair
    first.admit("p1")
    grant_id = second.open_once(EXIT)
    assert second.unlocked == {EXIT}
    second.pass_through(EXIT)
    assert second.outcomes(grant_id) == ["completed"]
    first.contact(EXIT, active=True)


def test_fire_and_the_key_ask_nobody(pair: Pair) -> None:
    first, second = pair
    first.admit("p1")
    second.feed(ev.MechanicalKey, active=True)
    assert second.state() is State.KEY_OVERRIDE
    second.feed(ev.FireAlarm, active=True)
    assert second.held == {ENTRY, EXIT}
    first.feed(ev.FireAlarm, active=True)
    assert first.held == {ENTRY, EXIT}


def test_a_lane_that_is_held_open_may_be_told_so_again(pair: Pair) -> None:
    first, second = pair
    first.set_free(entry=True)
    first.set_free(entry=True, exit_=True)
    assert first.state() is State.FREE_BOTH
    second.set_free(entry=True)
    assert second.held == set()


def test_without_an_interlock_lanes_do_not_ask_each_other(make_rig: MakeRig) -> None:
    first, second = make_rig().boot(), make_rig().boot()
    first.admit("p1")
    second.admit("p2")


def test_who_waits_for_the_other_lane_is_looked_at_as_soon_as_it_is_shut(pair: Pair) -> None:
    first, second = pair
    second.lane.when_free(lambda: second.feed(ev.OtherLaneShut))
    first.admit("p1")
    second.approach()
    second.assess()
    assert second.shown() == (Prompt.WAIT, "interlock")
    second.advance(0.5)
    assert second.state() is State.DENIED
    first.pass_through()
    assert second.state() is State.SCREENING, "at once, and not when the denial has been shown for long enough"
    assert fx.Reassess(0.0) in second.last


def test_the_other_lane_says_nothing_to_who_is_denied_for_something_else(
    pair: Pair, someone: Callable[..., Assessment]
) -> None:
    first, second = pair
    second.lane.when_free(lambda: second.feed(ev.OtherLaneShut))
    first.admit("p1")
    second.approach()
    second.assess(someone(None))
    shown = second.shown()
    assert shown[1] != "interlock"
    first.pass_through()
    assert (second.state(), second.shown()) == (State.DENIED, shown)


# Doors and barriers


@pytest.fixture
def kinds(make_rig: MakeRig, make_door: MakeRig, make_barrier: MakeRig) -> Callable[[str, str], Pair]:
    """Two lanes in service, of these kinds, that share an interlock."""

    def make(first: str, second: str) -> Pair:
        shared = Interlock()
        makers = {"turnstile": lambda **own: make_rig(**own).boot(), "door": make_door, "barrier": make_barrier}
        return makers[first](interlock=shared), makers[second](interlock=shared)

    return make


def is_barred(rig: Rig) -> bool:
    rig.set_free(entry=True)
    refused = rig.records(RecordKind.COMMAND)[-1].detail.get("refused")
    rig.set_free()
    return refused == "interlock"


@pytest.mark.parametrize("other", ["turnstile", "door", "barrier"])
def test_a_door_bars_the_other_lane_until_it_is_shut_whoever_opened_it(
    kinds: Callable[[str, str], Pair], other: str
) -> None:
    door, second = kinds("door", other)
    woken: list[float] = []
    second.lane.when_free(lambda: woken.append(door.now))
    assert not is_barred(second)
    door.sense(Sensor.REX, Reading.ON)
    assert EXIT in door.held, "the way out asks nobody"
    assert is_barred(second), "its lock is released, and a lock is released for both ways"
    door.sense(Sensor.DOOR, Reading.ON)
    door.sense(Sensor.REX, Reading.OFF)
    door.advance(10.0)
    assert is_barred(second), "the leaf is open still"
    assert woken == []
    door.sense(Sensor.DOOR, Reading.OFF)
    assert is_barred(second), "it may bounce"
    door.advance(1.0)
    assert not is_barred(second)
    assert woken
    door.sense(Sensor.DOOR, Reading.ON)
    assert is_barred(second), "forced"


def test_a_barrier_bars_the_other_lane_until_its_arm_is_down(kinds: Callable[[str, str], Pair]) -> None:
    barrier, second = kinds("barrier", "door")
    barrier.open_once()
    barrier.arm_goes_up()
    barrier.drive_under()
    barrier.drive_off()
    barrier.advance(5.0)
    assert barrier.state() is State.LOCKED, "the passage is over"
    assert is_barred(second)
    barrier.sense(Sensor.ARM_UP, Reading.OFF)
    assert is_barred(second), "it comes down"
    barrier.sense(Sensor.ARM_DOWN, Reading.ON)
    assert not is_barred(second)


def test_while_the_other_lane_is_open_no_door_is_released_and_no_arm_raised_to_come_in(
    kinds: Callable[[str, str], Pair],
) -> None:
    for kind in ("door", "barrier"):
        first, second = kinds("turnstile", kind)
        first.admit("p1")
        if kind == "barrier":
            second.drive_up()
        second.approach()
        second.assess()
        assert second.shown() == (Prompt.WAIT, "interlock")
        assert second.unlocked | second.held == set()
        second.open_once(EXIT)
        assert second.unlocked == {EXIT}, "the way out asks nobody"


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from(
            ["admit", "order", "free", "unfree", "pass in", "pass out", "time", "fire", "reset", "key", "home", "lock"]
        ),
        st.booleans(),
    ),
    max_size=40,
)


def perform(rig: Rig, what: str, on: bool) -> None:  # noqa: FBT001, C901 - one branch a step is the table
    match what:
        case "admit":
            rig.approach(presence=1)
            rig.assess(presence=1)
        case "order":
            rig.open_once(ENTRY if on else EXIT)
        case "free":
            rig.set_free(entry=True, exit_=on)
        case "unfree":
            rig.set_free()
        case "pass in":
            rig.contact(ENTRY, active=on)
        case "pass out":
            rig.contact(EXIT, active=on)
        case "time":
            rig.advance(6.0 if on else 0.5)
        case "fire":
            rig.feed(ev.FireAlarm, active=on)
        case "reset":
            rig.feed(ev.ResetEmergency, actor="guard")
        case "key":
            rig.feed(ev.MechanicalKey, active=on)
        case "home":
            rig.feed(ev.Home, ready=on)
        case "lock":
            rig.feed(ev.Lockdown, active=on, actor="guard")


def lets_in(rig: Rig) -> bool:
    """Whether somebody may get in here, by what the relays were told and the contacts say."""
    return ENTRY in rig.unlocked or ENTRY in rig.held or rig.state() is State.PASSING


@given(steps=STEPS, failing=st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_lane_is_opened_to_come_in_while_the_other_is(
    make_pair: Callable[..., Pair],
    steps: list[tuple[int, str, bool]],
    failing: bool,  # noqa: FBT001
) -> None:
    pair = make_pair()
    for number, (which, what, on) in enumerate(steps):
        rig, other = pair[which], pair[1 - which]
        rig.disk_fails = lambda _record, number=number: failing and number % 7 == 3  # type: ignore[misc]
        before = lets_in(rig)
        held = ENTRY in rig.lane.facts.held
        earlier = rig.last
        perform(rig, what, on)
        if lets_in(rig) and not before and lets_in(other) and what != "fire":
            # A fire burns still: what it holds open is told to open again, whatever ended the hold for a moment.
            assert held or rig.lane.facts.emergency, f"step {number}: {what} opened a second lane"
        now = () if rig.last is earlier else rig.last  # time alone may bring no event
        opened = [effect for effect in now if isinstance(effect, fx.Unlock) and effect.direction is ENTRY]
        if opened:
            assert not lets_in(other)
