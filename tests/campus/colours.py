"""An engine that needs no weights, and pictures for it: people are told by the mean colours of a picture's quarters."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np

from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ColourEngine:
    """A picture's face is its whole area; a black picture has none, one with a white bar in the middle has two."""

    name = "colour"
    template_model = "colour:1"
    dim = 12
    rehearsal_only = True
    threshold = 0.9
    margin = 0.0

    def __init__(self) -> None:
        self.may_look = threading.Event()
        self.may_look.set()
        self.looking = threading.Event()
        self.looked = 0

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        self.looking.set()
        assert self.may_look.wait(60)
        self.looked += 1
        height, width = pixels.shape[:2]
        if not pixels.any():
            return []
        halves = 2 if (pixels[:, width // 2 - 2 : width // 2 + 2] > 250).all() else 1
        part = width // halves
        return [self._face(number * part, part, height) for number in range(halves)]

    def _face(self, left: int, width: int, height: int) -> Face:
        eyes, mouth = height * 0.4, height * 0.75
        points = [[0.3 * width, eyes], [0.7 * width, eyes], [0.5 * width, 0.58 * height]]
        points += [[0.35 * width, mouth], [0.65 * width, mouth]]
        box = Box(left + 0.1 * width, 0.1 * height, 0.8 * width, 0.8 * height)
        return Face(box, np.add(points, (left, 0)).astype(np.float32), 0.99)

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        del face
        height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
        quarters = [pixels[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]
        vector = np.concatenate([quarter.reshape(-1, 3).mean(axis=0) for quarter in quarters]) - 127.0
        return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def drawn(seed: int, *, shade: int = 0, turn: float = 0.0) -> NDArray[np.uint8]:
    """A sharp, well-lit picture whose quarters have colours of a seed.

    `shade` makes another picture of the same person; `turn` (0..1) goes that part of the way to the next seed's.
    """
    colours = [np.random.default_rng(one).integers(60, 190, (2, 2, 3)) for one in (seed, seed + 1)]
    mixed = (1 - turn) * colours[0] + turn * colours[1]
    picture = np.kron(mixed, np.ones((120, 120, 1))).astype(np.float32)
    texture = np.random.default_rng(99).normal(0, 25, (240, 240, 1))
    return np.clip(picture + texture + shade, 1, 249).astype(np.uint8)


def encoded(pixels: NDArray[np.uint8], kind: str = "png") -> bytes:
    good, data = cv2.imencode(f".{kind}", pixels)
    assert good
    return data.tobytes()


def photograph(seed: int, *, shade: int = 0, turn: float = 0.0, kind: str = "png") -> bytes:
    """The same as a file."""
    return encoded(drawn(seed, shade=shade, turn=turn), kind)
