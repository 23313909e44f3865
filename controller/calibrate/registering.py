"""Whether measured places make a registration: refuses layouts that fix nothing, and fits that leave too much."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import msgspec
import numpy as np

from controller.calibrate.mapping import Fit, Place, View, arrays, fit, left_out, residuals, robust_start
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.perception.registration import RegistrationSettings, thermal_point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PLACES: Final = 6
"""Least places at the distance with most of them."""
FURTHER_PLACES: Final = 3
"""Least places at another distance."""
SPREAD: Final = 0.12
"""Least share of what both see that the places span (their convex hull)."""
LINE: Final = 1.5
"""Least standard deviation of the places across their longest direction, thermal pixels."""
APART: Final = 0.35
"""Least difference of 1/distance, 1/m: 0.5 and 0.6 m. A centimetre of offset is then a tenth of a thermal pixel."""
BOUND: Final = 1.0
"""Thermal pixels that the worst place may be off, predicted from all others."""
OFFSET_BOUND: Final = 0.015
"""Largest standard uncertainty of an offset, m: half a pixel between 0.4 and 0.6 m."""
OUTLIER_SIGMAS: Final = 4.0
ROUNDS: Final = 8
"""Most times that outliers are judged anew."""
OUTLIERS: Final = 0.2
"""Largest share of places that may be left out as outliers."""
SIZES: Final = 1.2
"""Largest ratio of the target's size times its distance between two distances: a tape measure read wrong."""
TURN: Final = 35.0
"""Degrees by which the pictures may be turned against each other."""


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """One place after the fit."""

    place: Place
    residual: tuple[float, float]
    """Measured less what the written registration says, (columns, rows), thermal pixels."""
    left_out: float
    """Distance from where all others put it, thermal pixels."""
    used: bool
    """False: an outlier."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A fit that may be written, with what it leaves."""

    settings: RegistrationSettings
    places: tuple[PlaceResult, ...]
    offset_error: tuple[float, float]
    """Standard uncertainties of offset_x and offset_y, m."""

    @property
    def used(self) -> list[PlaceResult]:
        """Places that are no outliers."""
        return [result for result in self.places if result.used]

    @property
    def rms(self) -> float:
        """Root mean square of the used places' residuals, thermal pixels."""
        return _rms([math.hypot(*result.residual) for result in self.used])

    @property
    def worst(self) -> float:
        """Largest residual of a used place, thermal pixels."""
        return max(math.hypot(*result.residual) for result in self.used)

    @property
    def cross_rms(self) -> float:
        """As `rms`, each place predicted from all others: what to expect where no target was."""
        return _rms([result.left_out for result in self.used])

    @property
    def cross_worst(self) -> float:
        """The largest of these."""
        return max(result.left_out for result in self.used)


def register(
    places: Sequence[Place], view: View, settings: RegistrationSettings, *, bound: float = BOUND
) -> Registration:
    """Fit the places; `settings` gives what is not fitted. `bound` is in pixels of 32 columns (`View.grain`).

    Raises `CalibrationError` that says which of the things that can be wrong is.
    """
    bound *= view.grain
    require_layout(places, view)
    main = min({place.distance for place in places}, key=lambda far: abs(far - settings.homography_distance))
    used, off = _without_outliers(places, view, main, bound)
    require_layout([places[number] for number in used], view)
    fitted = fit([places[number] for number in used], view, main)
    _require_orientation(fitted)
    written = _written(fitted, settings)
    errors = left_out(fitted, [places[number] for number in used])
    apart = {number: math.hypot(*error) for number, error in zip(used, errors, strict=True)}
    results = tuple(
        PlaceResult(
            place, _residual(written, place, view), apart.get(number, off.get(number, math.nan)), number in apart
        )
        for number, place in enumerate(places)
    )
    found = Registration(written, results, fitted.offset_error)
    if found.cross_worst > bound or found.rms > bound:
        raise CalibrationError(
            Refusal.RESIDUAL,
            f"places are off by {found.rms:.2f} thermal pixels (RMS), the worst by {found.cross_worst:.2f} when "
            f"predicted from the others; {bound:g} is allowed. Fix both sensors, hold the target still, measure the "
            "distances anew",
        )
    _require_certainty(fitted, bound)
    return found


