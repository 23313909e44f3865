"""The machine's clock, the scaled one and the one that is moved by hand."""

from __future__ import annotations

import math
import threading
import time

import pytest

from hw.clock import Clock, SystemClock, bounded
from hw.sim.clock import ManualClock, ScaledClock, VirtualClock


@pytest.mark.parametrize("clock", [SystemClock(), ScaledClock(50), VirtualClock()], ids=lambda c: type(c).__name__)
def test_every_clock_keeps_the_protocol(clock: Clock) -> None:
    began = clock.monotonic()
    clock.sleep(0.02)
    assert clock.monotonic() - began >= 0.02
    event = threading.Event()
    assert not clock.wait(event, 0.01)
    assert not clock.wait(event, -1)
    thread = clock.spawn(event.set, "setter")
    assert clock.wait(event, math.inf)
    thread.join()
    assert thread.daemon
    assert thread.name == "setter"


def test_scaled_time_runs_faster_than_life() -> None:
    clock = ScaledClock(100)
    real, scaled = time.monotonic(), clock.monotonic()
    clock.sleep(5)
    assert clock.monotonic() - scaled >= 5
    assert time.monotonic() - real < 4


@pytest.mark.parametrize("speed", [0, -1, math.nan, math.inf])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(speed)


def test_bounded_is_what_threading_takes() -> None:
    assert bounded(math.inf) is None
    assert bounded(1e300) is None
    assert bounded(-3) == 0.0
    assert bounded(1.5) == 1.5


def test_a_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock(start=10.0)
    seen: list[float] = []

    def tick() -> None:
        while True:
            clock.sleep(1)
            seen.append(clock.monotonic())

    clock.spawn(tick, "tick")
    assert clock.monotonic() == 10.0
    clock.advance(0.5)
    assert (clock.monotonic(), seen) == (10.5, [])
    clock.advance(0.5)
    assert (clock.monotonic(), seen) == (11.0, [11.0]), "what is due at the very end has run too"
    clock.advance(3.2)
    assert seen == [11.0, 12.0, 13.0, 14.0]


def test_code_that_sleeps_can_be_called_from_a_test_of_a_manual_clock() -> None:
    clock = ManualClock()
    clock.sleep(2.5)
    assert not clock.wait(threading.Event(), 1.5)
    assert clock.monotonic() == 4.0
