"""What a simulated Lepton's microbolometer and its processor make of a scene: flux, counts, and temperatures again.

Band radiance follows the module's own curve W(T) = R / (exp(B / T) - F) (Software IDD, RAD RBFO parameters), whose
values here are those that a Lepton 3.5 was seen with. The processor undoes it with the emissivity and background it was
told, which may be others than the scene's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KELVIN: Final = 273.15
R, B, F = 358_836.0, 1_435.0, 1.0
"""Counts, kelvin, 1."""
NOISE_AT: Final = 30.0
"""°C at which the noise is stated (data sheet: NETD, 30 °C, f/1.1)."""


@dataclass(frozen=True, slots=True)
class FluxSettings:
    """What the processor was told of the scene, in the module's own units."""

    emissivity: int
    """8192 is 1."""
    background: int
    """Kelvin times 100."""


def radiance(celsius: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """W(T) in counts."""
    return np.asarray(R / (np.exp(B / (np.asarray(celsius, dtype=np.float64) + KELVIN)) - F))


def flux(scene: NDArray[np.float64], emissivity: float, reflected: float) -> NDArray[np.float64]:
    """What arrives of surfaces at `scene` °C, counts."""
    return np.asarray(emissivity * radiance(scene) + (1 - emissivity) * radiance(reflected))


def noise(netd: float) -> float:
    """Standard deviation of the flux that is worth `netd` K at NOISE_AT, counts."""
    return float(netd * (radiance(NOISE_AT + 0.5) - radiance(NOISE_AT - 0.5)))


def temperatures(arrived: NDArray[np.float64], told: FluxSettings) -> NDArray[np.float64]:
    """What the processor calculates, kelvin."""
    share = told.emissivity / 8192
    own = (arrived - (1 - share) * radiance(told.background / 100 - KELVIN)) / share
    return np.asarray(B / np.log(R / np.maximum(own, 1.0) + F))


def to_words(values: NDArray[np.float64], most: int = 0xFFFF) -> NDArray[np.uint16]:
    """Rounded into what a word holds."""
    return np.asarray(np.clip(np.rint(values), 0, most).astype(np.uint16))
