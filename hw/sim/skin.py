"""How warm a face's surface is: from core temperature, room and the time since coming in from the cold.

The model of the simulated world. It states what the sensor would see if it resolved the face perfectly; lens, array and
noise come after it.
"""

from __future__ import annotations

import numpy as np

OFFSET = 1.09
"""Oral minus face maximum (inner canthi), °C, at `REFERENCE`: mean over 614 afebrile people, three readings each, of
the FDA and University of Maryland set (doi 10.13026/3bhc-9065, T_Max)."""
REFERENCE = 24.0
"""Room temperature of that mean, °C."""
AMBIENT_SLOPE = -0.084
"""Change of (oral - skin) per °C of room temperature, same data: skin in a warmer room is nearer to the core."""
SCATTER = 0.27
"""Standard deviation of one person's (oral - face maximum) around the mean, °C, same data; for scenarios."""
MOUTH = 0.45
"""Oral temperature less the maximum over the open mouth, °C: mean over 644 people of the same set (T_OR_Max4); it is
0.68 °C above the maximum of the face with the mouth closed."""
_MINUTES = (0.0, 1.0, 3.0, 5.0)
_FOREHEAD = (33.2, 34.9, 35.8, 36.1)
"""Forehead after coming in from -5.5 to 0 °C, °C by minutes indoors (doi 10.1007/s00508-020-01754-2)."""


def chill(minutes_indoors: float) -> float:
    """How far the skin still is below its steady temperature, °C (the forehead's); 0 after five minutes."""
    return _FOREHEAD[-1] - float(np.interp(minutes_indoors, _MINUTES, _FOREHEAD))


def face_maximum(core: float, ambient: float, *, scatter: float = 0.0, minutes_indoors: float | None = None) -> float:
    """Temperature of the warmest part of a bare face, °C.

    `core - (OFFSET + AMBIENT_SLOPE * (ambient - REFERENCE)) + scatter - chill(minutes_indoors)`

    Args:
        core: oral temperature, °C.
        ambient: room temperature, °C.
        scatter: this person's own deviation, °C.
        minutes_indoors: since coming in from the cold; None: acclimatised.
    """
    offset = OFFSET + AMBIENT_SLOPE * (ambient - REFERENCE)
    return core - offset + scatter - (chill(minutes_indoors) if minutes_indoors is not None else 0.0)


def open_mouth(core: float) -> float:
    """Temperature of the inside of an open mouth, °C, at an oral temperature of `core` °C."""
    return core - MOUTH


def surface(share: float, maximum: float, ambient: float) -> float:
    """Temperature of a part that is `share` of the way from the room to the face's maximum, °C."""
    return ambient + share * (maximum - ambient)
