"""How usable a face picture is: size, sharpness, exposure, pose. Each 0..1; below 0.3 a term makes a probe useless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.perception.types import Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.types import Box, Face

SMALL, LARGE = 30.0, 90.0
"""Widths of a face in pixels that rate 0 and 1: MobileFaceNet sees 112 pixels for about 1.2 face widths."""
PATCH = 64
"""Pixels to which a face is brought before its sharpness is judged, so that resolution does not count twice."""
BLURRED, CRISP = 0.002, 0.020
"""Laplacian variance over grey variance that rate 0 and 1. Measured on photographs: 1 % of sharp ones lie below .016;
blurred by 2 pixels of the patch the median is .008, by 3 pixels .004."""
DARK, BRIGHT = (25.0, 60.0), (200.0, 235.0)
"""Mean grey levels between which exposure falls to 0, at both ends."""
PROFILE = 0.45
"""Shift of the nose from the middle of the eyes, in eye distances, that rates 0; a profile shows more."""
TILT = 40.0
"""Degrees of roll that rate 0."""
UPRIGHT, NOD = 0.57, 0.4
"""Where a level face has its nose between eyes (0) and mouth (1), and the deviation that rates 0."""


def assess(pixels: NDArray[np.uint8], face: Face) -> Quality:
    """Quality of a face in a BGR uint8[height, width, 3] picture."""
    grey = _patch(pixels, face.box)
    if grey is None:
        return Quality(0.0, 0.0, 0.0, _pose(face.landmarks))
    return Quality(
        size=_ramp(face.box.width, SMALL, LARGE),
        sharpness=_ramp(sharpness(grey), BLURRED, CRISP),
        exposure=_exposure(grey),
        pose=_pose(face.landmarks),
    )


def sharpness(grey: NDArray[np.float32]) -> float:
    """Variance of the Laplacian over the variance of the grey levels: independent of contrast and exposure."""
    spread = float(grey.var())
    if spread < 1.0:
        return 0.0
    # A slight blur first: sensor noise is no sharpness.
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.0)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).var() / spread)


def _patch(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.float32] | None:
    """The face's inner part, grey float32[PATCH, PATCH]; None where it is outside the picture."""
    height, width = pixels.shape[:2]
    x0, x1 = (round(min(max(value, 0), width)) for value in (box.x, box.x + box.width))
    y0, y1 = (round(min(max(value, 0), height)) for value in (box.y + 0.1 * box.height, box.y + box.height))
    if x1 - x0 < 8 or y1 - y0 < 8:
        return None
    grey = cv2.cvtColor(pixels[y0:y1, x0:x1], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (PATCH, PATCH), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def _exposure(grey: NDArray[np.float32]) -> float:
    mean = float(grey.mean())
    clipped = float(((grey < 5) | (grey > 250)).mean())
    return min(_ramp(mean, *DARK), 1 - _ramp(mean, *BRIGHT), 1 - _ramp(clipped, 0.2, 0.6))


def _pose(landmarks: NDArray[np.float32]) -> float:
    """1 for a level frontal face, 0 for a profile, a strong tilt or nod."""
    right, left, nose, mouth = (*landmarks[:3].astype(np.float64), landmarks[3:].mean(axis=0).astype(np.float64))
    eyes = left - right
    span = float(np.hypot(*eyes))
    if not np.isfinite(landmarks).all() or span < 1.0:
        return 0.0
    along = eyes / span
    down = np.array([-along[1], along[0]])
    middle = (right + left) / 2
    turn = abs(float((nose - middle) @ along)) / span
    roll = abs(float(np.degrees(np.arctan2(eyes[1], eyes[0]))))
    drop = float((mouth - middle) @ down)
    nod = abs(float((nose - middle) @ down) / drop - UPRIGHT) if drop > 0.2 * span else NOD
    return 1 - min(1.0, max(turn / PROFILE, roll / TILT, nod / NOD))


def _ramp(value: float, low: float, high: float) -> float:
    """0 at `low`, 1 at `high`, straight between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
