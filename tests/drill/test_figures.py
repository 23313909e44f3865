"""The rehearsal's statistics against closed forms and brute force."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.drill.figures import count_interval, poisson_binomial, quantile, rate, upper_bound


def test_a_wilson_interval_is_the_textbook_one() -> None:
    found = rate(8, 10)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert found.value == pytest.approx(0.8)


def test_a_wilson_interval_at_the_ends_stays_a_share() -> None:
    assert rate(0, 20).low == 0.0
    assert rate(0, 20).high == pytest.approx(0.1611, abs=1e-4)
    assert rate(20, 20).high == 1.0
    assert (rate(0, 0).value, rate(0, 0).low, rate(0, 0).high) == (None, 0.0, 1.0)
    with pytest.raises(ValueError, match="no share"):
        rate(3, 2)


@settings(deadline=None)  # machines may be busy
@given(st.lists(st.floats(0, 1), max_size=8))
def test_the_poisson_binomial_distribution_is_the_sum_over_all_outcomes(chances: list[float]) -> None:
    brute = [0.0] * (len(chances) + 1)
    for outcome in itertools.product((0, 1), repeat=len(chances)):
        brute[sum(outcome)] += math.prod(c if hit else 1 - c for c, hit in zip(chances, outcome, strict=True))
    assert poisson_binomial(chances) == pytest.approx(brute, abs=1e-12)


@settings(deadline=None)  # machines may be busy
@given(st.lists(st.floats(0, 1), max_size=30), st.sampled_from([0.9, 0.95, 0.999]))
def test_a_count_interval_covers_what_it_says_and_not_a_count_more(chances: list[float], confidence: float) -> None:
    spread = poisson_binomial(chances)
    interval = count_interval(chances, confidence)
    tail = (1 - confidence) / 2
    assert sum(spread[: interval.low]) <= tail + 1e-9
    assert sum(spread[interval.high + 1 :]) <= tail + 1e-9
    assert sum(spread[: interval.low + 1]) > tail - 1e-9
    assert sum(spread[interval.high :]) > tail - 1e-9
    assert interval.low in interval
    assert interval.high + 1 not in interval


def test_certainties_leave_no_room() -> None:
    assert count_interval([1.0, 1.0, 0.0], 0.999) == count_interval([0.0, 1.0, 1.0], 0.5)
    interval = count_interval([1.0, 1.0, 0.0], 0.999)
    assert (interval.low, interval.high) == (2, 2)
    assert upper_bound([1.0, 0.0], 0.999) == 1


def test_an_upper_bound_is_exceeded_as_rarely_as_said() -> None:
    chances = [0.02] * 50
    bound = upper_bound(chances, 0.999)
    spread = poisson_binomial(chances)
    assert sum(spread[bound + 1 :]) <= 0.001
    assert sum(spread[bound:]) > 0.001


def test_a_quantile_is_an_observed_value_and_tells_when_the_sample_is_too_small_to_bound_it() -> None:
    found = quantile([4.0, 1.0, 3.0, 2.0, 5.0], 0.5)
    assert found is not None
    assert (found.value, found.n) == (3.0, 5)
    # Five values bound a median with 93.75 % at most, which is less than was asked.
    assert (found.low, found.high) == (None, None)
    tail = quantile([float(i) for i in range(100)], 0.99)
    assert tail is not None
    assert tail.high is None
    assert tail.low is not None
    assert tail.low < tail.value
    tiny = quantile([1.0, 2.0], 0.99)
    assert tiny is not None
    assert (tiny.value, tiny.low, tiny.high) == (2.0, 2.0, None)
    assert quantile([], 0.5) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1.0], 1.0)


def test_the_median_of_six_is_bounded_by_the_extremes() -> None:
    found = quantile([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5)
    assert found is not None
    assert (found.low, found.high) == (1.0, 6.0)  # 2 * 0.5**6 = 3.1 % outside


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_quantile_intervals_cover_the_truth_as_often_as_they_say(p: float) -> None:
    dice = random.Random(11)
    covered = total = 0
    for _ in range(400):
        found = quantile([dice.random() for _ in range(60)], p)
        assert found is not None
        low = 0.0 if found.low is None else found.low
        high = 1.0 if found.high is None else found.high
        covered += low <= p <= high
        total += 1
    # 400 draws at 95 %: three standard errors are 3.3 %.
    assert covered / total >= 0.917