def require_layout(places: Sequence[Place], view: View) -> None:
    """Refuse places that are too few or fix no plane or no parallax. Raises `CalibrationError`."""
    by_distance: dict[float, list[Place]] = {}
    for place in places:
        by_distance.setdefault(round(place.distance, 3), []).append(place)
    counts = sorted((len(group) for group in by_distance.values()), reverse=True)
    if not counts or counts[0] < PLACES:
        raise CalibrationError(
            Refusal.TOO_FEW, f"{PLACES} places at one distance are needed, there are {counts[0] if counts else 0}"
        )
    inverse = [1 / far for far in by_distance]
    if max(inverse) - min(inverse) < APART:
        shown = ", ".join(f"{far:g} m" for far in sorted(by_distance))
        raise CalibrationError(
            Refusal.ONE_DISTANCE, f"only {shown}: show the target at a second distance, half as far again at least"
        )
    if counts[1] < FURTHER_PLACES:
        raise CalibrationError(
            Refusal.TOO_FEW, f"{FURTHER_PLACES} places at a second distance are needed, there are {counts[1]}"
        )
    largest = max(by_distance.values(), key=len)
    _require_spread(np.array([place.array for place in largest]), view)
    _require_sizes(by_distance)


def _require_spread(points: NDArray[np.float64], view: View) -> None:
    """Refuse (column, row) float64[n, 2] on a line or in a corner."""
    across = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) / math.sqrt(len(points))
    if across[1] < LINE * view.grain:
        left, right = points[points[:, 0].argmin()], points[points[:, 0].argmax()]
        raise CalibrationError(
            Refusal.ON_A_LINE,
            f"the places lie on one line, from column {left[0]:.0f}, row {left[1]:.0f} to column {right[0]:.0f}, row "
            f"{right[1]:.0f}; add places beside it",
        )
    area = cv2.contourArea(cv2.convexHull(points.astype(np.float32))) / (view.columns * view.rows * view.shared)
    if area < SPREAD:
        low, high = points.min(axis=0), points.max(axis=0)
        raise CalibrationError(
            Refusal.NOT_SPREAD,
            f"the places span {100 * area:.0f} % of what both see (columns {low[0]:.0f} to {high[0]:.0f}, rows "
            f"{low[1]:.0f} to {high[1]:.0f}); {100 * SPREAD:.0f} % are needed, go nearer to its corners",
        )


def _require_sizes(by_distance: dict[float, list[Place]]) -> None:
    """Refuse distances that the target's size contradicts: it must be twice as small twice as far away."""
    reach = {
        far: far * float(np.median([place.radius for place in group]))
        for far, group in by_distance.items()
        if all(place.radius > 0 for place in group)
    }
    for one, other in itertools.combinations(sorted(reach), 2):
        ratio = reach[other] / reach[one]
        if not 1 / SIZES < ratio < SIZES:
            raise CalibrationError(
                Refusal.WRONG_INPUT,
                f"the target's size says that {other:g} m is {other / ratio:.2f} m if {one:g} m is right: measure "
                "both distances anew",
            )


def _without_outliers(
    places: Sequence[Place], view: View, main: float, bound: float
) -> tuple[list[int], dict[int, float]]:
    """Numbers of the places that agree, and how far off each other one is, thermal pixels."""
    camera, array, far = arrays(places)
    start = Fit(robust_start(camera, array, 1 / far - 1 / main, view), np.zeros((10, 10)), main, view)
    # Judged by a fit that the outliers hardly move: least squares over all would follow them, and blame others.
    errors = np.hypot(*residuals(start, places).T)
    agree = errors <= max(bound, OUTLIER_SIGMAS * float(np.median(errors)))
    for _ in range(ROUNDS):
        used = [number for number in range(len(places)) if agree[number]]
        if len(used) < PLACES + FURTHER_PLACES:
            break
        chosen = [places[number] for number in used]
        fitted = fit(chosen, view, main)
        errors = np.hypot(*residuals(fitted, places).T)
        errors[used] = np.hypot(*left_out(fitted, chosen).T)
        now = errors <= max(bound / 2, OUTLIER_SIGMAS * float(np.median(errors[used])))
        if (now == agree).all():
            break
        agree = now
    off = {number: float(errors[number]) for number in range(len(places)) if not agree[number]}
    if len(off) > OUTLIERS * len(places):
        named = ", ".join(_named(places[number]) for number in off)
        raise CalibrationError(
            Refusal.CONTRADICTION,
            f"{len(off)} of {len(places)} places contradict the others ({named}): something moved, or another thing "
            "was taken for the target; fix both sensors and begin anew",
        )
    return [number for number in range(len(places)) if agree[number]], off


