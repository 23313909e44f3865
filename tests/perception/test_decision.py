"""Guard band and risk after JCGM 106, against dice; and what several looks amount to."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.lane.model import Verdict
from controller.perception.decision import chance_above, guard_band, judge, pooled, risk
from controller.perception.screening_settings import ScreeningSettings

SETTINGS = ScreeningSettings()
ALARM = SETTINGS.alarm
values = st.floats(36.0, 41.0)
uncertainties = st.floats(0.01, 1.5)
looks = st.lists(st.tuples(st.floats(34.0, 42.0), st.floats(0.02, 1.0)), min_size=1, max_size=5)


@pytest.mark.parametrize("value", [36.8, 37.2, 37.5, 37.9])
@pytest.mark.parametrize("uncertainty", [0.2, 0.6])
def test_the_chance_above_is_what_dice_say(value: float, uncertainty: float) -> None:
    """Without a prior, the true temperature lies about the value as the value does about it."""
    truth = np.random.default_rng(1).normal(value, uncertainty, 200_000)
    assert chance_above(value, uncertainty, ALARM) == pytest.approx(float((truth >= ALARM).mean()), abs=0.005)


def test_the_guard_band_keeps_its_promise() -> None:
    """At 1.645 standard deviations, of those just at the alarm 5 in 100 are called normal at the first look."""
    noise = 0.2
    shown = np.random.default_rng(2).normal(ALARM, noise, 20_000)
    called = [judge(float(value), noise, SETTINGS, final=False) for value in shown]
    assert np.mean([verdict is Verdict.NORMAL for verdict in called]) == pytest.approx(0.05, abs=0.006)
    assert Verdict.ELEVATED not in called


@pytest.mark.parametrize("core", [36.8, 37.3, 37.7, 38.4])
def test_a_stated_risk_is_as_often_wrong_as_it_says(core: float) -> None:
    """People spread evenly about `core`: of all that are told a risk near r, a share r is on the wrong side."""
    dice = np.random.default_rng(3)
    truths = dice.uniform(core - 1.5, core + 1.5, 40_000)
    uncertainty = 0.35
    told: dict[int, list[tuple[float, bool]]] = {}
    for truth, value in zip(truths, truths + dice.normal(0, uncertainty, truths.size), strict=True):
        # Near the ends the even spread, which the formula takes for endless, gives out.
        if abs(value - core) > 0.6:
            continue
        verdict = judge(float(value), 0.1, SETTINGS, final=True)
        stated = risk(verdict, float(value), uncertainty, ALARM)
        assert stated is not None
        wrong = (truth >= ALARM) == (verdict is Verdict.NORMAL)
        told.setdefault(round(stated * 10), []).append((stated, bool(wrong)))
    for tenth in told.values():
        if len(tenth) > 300:
            stated, wrong = np.mean(tenth, axis=0)
            assert wrong == pytest.approx(stated, abs=0.06)


@given(uncertainties)
def test_the_risk_of_both_verdicts_is_a_half_at_the_alarm(uncertainty: float) -> None:
    assert risk(Verdict.NORMAL, ALARM, uncertainty, ALARM) == pytest.approx(0.5)
    assert risk(Verdict.ELEVATED, ALARM, uncertainty, ALARM) == pytest.approx(0.5)


@given(values, values, uncertainties)
def test_the_risk_of_normal_rises_with_the_value(one: float, other: float, uncertainty: float) -> None:
    low, high = sorted((one, other))
    first, second = (risk(Verdict.NORMAL, value, uncertainty, ALARM) for value in (low, high))
    assert first is not None
    assert second is not None
    assert first <= second
    elevated = risk(Verdict.ELEVATED, low, uncertainty, ALARM)
    assert elevated is not None
    assert elevated + first == pytest.approx(1.0)


@given(values, uncertainties)
def test_a_final_verdict_has_at_most_an_even_risk(value: float, uncertainty: float) -> None:
    verdict = judge(value, uncertainty, SETTINGS, final=True)
    stated = risk(verdict, value, uncertainty, ALARM)
    assert stated is not None
    assert 0.0 <= stated <= 0.5 + 1e-9


def test_a_verdict_that_takes_no_side_has_no_risk() -> None:
    for verdict in set(Verdict) - {Verdict.NORMAL, Verdict.ELEVATED}:
        assert risk(verdict, 37.0, 0.3, ALARM) is None


@pytest.mark.parametrize(("value", "chance"), [(ALARM - 0.1, 0.0), (ALARM, 1.0), (ALARM + 0.1, 1.0)])
def test_without_an_uncertainty_it_is_one_or_the_other(value: float, chance: float) -> None:
    assert chance_above(value, 0.0, ALARM) == chance


@given(value=values, noise=st.floats(0, 1), final=st.booleans())
def test_the_verdict_only_moves_one_way_with_the_value(value: float, noise: float, *, final: bool) -> None:
    order = {Verdict.TOO_COLD: 0, Verdict.NORMAL: 1, Verdict.RECHECK: 2, Verdict.ELEVATED: 2}
    lower = judge(value - 0.3, noise, SETTINGS, final=final)
    higher = judge(value, noise, SETTINGS, final=final)
    assert order[lower] <= order[higher]
    # Whatever the noise, an alarm stays an alarm, and only a first look asks again.
    assert (value >= ALARM) <= (higher in (Verdict.RECHECK, Verdict.ELEVATED))
    assert (higher is Verdict.RECHECK) <= (not final)


def test_the_last_look_has_no_band() -> None:
    assert guard_band(1.645, 0.3, final=True) == 0.0
    assert guard_band(1.645, 0.2, final=False) == pytest.approx(0.329)
    assert judge(ALARM - 0.01, 0.3, SETTINGS, final=True) is Verdict.NORMAL
    assert judge(ALARM - 0.01, 0.3, SETTINGS, final=False) is Verdict.RECHECK
    assert judge(SETTINGS.coldest - 0.1, 0.3, SETTINGS, final=False) is Verdict.TOO_COLD


@given(looks)
def test_pooled_looks_are_their_weighted_mean(found: list[tuple[float, float]]) -> None:
    value, noise = pooled(found)
    shown, noises = np.array(found).T
    assert value == pytest.approx(float(np.average(shown, weights=1 / noises**2)))
    assert noise == pytest.approx(float((1 / noises**2).sum() ** -0.5))
    assert min(shown) - 1e-9 <= value <= max(shown) + 1e-9
    assert noise <= min(noises) + 1e-12


@given(looks)
def test_the_order_of_looks_is_no_matter(found: list[tuple[float, float]]) -> None:
    results = [pooled(list(order)) for order in itertools.islice(itertools.permutations(found), 24)]
    for value, noise in results:
        assert value == pytest.approx(results[0][0])
        assert noise == pytest.approx(results[0][1])


@given(looks)
def test_pooling_one_by_one_is_pooling_at_once(found: list[tuple[float, float]]) -> None:
    together = pooled(found)
    step = found[0]
    for look in found[1:]:
        step = pooled([step, look])
    assert list(step) == pytest.approx(list(together))


def test_two_looks_are_as_good_as_stated() -> None:
    dice = np.random.default_rng(4)
    results = [pooled([(37 + dice.normal(0, 0.2), 0.2), (37 + dice.normal(0, 0.1), 0.1)]) for _ in range(4000)]
    shown = np.array([value for value, _ in results])
    assert shown.std() == pytest.approx(results[0][1], rel=0.05)
    assert shown.mean() == pytest.approx(37.0, abs=0.01)


def test_a_look_without_noise_is_no_division_by_zero() -> None:
    value, noise = pooled([(37.0, 0.0), (38.0, 0.3)])
    assert value == pytest.approx(37.0, abs=1e-6)
    assert math.isfinite(noise)
    with pytest.raises(ValueError, match="no look"):
        pooled([])
