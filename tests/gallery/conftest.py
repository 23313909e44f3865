"""Galleries in temporary folders, and an engine that needs no weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.gallery.index import GalleryIndex
from controller.gallery.store import GalleryStore
from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DIM = 16


def unit(seed: int, dim: int = DIM) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).normal(size=dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class ColourEngine:
    """An engine for which a picture's face is its whole area, and a person is told by the mean colours of its quarters.

    A picture that is black all over has no face.
    """

    name = "colour"
    template_model = "colour:1"
    dim = 12
    rehearsal_only = True
    threshold = 0.98
    margin = 0.001

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        if not pixels.any():
            return []
        height, width = pixels.shape[:2]
        eyes, mouth = height * 0.4, height * 0.75
        points = [[0.3 * width, eyes], [0.7 * width, eyes], [0.5 * width, 0.58 * height]]
        points += [[0.35 * width, mouth], [0.65 * width, mouth]]
        box = Box(0.1 * width, 0.1 * height, 0.8 * width, 0.8 * height)
        return [Face(box, np.array(points, dtype=np.float32), 0.99)]

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        del face
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        quarters = [pixels[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]
        vector = np.concatenate([quarter.reshape(-1, 3).mean(axis=0) for quarter in quarters]) - 127.0
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def engine() -> ColourEngine:
    return ColourEngine()


@pytest.fixture
def index(engine: ColourEngine) -> GalleryIndex:
    return GalleryIndex.for_engine(engine)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GalleryStore]:
    with GalleryStore.open(tmp_path / "gallery", create=True) as opened:
        yield opened


@pytest.fixture
def vector() -> Callable[[int], NDArray[np.float32]]:
    return unit
