"""Emissivity from temperatures and back, in the grey-body balance that the MLX90640's data sheet calculates with.

ε T⁴ + (1 − ε) Tr⁴ reaches the sensor (T the surface's, Tr the reflected temperature, in kelvin; Stefan and Boltzmann,
grey and diffuse). The driver, told an emissivity and a Tr of its own, makes a temperature of it (data sheet rev 12,
11.2.2.9); so reading, surface and emissivity hang together by one equation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from controller.calibrate.refusal import CalibrationError, Refusal

ZERO_CELSIUS: Final = 273.15
APART: Final = 10.0
"""Kelvin that the target must be from what it reflects: what 1 K of error costs is 1/APART of the emissivity."""
LARGEST_ERROR: Final = 0.05
"""Standard uncertainty of an emissivity that is still worth writing."""
LOWEST: Final = 0.3
"""Below, a surface is a mirror: the sensor sees the room in it."""


def reading_of(surface: float, emissivity: float, *, told: float, reflected: float, assumed: float) -> float:
    """What a sensor without error reads on a surface, °C.

    `told` and `assumed` are the emissivity and the reflected temperature (°C) that its driver calculates with,
    `reflected` the true one.
    """
    arriving = emissivity * _fourth(surface) + (1 - emissivity) * _fourth(reflected)
    return _root(max((arriving - (1 - told) * _fourth(assumed)) / told, 0.0))


@dataclass(frozen=True, slots=True)
class Emissivity:
    """An emissivity with its standard uncertainty and where that comes from."""

    value: float
    error: float
    parts: tuple[tuple[str, float], ...]
    """Standard uncertainties by cause, in emissivity."""
    raw: float
    """Before it was held at 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was measured on a target; temperatures in °C, `_error` a standard uncertainty, K."""

    reading: float
    """The sensor's."""
    reading_error: float
    surface: float
    """The contact thermometer's."""
    surface_error: float
    reflected: float
    reflected_error: float
    told: float
    """Emissivity that the sensor is told."""
    assumed: float
    """Reflected temperature that its driver calculates with."""


def emissivity_of(target: Target) -> Emissivity:
    """Solve for the target's emissivity.

    Raises `CalibrationError`: BADLY_CONDITIONED where it is too near to what it reflects or the uncertainty is above
    LARGEST_ERROR, IMPOSSIBLE where the result is no surface's.
    """
    apart = target.surface - target.reflected
    if abs(apart) < APART:
        raise CalibrationError(
            Refusal.BADLY_CONDITIONED,
            f"the target at {target.surface:.1f} °C is {abs(apart):.1f} K from what it reflects "
            f"({target.reflected:.1f} °C), {APART:g} K are needed: warm it to 45-60 °C",
        )
    raw = _solve(target.reading, target.surface, target.reflected, target)
    slopes = (
        ("reading", target.reading_error, _solve(target.reading + 0.01, target.surface, target.reflected, target)),
        (
            "contact thermometer",
            target.surface_error,
            _solve(target.reading, target.surface + 0.01, target.reflected, target),
        ),
        ("reflected", target.reflected_error, _solve(target.reading, target.surface, target.reflected + 0.01, target)),
    )
    parts = tuple((name, abs(moved - raw) / 0.01 * error) for name, error, moved in slopes)
    error = math.sqrt(sum(part**2 for _, part in parts))
    if error > LARGEST_ERROR:
        largest = max(parts, key=lambda part: part[1])
        raise CalibrationError(
            Refusal.BADLY_CONDITIONED,
            f"the emissivity, {raw:.3f}, is known to ±{error:.3f} only ({LARGEST_ERROR:g} is allowed), most of it by "
            f"the {largest[0]} (±{largest[1]:.3f}): warm the target further, or compare with a patch of known "
            "emissivity",
        )
    if raw > 1 + 2 * error or raw < LOWEST:
        raise CalibrationError(
            Refusal.IMPOSSIBLE,
            f"the emissivity came out as {raw:.3f} ± {error:.3f}; a usable surface has {LOWEST:g} to 1. Does the "
            "thermometer touch the target, and is the spot wholly on it?",
        )
    return Emissivity(min(raw, 1.0), error, parts, raw)


def sensor_error(reading: float, surface: float, emissivity: float, target: Target) -> float:
    """What the sensor reads too much, K: a patch of known emissivity at `surface` °C reads `reading` °C."""
    right = reading_of(surface, emissivity, told=target.told, reflected=target.reflected, assumed=target.assumed)
    return reading - right


def _solve(reading: float, surface: float, reflected: float, target: Target) -> float:
    arriving = target.told * _fourth(reading) + (1 - target.told) * _fourth(target.assumed)
    return (arriving - _fourth(reflected)) / (_fourth(surface) - _fourth(reflected))


def _fourth(celsius: float) -> float:
    return (celsius + ZERO_CELSIUS) ** 4


def _root(fourth: float) -> float:
    return math.sqrt(math.sqrt(fourth)) - ZERO_CELSIUS
