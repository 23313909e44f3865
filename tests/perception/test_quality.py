"""Quality falls with what makes a picture useless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from controller.perception.quality import assess
from controller.perception.types import Face, Quality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    MakeFace = Callable[..., Face]


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Texture of all scales, mid grey."""
    random = np.random.default_rng(3)
    grey = np.full((480, 640), 120.0)
    for rows in (4, 16, 60):
        layer = random.normal(0, 20, (rows * 3, rows * 4))
        grey += cv2.resize(layer, (640, 480), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def rated(picture: NDArray[np.uint8], face: Face) -> Quality:
    return assess(picture, face)


def test_a_good_picture_is_good_in_every_term(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    quality = rated(picture, make_face(320))
    assert min(quality.size, quality.sharpness, quality.exposure, quality.pose) == quality.overall > 0.7


@pytest.mark.parametrize("sigma", [12, 20])
def test_blur_lowers_sharpness(picture: NDArray[np.uint8], make_face: MakeFace, sigma: int) -> None:
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)
    assert rated(blurred, make_face(320)).sharpness < 0.3


def test_sharpness_does_not_depend_on_light(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    dim = (picture.astype(np.float32) * 0.6).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 6), dtype=np.uint8)
    dim_soft = (soft.astype(np.float32) * 0.6).astype(np.uint8)
    assert rated(dim_soft, make_face(320)).sharpness == pytest.approx(rated(soft, make_face(320)).sharpness, abs=0.1)
    assert rated(dim, make_face(320)).sharpness == pytest.approx(1.0)


@pytest.mark.parametrize("level", [5, 250])
def test_dark_and_glaring_pictures_are_badly_exposed(make_face: MakeFace, level: int) -> None:
    assert rated(np.full((480, 640, 3), level, np.uint8), make_face(320)).exposure == 0.0


def test_small_faces_rate_low(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    assert rated(picture, make_face(320, 30.0)).size == 0.0
    assert rated(picture, make_face(320, 90.0)).size == 1.0


def test_a_turned_head_rates_low(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    face = make_face(320)
    turned = face.landmarks.copy()
    turned[2, 0] += 0.5 * (turned[1, 0] - turned[0, 0])
    assert rated(picture, Face(face.box, turned, 1.0)).pose == 0.0


def test_a_tilted_head_rates_low(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    face = make_face(320)
    centre = face.landmarks.mean(axis=0)
    turn = np.radians(45)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    tilted = ((face.landmarks - centre) @ rotation.T + centre).astype(np.float32)
    assert rated(picture, Face(face.box, tilted, 1.0)).pose == 0.0


def test_landmarks_that_mean_nothing_have_no_pose(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    face = make_face(320)
    for landmarks in (np.zeros((5, 2), np.float32), np.full((5, 2), np.nan, np.float32)):
        assert rated(picture, Face(face.box, landmarks, 1.0)).pose == 0.0


def test_a_face_outside_the_picture_is_useless(picture: NDArray[np.uint8], make_face: MakeFace) -> None:
    assert rated(picture, make_face(5000)).overall == 0.0
