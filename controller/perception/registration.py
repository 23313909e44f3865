"""Where the camera's face is in the thermal picture: two pinholes side by side, and a distance from the face's width.

Conventions: x to the right, y down, both as seen in the pictures; lengths in metres, angles in degrees, a thermal box
in (column, row) pixels of the array. The pictures must not be mirrored against each other (`[thermal] flip` mends
that).
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from controller.errors import ConfigError
from controller.perception.types import Box

FACE_BREADTH = 0.14
"""Mean breadth of an adult face across the cheekbones (bizygomatic), m: 0.137 for men and 0.130 for women in North
America, up to 0.148 for men in China (Farkas et al., J Craniofac Surg 2005, 16, 615), plus what a detector's box
adds."""

NEAREST, FARTHEST = 0.15, 5.0
"""Distances between which an estimate is believed, m."""

Angle = Annotated[float, msgspec.Meta(ge=5, le=170)]
Shift = Annotated[float, msgspec.Meta(ge=-0.5, le=0.5)]


class RegistrationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How camera and thermal array look at the lane. Both look in the same direction."""

    camera_fov: Angle = 60.0
    """Horizontal field of view of the camera, degrees; square pixels give the vertical one."""
    thermal_fov: tuple[Angle, Angle] = (55.0, 35.0)
    """Horizontal and vertical field of view of the array, degrees: the MLX90640 BAB."""
    offset_x: Shift = 0.0
    """The array's place to the right of the camera, seen from behind both, m."""
    offset_y: Shift = 0.03
    """The array's place below the camera, m."""
    face_breadth: Annotated[float, msgspec.Meta(gt=0.05, lt=0.3)] = FACE_BREADTH
    """Breadth of a face as the detector's box shows it, m."""
    mark: Annotated[float, msgspec.Meta(ge=0.2, le=3)] = 0.5
    """Distance of the mark on the floor, where people stand, m."""
    homography: tuple[float, float, float, float, float, float, float, float, float] | None = None
    """As measured by `thermogate calibrate registration`: row by row the 3 × 3 matrix from the camera's picture to the
    array's, both as shares of their width and height, for what is `homography_distance` away. None: two pinholes that
    look in the same direction."""
    homography_distance: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 0.5
    """Distance of the target that `homography` was measured with, m; `offset_x` and `offset_y` give the parallax of
    what is nearer or further."""

    def __post_init__(self) -> None:
        """Refuse a matrix that maps the picture's middle to nowhere."""
        if self.homography is not None:
            middle = _project(self.homography, 0.5, 0.5)
            if not all(math.isfinite(value) and abs(value) < 10 for value in middle):
                raise ValueError("`homography` maps the middle of the picture to nowhere")


def distance(settings: RegistrationSettings, face: Box, picture_width: int) -> float:
    """Metres to a face, from the width of its box; within NEAREST..FARTHEST."""
    focal = _focal(settings.camera_fov, picture_width)
    return min(max(settings.face_breadth * focal / max(face.width, 1e-6), NEAREST), FARTHEST)


def thermal_box(settings: RegistrationSettings, face: Box, picture: tuple[int, int], array: tuple[int, int]) -> Box:
    """The face's rectangle on the array, in pixels; may reach beyond it.

    `picture` and `array` are (height, width) and (rows, columns). Pixel i covers i..i+1. Raises `ConfigError` for a
    picture or an array without extent.
    """
    (height, width), (rows, columns) = picture, array
    if min(height, width, rows, columns) < 1:
        raise ConfigError(f"registration needs pictures with an extent, not {picture} and {array}")
    far = distance(settings, face, width)

    def point(x: float, y: float) -> tuple[float, float]:
        return thermal_point(settings, (x, y), far, picture, array)

    # By the middles of its edges: an array that is turned a little would make a box of its corners too large.
    x, y = face.centre
    left, right = sorted((point(face.x, y)[0], point(face.x + face.width, y)[0]))
    top, bottom = sorted((point(x, face.y)[1], point(x, face.y + face.height)[1]))
    return Box(left, top, right - left, bottom - top)


def thermal_point(
    settings: RegistrationSettings,
    at: tuple[float, float],
    far: float,
    picture: tuple[int, int],
    array: tuple[int, int],
) -> tuple[float, float]:
    """Where a point of the camera's picture, (x, y) in its pixels, is on the array: (column, row) in thermal pixels.

    `far` is its distance in metres; `picture` and `array` are (height, width) and (rows, columns).
    """
    (height, width), (rows, columns) = picture, array
    focal_x, focal_y = (
        _focal(angle, pixels) for angle, pixels in zip(settings.thermal_fov, (columns, rows), strict=True)
    )
    if settings.homography is not None:
        across, down = _project(settings.homography, at[0] / width, at[1] / height)
        nearer = 1 / far - 1 / settings.homography_distance
        return (
            across * columns - settings.offset_x * nearer * focal_x,
            down * rows - settings.offset_y * nearer * focal_y,
        )
    focal = _focal(settings.camera_fov, width)
    return (
        ((at[0] - width / 2) / focal - settings.offset_x / far) * focal_x + columns / 2,
        ((at[1] - height / 2) / focal - settings.offset_y / far) * focal_y + rows / 2,
    )


def _project(matrix: tuple[float, ...], x: float, y: float) -> tuple[float, float]:
    """A point through a homography; infinite where it has no image."""
    a, b, c, d, e, f, g, h, i = matrix
    scale = g * x + h * y + i
    if abs(scale) < 1e-12:
        return math.inf, math.inf
    return (a * x + b * y + c) / scale, (d * x + e * y + f) / scale


def _focal(field_of_view: float, pixels: int) -> float:
    """Focal length of a pinhole in pixels."""
    return pixels / 2 / math.tan(math.radians(field_of_view) / 2)
