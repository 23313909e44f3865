"""A face in any position is brought upright and to size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import ImageError
from controller.perception.align import SIZE, TEMPLATE, align, similarity


@given(
    angle=st.floats(-180, 180),
    scale=st.floats(0.2, 8),
    x=st.floats(-300, 300),
    y=st.floats(-300, 300),
)
def test_any_similarity_is_undone(angle: float, scale: float, x: float, y: float) -> None:
    turn = np.radians(angle)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = TEMPLATE @ rotation.T + (x, y)
    matrix = similarity(moved)
    np.testing.assert_allclose(moved @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-3)


def test_noisy_landmarks_get_the_least_squares_similarity() -> None:
    random = np.random.default_rng(1)
    moved = TEMPLATE * 2.0 + 30 + random.normal(0, 2, TEMPLATE.shape)
    ours = similarity(moved)

    def squares(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        return float(np.sum((moved @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE) ** 2))

    for _ in range(200):
        a, b, dx, dy = random.normal(0, (0.01, 0.01, 0.5, 0.5))
        other = ours + np.array([[a, -b, dx], [b, a, dy]])
        assert squares(other) >= squares(ours)


@pytest.mark.parametrize("wrong", [np.full((5, 2), np.nan), np.ones((5, 2)), np.ones((4, 2))])
def test_landmarks_that_mean_nothing_are_refused(wrong: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ImageError, match="landmarks"):
        similarity(wrong)


@pytest.mark.parametrize("scale", [0.6, 1.0, 3.0, 9.0])
def test_the_eyes_come_where_the_template_has_them(scale: float) -> None:
    picture = np.zeros((1200, 1200, 3), np.uint8)
    points = TEMPLATE * scale + 50
    for x, y in points[:2]:
        cv2.circle(picture, (round(float(x)), round(float(y))), max(2, round(3 * scale)), (255, 255, 255), -1)
    aligned = align(picture, points)
    assert aligned.shape == (SIZE, SIZE, 3)
    assert aligned.dtype == np.uint8
    for x, y in TEMPLATE[:2]:
        around = aligned[round(float(y)) - 1 : round(float(y)) + 2, round(float(x)) - 1 : round(float(x)) + 2]
        assert around.mean() > 120
    assert aligned[round(float(TEMPLATE[2, 1])), round(float(TEMPLATE[2, 0]))].max() < 60
