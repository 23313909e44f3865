"""What a crowd leaves of a sensor's error is as large as it says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from controller.lane.model import Screening, Verdict
from controller.perception.crowd import EXPECTED, SCATTER
from controller.perception.footing import FootingKeeper
from controller.perception.screening_settings import ScreeningSettings

SETTINGS = ScreeningSettings()
ROOM = 24.0


def left_of(error: float, people: int, seed: int) -> tuple[float, float]:
    """What is left of a sensor's error (K) after so many healthy people, and what is stated."""
    rng = np.random.default_rng(seed)
    now = [0.0]
    keeper = FootingKeeper(SETTINGS, None, unix=lambda: now[0])
    keeper.correct(SimpleNamespace(temperatures=np.zeros((24, 32), np.float32), ambient=30.0, timestamp=600.0))
    for _ in range(people):
        now[0] += 20.0
        correction = keeper.footing().correction or 0.0
        value = EXPECTED + float(rng.normal(0.0, SCATTER)) + error + correction
        keeper.learn(Screening(Verdict.NORMAL, value, 0.5, value, 16, correction=correction), ROOM)
    footing = keeper.footing()
    return error + (footing.correction or 0.0), footing.uncertainty


@pytest.mark.parametrize("people", [0, 3, 10, 30, 100])
def test_what_a_crowd_leaves_is_stated(people: int) -> None:
    """Sensors as their data sheet allows, evenly within the accuracy."""
    errors = np.random.default_rng(3).uniform(-SETTINGS.accuracy, SETTINGS.accuracy, 80)
    found = np.array([left_of(float(error), people, seed) for seed, error in enumerate(errors)])
    left, stated = float(np.sqrt(np.mean(found[:, 0] ** 2))), float(found[:, 1].mean())
    assert 0.7 * left < stated < max(2.0 * left, 0.2)
