"""Variances of known worlds come out of their readings, within their intervals as often as these say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.perception.variance import Days, components, days_of, readings


def world(
    rng: np.random.Generator, people: int, between: float, within: float, noise: float, *, heavy: bool = False
) -> list[Days]:
    """People with 3 to 29 days each; `heavy`: within a person Student's t with 5 degrees, of the same variance."""
    found = []
    for _ in range(people):
        n = int(rng.integers(3, 30))
        sigma = rng.uniform(0.5, 1.5, n) * noise
        drawn = rng.standard_t(5, n) / math.sqrt(5 / 3) if heavy else rng.normal(size=n)
        mean = 0.1 + rng.normal(0, between) + drawn * within + rng.normal(0, sigma)
        found.append(Days(np.arange(n), mean, sigma**2, n))
    return found


@pytest.mark.parametrize(
    ("people", "between", "within", "noise", "heavy"),
    [
        (50, 0.26, 0.40, 0.2, False),
        (50, 0.40, 0.30, 0.2, False),
        (200, 0.26, 0.40, 0.2, True),
        (50, 0.0, 0.4, 0.3, False),
    ],
)
def test_known_variances_are_recovered(
    people: int, between: float, within: float, noise: float, *, heavy: bool
) -> None:
    rng = np.random.default_rng(7)
    average_noise = noise**2 * (1 + 1 / 12)  # of a uniform factor 0.5..1.5
    share = between**2 / (between**2 + within**2 + average_noise)
    runs, inside, too_high, means = 300, np.zeros(3), 0, []
    for _ in range(runs):
        found = components(world(rng, people, between, within, noise, heavy=heavy), least=30)
        assert found.source == "measured"
        pairs = zip((found.between, found.within, found.share), (between, within, share), strict=True)
        inside += [interval.low <= true <= interval.high for interval, true in pairs]
        too_high += found.share.low > share
        means.append((found.between.value**2, found.within.value**2))
    # 300 runs of a true 95 % stay above 91.6 % in 99.5 of 100 cases.
    assert (inside / runs >= 0.915).all(), inside / runs
    # The bound that lets a baseline inform: its one-sided 2.5 % is held, and not by being useless.
    assert too_high / runs <= 0.055
    assert np.mean(means, axis=0) == pytest.approx((between**2, within**2), abs=0.006)


def test_noise_is_not_taken_for_the_person() -> None:
    rng = np.random.default_rng(3)
    people = world(rng, 200, 0.26, 0.10, 0.5)
    told = components(people, least=30)
    silent = components([Days(p.day, p.mean, np.zeros_like(p.variance), p.readings) for p in people], least=30)
    assert told.within.value < 0.2
    assert silent.within.value > 0.45


def test_few_people_give_the_published_figures() -> None:
    people = world(np.random.default_rng(1), 49, 0.6, 0.1, 0.2)
    found = components(people, least=50)
    assert found.source == "published"
    assert (found.between.value, found.within.value) == (0.26, 0.40)
    assert components([*people, people[0]], least=50).source == "measured"


def test_people_of_one_day_do_not_count_as_measured() -> None:
    one = [Days(np.array([1]), np.array([0.1 * k]), np.array([0.01]), 1) for k in range(500)]
    assert components(one, least=50).source == "published"
    assert components([], least=50).people == 0


def test_constant_readings_give_no_nonsense() -> None:
    same = [Days(np.arange(3), np.zeros(3), np.zeros(3), 3) for _ in range(60)]
    found = components(same, least=50)
    assert (found.between.value, found.within.value, found.share.value) == (0, 0, 0)


def test_a_day_is_the_mean_of_its_readings_and_has_less_noise() -> None:
    days = days_of(readings([(5, 0.1, 0.2, False), (5, 0.3, 0.2, False), (6, 0.4, 0.2, False)]), episode=3)
    assert days.day.tolist() == [5, 6]
    assert days.mean == pytest.approx([0.2, 0.4])
    assert days.variance == pytest.approx([0.02, 0.04])
    assert days.readings == 3


@given(
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=40),
    st.integers(0, 5),
    st.none() | st.integers(1, 60),
)
@settings(max_examples=150, deadline=None)
def test_no_day_near_a_flag_counts(rows: list[tuple[int, bool]], episode: int, before: int | None) -> None:
    days = days_of(readings([(day, 0.0, 0.1, flagged) for day, flagged in rows]), episode=episode, before=before)
    ill = [day for day, flagged in rows if flagged]
    well = {day for day, _ in rows if all(abs(day - bad) > episode for bad in ill)}
    assert days.day.tolist() == sorted(day for day in well if before is None or day < before)
