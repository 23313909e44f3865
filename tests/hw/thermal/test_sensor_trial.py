"""The benchmark of what the sensor can promise measures what it says: known errors come out, references undo them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.sensor_crowd import learned
from benchmarks.sensor_figures import accuracy
from benchmarks.sensor_trial import Setup, reading, stand
from benchmarks.sensor_truth import trial
from controller.lane.model import Remark, Verdict


def test_a_faultless_chip_is_within_its_noise() -> None:
    for number in range(3):
        seen = stand(Setup(flaws=False), number, 2.0)
        read = reading(seen, 2.0, reference=False)
        assert read.answered
        assert read.value == pytest.approx(seen.core, abs=0.6)
        assert seen.refused == 0


def test_a_reference_takes_off_what_all_pixels_err_alike() -> None:
    plain, referred = [], []
    for number in range(8):
        once = trial(Setup(), number, 2.0)
        plain.append(once.plain.value - once.core)
        referred.append(once.referred.value - once.core)
    assert np.std(plain) > 0.5
    assert np.std(referred) < 0.6 * np.std(plain)


def test_a_sensor_that_warms_up_is_silent_without_a_reference() -> None:
    seen = stand(Setup(since_power_on=30.0), 1, 2.0)
    alone, referred = (reading(seen, 2.0, reference=source) for source in (False, True))
    assert (alone.shipped.verdict, alone.shipped.remarks) == (Verdict.SENSOR_UNFIT, (Remark.WARMING_UP,))
    assert not alone.answered
    assert math.isfinite(alone.value)
    assert referred.answered


def test_a_crowd_learns_what_a_chip_adds() -> None:
    after = learned(Setup(), 1, 22.0, np.array([0.4, 0.5]), (30, 100))
    corrections = [crowd.correction(at).value for crowd, at in after.values()]
    assert -0.6 < corrections[1] < corrections[0] < 0.0


def test_a_stand_is_a_matter_of_seed_and_setup() -> None:
    one, other = (reading(stand(Setup(distance=0.7), 5, 1.0), 1.0, reference=True) for _ in range(2))
    assert one == other


def test_too_few_frames_are_no_result() -> None:
    read = reading(stand(Setup(rate=1.0), 1, 2.0), 0.5, reference=False)
    assert not read.answered
    assert math.isnan(read.value)


def test_figures_are_those_of_a_normal_distribution() -> None:
    errors = np.random.default_rng(1).normal(0.3, 0.2, 4000)
    found = accuracy(np.append(errors, math.nan))
    assert found.bias.value == pytest.approx(0.3, abs=0.01)
    assert found.spread.value == pytest.approx(0.2, abs=0.01)
    assert found.worst.value == pytest.approx(0.3 + 1.645 * 0.2, abs=0.03)
    for figure in (found.bias, found.spread, found.worst):
        assert figure.low < figure.value < figure.high
    # The mean of n is known to sigma / √n.
    assert found.bias.high - found.bias.low == pytest.approx(2 * 1.96 * 0.2 / 4000**0.5, rel=0.15)
