"""The operating point: rates with honest intervals, days with both doubts, and a recommendation that keeps the wish."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import EvaluationError
from controller.perception.evaluation import Counts, Evaluated, load
from controller.perception.operating import Crowd, Point, at_noise, points, recommend, wilson

SCHOOL = Crowd(3000, 0.002)
THRESHOLDS = [round(36.6 + 0.05 * k, 2) for k in range(37)]


def evaluated(febrile: int = 50, afebrile: int = 600) -> Evaluated:
    """Normal people: healthy about 36.9, febrile about 38.0, one look and a second with independent noise."""
    levels = []
    for noise in (0.0, 0.2, 0.4):
        rows = {}
        for name, number, middle in (("febrile", febrile, 38.0), ("afebrile", afebrile, 36.9)):
            random = np.random.default_rng(5).normal(middle, 0.35, 20_000)
            first = random + noise * np.random.default_rng(6).normal(size=random.size)
            second = random + noise * np.random.default_rng(7).normal(size=random.size)
            marks = np.array(THRESHOLDS)
            at_first, at_second = first[:, None] >= marks, second[:, None] >= marks
            share = at_first.T.astype(float) @ at_second / random.size
            rows[name] = (number * share).tolist()
            rows[f"{name}_first"] = (number * at_first.mean(axis=0)).tolist()
        levels.append(Counts(noise=noise, **rows))
    return Evaluated(name="made up", camera="none", febrile_n=febrile, afebrile_n=afebrile, counts=levels)


@pytest.fixture(scope="module")
def people() -> Evaluated:
    return evaluated()


@pytest.fixture(scope="module")
def plan(people: Evaluated) -> list[Point]:
    return points(people, THRESHOLDS, 0.2, SCHOOL, stages="two", band=0.33)


def test_wilson_is_wilsons() -> None:
    assert wilson(36, 49) == pytest.approx((0.597, 0.838), abs=0.001)  # by hand, from Wilson's formula
    assert wilson(0, 20)[0] == 0
    assert wilson(0, 20)[1] == pytest.approx(0.161, abs=0.001)
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize(("rate", "n"), [(0.8, 49), (0.95, 600), (0.5, 20)])
def test_wilson_covers(rate: float, n: int) -> None:
    hits = np.random.default_rng(1).binomial(n, rate, 4000)
    inside = np.mean([low <= rate <= high for low, high in (wilson(int(k), n) for k in hits)])
    assert inside >= 0.93


def test_noise_between_two_levels_is_in_proportion(people: Evaluated) -> None:
    middle, low, high = at_noise(people, 0.1), people.counts[0], people.counts[1]
    assert middle.febrile_first[15] == pytest.approx((low.febrile_first[15] + high.febrile_first[15]) / 2)
    assert middle.afebrile[10][14] == pytest.approx((low.afebrile[10][14] + high.afebrile[10][14]) / 2)
    assert at_noise(people, 0.15).afebrile[9][9] == pytest.approx(
        0.25 * low.afebrile[9][9] + 0.75 * high.afebrile[9][9]
    )
    for at, noise in enumerate((0.0, 0.2, 0.4)):
        assert at_noise(people, noise).febrile == people.counts[at].febrile


@pytest.mark.parametrize("noise", [-0.1, 0.41, 5.0, math.nan])
def test_noise_that_was_not_evaluated_is_refused(people: Evaluated, noise: float) -> None:
    with pytest.raises(EvaluationError, match=r"beyond what was evaluated \(0 to 0.4 K\)"):
        at_noise(people, noise)


def test_rates_are_the_counts(people: Evaluated, plan: list[Point]) -> None:
    point = next(point for point in plan if point.alarm == 37.5)
    assert point.again_from == 37.15  # 0.33 K back, to the nearest step
    counts = people.counts[1]
    at, back = THRESHOLDS.index(37.5), THRESHOLDS.index(37.15)
    assert point.sensitivity.value == pytest.approx(counts.febrile[back][at] / 50)
    assert point.specificity.value == pytest.approx(1 - counts.afebrile[back][at] / 600)
    false, true = 3000 * 0.998 * (1 - point.specificity.value), 6 * point.sensitivity.value
    assert point.doctor.value == pytest.approx(false + true)
    assert point.ppv.value == pytest.approx(true / (false + true))
    assert point.missed.value == pytest.approx(6 - true)
    first = 3000 * (0.002 * counts.febrile_first[back] / 50 + 0.998 * counts.afebrile_first[back] / 600)
    assert point.again.value == pytest.approx(first)
    assert point.found.value + point.missed.value == pytest.approx(6)


def test_every_interval_holds_its_value_and_is_in_order(plan: list[Point]) -> None:
    names = ("sensitivity", "specificity", "npv", "again", "doctor", "found", "missed", "ppv")
    for point in plan:
        for name in names:
            interval = getattr(point, name)
            assert interval.low <= interval.value <= interval.high, (point.alarm, name)
        assert point.doctor.value <= point.again.value


def test_a_higher_alarm_stops_fewer_and_misses_more(plan: list[Point]) -> None:
    for lower, higher in itertools.pairwise(plan):
        assert higher.doctor.value <= lower.doctor.value
        assert higher.sensitivity.value <= lower.sensitivity.value
        assert higher.missed.value >= lower.missed.value


def test_a_days_interval_holds_both_doubts() -> None:
    """More people evaluated make the rate sure; what is left is the day's own chance."""
    small, large = evaluated(50, 600), evaluated(50_000, 600_000)
    pick = [
        next(point for point in points(each, THRESHOLDS, 0.2, SCHOOL, stages="one", band=0) if point.alarm == 37.5)
        for each in (small, large)
    ]
    mean = pick[1].doctor.value
    chance = 1.96 * math.sqrt(mean)
    assert pick[1].doctor.high - mean == pytest.approx(chance, rel=0.12)
    assert pick[0].doctor.high - mean > 1.4 * chance


