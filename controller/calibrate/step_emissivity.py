"""`thermogate calibrate emissivity`: of a target whose temperature a contact thermometer tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from controller.calibrate import canvas
from controller.calibrate.dialogue import Answer
from controller.calibrate.radiance import Target, emissivity_of, sensor_error
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.calibrate.rewrite import Change
from controller.calibrate.session import Outcome, drawn_anyway, today
from controller.calibrate.spot import find_plate
from controller.calibrate.stillness import StillMap, still
from controller.prompts import Text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.calibrate.radiance import Emissivity
    from controller.calibrate.session import Session

Place = tuple[float, float]

SPOT: Final = 1.3
"""Thermal pixels around a place that are read: four to six pixels."""
UNEVEN: Final = 1.0
"""Kelvin between the pixels of a spot beyond noise from which it is not wholly on one surface."""
SENSOR_ACCURACY: Final = 1.0
"""Half-width of the sensor's error, K, uniform: the MLX90640's data sheet in its centre (12.1.1)."""
PATCH_ACCURACY: Final = 0.02
"""Half-width of a known patch's emissivity: what makers of tape and paint promise."""
ROOM_ERROR: Final = 2.0
"""Standard uncertainty of the reflected temperature where the picture's coolest fifth stands for it, K."""
SET_UP = Text(
    "Warm the target to 45-60 °C, put it close before the array, read the contact thermometer at the spot",
    "请将目标加热到45至60°C，放在热像仪前近处，并用接触式温度计读取该点温度",
)
SKIN = Text(
    "The lane measures skin, whose emissivity is 0.98 (ISO/TR 13154). Change [thermal] emissivity only if the lane "
    "looks at skin through something, or at another surface",
    "通道测量的是皮肤，其发射率为0.98。只有隔着材料测量或测量其他表面时才应更改",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is known, and what is asked. Temperatures in °C, accuracies half-widths in K."""

    surface: float
    """By the contact thermometer."""
    surface_accuracy: float = 0.3
    reflected: float | None = None
    """None: the room as the array sees it."""
    reflected_error: float = 1.0
    """Standard uncertainty of a reflected temperature that was given, K."""
    at: Place | None = None
    """(column, row); None: the one hot thing."""
    known: float | None = None
    """Emissivity of a patch on the same plate, which tells the sensor's own error; None: no patch."""
    known_at: Place | None = None
    of: Literal["thermal", "reference"] = "thermal"


@dataclass(frozen=True, slots=True)
class Reading:
    """A spot of the thermal picture."""

    at: Place
    value: float
    """°C."""
    noise: float
    """Its standard uncertainty by noise, K."""


def measure(session: Session, question: Question) -> Outcome:
    """Look at the target and solve. Raises `CalibrationError` and `DeviceError` kinds."""
    if question.of == "reference" and session.config.perception.reference is None:
        raise CalibrationError(
            Refusal.WRONG_INPUT, "there is no [perception.reference] yet: run `thermogate calibrate reference` first"
        )
    if (question.known is None) != (question.known_at is None):
        raise CalibrationError(Refusal.WRONG_INPUT, "--known and --known-at belong together")
    if session.guide.ready(SET_UP) is not Answer.READY:
        raise CalibrationError(Refusal.NO_TARGET, "nothing was looked at")
    session.helper.plate(patch=question.known is not None)
    heat = still(session.eyes.frames(session.seconds))
    readings: list[Reading] = []
    with drawn_anyway(session, lambda: draw(heat, readings)):
        readings.append(read(heat, _place(heat, question)))
        target = _target(session, heat, question, readings)
        found = emissivity_of(target)
    return Outcome(
        (_change(question, found),),
        _lines(readings, target, found),
        draw(heat, readings),
        SKIN if question.of == "thermal" else None,
    )


def _place(heat: StillMap, question: Question) -> Place:
    if question.at is not None:
        return question.at
    return find_plate(heat)


def read(heat: StillMap, at: Place) -> Reading:
    """The mean of a spot. Raises `CalibrationError`: WRONG_INPUT outside the array, TOO_SMALL where it is uneven."""
    rows, columns = heat.mean.shape
    if not (0 <= at[0] < columns and 0 <= at[1] < rows):
        raise CalibrationError(
            Refusal.WRONG_INPUT, f"column {at[0]:g}, row {at[1]:g} is outside of {columns} columns and {rows} rows"
        )
    down, across = np.indices(heat.mean.shape) + 0.5
    inside = (np.hypot(across - at[0], down - at[1]) <= SPOT) & ~heat.dead
    values = heat.mean[inside]
    if not values.size or float(np.ptp(values)) > UNEVEN + 4 * heat.left:
        spread = float(np.ptp(values)) if values.size else math.nan
        raise CalibrationError(
            Refusal.TOO_SMALL,
            f"the spot at column {at[0]:.1f}, row {at[1]:.1f} differs by {spread:.1f} K between its pixels: it is not "
            "wholly on the target; go nearer, or take a larger one",
        )
    return Reading(at, float(values.mean()), heat.left / math.sqrt(values.size))


def _target(session: Session, heat: StillMap, question: Question, readings: list[Reading]) -> Target:
    """All that the equation needs; a patch of known emissivity takes the sensor's own error out."""
    thermal = session.config.thermal
    own, first = SENSOR_ACCURACY / math.sqrt(3), readings[0]
    target = Target(
        reading=first.value,
        reading_error=math.hypot(first.noise, own),
        surface=question.surface,
        surface_error=question.surface_accuracy / math.sqrt(3),
        reflected=heat.room if question.reflected is None else question.reflected,
        reflected_error=ROOM_ERROR if question.reflected is None else question.reflected_error,
        told=thermal.emissivity,
        assumed=heat.ambient - 8.0 if thermal.reflected is None else thermal.reflected,
    )
    if question.known is None or question.known_at is None:
        return target
    patch = read(heat, question.known_at)
    readings.append(patch)
    error = sensor_error(patch.value, question.surface, question.known, target)
    by_patch = sensor_error(patch.value, question.surface, question.known + 0.01, target) - error
    left = math.hypot(first.noise, patch.noise, by_patch / 0.01 * PATCH_ACCURACY / math.sqrt(3))
    fields = {name: getattr(target, name) for name in Target.__dataclass_fields__}
    return Target(**{**fields, "reading": first.value - error, "reading_error": left})


def draw(heat: StillMap, readings: list[Reading]) -> NDArray[np.uint8]:
    """The thermal picture with the spots that were read."""
    thermal = canvas.Thermal(heat.mean)
    for name, reading in zip(("target", "known"), readings, strict=False):
        thermal.cross(*reading.at, label=f"{name} {reading.value:.1f} C")
        thermal.circle(*reading.at, SPOT)
    return canvas.sheet(
        [("thermal", thermal.image)], [f"{heat.frames} frames, {thermal.low:.1f}..{thermal.high:.1f} C"]
    )


def _change(question: Question, found: Emissivity) -> Change:
    section = "thermal" if question.of == "thermal" else "perception.reference"
    remark = f"{today()}: ±{found.error:.3f}, contact thermometer {question.surface:g} °C"
    return Change(section, {"emissivity": round(found.value, 3)}, remark)


def _lines(readings: list[Reading], target: Target, found: Emissivity) -> tuple[str, ...]:
    parts = ", ".join(f"{name} {error:.3f}" for name, error in found.parts)
    held = f" (came out as {found.raw:.3f}, held at 1)" if found.raw > 1 else ""
    return (
        *(
            f"{name}: {reading.value:.2f} ± {reading.noise:.2f} °C at column {reading.at[0]:.1f}, row "
            f"{reading.at[1]:.1f}"
            for name, reading in zip(("target reads", "known patch reads"), readings, strict=False)
        ),
        f"contact thermometer {target.surface:.1f} °C, reflected {target.reflected:.1f} °C",
        f"emissivity {found.value:.3f} ± {found.error:.3f}{held}; of this: {parts}",
    )
