"""How long somebody from the cold has to wait before a face tells anything."""

from __future__ import annotations

import math

MINUTES = (0.0, 1.0, 3.0, 5.0)
CHILL = (2.9, 1.2, 0.3, 0.0)
"""Forehead below its steady temperature after so many minutes indoors, coming from -5.5 to 0 °C, K: 33.2, 34.9, 35.8
and 36.1 °C (doi 10.1007/s00508-020-01754-2)."""


def minutes_to_wait(deficit: float, *, warm_up: float) -> int:
    """Whole minutes until a face that reads `deficit` K too low is warm, at least 1.

    `warm_up` is how many minutes the whole curve takes: 5 for adults in the source, 10 for children of 3 to 10 years.
    """
    passed = MINUTES[-1]
    for (early, cold), (late, warm) in zip(
        zip(MINUTES, CHILL, strict=True), zip(MINUTES[1:], CHILL[1:], strict=True), strict=False
    ):
        if deficit >= cold:
            passed = early
            break
        if deficit > warm:
            passed = early + (late - early) * (cold - deficit) / (cold - warm)
            break
    return max(1, math.ceil(warm_up * (1.0 - passed / MINUTES[-1])))
