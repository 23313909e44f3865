"""Every picture is checked, and a letterbox maps there and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from controller.errors import ImageError
from controller.perception.picture import Letterbox, require_picture
from controller.perception.types import Box


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((100, 100), np.uint8),
        np.zeros((100, 100, 4), np.uint8),
        np.zeros((100, 100, 3), np.float32),
        np.zeros((10, 100, 3), np.uint8),
        np.zeros((40, 9000, 3), np.uint8),
        [[1, 2], [3, 4]],
        None,
    ],
)
def test_what_is_no_picture_is_refused(wrong: Any) -> None:
    with pytest.raises(ImageError, match="a picture"):
        require_picture(wrong)


def test_a_view_is_made_contiguous() -> None:
    view = np.zeros((100, 100, 3), np.uint8)[:, ::-1]
    assert require_picture(view).flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("size", [64, 128, 192])
@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (150, 150), (1080, 1920)])
def test_a_mark_is_found_where_the_letterbox_says(size: int, shape: tuple[int, int]) -> None:
    height, width = shape
    picture = np.zeros((height, width, 3), np.uint8)
    x, y, radius = 0.3 * width, 0.6 * height, max(8, width // 24)
    cv2.circle(picture, (round(x), round(y)), radius, (255, 255, 255), -1)
    part = Letterbox.whole(width, height)
    cut = part.cut(picture, size)[:, :, 0].astype(np.float64)
    rows, columns = np.mgrid[:size, :size] + 0.5
    centre = np.array([(cut * columns).sum(), (cut * rows).sum()]) / cut.sum() / size
    np.testing.assert_allclose(part.points(centre), (x, y), atol=0.02 * width)


def test_a_part_outside_the_picture_is_black() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    assert not Letterbox.around(Box(900, 900, 300, 300), 1.0).cut(picture, 64).any()
    assert not Letterbox.around(Box(-90, -90, 40, 40), 1.0).cut(picture, 64).any()
