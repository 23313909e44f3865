"""Camera and array look from two places; a point must land where a pinhole says."""

from __future__ import annotations

import math

import pytest

from controller.errors import ConfigError
from controller.perception.registration import FARTHEST, NEAREST, RegistrationSettings, distance, thermal_box
from controller.perception.types import Box

PICTURE, ARRAY = (480, 640), (24, 32)


def project(settings: RegistrationSettings, x: float, y: float, z: float) -> tuple[float, float]:
    """Camera pixel of a point, metres from the camera: an independent pinhole."""
    focal = 320 / math.tan(math.radians(settings.camera_fov / 2))
    return 320 + focal * x / z, 240 + focal * y / z


def expected(settings: RegistrationSettings, x: float, y: float, z: float) -> tuple[float, float]:
    """Array pixel of the same point, by angles from the array's own place."""
    across = (x - settings.offset_x) / z / math.tan(math.radians(settings.thermal_fov[0] / 2))
    down = (y - settings.offset_y) / z / math.tan(math.radians(settings.thermal_fov[1] / 2))
    return 16 * (1 + across), 12 * (1 + down)


@pytest.mark.parametrize("z", [0.35, 0.5, 0.9])
@pytest.mark.parametrize("offset", [(0.0, 0.03), (0.04, 0.0), (-0.02, -0.05)])
def test_a_face_of_mean_breadth_lands_where_the_array_sees_it(z: float, offset: tuple[float, float]) -> None:
    settings = RegistrationSettings(offset_x=offset[0], offset_y=offset[1])
    left, right, top, bottom = -0.05, -0.05 + settings.face_breadth, -0.10, 0.09
    (x0, y0), (x1, y1) = project(settings, left, top, z), project(settings, right, bottom, z)
    found = thermal_box(settings, Box(x0, y0, x1 - x0, y1 - y0), PICTURE, ARRAY)
    assert (found.x, found.y) == pytest.approx(expected(settings, left, top, z))
    corner = (found.x + found.width, found.y + found.height)
    assert corner == pytest.approx(expected(settings, right, bottom, z))


def test_distance_follows_from_width_and_is_bounded() -> None:
    settings = RegistrationSettings()
    focal = 320 / math.tan(math.radians(30))
    assert distance(settings, Box(0, 0, focal * settings.face_breadth / 0.5, 1), 640) == pytest.approx(0.5)
    assert distance(settings, Box(0, 0, 1e-9, 1), 640) == FARTHEST
    assert distance(settings, Box(0, 0, 1e9, 1), 640) == NEAREST


@pytest.mark.parametrize(("picture", "array"), [((0, 640), ARRAY), (PICTURE, (24, 0))])
def test_pictures_without_extent_are_refused(picture: tuple[int, int], array: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="extent"):
        thermal_box(RegistrationSettings(), Box(1, 1, 9, 9), picture, array)
