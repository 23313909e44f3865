"""How finely a thermal array sees a face: what its lens and the distance leave of it, before anything is measured.

A pinhole: at distance z a pixel is 2 z tan(fov / 2) / pixels wide. The MLX90640 (32 × 24) half a metre away:

| lens | a pixel is | pixels on a face 14 cm broad |
|---|---|---|
| 55° × 35° (BAB) | 1.6 × 1.3 cm | 8.6 across, 72 in all |
| 110° × 75° (BAA) | 4.5 × 3.2 cm | 3.1 across, 11 in all |

The warm corner of an eye is some 1 cm wide: the wide lens mixes it with nose, brow and cheek.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from controller.perception.registration import FACE_BREADTH, RegistrationSettings


@dataclass(frozen=True, slots=True)
class FacePixels:
    """What an array has of a face."""

    pixel: tuple[float, float]
    """Width and height of a pixel on the face, m."""
    across: float
    """Pixels across the face."""
    count: float
    """Pixels within the ellipse of the face's box (`heat.Region`), so far as it lies in the array's view."""


def pixels_on_face(
    fov: tuple[float, float],
    shape: tuple[int, int],
    distance: float,
    breadth: float = FACE_BREADTH,
    *,
    height: float | None = None,
) -> FacePixels:
    """Pixels of an array on a face in the middle of its view.

    Args:
        fov: horizontal and vertical field of view, degrees.
        shape: rows and columns.
        distance: to the face, m.
        breadth: of the face's box, m.
        height: of the face's box, m; None: as much as its breadth, which is what detectors' boxes show.

    Raises:
        ValueError: a field of view outside (0, 180), an array without extent, or a length that is not positive.
    """
    if not all(0 < angle < 180 for angle in fov):
        raise ValueError(f"a field of view lies between 0 and 180 degrees, not at {fov}")
    tall = breadth if height is None else height
    if min(shape) < 1 or not min(distance, breadth, tall) > 0:
        raise ValueError(f"no array {shape} sees a face of {breadth} by {tall} m from {distance} m")
    rows, columns = shape
    view = [2 * distance * math.tan(math.radians(angle) / 2) for angle in fov]
    pixel = view[0] / columns, view[1] / rows
    seen = min(breadth, view[0]) * min(tall, view[1])
    return FacePixels(pixel, min(breadth, view[0]) / pixel[0], math.pi / 4 * seen / (pixel[0] * pixel[1]))


def lens_fault(
    fov: tuple[float, float], shape: tuple[int, int], registration: RegistrationSettings, pixels: int
) -> str | None:
    """Why this lens cannot measure whoever stands on the mark; None where it can.

    `fov` as the sensor tells it, degrees; `shape` rows and columns; `pixels` the least that a face must have.
    """
    face = pixels_on_face(fov, shape, registration.mark, registration.face_breadth)
    if face.count >= pixels:
        return None
    lens, size = f"{fov[0]:g} x {fov[1]:g} degrees", f"{100 * face.pixel[0]:.1f} cm"
    return (
        f"a lens of {lens} has {face.count:.0f} pixels of {size} on a face {registration.mark:g} m away, and {pixels} "
        "are needed: people must stand nearer, or the lens must be narrower"
    )
