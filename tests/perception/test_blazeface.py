"""Anchors and decoding against hand-made tensors; suppression by weighted mean."""

from __future__ import annotations

import numpy as np
import pytest

from controller.perception.align import TEMPLATE, similarity
from controller.perception.engines.blazeface import (
    FULL_RANGE,
    LEFT_EYE,
    MOUTH,
    NOSE,
    RIGHT_EYE,
    SHORT_RANGE,
    Candidates,
    Variant,
    decode,
    overlap,
    weighted_nms,
)
from controller.perception.engines.tflite import five_landmarks, hairline_box
from controller.perception.types import Box


@pytest.mark.parametrize(("variant", "rows"), [(SHORT_RANGE, 896), (FULL_RANGE, 2304)])
def test_anchors_cover_the_input_once_a_cell(variant: Variant, rows: int) -> None:
    anchors = variant.anchors
    assert anchors.shape == (rows, 2)
    assert ((anchors > 0) & (anchors < 1)).all()
    np.testing.assert_allclose(anchors.mean(axis=0), 0.5, atol=1e-6)


def test_the_first_rows_walk_along_x() -> None:
    np.testing.assert_allclose(SHORT_RANGE.anchors[:4], [[1 / 32, 1 / 32]] * 2 + [[3 / 32, 1 / 32]] * 2)


def test_a_row_decodes_relative_to_its_anchor() -> None:
    anchors = np.array([[0.5, 0.25], [0.1, 0.1]], np.float32)
    raw = np.zeros((2, 16), np.float32)
    raw[0, :4] = (10, -20, 40, 20)  # pixels of an input of 100
    raw[0, 4:6] = (5, 5)
    found = decode(raw, np.array([4.0, -4.0], np.float32), anchors, 100, 0.5)
    assert found.scores == pytest.approx([1 / (1 + np.exp(-4))])
    np.testing.assert_allclose(found.boxes, [[0.4, -0.05, 0.8, 0.15]], atol=1e-6)
    np.testing.assert_allclose(found.points[0, 0], (0.55, 0.30), atol=1e-6)


def test_rows_that_are_no_box_are_dropped() -> None:
    raw = np.ones((3, 16), np.float32)
    raw[0, 2] = -5
    raw[1, 7] = np.nan
    found = decode(raw, np.full(3, 9.0, np.float32), np.full((3, 2), 0.5, np.float32), 100, 0.5)
    assert len(found.scores) == 1


def test_extreme_logits_do_not_overflow() -> None:
    logits = np.array([1e30, -1e30], np.float32)
    found = decode(np.ones((2, 16), np.float32), logits, np.full((2, 2), 0.5, np.float32), 10, 0.5)
    assert found.scores == pytest.approx([1.0])


def test_overlap_of_known_squares() -> None:
    box = np.array([0, 0, 2, 2], np.float32)
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], np.float32)
    np.testing.assert_allclose(overlap(box, others), [1.0, 1 / 3, 0.0], atol=1e-6)


def test_a_cluster_becomes_its_weighted_mean_with_the_best_score() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.1, 0, 1.1, 1], [3, 3, 4, 4]], np.float32)
    points = np.repeat(boxes[:, np.newaxis, :2], 6, axis=1)
    found = weighted_nms(Candidates(boxes, points, np.array([0.9, 0.6, 0.5], np.float32)))
    assert found.scores == pytest.approx([0.9, 0.5])
    assert found.boxes[0, 0] == pytest.approx(0.04)
    assert found.points[0, 0, 0] == pytest.approx(0.04)


def test_nothing_in_is_nothing_out() -> None:
    empty = Candidates(np.empty((0, 4), np.float32), np.empty((0, 6, 2), np.float32), np.empty(0, np.float32))
    assert weighted_nms(empty).points.shape == (0, 6, 2)


def test_derived_mouth_corners_align_a_template_face_exactly() -> None:
    points = np.zeros((6, 2), np.float32)
    points[[RIGHT_EYE, LEFT_EYE, NOSE]] = TEMPLATE[:3] * 3 + 20
    points[MOUTH] = TEMPLATE[3:].mean(axis=0) * 3 + 20
    matrix = similarity(five_landmarks(points))
    assert np.hypot(matrix[0, 0], matrix[1, 0]) == pytest.approx(1 / 3, rel=1e-2)
    assert np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])) == pytest.approx(0, abs=0.5)


def test_a_box_to_the_hairline_keeps_its_chin() -> None:
    tall = hairline_box(Box(0, 0, 110, 82))
    assert (tall.width, tall.height) == pytest.approx((100, 100))
    assert tall.y < 0
    assert tall.y + tall.height == pytest.approx(82, abs=1)
