"""The daily self-test: a sensor whose slope is 1 passes, another one fails, and what was not read proves nothing."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.perception.linearity import ENOUGH, Linearity, LinearityResult
from controller.perception.reference import LocalTime
from controller.perception.reference_settings import LinearitySettings

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = LinearitySettings(at="05:30", dwell=20.0, settle=10.0)
START = 5.5 * 3600
END = START + 20.0 * 6
STANDING = 37.0
RATE = 16.0
MIDDLE = 37.5


def straight(slope: float = 1.0, offset: float = 0.0) -> Callable[[float], float]:
    """The error of a sensor at a temperature."""
    return lambda truth: offset + (slope - 1.0) * (truth - MIDDLE)


PERFECT = straight()


def morning(
    error: Callable[[float], float] = PERFECT,
    *,
    noise: float = 0.0,
    seed: int = 0,
    settings: LinearitySettings = SETTINGS,
    day: int = 1,
    skip: Callable[[float], bool] = lambda _: False,
    linearity: Linearity | None = None,
    rate: float = RATE,
) -> list[LinearityResult]:
    """One day from a minute before the programme to a minute after it; frames share half their pixels."""
    random = np.random.default_rng(seed)
    test = linearity or Linearity(settings, STANDING)
    found, last = [], 0.0
    begin, end = START - 60.0, START + settings.dwell * len(settings.points) + 60.0
    for at in np.arange(begin, end, 1 / rate):
        local = LocalTime(day, float(at))
        step = test.step(local)
        found += [] if step.ended is None else [step.ended]
        fresh = random.normal(0, noise) if noise else 0.0
        if step.set_point is not None and not skip(float(at)):
            # Two halves of a frame, of the same noise each: the mean has `noise` divided by √2.
            test.add(local, error(step.set_point) + (fresh + last) / 2)
        last = fresh
    return found


def test_the_programme_goes_through_its_set_points() -> None:
    test = Linearity(SETTINGS, STANDING)

    def at(seconds: float) -> float | None:
        return test.step(LocalTime(3, seconds)).set_point

    assert at(START - 0.1) == STANDING
    for index, point in enumerate(SETTINGS.points):
        assert at(START + 20.0 * index) is None
        assert at(START + 20.0 * index + 9.9) is None
        assert at(START + 20.0 * index + 10.0) == point
        assert at(START + 20.0 * index + 19.9) == point
    assert at(END) is None
    assert at(END + 9.9) is None
    assert at(END + 10.0) == STANDING
    assert at(0.0) == STANDING


def test_a_perfect_sensor_passes_and_says_so() -> None:
    (result,) = morning(straight(offset=1.7))
    assert result.passed
    assert result.points == SETTINGS.points
    assert result.slope == pytest.approx(1.0)
    assert result.worst == pytest.approx(0.0, abs=1e-9)


def test_a_linear_sensor_passes_under_noise() -> None:
    """Frames of 0.35 K, ten seconds a point: not one of 100 sensors within the bounds fails by noise alone."""
    results = [morning(straight(1.015, 0.5), noise=0.5, seed=seed)[0] for seed in range(100)]
    assert all(result.passed for result in results)
    spread = np.std([result.slope for result in results])
    stated = np.mean([result.noise for result in results]) / math.sqrt(17.5)
    # The largest of six points' standard errors is stated: somewhat more than the mean one.
    assert 0.7 < spread / stated < 1.1


def test_a_sensor_at_the_bound_fails_as_seldom_as_stated() -> None:
    """At the bound of the slope two standard errors of it are given: 1 in 44 fails by noise on one side."""
    failed = [morning(straight(1.04), noise=0.5, seed=1000 + seed)[0].failed for seed in range(150)]
    assert np.mean(failed) < 0.07


def test_the_standard_error_of_a_point_is_what_it_is() -> None:
    results = [morning(noise=0.5, seed=seed)[0] for seed in range(60)]
    errors = np.array([result.errors for result in results])
    # Less their mean: a sixth of the variance is gone.
    assert errors.std() / math.sqrt(5 / 6) == pytest.approx(np.mean([result.noise for result in results]), rel=0.2)


@pytest.mark.parametrize("slope", [0.9, 1.1])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_wrong_slope_fails(slope: float, noise: float) -> None:
    (result,) = morning(straight(slope), noise=noise)
    assert result.failed
    assert result.complete
    assert not result.passed
    assert result.slope == pytest.approx(slope, abs=0.03)


def test_a_bent_response_fails_though_its_slope_is_one() -> None:
    (result,) = morning(lambda truth: 0.12 * (truth - MIDDLE) ** 2, noise=0.3)
    assert abs(result.slope - 1.0) < SETTINGS.slope
    assert result.worst > SETTINGS.residual
    assert result.failed


def test_one_point_that_is_off_fails() -> None:
    (result,) = morning(lambda truth: 0.5 if truth == 38.0 else 0.0, noise=0.3)
    assert result.failed
    assert result.worst == pytest.approx(0.5 * 5 / 6, abs=0.1)


def test_a_hand_before_the_source_for_a_while_does_not_count() -> None:
    def handled(at: float) -> bool:
        return START + 12.0 < at < START + 14.5

    clean = Linearity(SETTINGS, STANDING)
    random = np.random.default_rng(4)
    for at in np.arange(START, END + 30.0, 1 / RATE):
        local = LocalTime(1, float(at))
        step = clean.step(local)
        if step.ended is not None:
            assert step.ended.passed
            assert step.ended.worst < 0.15
            return
        if step.set_point is not None:
            clean.add(local, random.normal(0, 0.3) - (3.0 if handled(float(at)) else 0.0))
    pytest.fail("no result")


@pytest.mark.parametrize("missing", range(6))
def test_a_step_that_was_not_read_makes_it_incomplete_and_not_failed(missing: int) -> None:
    def away(at: float) -> bool:
        return START + 20.0 * missing <= at < START + 20.0 * (missing + 1)

    (result,) = morning(noise=0.3, skip=away)
    assert (result.complete, result.failed, result.passed) == (False, False, False)
    assert SETTINGS.points[missing] not in result.points
    assert len(result.errors) == 5


def test_what_is_out_of_bounds_fails_even_where_a_step_is_missing() -> None:
    (result,) = morning(straight(1.1), skip=lambda at: at < START + 20.0)
    assert (result.complete, result.failed) == (False, True)


@pytest.mark.parametrize("read", [0, 1, 2])
def test_too_few_points_tell_nothing(read: int) -> None:
    (result,) = morning(straight(1.5), skip=lambda at: at >= START + 20.0 * read)
    assert len(result.points) == read
    assert math.isnan(result.slope)
    assert (result.complete, result.failed, result.passed) == (False, False, False)


def test_points_close_together_tell_no_slope() -> None:
    (result,) = morning(straight(1.5), skip=lambda at: at >= START + 60.0, settings=CLOSE)
    assert len(result.points) == 3
    assert math.isnan(result.slope)
    assert not result.failed


CLOSE = LinearitySettings(at="05:30", points=(35.0, 35.5, 36.0, 40.0), dwell=20.0, settle=10.0)


def test_too_few_frames_at_a_point_are_no_point() -> None:
    slow = (ENOUGH - 2) / 10.0
    (result,) = morning(rate=slow)
    assert result.points == ()
    (result,) = morning(rate=2 * slow)
    assert result.complete


def test_the_result_comes_exactly_once_a_day() -> None:
    test = Linearity(SETTINGS, STANDING)
    for day in range(1, 6):
        assert len(morning(linearity=test, day=day, noise=0.2)) == 1


def test_a_night_in_the_middle_ends_the_test() -> None:
    """The gate slept from the third step on; the next day's first look brings what there was."""
    test = Linearity(SETTINGS, STANDING)
    assert morning(linearity=test, skip=lambda at: at >= START + 40.0, day=1)[0].complete is False
    for at in np.arange(START, START + 30.0, 0.1):
        local = LocalTime(2, float(at))
        if test.step(local).set_point is not None:
            test.add(local, 0.0)
    ended = test.step(LocalTime(3, 100.0)).ended
    assert ended is not None
    assert not ended.complete
    assert test.step(LocalTime(3, 101.0)).ended is None


