"""How far a face is, from its breadth in the picture: fits the one number that `registration.distance` needs.

distance = face_breadth · focal length / breadth in pixels. Only the product of breadth and focal length shows in such
a measurement, so one of them is fitted and the other is believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import numpy as np

from controller.calibrate.refusal import CalibrationError, Refusal
from controller.perception.registration import RegistrationSettings, distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.perception.types import Box

DISTANCES: Final = 2
"""Least different distances."""
APART: Final = 1.25
"""Least ratio of the furthest to the nearest."""
BOUND: Final = 0.05
"""Largest residual of a distance, m: at 0.5 m it moves the face by a tenth of a thermal pixel."""
SHARE: Final = 0.08
"""And as a share of the distance, whichever is more: faces differ by that much."""
OWN: Final = 0.06
"""Standard deviation of adults' face breadth over its mean: what one person's measurement says of others (Farkas et
al., J Craniofac Surg 2005, 16, 615: 137 mm, 4.3 to 7.1 mm by group and sex)."""

Fitted = Literal["camera_fov", "face_breadth"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One person at one marked distance."""

    distance: float
    """By the tape measure, m, from the camera's lens to the face."""
    box: Box
    """The face as the detector shows it (median of some pictures), in pixels."""


@dataclass(frozen=True, slots=True)
class Ranging:
    """What was fitted."""

    settings: RegistrationSettings
    key: Fitted
    value: float
    error: float
    """Standard uncertainty of `value` by the residuals alone."""
    residuals: tuple[float, ...]
    """What the gate now says less the tape measure, m, in the order of the standings."""

    @property
    def rms(self) -> float:
        """Metres."""
        return math.sqrt(sum(value * value for value in self.residuals) / len(self.residuals))


def fit_distance(
    standings: Sequence[Standing], picture_width: int, settings: RegistrationSettings, key: Fitted = "camera_fov"
) -> Ranging:
    """Fit `key` so that the gate's distances agree with the tape measure's.

    Raises `CalibrationError`: TOO_FEW, ONE_DISTANCE, RESIDUAL (which names the standing), IMPOSSIBLE.
    """
    _require_layout(standings)
    marked = np.array([standing.distance for standing in standings])
    inverse = np.array([1 / standing.box.width for standing in standings])
    # Weighted by 1/distance²: a detector's box is wrong by a share of its width.
    weight = 1 / marked**2
    product = float((weight * marked * inverse).sum() / (weight * inverse**2).sum())
    relative = product * inverse / marked - 1
    spread = math.sqrt(float((relative**2).sum()) / max(len(standings) - 1, 1) / len(standings))
    value, error = _solved(product, spread, picture_width, settings, key)
    try:
        fitted = msgspec.convert({**msgspec.structs.asdict(settings), key: value}, RegistrationSettings)
    except msgspec.ValidationError as problem:
        raise CalibrationError(
            Refusal.IMPOSSIBLE,
            f"{key} came out as {value:.3g}, which no gate has: is the other one right ([perception.registration] "
            f"{'face_breadth' if key == 'camera_fov' else 'camera_fov'}), and was the right person measured?",
        ) from problem
    residuals = tuple(distance(fitted, standing.box, picture_width) - standing.distance for standing in standings)
    _require_agreement(standings, residuals)
    return Ranging(fitted, key, value, error, residuals)


def _solved(
    product: float, spread: float, picture_width: int, settings: RegistrationSettings, key: Fitted
) -> tuple[float, float]:
    """The key's value and standard uncertainty for breadth times focal length in m·pixels."""
    if key == "face_breadth":
        breadth = product * math.tan(math.radians(settings.camera_fov) / 2) * 2 / picture_width
        return round(breadth, 4), breadth * spread
    half = math.atan(picture_width / 2 * settings.face_breadth / product)
    return round(math.degrees(2 * half), 2), math.degrees(math.sin(2 * half) * spread)


def _require_layout(standings: Sequence[Standing]) -> None:
    distances = sorted({round(standing.distance, 3) for standing in standings})
    if len(distances) < DISTANCES:
        raise CalibrationError(
            Refusal.TOO_FEW,
            f"{DISTANCES} marked distances are needed at least (three are better), there are {len(distances)}",
        )
    if distances[-1] / distances[0] < APART:
        raise CalibrationError(
            Refusal.ONE_DISTANCE,
            f"{distances[0]:g} m and {distances[-1]:g} m are too near to each other; the furthest must be {APART:g} "
            "times as far as the nearest",
        )


def _require_agreement(standings: Sequence[Standing], residuals: Sequence[float]) -> None:
    worst = max(range(len(residuals)), key=lambda number: abs(residuals[number]) / _allowed(standings[number]))
    if abs(residuals[worst]) > _allowed(standings[worst]):
        raise CalibrationError(
            Refusal.RESIDUAL,
            f"at {standings[worst].distance:g} m the fit is off by {100 * residuals[worst]:+.1f} cm, "
            f"{100 * _allowed(standings[worst]):.1f} cm are allowed: was the tape measured from the lens to the face, "
            "and did the same person stand upright at every mark?",
        )


def _allowed(standing: Standing) -> float:
    return max(BOUND, SHARE * standing.distance)
