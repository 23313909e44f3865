"""Relays that don't do what they are told, as their auxiliary contacts show it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.drivers.readback import DEAD, WELDED, Readback
from hw.gate_settings import READBACK_LIMIT
from hw.ports import Side, Signal
from hw.sim.turnstile import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

WIRED = {"readback_a": 19, "readback_b": 26}
RELAYS = {Side.A: Signal.RELAY_A, Side.B: Signal.RELAY_B}


@pytest.fixture
def lane(build: Callable[..., Any]) -> Any:
    return build(**WIRED)


def told(lane: Any, side: Side = Side.A) -> list[tuple[bool, str | None]]:
    return [(edge.active, edge.cause) for edge in lane.edges if edge.signal is RELAYS[side]]


def test_a_relay_that_obeys_is_nothing(lane: Any) -> None:
    for side in Side:
        lane.gate.unlock(side, 0.5)
        lane.clock.advance(2)
        lane.gate.hold(side, on=True)
        lane.clock.advance(20)
        lane.gate.relock(side)
        lane.clock.advance(2)
        assert told(lane, side) == []
        assert lane.gate.read(RELAYS[side]) is False


def test_without_a_read_back_nothing_is_known(build: Callable[..., Any]) -> None:
    lane = build()
    lane.turnstile.inject(Fault.RELAY_WELDED)
    lane.clock.advance(5)
    assert lane.gate.read(Signal.RELAY_A) is None
    assert told(lane) == []


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("closed", [(), ("readback_a", "readback_b")])
def test_a_contact_that_stays_behind_is_told_after_the_limit(
    build: Callable[..., Any], side: Side, closed: tuple[str, ...]
) -> None:
    lane = build(normally_closed=closed, **WIRED)
    lane.gate.unlock(side, 0.5)
    lane.clock.advance(0.4)
    lane.turnstile.inject(Fault.RELAY_WELDED, side)
    lane.clock.advance(0.1 + READBACK_LIMIT - 0.001)
    assert told(lane, side) == []
    lane.clock.advance(0.002)
    assert told(lane, side) == [(True, WELDED)]
    assert lane.edges[-1].timestamp == pytest.approx(100.7), "from the end of the command on"
    assert lane.gate.read(RELAYS[side]) is True
    lane.turnstile.repair(Fault.RELAY_WELDED, side)
    lane.clock.advance(1)
    assert told(lane, side) == [(True, WELDED), (False, None)]


def test_a_coil_that_does_not_pull_is_told_within_its_own_pulse(lane: Any) -> None:
    lane.turnstile.inject(Fault.COIL_BROKEN)
    lane.gate.unlock(Side.A, 0.3)
    lane.clock.advance(0.25)
    assert told(lane) == [(True, DEAD)]
    assert not lane.turnstile.push(Side.A), "and the arm is locked"


def test_a_coil_that_fails_in_a_hold_is_told(lane: Any) -> None:
    lane.gate.hold(Side.B, on=True)
    lane.clock.advance(60)
    lane.turnstile.inject(Fault.COIL_BROKEN, Side.B)
    lane.clock.advance(0.3)
    assert told(lane, Side.B) == [(True, DEAD)]
    assert told(lane, Side.A) == []


def test_welded_at_boot_is_told_without_any_command(build: Callable[..., Any]) -> None:
    lane = build(opened=False, **WIRED)
    lane.turnstile.inject(Fault.RELAY_WELDED, Side.B)
    lane.clock.advance(1)
    lane.gate.open(lane.edges.append)
    lane.clock.advance(READBACK_LIMIT + 0.01)
    assert told(lane, Side.B) == [(True, WELDED)]
    assert lane.relay_moves(Side.B) == []


def test_a_lost_edge_of_the_read_back_is_no_fault_of_the_relay(lane: Any) -> None:
    pin = lane.turnstile.pin_factory.pin(19)
    handler, pin.when_changed = pin.when_changed, None
    lane.gate.unlock(Side.A, 1.0)
    lane.clock.advance(0.5)
    pin.when_changed = handler
    lane.clock.advance(5)
    assert told(lane) == []


def test_a_callback_that_fails_does_not_end_the_watch(lane: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_edge: object) -> None:
        raise RuntimeError("a bug above")

    lane.gate.close()
    lane.gate.open(fail)
    with caplog.at_level(logging.ERROR):
        lane.turnstile.inject(Fault.RELAY_WELDED)
        lane.clock.advance(1)
    assert "the callback for relay_a failed" in caplog.text
    assert lane.gate.read(Signal.RELAY_A) is True
    lane.turnstile.repair(Fault.RELAY_WELDED)
    lane.clock.advance(1)
    assert lane.gate.read(Signal.RELAY_A) is False


LEVELS = st.tuples(st.floats(0.0, 0.5), st.sampled_from(["command", "contact"]), st.booleans())


@given(st.lists(LEVELS, max_size=30))
def test_what_is_told_is_just_what_lasted(steps: list[tuple[float, str, bool]]) -> None:
    """Against the plain definition: they have differed, without a break, for the limit."""
    relay, now, commanded, closed, differs_since = Readback(0.0, closed=False), 0.0, False, False, None
    told = False
    for gap, what, level in steps:
        end = now + gap
        verdict = relay.judge(end)
        lasted = differs_since is not None and end >= differs_since + READBACK_LIMIT
        if verdict is not None:
            assert verdict.disagrees is not told
            assert verdict.disagrees is lasted
            assert verdict.cause == ((WELDED if closed else DEAD) if lasted else None)
            told = verdict.disagrees
        assert told is lasted
        now = end
        if what == "command":
            commanded = level
            relay.command(now, on=level)
        else:
            closed = level
            relay.contact(now, closed=level)
        if commanded is closed:
            differs_since = None
        elif differs_since is None:
            differs_since = now
