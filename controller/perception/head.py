"""Where a head is by its heat alone, and how the parts of a face stand in its box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.perception.heat import Levels
from controller.perception.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.presence import PresenceSettings
    from controller.perception.types import Face

TALL: Final = 1.45
"""Height of a face over its width, hairline to chin."""
TOP: Final = 3
"""Rows below the crown from which the width of a head can be told."""
LEAST: Final = 3
"""Least columns of a head."""
NARROWEST, WIDEST = 0.2, 0.55
"""Between which the eyes can stand in a detector's box, as shares of its height; elsewhere the landmarks are wrong."""


def head_box(temperatures: NDArray[np.float32], settings: PresenceSettings) -> Box | None:
    """The face of the largest warm body in a thermal picture, float[rows, columns] in °C; None where there is none.

    A head is what is on top, as wide as that is, and so much taller as faces are; shoulders make what is below wider.
    """
    finite = np.isfinite(temperatures)
    if not finite.any():
        return None
    room = float(np.quantile(temperatures[finite], 0.2))
    warm = finite & (temperatures >= max(settings.body_warmth, room + settings.body_contrast))
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(warm.astype(np.uint8), connectivity=4)
    if count < 2:
        return None
    body = labels == 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA]))
    rows = np.flatnonzero(body.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    spans = [_span(body[row]) for row in range(top, bottom)]
    width = 0.0
    left = right = 0.0
    for row in range(min(TOP, len(spans) - 1), len(spans)):
        # Wider and wider down to the cheeks, which are no further below the crown than they are wide; then come
        # shoulders, which at a distance widen as gently as a forehead does.
        if row > width > 0:
            break
        if spans[row][1] - spans[row][0] > width:
            left, right = spans[row]
            width = right - left
    if width < LEAST:
        return None
    return Box(left, float(top), width, min(TALL * width, float(bottom - top)))


def _span(row: NDArray[np.bool_]) -> tuple[float, float]:
    """Left and right end of the longest run of a row, columns; (0, 0) without one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row, [False])).astype(np.int8)))
    if not edges.size:
        return 0.0, 0.0
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    return float(begins[longest]), float(ends[longest])


def face_levels(face: Face) -> Levels | None:
    """Heights of eyes and nose in a face's box, by its landmarks; None where those are not a face's."""
    eyes = float(face.landmarks[:2, 1].mean() - face.box.y) / max(face.box.height, 1e-6)
    nose = float(face.landmarks[2, 1] - face.box.y) / max(face.box.height, 1e-6)
    if not (NARROWEST <= eyes <= WIDEST and eyes + 0.08 <= nose <= 0.85):
        return None
    return Levels(eyes, nose)