def _require_orientation(fitted: Fit) -> None:
    """Refuse pictures that are mirrored or turned against each other."""
    a, b, _, d, e = fitted.unknowns[:5]
    jacobian = np.array(
        [[a * fitted.view.columns, b * fitted.view.columns], [d * fitted.view.rows, e * fitted.view.rows]]
    )
    if np.linalg.det(jacobian) < 0:
        raise CalibrationError(
            Refusal.MIRRORED, "the pictures are mirrored against each other: change [thermal] flip, then begin anew"
        )
    turned = math.degrees(math.atan2(jacobian[1, 0] - jacobian[0, 1], jacobian[0, 0] + jacobian[1, 1]))
    if abs(turned) > TURN:
        raise CalibrationError(
            Refusal.TURNED,
            f"the pictures are turned against each other by {turned:.0f} degrees: turn a sensor, or set [camera] "
            "rotate",
        )


def _require_certainty(fitted: Fit, bound: float) -> None:
    """Refuse a fit that residuals alone would pass: places that do not tell what is between and beside them."""
    error = max(fitted.offset_error)
    if error > OFFSET_BOUND:
        raise CalibrationError(
            Refusal.BADLY_CONDITIONED,
            f"the array's place beside the camera is known to {100 * error:.1f} cm only, {100 * OFFSET_BOUND:.1f} cm "
            "are needed: show the target at distances further apart, and at more places",
        )
    grid = np.array(list(itertools.product((0.3, 0.5, 0.7), (0.3, 0.5, 0.7))))
    spread = float(fitted.uncertainty(grid, np.full(len(grid), fitted.distance)).max())
    if spread > bound / 2:
        raise CalibrationError(
            Refusal.BADLY_CONDITIONED,
            f"the middle of the picture is known to {spread:.2f} thermal pixels only, {bound / 2:g} are needed: show "
            "the target at more places, spread over the picture",
        )


def _written(fitted: Fit, settings: RegistrationSettings) -> RegistrationSettings:
    """The fit as gate.toml will hold it, rounded. Raises `CalibrationError` (IMPOSSIBLE) where it may not."""
    x, y = fitted.offset
    for name, value in (("offset_x", x), ("offset_y", y)):
        if abs(value) > 0.5:
            raise CalibrationError(
                Refusal.IMPOSSIBLE, f"{name} came out as {value:.2f} m: camera and array are never so far apart"
            )
    matrix = tuple(float(f"{value:.7g}") for value in fitted.homography.ravel())
    changed = {
        "homography": matrix,
        "homography_distance": fitted.distance,
        "offset_x": round(x, 4),
        "offset_y": round(y, 4),
    }
    try:
        return msgspec.convert({**msgspec.structs.asdict(settings), **changed}, RegistrationSettings)
    except msgspec.ValidationError as error:
        raise CalibrationError(
            Refusal.IMPOSSIBLE, f"the registration came out as one that cannot be: {error}"
        ) from error


def _residual(written: RegistrationSettings, place: Place, view: View) -> tuple[float, float]:
    """Measured less what the gate's own code makes of the written settings: a slip in conventions would show here."""
    column, row = thermal_point(written, place.camera, place.distance, (1, 1), (view.rows, view.columns))
    return place.array[0] - column, place.array[1] - row


def _named(place: Place) -> str:
    return f"column {place.array[0]:.0f}, row {place.array[1]:.0f} at {place.distance:g} m"


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(sum(value * value for value in values) / len(values))
