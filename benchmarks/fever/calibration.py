"""Does the value mean what it says: estimate against oral temperature, and the slope of the model itself."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from controller.perception.temperature import Readings, estimate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.temperature import FeverModel

    Values = NDArray[np.float64]

SWEEP = np.arange(34.0, 42.01, 0.25)
EDGES = (-math.inf, 36.5, 37.0, 37.5, 38.0, math.inf)


@dataclass(frozen=True, slots=True)
class OralBand:
    """People of one oral temperature, °C from `low` to below `high`."""

    low: float
    high: float
    n: int
    error: float
    """Mean of estimate less oral, K."""
    spread: float
    """Standard deviation of that, K; NaN for one person."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Agreement of the estimates with the oral reference (Bland and Altman, Lancet 1986, 327, 307)."""

    n: int
    bias: float
    """Mean of estimate less oral, K; the afebrile alone beside it, for whom the model is fitted."""
    afebrile_bias: float
    spread: float
    low: float
    """Limits of agreement, K: bias ± 1.96 spread."""
    high: float
    slope: float
    """Of a line through (oral, estimate), by least squares: below 1 wherever two imperfect thermometers meet."""
    deming: float
    """The same with equal errors in both: what is left of that."""
    model_slope: tuple[float, float]
    """Smallest and largest change of the estimate per kelvin of surface, 34 to 42 °C, for all choices of regions."""
    bands: tuple[OralBand, ...]


def calibrate(values: Values, oral: Values, febrile: NDArray[np.bool_], model: FeverModel) -> Calibration:
    """Agreement of estimates [n] with oral temperatures [n], °C."""
    there = np.isfinite(values)
    value, reference, healthy = values[there], oral[there], ~febrile[there]
    error = value - reference
    spread = float(error.std(ddof=1))
    bands = []
    for low, high in itertools.pairwise(EDGES):
        inside = error[(reference >= low) & (reference < high)]
        if inside.size:
            scatter = float(inside.std(ddof=1)) if inside.size > 1 else math.nan
            bands.append(OralBand(low, high, int(inside.size), float(inside.mean()), scatter))
    return Calibration(
        n=int(value.size),
        bias=float(error.mean()),
        afebrile_bias=float(error[healthy].mean()),
        spread=spread,
        low=float(error.mean() - 1.96 * spread),
        high=float(error.mean() + 1.96 * spread),
        slope=float(np.polyfit(reference, value, 1)[0]),
        deming=_deming(reference, value),
        model_slope=model_slope(model),
        bands=tuple(bands),
    )


def model_slope(model: FeverModel) -> tuple[float, float]:
    """(smallest, largest) change of the estimate per kelvin, all regions swept together over SWEEP."""
    slopes = []
    for canthi, forehead in ((math.nan, math.nan), (-0.1, math.nan), (-0.1, -0.4)):
        values = [
            estimate(Readings(face=face, canthi=face + canthi, forehead=face + forehead, room=23.0), model).value
            for face in SWEEP.tolist()
        ]
        slopes.append(np.diff(values) / np.diff(SWEEP))
    return float(np.min(slopes)), float(np.max(slopes))


def _deming(x: Values, y: Values) -> float:
    """Slope of a Deming regression with equal variances of both errors."""
    xx, yy = float(np.var(x)), float(np.var(y))
    xy = float(np.cov(x, y, bias=True)[0, 1])
    if xy == 0:
        return math.nan
    return (yy - xx + math.sqrt((yy - xx) ** 2 + 4 * xy**2)) / (2 * xy)
