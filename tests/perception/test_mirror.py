"""The second look in the mirror: landmarks and embeddings that do not lean to one side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.errors import EngineError
from controller.perception.engines.embedding import both_ways
from controller.perception.engines.mirror import SWAPPED, steadied
from controller.perception.picture import Letterbox
from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE = 160
POINTS = np.array([[120, 90], [160, 92], [140, 115], [124, 140], [158, 141]], np.float32)
FACE = Face(Box(100, 60, 80, 104), POINTS, 0.9)
PIXELS = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)


def looking(points: NDArray[np.float32]) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A detector that sees these landmarks, whichever way the picture is shown: they come mirrored."""
    x, y = (float(value) for value in POINTS.mean(axis=0))
    part = Letterbox.around(Box(x - 40, y - 52, 80, 104), 2.0)

    def find(cutting: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert cutting.shape == (SIDE, SIDE, 3)
        unit = (points - (part.left, part.top)) / part.side
        unit[:, 0] = 1 - unit[:, 0]
        return np.asarray(unit[SWAPPED], dtype=np.float32)

    return find


def test_a_detector_that_sees_the_same_changes_nothing() -> None:
    found = steadied(PIXELS, FACE, margin=2.0, side=SIDE, find=looking(POINTS))
    assert found == pytest.approx(POINTS, abs=1e-3)


def test_both_looks_weigh_the_same() -> None:
    found = steadied(PIXELS, FACE, margin=2.0, side=SIDE, find=looking(POINTS + 4))
    assert found == pytest.approx(POINTS + 2, abs=1e-3)


def test_no_face_or_another_face_in_the_mirror_leaves_the_first_look() -> None:
    far = looking(POINTS + np.array([30, 0], np.float32))
    for find in (lambda _: None, far, looking(np.full((5, 2), np.nan, np.float32))):
        assert steadied(PIXELS, FACE, margin=2.0, side=SIDE, find=find) is POINTS


def test_a_face_without_width_is_left_as_it_was() -> None:
    nothing = Face(Box(100, 60, 0, 0), POINTS, 0.9)
    assert steadied(PIXELS, nothing, margin=2.0, side=SIDE, find=looking(POINTS)) is POINTS


def test_a_face_and_its_mirror_image_have_one_embedding() -> None:
    weights = np.random.default_rng(2).normal(size=(112 * 112 * 3, 16))
    aligned = np.random.default_rng(3).integers(0, 255, (112, 112, 3), dtype=np.uint8)

    def network(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(tensor.ravel() @ weights, dtype=np.float32)

    one = both_ways(aligned, network)
    other = both_ways(np.ascontiguousarray(aligned[:, ::-1]), network)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    assert float(one @ other) == pytest.approx(1, abs=1e-5)


def test_a_network_that_gives_nothing_is_refused() -> None:
    with pytest.raises(EngineError, match="no direction"):
        both_ways(np.zeros((112, 112, 3), np.uint8), lambda _: np.zeros(16, np.float32))
