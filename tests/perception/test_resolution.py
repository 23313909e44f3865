"""A pixel's size by the pinhole, and what of a face is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.perception.heat import Region
from controller.perception.registration import RegistrationSettings, thermal_box
from controller.perception.resolution import pixels_on_face
from controller.perception.types import Box

NARROW, WIDE, SHAPE = (55.0, 35.0), (110.0, 75.0), (24, 32)


def test_half_a_metre_away_a_pixel_is_as_documented() -> None:
    assert pixels_on_face(NARROW, SHAPE, 0.5).pixel[0] == pytest.approx(0.016, abs=0.0005)
    assert pixels_on_face(WIDE, SHAPE, 0.5).pixel[0] == pytest.approx(0.045, abs=0.0005)
    assert pixels_on_face(NARROW, SHAPE, 0.5).across == pytest.approx(8.6, abs=0.05)
    assert pixels_on_face(WIDE, SHAPE, 0.5).across == pytest.approx(3.1, abs=0.05)


def test_twice_as_far_is_a_quarter_of_the_pixels() -> None:
    near, far = pixels_on_face(NARROW, SHAPE, 0.5), pixels_on_face(NARROW, SHAPE, 1.0)
    assert near.count / far.count == pytest.approx(4)
    assert near.across / far.across == pytest.approx(2)


@pytest.mark.parametrize("fov", [NARROW, WIDE])
@pytest.mark.parametrize("distance", [0.35, 0.5, 0.8])
def test_the_count_is_that_of_the_face_region(fov: tuple[float, float], distance: float) -> None:
    settings = RegistrationSettings(thermal_fov=fov, offset_y=0.0)
    side = settings.face_breadth * 320 / np.tan(np.radians(settings.camera_fov / 2)) / distance
    box = thermal_box(settings, Box(320 - side / 2, 240 - side / 2, side, side), (480, 640), SHAPE)
    counted = Region.of(box, SHAPE).face.sum()
    assert pixels_on_face(fov, SHAPE, distance).count == pytest.approx(counted, rel=0.15, abs=2)


def test_a_face_that_fills_the_view_has_no_more_than_the_array() -> None:
    face = pixels_on_face(NARROW, SHAPE, 0.05)
    assert face.across == pytest.approx(32)
    assert face.count <= 768


@pytest.mark.parametrize(
    "wrong",
    [
        {"distance": 0.0},
        {"distance": float("nan")},
        {"breadth": -0.1},
        {"height": 0.0},
        {"fov": (0.0, 35.0)},
        {"fov": (55.0, 180.0)},
        {"shape": (0, 32)},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        pixels_on_face(**{"fov": NARROW, "shape": SHAPE, "distance": 0.5, **wrong})
