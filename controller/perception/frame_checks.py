"""Frames that can't be what a sensor saw, each with the name of what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from controller.lane.model import Remark

if TYPE_CHECKING:
    from controller.perception.types import HeatFrame

SENSOR_RANGE: Final = (-40.0, 300.0)
"""What the sensor can report, °C (data sheet of the MLX90640, Table 2); anything else is no sample."""
DIE_RANGE: Final = (-40.0, 85.0)
"""In which it works at all, °C (same table)."""
FAR: Final = 500.0
"""°C that no saturated sensor shows (the driver itself lets 450 through): above, the bytes are wrong."""
GAPS: Final = 0.2
"""Share of the pixels that may be missing: dead pixels are a handful."""
WILD: Final = 0.05
"""Share of the pixels that may be outside the range: a wrong byte hits one, swapped bytes nearly all."""
BURNT: Final = 0.2
"""Share of the pixels that may be at the upper end."""


def frame_fault(frame: HeatFrame) -> Remark | None:
    """Why this frame must not be used; None where it may."""
    if not DIE_RANGE[0] <= frame.ambient <= DIE_RANGE[1]:
        return Remark.IMPOSSIBLE_AMBIENT
    picture = frame.temperatures
    finite = np.isfinite(picture)
    if not picture.size or 1.0 - finite.mean() > GAPS:
        return Remark.NOT_A_NUMBER
    values = picture[finite]
    if float((np.abs(values) > FAR).mean()) > WILD:
        return Remark.IMPLAUSIBLE
    if float((values >= SENSOR_RANGE[1]).mean()) > BURNT:
        return Remark.SATURATED
    if float(((values < SENSOR_RANGE[0]) | (values > SENSOR_RANGE[1])).mean()) > WILD:
        return Remark.IMPLAUSIBLE
    return None