def test_yesterdays_frames_are_not_todays() -> None:
    test = Linearity(SETTINGS, STANDING)
    morning(straight(1.3), linearity=test, day=1)
    (result,) = morning(linearity=test, day=2)
    assert result.passed


def test_a_clock_that_is_set_back_brings_no_second_result() -> None:
    """As in the night when summer time ends."""
    test = Linearity(SETTINGS, STANDING)
    assert len(morning(linearity=test, day=1)) == 1
    assert morning(linearity=test, day=1) == []
    assert len(morning(linearity=test, day=2)) == 1


def test_a_gate_that_starts_after_the_programme_has_no_result() -> None:
    test = Linearity(SETTINGS, STANDING)
    assert [test.step(LocalTime(1, at)).ended for at in (END, END + 5.0, END + 100.0)] == [None] * 3


def test_a_reading_outside_of_the_programme_does_not_count() -> None:
    test = Linearity(SETTINGS, STANDING)
    test.step(LocalTime(1, START - 1.0))
    for _ in range(100):
        test.add(LocalTime(1, START - 1.0), 5.0)
    (result,) = morning(linearity=test)
    assert result.passed


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"settle": 180.0, "dwell": 180.0}, "shorter"),
        ({"points": [36.0, 36.5, 37.0]}, "span"),
        ({"points": [36.0, 40.0]}, "length"),
        ({"at": "24:00"}, "matching"),
        ({"at": "23:50"}, "before midnight"),
    ],
)
def test_a_programme_that_proves_nothing_is_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert(keys, LinearitySettings)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 86400, exclude_max=True)), max_size=200))
def test_whatever_the_clock_does_there_is_at_most_one_result_a_visit(times: list[tuple[int, float]]) -> None:
    """No result without frames of that programme before it, and never two in a row for the same day."""
    test = Linearity(SETTINGS, STANDING)
    days: list[int] = []
    began: int | None = None
    for day, seconds in times:
        step = test.step(LocalTime(day, seconds))
        if step.ended is not None:
            assert began is not None
            days.append(began)
            began = None
        if START <= seconds < END and (not days or day != days[-1]):
            began = day
        assert step.set_point is None or 35.0 <= step.set_point <= 40.0
    assert all(one != other for one, other in itertools.pairwise(days))
