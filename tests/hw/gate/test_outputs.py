"""Relays, STOP and lamps: pulses and their cap, safe levels, lines that fail."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from gpiozero import DigitalOutputDevice
from hypothesis import given
from hypothesis import strategies as st

from hw.clock import SystemClock
from hw.drivers.gate import GpioGate
from hw.drivers.relay import RETRY, RelayGuard, RelayState
from hw.errors import DeviceClosed, DeviceError, DeviceMissing
from hw.ports import Edge, Lamp, Side, Signal
from hw.settings import POTENTIAL_CAP, GateSettings
from hw.sim.clock import ManualClock
from hw.sim.turnstile import SimulatedTurnstile

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_pulse_ends_by_itself_at_its_time(lane: Any) -> None:
    lane.gate.unlock(Side.A, 0.3)
    lane.clock.advance(2)
    assert lane.relay_moves(Side.A) == [(100.2, True), (100.5, False)]
    assert lane.relay_moves(Side.B) == []
    assert lane.pin_levels("unlock_a") == [0, 1, 0]


@pytest.mark.parametrize("seconds", [1.51, 15, float("inf"), float("nan"), 0, -1])
def test_a_pulse_beyond_the_cap_is_refused_and_moves_nothing(lane: Any, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"at most 1\.5 s"):
        lane.gate.unlock(Side.A, seconds)
    lane.clock.advance(1)
    assert lane.relay_moves() == []


def test_no_series_of_unlocks_outlasts_the_cap(lane: Any) -> None:
    for _ in range(30):
        lane.gate.unlock(Side.A, 1.0)
        lane.clock.advance(0.1)
    lane.clock.advance(5)
    moves = lane.relay_moves()
    pulses = [off - on for (on, _), (off, _) in zip(moves[::2], moves[1::2], strict=True)]
    assert max(pulses) == pytest.approx(1.5)
    assert [active for _, active in moves] == [True, False] * len(pulses)


def test_a_shorter_second_unlock_does_not_cut_the_first(lane: Any) -> None:
    lane.gate.unlock(Side.A, 1.0)
    lane.clock.advance(0.1)
    lane.gate.unlock(Side.A, 0.2)
    lane.clock.advance(3)
    assert lane.relay_moves() == [(100.2, True), (101.2, False)]


def test_potential_mode_holds_until_the_passage_or_its_own_bound(build: Callable[..., Any]) -> None:
    lane = build(mode="potential")
    lane.gate.unlock(Side.A, 8.0)
    lane.clock.advance(3)
    lane.gate.relock(Side.A)
    lane.clock.advance(10)
    lane.gate.unlock(Side.B, POTENTIAL_CAP)
    lane.clock.advance(20)
    assert lane.relay_moves(Side.A) == [(100.2, True), (103.2, False)]
    assert lane.relay_moves(Side.B) == [(113.2, True), (128.2, False)]
    with pytest.raises(ValueError, match="at most 15"):
        lane.gate.unlock(Side.A, 15.1)


def test_a_hold_has_no_cap_and_outlives_an_unlock(lane: Any) -> None:
    lane.gate.unlock(Side.A, 0.3)
    lane.gate.hold(Side.A, on=True)
    lane.clock.advance(60)
    lane.gate.unlock(Side.A, 0.3)
    lane.clock.advance(60)
    assert lane.relay_moves() == [(100.2, True)]
    lane.gate.hold(Side.A, on=False)
    assert lane.relay_moves() == [(100.2, True), (220.2, False)]


def test_relock_ends_a_pulse_and_a_hold_at_once(lane: Any) -> None:
    lane.gate.unlock(Side.A, 1.0)
    lane.gate.hold(Side.B, on=True)
    lane.clock.advance(0.25)
    lane.gate.relock(Side.A)
    lane.gate.relock(Side.B)
    lane.clock.advance(5)
    assert lane.relay_moves(Side.A) == [(100.2, True), (100.45, False)]
    assert lane.relay_moves(Side.B) == [(100.2, True), (100.45, False)]


@pytest.mark.parametrize("active_low", [False, True])
def test_opening_and_closing_move_no_lock(build: Callable[..., Any], active_low: bool) -> None:  # noqa: FBT001
    lane = build(outputs_active_low=active_low, opened=False)
    for _ in range(3):
        lane.gate.open(lane.edges.append)
        lane.clock.advance(2)
        lane.gate.close()
        lane.clock.advance(2)
    assert lane.turnstile.moves == []
    inactive = int(active_low)
    for key in ("unlock_a", "unlock_b", "stop"):
        assert lane.pin_levels(key)[1:] in ([], [inactive]), "from the claim on, only ever the inactive level"


@pytest.mark.parametrize("active_low", [False, True])
def test_closing_in_a_pulse_or_hold_locks(build: Callable[..., Any], active_low: bool) -> None:  # noqa: FBT001
    lane = build(outputs_active_low=active_low)
    lane.gate.unlock(Side.A, 1.0)
    lane.gate.hold(Side.B, on=True)
    lane.gate.stop(on=True)
    lane.gate.close()
    lane.gate.close()
    assert lane.relay_moves(Side.A) == [(100.2, True), (100.2, False)]
    assert lane.relay_moves(Side.B) == [(100.2, True), (100.2, False)]
    assert not lane.turnstile.active("stop")
    with pytest.raises(DeviceClosed):
        lane.gate.unlock(Side.A, 0.3)


def test_a_pulse_ends_though_the_event_loop_hangs_and_the_callback_too() -> None:
    clock = SystemClock()
    settings = GateSettings()
    turnstile = SimulatedTurnstile(settings, clock, rotation=0.05)
    gate = GpioGate(settings, turnstile.pin_factory, clock)
    hang = threading.Event()

    def on_edge(_: Edge) -> None:
        hang.wait(30)

    gate.open(on_edge)

    async def main() -> bool:
        turnstile.force(Side.A)  # an edge, whose callback hangs the thread of the inputs
        gate.unlock(Side.A, 0.2)
        hang.wait(1.0)  # the loop hangs as well
        return turnstile.active("unlock_a")

    try:
        assert not asyncio.run(main())
    finally:
        hang.set()
        gate.close()
        turnstile.close()


def test_a_side_that_is_not_wired(build: Callable[..., Any]) -> None:
    lane = build(unlock_b=None, stop=None, lamp_go=None, lamp_stop=None, buzzer=None)
    with pytest.raises(DeviceMissing, match="unlock_b is not wired"):
        lane.gate.unlock(Side.B, 0.3)
    lane.gate.hold(Side.B, on=True)
    lane.gate.relock(Side.B)
    lane.gate.stop(on=True)
    lane.gate.indicate(Lamp.ALARM)
    lane.clock.advance(1)
    assert lane.turnstile.moves == []


def test_the_same_line_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="GPIO line 17 is given twice: as unlock_a and as pass_b"):
        GateSettings(pass_b=17)


def test_a_line_in_use_is_named_and_nothing_is_kept(build: Callable[..., Any]) -> None:
    lane = build(opened=False, chip=4)
    other = DigitalOutputDevice(6, pin_factory=lane.turnstile.pin_factory)
    with pytest.raises(DeviceError, match=r"pass_b: GPIO line 6 of /dev/gpiochip4 is in use by this program"):
        lane.gate.open(lane.edges.append)
    other.close()
    lane.gate.open(lane.edges.append)
    with pytest.raises(DeviceError, match="open already"):
        lane.gate.open(lane.edges.append)
    assert lane.turnstile.moves == []


def test_a_line_that_the_board_has_not_is_named(build: Callable[..., Any]) -> None:
    lane = build(opened=False, stop=50)
    with pytest.raises(DeviceError, match=r"stop: GPIO line 50 of /dev/gpiochip0 is not on this board's header"):
        lane.gate.open(lane.edges.append)


def test_before_open_everything_is_closed(build: Callable[..., Any]) -> None:
    lane = build(opened=False)
    calls: list[Callable[[], object]] = [
        lambda: lane.gate.unlock(Side.A, 0.3),
        lambda: lane.gate.hold(Side.A, on=True),
        lambda: lane.gate.stop(on=True),
        lambda: lane.gate.indicate(Lamp.GO),
        lambda: lane.gate.read(Signal.FIRE),
        lambda: lane.gate.counters,
    ]
    for call in calls:
        with pytest.raises(DeviceClosed):
            call()
    lane.gate.close()


class FailingLine:
    """An output whose writes fail when told to."""

    def __init__(self) -> None:
        self._level = False
        self.failing = {True: False, False: False}

    def on(self) -> None:
        self._write(level=True)

    def off(self) -> None:
        self._write(level=False)

    def _write(self, *, level: bool) -> None:
        if self.failing[level]:
            raise OSError(5, "write failed")
        self._level = level

    def is_on(self) -> bool:
        return self._level


def test_a_line_that_cannot_be_released_is_tried_until_it_can(caplog: pytest.LogCaptureFixture) -> None:
    clock, line = ManualClock(), FailingLine()
    guard = RelayGuard({Side.A: line}, 1.5, clock, names={Side.A: "[gate] unlock_a"})
    guard.start()
    guard.unlock(Side.A, 0.3)
    line.failing[False] = True
    with caplog.at_level(logging.ERROR):
        clock.advance(1)
    assert line.is_on()
    assert "unlock_a can't be de-energised" in caplog.text
    line.failing[False] = False
    clock.advance(RETRY)
    assert not line.is_on()
    guard.close()


def test_a_line_that_cannot_be_driven_is_an_error_and_stays_locked() -> None:
    clock, line = ManualClock(), FailingLine()
    guard = RelayGuard({Side.A: line}, 1.5, clock, names={Side.A: "[gate] unlock_a"})
    guard.start()
    line.failing[True] = True
    with pytest.raises(DeviceError, match="unlock_a: the line can't be driven"):
        guard.unlock(Side.A, 0.3)
    line.failing[True] = False
    clock.advance(1)
    assert not line.is_on()
    guard.close()


def test_without_its_thread_the_guard_refuses_to_unlock() -> None:
    threads: list[threading.Thread] = []

    class NoThreads(ManualClock):
        def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
            del target
            threads.append(super().spawn(lambda: None, name))
            return threads[-1]

    clock, line = NoThreads(), FailingLine()
    guard = RelayGuard({Side.A: line}, 1.5, clock, names={Side.A: "[gate] unlock_a"})
    guard.start()
    threads[0].join()
    with pytest.raises(DeviceError, match="unlocking is refused"):
        guard.unlock(Side.A, 0.3)
    with pytest.raises(DeviceError, match="unlocking is refused"):
        guard.hold(Side.A, on=True)
    assert not line.is_on()
    guard.close()


def test_relay_state_never_exceeds_its_cap_whatever_is_asked() -> None:
    state = RelayState(1.5)
    state.pulse(10.0, 1.0)
    state.pulse(10.9, 1.5)
    assert state.deadline == 11.5
    assert not state.expire(11.4)
    assert state.expire(11.5)
    assert not state.energised
    state.pulse(20.0, 0.5)
    assert state.deadline == 20.5


@given(
    asks=st.lists(st.tuples(st.floats(0.001, 2.0), st.floats(0.001, 1.5), st.sampled_from(["pulse", "relock"]))),
)
def test_no_asking_keeps_a_relay_on_for_longer_than_the_cap(asks: list[tuple[float, float, str]]) -> None:
    state, now, on_since = RelayState(1.5), 0.0, None
    for gap, seconds, what in asks:
        now += gap
        if state.deadline is not None and state.deadline <= now:
            assert on_since is not None
            assert state.deadline - on_since <= 1.5 + 1e-9
        state.expire(now)
        on_since = on_since if state.energised else None
        if what == "pulse":
            state.pulse(now, seconds)
            on_since = now if on_since is None else on_since
        else:
            state.relock()
            on_since = None
