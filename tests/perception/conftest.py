"""Heat scenes drawn by hand, frames of a sensor with noise and subpages, and an engine that needs no weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.perception.types import Box, Face

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS, COLUMNS = 24, 32
ROOM = 23.0
BOX = Box(11.5, 6.0, 9.0, 13.0)
"""Where the hand-drawn face is on the array."""


@dataclass(frozen=True)
class Heat:
    temperatures: NDArray[np.float32]
    ambient: float
    timestamp: float


@dataclass(frozen=True)
class Shot:
    pixels: NDArray[np.uint8]
    timestamp: float


def face_scene(warmest: float, room: float = ROOM, box: Box = BOX) -> NDArray[np.float64]:
    """A warm ellipse: `warmest` in four pixels between the eyes, 0.7 K less at the rim, a cool nose, a room."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS] + 0.5
    x, y = box.centre
    radius = np.hypot((columns - x) / (box.width / 2), (rows - y) / (box.height / 2))
    scene = np.where(radius <= 1.0, warmest - 0.2 - 0.5 * radius**2, room)
    top, left = int(y) - 3, int(x) - 1
    scene[top : top + 2, left : left + 2] = warmest
    scene[top + 4 : top + 6, left - 1 : left + 3] -= 1.5
    return scene


@pytest.fixture
def scene() -> Callable[..., NDArray[np.float64]]:
    return face_scene


@pytest.fixture
def box() -> Box:
    return BOX


@pytest.fixture
def film() -> Callable[..., list[Heat]]:
    """Frames of a scene as a chess-pattern sensor gives them: each renews every second pixel, with noise."""

    def make(
        scene: NDArray[np.float64], count: int = 16, *, noise: float = 0.3, seed: int = 0, ambient: float = 30.0
    ) -> list[Heat]:
        random = np.random.default_rng(seed)
        parity = np.add.outer(*map(np.arange, scene.shape)) % 2
        current = scene + random.normal(0, noise, scene.shape)
        frames = []
        for index in range(count):
            renewed = scene + random.normal(0, noise, scene.shape)
            current = np.where(parity == index % 2, renewed, current)
            frames.append(Heat(current.astype(np.float32), ambient, index / 16))
        return frames

    return make


@pytest.fixture
def shot() -> Callable[[float, int], Shot]:
    """A picture that a `ScriptedEngine` reads: its first pixel is the number of the script's entry."""

    def make(timestamp: float, entry: int = 1) -> Shot:
        random = np.random.default_rng(7)
        pixels = random.integers(40, 200, (480, 640, 3), dtype=np.uint8)
        pixels[0, 0] = entry
        return Shot(pixels, timestamp)

    return make


def face_at(x: float, width: float = 170.0) -> Face:
    """A level frontal face with its middle at (x, 240)."""
    height = 1.3 * width
    box = Box(x - width / 2, 240 - height / 2, width, height)
    points = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.75], [0.65, 0.75]]
    landmarks = np.array(points, dtype=np.float32) * (box.width, box.height) + (box.x, box.y)
    return Face(box, landmarks.astype(np.float32), 0.9)


class ScriptedEngine:
    """Finds the faces its script names for a picture; embeds a face by the script's person number."""

    name = "scripted"
    template_model = "scripted:1"
    dim = 8
    rehearsal_only = True
    threshold = 0.5
    margin = 0.1

    def __init__(self, script: dict[int, list[tuple[float, float, int]]]) -> None:
        """`script`: picture's entry -> (x, width, person) of each face."""
        self._script = script
        self.embedded = 0

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        found = [face_at(x, width) for x, width, _ in self._script.get(int(pixels[0, 0, 0]), [])]
        return sorted(found, key=lambda face: -face.box.area)

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        self.embedded += 1
        middle = face.box.centre[0]
        (person,) = (who for x, _, who in self._script[int(pixels[0, 0, 0])] if abs(x - middle) < 1)
        vector = np.zeros(self.dim, dtype=np.float32)
        vector[person] = 1
        return vector


@pytest.fixture
def scripted() -> type[ScriptedEngine]:
    return ScriptedEngine


@pytest.fixture
def make_face() -> Callable[..., Face]:
    return face_at
