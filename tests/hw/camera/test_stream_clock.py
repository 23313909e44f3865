"""Stamps of a camera's clock on ours."""

from __future__ import annotations

import random

import pytest

from hw.linux.stream_clock import StreamClock

RATE = 15.0


def lateness(dice: random.Random) -> float:
    """What a picture's way takes: at least 80 ms, now and then much more."""
    return 0.08 + dice.expovariate(1 / 0.03) + (0.5 if dice.random() < 0.02 else 0.0)


def play(drift: float, seconds: float, start: float = 100.0) -> list[float]:
    """Errors of the moments, seconds, of pictures of a camera whose clock runs `drift` too fast."""
    clock, dice = StreamClock(), random.Random(4)
    arrival, errors = 0.0, []
    for number in range(round(RATE * seconds)):
        taken = 1000 + number / RATE
        arrival = max(arrival, taken + lateness(dice))
        errors.append(clock.place(start + (taken - 1000) * (1 + drift), arrival) - taken)
    return errors


@pytest.mark.parametrize("drift", [0.0, 1e-4, -1e-4])
def test_an_hour_with_clocks_that_part(drift: float) -> None:
    errors = play(drift, 3600)
    settled = errors[int(10 * RATE) :]
    assert min(settled) > 0.08 - 0.004
    assert max(settled) < 0.08 + 0.01
    assert abs(sum(settled[-1000:]) - sum(settled[:1000])) / 1000 < 0.005


def test_a_picture_that_waited_keeps_its_moment() -> None:
    clock = StreamClock()
    for number in range(30):
        clock.place(5 + number / RATE, 200.1 + number / RATE)
    assert clock.place(5 + 30 / RATE, 200.1 + 30 / RATE + 4.0) == pytest.approx(200.1 + 30 / RATE)


def test_never_later_than_it_came() -> None:
    clock = StreamClock()
    dice = random.Random(1)
    for number in range(500):
        arrival = 50 + number / RATE + dice.uniform(0, 1)
        assert clock.place(number / RATE, arrival) <= arrival


def test_a_camera_that_counts_anew() -> None:
    clock = StreamClock()
    clock.place(1000.0, 50.0)
    assert clock.place(0.5, 51.0) == 51.0
    assert clock.place(0.4, 51.1) == pytest.approx(50.9)  # reordered, not anew


def test_a_leap_ahead_is_followed() -> None:
    clock = StreamClock()
    clock.place(10.0, 50.0)
    assert clock.place(1000.0, 51.0) == 51.0
