"""From places of one target in both pictures to the homography and the parallax that `registration` uses.

array = H(camera) − offset · (1/distance − 1/homography_distance) · focal length. H has eight unknowns, the offsets are
two; all ten are fitted together by least squares in thermal pixels (Levenberg-Marquardt), from a robust start: an
affine map with parallax under the 1-norm, then OpenCV's homography by random samples. The parallax of an array that is
turned by a few degrees, or sits before or behind the camera, is only nearly this; what that costs is in the residual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

UNKNOWNS: Final = 10
COARSE: Final = 32
"""Columns of the array whose pixels all limits are in."""
SAMPLING_BOUND: Final = 1.5
"""Thermal pixels within which a place supports a homography by random samples."""
STEPS: Final = 60
FINEST: Final = 0.03
"""A centroid is no better than this, thermal pixels, however little the residual: it sits on a grid of pixels."""


@dataclass(frozen=True, slots=True)
class Place:
    """The target once, in both pictures."""

    camera: tuple[float, float]
    """(x, y) as shares of the camera picture's width and height."""
    array: tuple[float, float]
    """(column, row) in thermal pixels."""
    distance: float
    """Metres from the camera's plane."""
    radius: float = 0.0
    """Of the target in the camera's picture, as a share of its width; 0 where it was not measured."""


@dataclass(frozen=True, slots=True)
class View:
    """The array that is mapped to."""

    columns: int
    rows: int
    fov: tuple[float, float]
    """Horizontal and vertical, degrees: only scales metres of parallax to pixels."""
    shared: float = 1.0
    """Share of the array's area that the camera sees too."""

    @property
    def grain(self) -> float:
        """How much finer its pixels are than those of 32 columns, which the limits of a calibration are stated for."""
        return max(1.0, self.columns / COARSE)

    @property
    def focal(self) -> tuple[float, float]:
        """Focal lengths of a pinhole across and down, thermal pixels."""
        across, down = (math.tan(math.radians(angle) / 2) for angle in self.fov)
        return self.columns / 2 / across, self.rows / 2 / down


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Unknowns that fit some places best."""

    unknowns: Vector
    """float64[10]: the homography from shares about the picture's middle to shares of the array, row by row without
    its last element, 1; then the offsets across and down, m."""
    covariance: NDArray[np.float64]
    """float64[10, 10]: of the unknowns, by the residual that is left."""
    distance: float
    """At which the parallax is nothing, m."""
    view: View

    @property
    def homography(self) -> NDArray[np.float64]:
        """float64[3, 3] from shares of the camera's picture to shares of the array."""
        centred = np.append(self.unknowns[:8], 1.0).reshape(3, 3)
        return np.asarray(centred @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]]))

    @property
    def offset(self) -> tuple[float, float]:
        """The array's place to the right of and below the camera, m."""
        return float(self.unknowns[8]), float(self.unknowns[9])

    @property
    def offset_error(self) -> tuple[float, float]:
        """Standard uncertainties of the offsets, m."""
        return float(np.sqrt(self.covariance[8, 8])), float(np.sqrt(self.covariance[9, 9]))

    def predict(self, camera: NDArray[np.float64], distances: Vector) -> NDArray[np.float64]:
        """(column, row) for places (x, y) as shares and their distances, m: float64[n, 2]."""
        return _predict(self.unknowns, camera, 1 / distances - 1 / self.distance, self.view)

    def uncertainty(self, camera: NDArray[np.float64], distances: Vector) -> Vector:
        """Standard uncertainty of a predicted place, thermal pixels (root of both directions' squares): float64[n]."""
        slopes = _slopes(self.unknowns, camera, 1 / distances - 1 / self.distance, self.view)
        spread = np.einsum("nij,jk,nik->n", slopes, self.covariance, slopes)
        return np.asarray(np.sqrt(np.maximum(spread, 0.0)))


def fit(places: Sequence[Place], view: View, distance: float, start: Vector | None = None) -> Fit:
    """Fit all ten unknowns to at least five places; `start` saves finding one. Raises ValueError for fewer."""
    if 2 * len(places) < UNKNOWNS:
        raise ValueError(f"ten unknowns need five places, not {len(places)}")
    camera, array, distances = arrays(places)
    nearer = 1 / distances - 1 / distance
    unknowns = robust_start(camera, array, nearer, view) if start is None else start.copy()
    error = (_predict(unknowns, camera, nearer, view) - array).ravel()
    damping = 1e-3
    for _ in range(STEPS):
        slopes = _slopes(unknowns, camera, nearer, view).reshape(-1, UNKNOWNS)
        normal, pull = slopes.T @ slopes, slopes.T @ error
        step = np.linalg.lstsq(normal + damping * np.diag(np.diag(normal) + 1e-12), -pull, rcond=None)[0]
        tried = unknowns + step
        left = (_predict(tried, camera, nearer, view) - array).ravel()
        if np.isfinite(left).all() and left @ left <= error @ error:
            gain = error @ error - left @ left
            unknowns, error, damping = tried, left, max(damping / 5, 1e-12)
            if gain <= 1e-12 * (1.0 + error @ error):
                break
        else:
            damping *= 8
            if damping > 1e9:
                break
    slopes = _slopes(unknowns, camera, nearer, view).reshape(-1, UNKNOWNS)
    spare = max(error.size - UNKNOWNS, 1)
    variance = max(float(error @ error) / spare, FINEST**2)
    covariance = np.asarray(variance * np.linalg.pinv(slopes.T @ slopes, rcond=1e-13), np.float64)
    return Fit(unknowns, covariance, distance, view)


