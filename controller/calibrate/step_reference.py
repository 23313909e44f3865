"""`thermogate calibrate reference`: the black body in view of the array."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from controller.calibrate import canvas
from controller.calibrate.blackbody import Known, Source, find_source
from controller.calibrate.dialogue import Answer
from controller.calibrate.refusal import CalibrationError, Refusal
from controller.calibrate.rewrite import Change
from controller.calibrate.session import Outcome, drawn_anyway, today
from controller.calibrate.stillness import StillMap, still
from controller.prompts import Text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from controller.calibrate.session import Session

LEAST_SECONDS: Final = 5.0
"""Less tells nothing about steadiness."""
SET_UP = Text(
    "Put the black body into view, steady, and let nobody stand before the gate",
    "请将黑体放入画面并固定，闸机前不要站人",
)


def measure(
    session: Session, temperature: float, *, emissivity: float, at: tuple[float, float] | None = None
) -> Outcome:
    """Find the source at `temperature` °C; `at` is (column, row) where several could be meant.

    Raises `CalibrationError` and `DeviceError` kinds.
    """
    if session.guide.ready(SET_UP) is not Answer.READY:
        raise CalibrationError(Refusal.NO_TARGET, "nothing was looked at")
    session.helper.source()
    thermal = session.config.thermal
    heat = still(session.eyes.frames(max(session.seconds, LEAST_SECONDS)))
    if at is not None and not (0 <= at[0] < heat.mean.shape[1] and 0 <= at[1] < heat.mean.shape[0]):
        raise CalibrationError(
            Refusal.WRONG_INPUT,
            f"--at {at[0]:g},{at[1]:g} is outside of {heat.mean.shape[1]} columns and {heat.mean.shape[0]} rows",
        )
    known = Known(temperature, emissivity, thermal.emissivity, thermal.reflected)
    with drawn_anyway(session, lambda: draw(heat, None)):
        source = find_source(heat, known, at)
    radius = math.floor(10 * source.radius) / 10
    change = Change(
        "perception.reference",
        {
            "column": round(source.column, 2),
            "row": round(source.row, 2),
            "radius": radius,
            "temperature": temperature,
            "emissivity": emissivity,
        },
        f"{today()}: reads {source.error:+.2f} K off, noise {source.noise:.2f} K, in {source.seconds:.0f} s",
    )
    return Outcome((change,), _lines(source, heat, radius), draw(heat, source))


def draw(heat: StillMap, source: Source | None) -> NDArray[np.uint8]:
    """The thermal picture with the source's edge, and what it surely fills."""
    thermal = canvas.Thermal(heat.mean)
    lines = [f"thermal picture of {heat.frames} frames, {thermal.low:.1f}..{thermal.high:.1f} C"]
    if source is not None:
        thermal.cross(source.column, source.row, label="reference")
        thermal.circle(source.column, source.row, source.edge, canvas.CYAN)
        thermal.circle(source.column, source.row, source.radius)
        lines.append(f"reads {source.reading:.2f} C, should {source.expected:.2f} C; green: surely filled, blue: edge")
    return canvas.sheet([("thermal", thermal.image)], lines)


def _lines(source: Source, heat: StillMap, radius: float) -> tuple[str, ...]:
    return (
        (
            f"source: column {source.column:.2f}, row {source.row:.2f}; surely fills {radius:.1f} thermal pixels "
            f"around its middle, its edge is at {source.edge:.1f}"
        ),
        (
            f"reads {source.reading:.2f} ± {source.noise:.2f} °C (noise), should read {source.expected:.2f} °C: "
            f"{source.error:+.2f} K, which the gate takes out of every frame from now on"
        ),
        (
            f"steadiness over {source.seconds:.0f} s: drift {source.drift:+.2f} K, swing {source.swing:.2f} K; "
            f"unevenness {source.unevenness:.2f} K; one pixel's noise {heat.noise:.2f} K a sample"
        ),
    )
