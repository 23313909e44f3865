"""How long to wait in the warm: the source's table, and nothing that contradicts it between its points."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.perception.cold import CHILL, MINUTES, minutes_to_wait
from hw.sim import skin

ADULT, CHILD = 5.0, 10.0
deficits = st.floats(-3, 8)


@pytest.mark.parametrize(
    ("passed", "adult", "child"),
    [(0.0, 5, 10), (1.0, 4, 8), (3.0, 2, 4), (5.0, 1, 1)],
)
def test_the_minutes_of_the_table(passed: float, adult: int, child: int) -> None:
    """Somebody who has been indoors for so long waits for the rest of five minutes, a child of ten."""
    chill = CHILL[MINUTES.index(passed)]
    assert minutes_to_wait(chill, warm_up=ADULT) == adult
    assert minutes_to_wait(chill, warm_up=CHILD) == child


@given(st.floats(0, 5))
def test_who_waits_as_told_is_warm(passed: float) -> None:
    """Against the simulated world's own curve: after the wait nothing is left of the chill."""
    wait = minutes_to_wait(skin.chill(passed), warm_up=ADULT)
    assert skin.chill(passed + wait) == pytest.approx(0.0, abs=1e-6)
    assert wait <= 5 - passed + 1 + 1e-6


@given(deficits, deficits, st.floats(1, 60))
def test_the_colder_the_longer(one: float, other: float, warm_up: float) -> None:
    less, more = sorted((one, other))
    assert minutes_to_wait(less, warm_up=warm_up) <= minutes_to_wait(more, warm_up=warm_up)


@given(deficits, st.floats(1, 60))
def test_it_is_a_minute_at_least_and_the_whole_curve_at_most(deficit: float, warm_up: float) -> None:
    wait = minutes_to_wait(deficit, warm_up=warm_up)
    # Not `< warm_up + 1`, which rounds where `warm_up` is a hair above a whole minute.
    assert 1 <= wait <= math.ceil(warm_up)


@given(deficits, st.floats(1, 30))
def test_a_child_never_waits_less(deficit: float, warm_up: float) -> None:
    assert minutes_to_wait(deficit, warm_up=2 * warm_up) >= minutes_to_wait(deficit, warm_up=warm_up)
