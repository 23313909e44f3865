"""AUC, sensitivity, intervals: against definitions, by hand and by brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fever.statistics import (
    Sampling,
    auc,
    bootstrap,
    interval,
    over_columns,
    rate,
    resamples,
    roc,
    sensitivity,
    threshold,
    wilson,
)

readings = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40)


@given(readings)
def test_auc_is_the_chance_of_ranking_right(people: list[tuple[int, bool]]) -> None:
    values = np.array([float(value) for value, _ in people])
    sick = np.array([flag for _, flag in people])
    pairs = [(a > b) + 0.5 * (a == b) for a in values[sick] for b in values[~sick]]
    if pairs:
        assert auc(values, sick) == pytest.approx(np.mean(pairs))
    else:
        assert math.isnan(auc(values, sick))


@given(readings)
def test_the_roc_spans_the_auc(people: list[tuple[int, bool]]) -> None:
    values = np.array([float(value) for value, _ in people])
    sick = np.array([flag for _, flag in people])
    if sick.any() and not sick.all():
        alarms, caught = roc(values, sick)
        assert (alarms[0], caught[0], alarms[-1], caught[-1]) == (0, 0, 1, 1)
        area = float((np.diff(alarms) * (caught[1:] + caught[:-1]) / 2).sum())
        assert area == pytest.approx(auc(values, sick))


@pytest.mark.parametrize(("people", "flagged"), [(20, 1), (60, 3), (100, 5), (606, 30), (19, 0)])
def test_the_threshold_flags_at_most_a_twentieth(people: int, flagged: int) -> None:
    values = np.random.default_rng(0).permutation(np.arange(float(people)))
    assert (values > threshold(values)).sum() == flagged


def test_ties_at_the_threshold_do_not_cost_specificity() -> None:
    values = np.array([36.0] * 80 + [37.0] * 20)
    assert (values > threshold(values)).sum() == 0


def test_sensitivity_counts_the_febrile_above_it() -> None:
    values = np.concatenate([np.arange(100.0), [94.0, 94.5, 200.0, 10.0]])
    sick = np.arange(104) >= 100
    assert sensitivity(values, sick) == 0.5
    assert math.isnan(sensitivity(values, np.zeros(104, bool)))


def test_a_resample_keeps_how_many_are_febrile() -> None:
    sick = np.array([True] * 5 + [False] * 20)
    draws = resamples(sick, Sampling(50, 3))
    assert draws.shape == (50, 25)
    assert (sick[draws].sum(axis=1) == 5).all()
    assert len({tuple(draw) for draw in draws.tolist()}) > 40
    np.testing.assert_array_equal(draws, resamples(sick, Sampling(50, 3)))


def test_a_bootstrap_interval_holds_the_truth_as_often_as_it_says() -> None:
    # AUC of two unit normals 1 apart is Φ(1/√2) = 0.760.
    random, held = np.random.default_rng(1), 0
    sick = np.array([True] * 40 + [False] * 120)
    for seed in range(60):
        values = random.standard_normal(160) + sick
        found = interval(auc(values, sick), bootstrap(auc, values[:, None], sick, resamples(sick, Sampling(200, seed))))
        held += found.low <= 0.760 <= found.high
    assert 51 <= held <= 60


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    random = np.random.default_rng(2)
    sick = np.arange(200) < 30
    values = random.standard_normal(200) + 2 * sick
    other = values + 0.05 * random.standard_normal(200)
    draws = resamples(sick, Sampling(300, 0))
    one, two = (bootstrap(auc, each[:, None], sick, draws) for each in (values, other))
    assert np.std(one - two) < 0.2 * np.std(one)


def test_an_average_over_rounds_leaves_out_whom_a_round_missed() -> None:
    sick = np.array([True, True, False, False])
    values = np.array([[1.0, 3.0], [math.nan, 3.0], [0.0, 4.0], [0.5, 2.0]])
    assert over_columns(auc, values, sick) == pytest.approx((1.0 + 0.5) / 2)


def test_wilson_is_the_textbook_interval() -> None:
    assert list(wilson(36, 49)) == pytest.approx([0.597, 0.838], abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
    assert rate(5, 5).high == 1.0
    assert math.isnan(rate(0, 0).value)
