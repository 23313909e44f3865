"""Contacts: debounce, polarity, lost edges, callbacks that fail."""

from __future__ import annotations

import itertools
import logging
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.drivers.debounce import Debouncer
from hw.ports import Edge, Side, Signal
from hw.sim.turnstile import Fault

if TYPE_CHECKING:
    from collections.abc import Callable


def pulse(lane: Any, key: str, seconds: float) -> None:
    """An active pulse on a line, without contact bounce."""
    pin = lane.turnstile.pin_factory.pin(getattr(lane.settings, key))
    active = not lane.settings.inputs_active_low
    pin.set_contact(active)
    lane.clock.advance(seconds)
    pin.set_contact(not active)


def test_a_short_glitch_is_counted_and_is_no_edge(lane: Any) -> None:
    pulse(lane, "pass_a", 0.010)
    lane.clock.advance(1)
    assert lane.edges == []
    assert lane.gate.counters.glitches[Signal.PASS_A] == 1


def test_a_pulse_of_100_ms_is_two_edges_with_the_time_of_the_first(lane: Any) -> None:
    lane.clock.advance(0.8)
    pulse(lane, "pass_a", 0.100)
    lane.clock.advance(1)
    assert [(edge.signal, edge.active, round(edge.timestamp, 6)) for edge in lane.edges] == [
        (Signal.PASS_A, True, 101.0),
        (Signal.PASS_A, False, 101.1),
    ]
    assert lane.gate.counters.glitches[Signal.PASS_A] == 0


def test_an_edge_is_reported_when_it_has_settled_not_before(lane: Any) -> None:
    lane.turnstile.pin_factory.pin(5).set_contact(False)
    lane.clock.advance(0.029)
    assert lane.edges == []
    assert lane.gate.read(Signal.PASS_A) is False
    lane.clock.advance(0.002)
    assert [edge.active for edge in lane.edges] == [True]
    assert lane.gate.read(Signal.PASS_A) is True


@pytest.mark.parametrize("active_low", [False, True])
@pytest.mark.parametrize("closed", [(), ("fire", "ready")])
def test_polarity_and_normally_closed_contacts(
    build: Callable[..., Any],
    active_low: bool,  # noqa: FBT001
    closed: tuple[str, ...],
) -> None:
    lane = build(inputs_active_low=active_low, normally_closed=closed)
    assert lane.gate.read(Signal.READY) is True
    assert lane.gate.read(Signal.FIRE) is False
    lane.turnstile.press_fire(True)
    lane.clock.advance(0.2)
    assert lane.gate.read(Signal.FIRE) is True
    lane.turnstile.press_fire(False)
    lane.clock.advance(0.2)
    assert lane.edges_of(Signal.FIRE) == [True, False]
    pull = lane.turnstile.pin_factory.pin(13).pull
    assert pull == ("up" if active_low else "down")


def test_an_input_that_is_not_wired_reads_none(build: Callable[..., Any]) -> None:
    lane = build(ready=None, fire=None)
    assert lane.gate.read(Signal.READY) is None
    assert lane.gate.read(Signal.FIRE) is None
    lane.turnstile.press_fire(True)
    lane.clock.advance(1)
    assert lane.edges == []


def test_levels_found_at_opening_are_read_and_are_no_edges(build: Callable[..., Any]) -> None:
    lane = build(opened=False)
    lane.turnstile.press_fire(True)
    lane.turnstile.inject(Fault.PASS_STUCK, Side.B)
    lane.clock.advance(1)
    lane.gate.open(lane.edges.append)
    lane.clock.advance(1)
    assert lane.gate.read(Signal.FIRE) is True
    assert lane.gate.read(Signal.PASS_B) is True
    assert lane.gate.read(Signal.PASS_A) is False
    assert lane.edges == []


def test_a_callback_that_fails_costs_one_edge_and_not_the_thread(
    lane: Any, build: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Edge] = []

    def callback(edge: Edge) -> None:
        if not seen:
            seen.append(edge)
            raise RuntimeError("a bug above")
        seen.append(edge)

    lane.gate.close()
    lane.gate.open(callback)
    lane.clock.advance(0.1)
    with caplog.at_level(logging.ERROR):
        pulse(lane, "pass_a", 0.1)
        lane.clock.advance(1)
    assert [edge.active for edge in seen] == [True, False]
    assert lane.gate.counters.failed_callbacks == 1
    assert "pass_a" in caplog.text


def test_an_edge_the_pins_never_reported_is_found(lane: Any) -> None:
    pin = lane.turnstile.pin_factory.pin(lane.settings.fire)
    pin._state = False  # the level changes; no event comes
    lane.clock.advance(2)
    assert lane.edges_of(Signal.FIRE) == [True]
    assert lane.gate.read(Signal.FIRE) is True
    assert lane.gate.counters.lost_edges == 1


def test_closing_from_the_callback_is_safe(build: Callable[..., Any]) -> None:
    lane = build(opened=False)

    def close(edge: Edge) -> None:
        lane.edges.append(edge)
        lane.gate.close()

    lane.gate.open(close)
    lane.clock.advance(0.1)
    pulse(lane, "pass_a", 0.1)
    lane.clock.advance(1)
    assert lane.edges_of(Signal.PASS_A) == [True]
    lane.gate.close()
    lane.gate.open(lane.edges.append)


def test_without_debounce_every_level_counts(build: Callable[..., Any]) -> None:
    lane = build(debounce=0)
    pulse(lane, "key", 0.002)
    lane.clock.advance(0.1)
    assert lane.edges_of(Signal.KEY) == [True, False]


def settled_by_definition(changes: list[tuple[float, bool]], interval: float) -> tuple[list[tuple[bool, float]], int]:
    """Edges and glitches, straight from the definition, of changes at (seconds, level) after a long inactive time."""
    stable, since, glitches, edges = False, None, 0, []
    for (began, level), (ended, _) in itertools.pairwise([*changes, (math.inf, False)]):
        since = began if since is None else since
        if ended < began + interval:
            continue
        if level != stable:
            stable = level
            edges.append((level, since))
        else:
            glitches += 1
        since = None
    return edges, glitches


class TestDebouncer:
    @given(gaps=st.lists(st.floats(0.001, 0.1), max_size=40), interval=st.sampled_from([0.0, 0.02, 0.05]))
    def test_it_agrees_with_the_definition(self, gaps: list[float], interval: float) -> None:
        times = list(itertools.accumulate(gaps))
        changes = [(at, i % 2 == 0) for i, at in enumerate(times)]
        debouncer = Debouncer(interval, active=False)
        settled = [debouncer.feed(at, active=active) for at, active in changes]
        settled.append(debouncer.settle(1e9))
        edges, glitches = settled_by_definition(changes, interval)
        assert [(edge.active, edge.since) for edge in settled if edge is not None] == edges
        assert debouncer.glitches == glitches
        assert debouncer.deadline == math.inf

    def test_a_level_that_settles_between_two_edges_counts(self) -> None:
        debouncer = Debouncer(0.03, active=False)
        assert debouncer.feed(1.0, active=True) is None
        settled = debouncer.feed(1.2, active=False)
        assert settled is not None
        assert (settled.active, settled.since) == (True, 1.0)
        settled = debouncer.settle(1.23)
        assert settled is not None
        assert (settled.active, settled.since) == (False, 1.2)
        assert debouncer.glitches == 0