def test_the_doubt_of_a_day_is_kept_by_simulated_schools() -> None:
    """Evaluations drawn from known rates: a later day's people at the doctor are inside the interval as promised."""
    rng = np.random.default_rng(3)
    true_f, true_h, inside = 0.75, 0.05, 0
    runs = 150
    for _ in range(runs):
        f, h = float(rng.binomial(50, true_f)), float(rng.binomial(600, true_h))
        counts = Counts(noise=0.0, febrile_first=[f], afebrile_first=[h], febrile=[[f]], afebrile=[[h]])
        each = Evaluated(name="x", camera="x", febrile_n=50, afebrile_n=600, counts=[counts])
        (point,) = points(each, [37.5], 0.0, SCHOOL, stages="one", band=0)
        fevers = rng.binomial(3000, 0.002)
        day = rng.binomial(fevers, true_f) + rng.binomial(3000 - fevers, true_h)
        inside += point.doctor.low <= day <= point.doctor.high
    assert inside / runs >= 0.90


def test_one_stage_measures_nobody_again(people: Evaluated) -> None:
    for point in points(people, THRESHOLDS, 0.2, SCHOOL, stages="one", band=0.33):
        assert point.again_from == point.alarm
        assert point.again.value == pytest.approx(point.doctor.value)


def test_thresholds_that_nobody_healthy_reaches_are_not_offered(people: Evaluated) -> None:
    found = points(people, THRESHOLDS, 0.0, SCHOOL, stages="one", band=0)
    assert 600 * (1 - found[-1].specificity.value) >= 1
    after = THRESHOLDS.index(found[-1].alarm) + 1
    assert people.counts[0].afebrile_first[after] < 1


@given(
    size=st.tuples(st.integers(1, 60), st.integers(3, 700)),
    shares=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    crowd=st.builds(Crowd, st.integers(1, 20_000), st.floats(1e-5, 0.5)),
)
@settings(max_examples=60, deadline=None)
def test_any_counts_give_intervals_in_order(size: tuple[int, int], shares: list[float], crowd: Crowd) -> None:
    first = size[0] * shares[0], size[1] * shares[1]
    last = first[0] * shares[2], first[1] * shares[3]
    counts = Counts(
        noise=0.1,
        febrile_first=[first[0]],
        afebrile_first=[first[1]],
        febrile=[[last[0]]],
        afebrile=[[last[1]]],
    )
    each = Evaluated(name="x", camera="x", febrile_n=size[0], afebrile_n=size[1], counts=[counts])
    for stages in ("one", "two"):
        for point in points(each, [37.5], 0.1, crowd, stages=stages, band=0):
            for name in ("sensitivity", "specificity", "ppv", "npv"):
                rate = getattr(point, name)
                assert 0 <= rate.low <= rate.high <= 1
                assert 0 <= rate.value <= 1
            for name in ("again", "doctor", "found", "missed"):
                day = getattr(point, name)
                assert 0 <= day.low <= day.high <= crowd.people
            assert point.doctor.high <= point.again.high


def test_people_of_one_kind_are_refused() -> None:
    counts = Counts(noise=0.0, febrile_first=[0], afebrile_first=[5], febrile=[[0]], afebrile=[[5]])
    each = Evaluated(name="school", camera="x", febrile_n=0, afebrile_n=60, counts=[counts])
    with pytest.raises(EvaluationError, match="'school' has 0 febrile"):
        points(each, [37.5], 0.0, SCHOOL, stages="one", band=0)


def test_a_wish_is_kept_and_kept_best(plan: list[Point]) -> None:
    few = recommend(plan, alarms=60)
    assert few is not None
    assert few.doctor.value <= 60
    assert plan[plan.index(few) - 1].doctor.value > 60
    finds = recommend(plan, misses=0.1)
    assert finds is not None
    assert finds.sensitivity.value >= 0.9
    assert plan[plan.index(finds) + 1].sensitivity.value < 0.9
    assert recommend(plan, alarms=1, misses=0.01) is None
    assert recommend(plan) is None
    both = recommend(plan, alarms=few.doctor.value, misses=1 - few.sensitivity.value)
    assert both == few


@pytest.mark.parametrize(
    ("people", "prevalence"), [(0, 0.1), (-1, 0.1), (3000, 0.0), (3000, 1.0), (3000, 1.5), (3000, math.nan)]
)
def test_a_crowd_that_cannot_be_is_refused(people: int, prevalence: float) -> None:
    with pytest.raises(ValueError, match=r"people|prevalence"):
        Crowd(people, prevalence)


def test_the_shipped_evaluation_gives_a_plan() -> None:
    evaluation = load()
    for each in evaluation.sets:
        found = points(each, evaluation.thresholds, 0.2, SCHOOL, stages="two", band=0.33)
        assert len(found) > 10
        assert found == points(each, evaluation.thresholds, 0.2, SCHOOL, stages="two", band=0.33)
