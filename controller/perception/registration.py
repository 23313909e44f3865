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
    focal = _focal(settings.camera_fov, width)
    focal_x = _focal(settings.thermal_fov[0], columns)
    focal_y = _focal(settings.thermal_fov[1], rows)

    def column(x: float) -> float:
        return ((x - width / 2) / focal - settings.offset_x / far) * focal_x + columns / 2

    def row(y: float) -> float:
        return ((y - height / 2) / focal - settings.offset_y / far) * focal_y + rows / 2

    left, top = column(face.x), row(face.y)
    return Box(left, top, column(face.x + face.width) - left, row(face.y + face.height) - top)


def _focal(field_of_view: float, pixels: int) -> float:
    """Focal length of a pinhole in pixels."""
    return pixels / 2 / math.tan(math.radians(field_of_view) / 2)
