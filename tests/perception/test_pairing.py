"""A thermal frame belongs to the pictures of its own moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from controller.perception.pairing import FACE_VALID, Sightings, one_face
from controller.perception.registration import RegistrationSettings, thermal_box
from controller.perception.types import Box

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE, ARRAY = (480, 640), (24, 32)
SETTINGS = RegistrationSettings()


def seen(make_face: Callable[..., Any], *places: tuple[float, float, float]) -> Sightings:
    """Sightings at (seconds, x, width)."""
    found = Sightings(SETTINGS)
    for at, x, width in places:
        found.add(at, make_face(x, width), PICTURE)
    return found


def test_between_two_pictures_a_face_is_between_two_places(make_face: Callable[..., Any]) -> None:
    found = seen(make_face, (1.0, 300.0, 140.0), (1.1, 320.0, 160.0)).place(1.025, ARRAY)
    assert found is not None
    expected = thermal_box(SETTINGS, make_face(305.0, 145.0).box, PICTURE, ARRAY)
    assert found.box.centre == pytest.approx(expected.centre, abs=0.02)
    assert found.lag == pytest.approx(0.025)


def test_after_the_last_picture_a_face_is_where_it_was(make_face: Callable[..., Any]) -> None:
    found = seen(make_face, (1.0, 300.0, 140.0), (1.1, 320.0, 160.0)).place(1.2, ARRAY)
    assert found is not None
    assert found.box == thermal_box(SETTINGS, make_face(320.0, 160.0).box, PICTURE, ARRAY)
    assert found.lag == pytest.approx(0.1)


def test_a_picture_too_long_ago_places_nothing(make_face: Callable[..., Any]) -> None:
    found = seen(make_face, (1.0, 300.0, 140.0))
    assert found.place(1.0 + FACE_VALID + 0.01, ARRAY) is None
    assert found.place(1.0 - FACE_VALID - 0.01, ARRAY) is None
    assert Sightings(SETTINGS).place(1.0, ARRAY) is None


def test_two_people_are_not_one_on_the_way(make_face: Callable[..., Any]) -> None:
    found = seen(make_face, (1.0, 150.0, 140.0), (1.1, 450.0, 140.0)).place(1.04, ARRAY)
    assert found is not None
    assert found.box == thermal_box(SETTINGS, make_face(150.0, 140.0).box, PICTURE, ARRAY)


def test_what_is_forgotten_places_nothing(make_face: Callable[..., Any]) -> None:
    found = seen(make_face, (1.0, 300.0, 140.0))
    found.clear()
    assert found.place(1.0, ARRAY) is None


def test_one_face_is_near_and_of_a_size() -> None:
    here = Box(100, 100, 50, 60)
    assert one_face(here, Box(110, 105, 55, 66))
    assert not one_face(here, Box(160, 100, 50, 60))
    assert not one_face(here, Box(90, 90, 120, 140))
