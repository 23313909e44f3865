"""From a temperature with its uncertainty to a verdict: guard band and risk after JCGM 106:2012.

The band is of the part of the uncertainty that another look changes, the noise: asking again because people differ, or
because the sensor may be half a degree off, would give the same answer again. The risk that is told with a verdict is
by the whole uncertainty.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from controller.lane.model import Verdict

if TYPE_CHECKING:
    from controller.perception.screening_settings import ScreeningSettings


def chance_above(value: float, uncertainty: float, limit: float) -> float:
    """The chance that the true temperature is at or above `limit` when `value` was measured, 0..1 (JCGM 106, 7.2).

    Normal, and without a prior: what is usual in a crowd must not argue a fever away.
    """
    if uncertainty <= 0:
        return float(value >= limit)
    return 1.0 - NormalDist(value, uncertainty).cdf(limit)


def guard_band(guard: float, noise: float, *, final: bool) -> float:
    """Half-width, K, of the band around the alarm that asks for another look; none at the look that decides."""
    return 0.0 if final else guard * noise


def judge(value: float, noise: float, settings: ScreeningSettings, *, final: bool) -> Verdict:
    """The verdict on an estimated temperature, °C, with so much noise left, K.

    Before the final look nobody is called ELEVATED: whoever is not clearly below the alarm is measured again.
    """
    if value < settings.coldest:
        return Verdict.TOO_COLD
    if value < settings.alarm - guard_band(settings.guard, noise, final=final):
        return Verdict.NORMAL
    return Verdict.ELEVATED if final else Verdict.RECHECK


def risk(verdict: Verdict, value: float, uncertainty: float, alarm: float) -> float | None:
    """The chance, 0..1, that this verdict is on the wrong side of the alarm; None where it takes no side."""
    above = chance_above(value, uncertainty, alarm)
    match verdict:
        case Verdict.NORMAL:
            return above
        case Verdict.ELEVATED:
            return 1.0 - above
        case _:
            return None


def pooled(looks: list[tuple[float, float]]) -> tuple[float, float]:
    """One value of several looks (value, noise): their mean weighted by noise, and its noise, K.

    Raises ValueError without a look.
    """
    if not looks:
        raise ValueError("no look, no value")
    weights = [1.0 / max(noise, 1e-6) ** 2 for _, noise in looks]
    total = sum(weights)
    return sum(weight * value for weight, (value, _) in zip(weights, looks, strict=True)) / total, math.sqrt(
        1.0 / total
    )