def residuals(fitted: Fit, places: Sequence[Place]) -> NDArray[np.float64]:
    """Measured less predicted (column, row), thermal pixels: float64[n, 2]."""
    camera, array, distances = arrays(places)
    return array - fitted.predict(camera, distances)


def left_out(fitted: Fit, places: Sequence[Place]) -> NDArray[np.float64]:
    """As `residuals`, of every place against a fit to all others."""
    out = np.empty((len(places), 2))
    for number, place in enumerate(places):
        others = [*places[:number], *places[number + 1 :]]
        out[number] = residuals(fit(others, fitted.view, fitted.distance, fitted.unknowns), [place])[0]
    return out


def arrays(places: Sequence[Place]) -> tuple[NDArray[np.float64], NDArray[np.float64], Vector]:
    """Camera shares float64[n, 2], array pixels float64[n, 2], and distances float64[n]."""
    return (
        np.array([place.camera for place in places], dtype=np.float64),
        np.array([place.array for place in places], dtype=np.float64),
        np.array([place.distance for place in places], dtype=np.float64),
    )


def robust_start(camera: NDArray[np.float64], array: NDArray[np.float64], nearer: Vector, view: View) -> Vector:
    """Unknowns near enough for the fit, with some places far off."""
    size = np.array([view.columns, view.rows])
    unknowns = np.zeros(UNKNOWNS)
    basis = np.column_stack([camera - 0.5, np.ones(len(camera)), nearer])
    for axis in (0, 1):
        affine = _least_absolute(basis, array[:, axis])
        unknowns[3 * axis : 3 * axis + 3] = affine[:3] / size[axis]
        unknowns[8 + axis] = -affine[3] / view.focal[axis]
    # Where all stand as they would at the common distance, a plain homography holds.
    common = array + nearer[:, None] * unknowns[8:] * np.array(view.focal)
    found: Any = cv2.findHomography(camera - 0.5, common / size[0], cv2.RANSAC, SAMPLING_BOUND * view.grain / size[0])
    # None where the places lie on a line, which OpenCV's stubs forget.
    matrix: NDArray[np.float64] | None = found[0]
    if matrix is not None and abs(matrix[2, 2]) > 1e-6:
        scaled = (np.diag([1.0, size[0] / size[1], 1.0]) @ matrix / matrix[2, 2]).ravel()[:8]
        tried = np.concatenate([scaled, unknowns[8:]])
        if _typical_error(tried, camera, array, nearer, view) < _typical_error(unknowns, camera, array, nearer, view):
            return tried
    return unknowns


def _typical_error(
    unknowns: Vector, camera: NDArray[np.float64], array: NDArray[np.float64], nearer: Vector, view: View
) -> float:
    """Median distance of measured from predicted, thermal pixels."""
    off = np.hypot(*(_predict(unknowns, camera, nearer, view) - array).T)
    return float(np.median(np.where(np.isfinite(off), off, np.inf)))


def _least_absolute(basis: NDArray[np.float64], values: Vector) -> Vector:
    """Coefficients of least absolute error, by reweighted least squares."""
    weight = np.ones(len(values))
    found: Vector = np.zeros(basis.shape[1])
    for _ in range(50):
        root = np.sqrt(weight)
        found = np.asarray(np.linalg.lstsq(basis * root[:, None], values * root, rcond=None)[0], np.float64)
        weight = 1 / np.maximum(np.abs(values - basis @ found), 1e-3)
    return found


def _predict(unknowns: Vector, camera: NDArray[np.float64], nearer: Vector, view: View) -> NDArray[np.float64]:
    a, b = (camera - 0.5).T
    h = unknowns
    scale = h[6] * a + h[7] * b + 1.0
    scale = np.where(np.abs(scale) < 1e-9, np.nan, scale)
    focal = view.focal
    column = (h[0] * a + h[1] * b + h[2]) / scale * view.columns - h[8] * nearer * focal[0]
    row = (h[3] * a + h[4] * b + h[5]) / scale * view.rows - h[9] * nearer * focal[1]
    return np.column_stack([column, row])


def _slopes(unknowns: Vector, camera: NDArray[np.float64], nearer: Vector, view: View) -> NDArray[np.float64]:
    """Derivatives of the predicted (column, row) by the unknowns: float64[n, 2, 10]."""
    a, b = (camera - 0.5).T
    h = unknowns
    scale = h[6] * a + h[7] * b + 1.0
    scale = np.where(np.abs(scale) < 1e-9, 1e-9, scale)
    out = np.zeros((len(camera), 2, UNKNOWNS))
    for axis, size in ((0, view.columns), (1, view.rows)):
        at = 3 * axis
        share = (h[at] * a + h[at + 1] * b + h[at + 2]) / scale
        out[:, axis, at : at + 3] = (size / scale)[:, None] * np.column_stack([a, b, np.ones_like(a)])
        out[:, axis, 6:8] = (-share * size / scale)[:, None] * np.column_stack([a, b])
        out[:, axis, 8 + axis] = -nearer * view.focal[axis]
    return out
