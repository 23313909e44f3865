"""How large a letter has to be to be read from where people stand, and how large it is on a panel."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

LATIN: Final = 1 / 200
"""Height of a capital letter over the distance it is read from: 10 mm at 2 m, 17 minutes of arc. ISO 9241-303 asks for
16 at least."""
CHINESE: Final = 1 / 140
"""The same of a Chinese character, whose strokes are more and nearer to each other: 14.3 mm at 2 m, 25 minutes."""
NEAR: Final = 0.6
"""Metres from which the small letters are read: the mark and half a step."""
MILLIMETRES: Final = 25.4
"""Of an inch."""


class Heights(NamedTuple):
    """Heights of ink in pixels."""

    latin: float
    """Of a capital letter."""
    chinese: float
    """Of a Chinese character."""


def pixels_per_millimetre(width: int, height: int, diagonal: float) -> float:
    """Of a panel with square pixels and a diagonal in inches."""
    return math.hypot(width, height) / (diagonal * MILLIMETRES)


def needed(width: int, height: int, diagonal: float, distance: float) -> Heights:
    """The least heights of letters that are read from `distance` metres."""
    per_metre = 1000 * pixels_per_millimetre(width, height, diagonal)
    return Heights(distance * LATIN * per_metre, distance * CHINESE * per_metre)
