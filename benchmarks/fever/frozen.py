"""What was fixed on the training part, once, and is used as it is on everything else.

`thermogate eval fever --data FLIR_before_2018-02.csv --fit train` prints these figures again.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fever.statistics import threshold
from benchmarks.fever.values import WAYS, judge

if TYPE_CHECKING:
    from benchmarks.fever.data import Recording
    from controller.perception.temperature import FeverModel

CAMERA = "FLIR"
TRAINED_UNTIL = dt.date(2017, 10, 10)
"""The last day of the shipped fit's training part."""
KINDS = ("baseline", "model", "crowd")

SHIPPED_THRESHOLDS = {
    "round 1": {"baseline": 36.19, "model": 37.37, "crowd": 37.4},
    "round 2": {"baseline": 36.41, "model": 37.47, "crowd": 37.43},
    "round 3": {"baseline": 36.35, "model": 37.46, "crowd": 37.4},
    "mean of rounds 1-3": {"baseline": 36.29, "model": 37.43, "crowd": 37.4},
}
"""°C above which 5 % of the training part's afebrile read, rounded up to hundredths: the honest threshold."""


def thresholds(training: Recording, model: FeverModel) -> dict[str, dict[str, float]]:
    """SHIPPED_THRESHOLDS for another training part or fit."""
    found: dict[str, dict[str, float]] = {}
    for way in WAYS:
        judged = judge(training, model, way)
        found[way] = {}
        for kind in KINDS:
            values = getattr(judged, kind)[~training.febrile]
            # Upwards, or rounding would flag somebody more than 5 %.
            found[way][kind] = math.ceil(round(100 * threshold(values[np.isfinite(values)]), 6)) / 100
    return found


def trained_on(people: Recording) -> bool:
    """Whether the shipped fit knows some of these readings."""
    return people.camera.upper() == CAMERA and bool((people.day <= TRAINED_UNTIL.toordinal()).any())
