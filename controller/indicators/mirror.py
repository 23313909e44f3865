"""People's own picture, as a mirror shows it: cut around the face, with its warmth laid over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.perception.registration import thermal_point
from controller.perception.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.registration import RegistrationSettings

COOL, WARM = 25.0, 31.0
"""Ends of the scale of warmth, °C. Nearly all of any face in a room is warmer than its end, so that all look alike: a
fever can't be read from the colours, neither by who stands there nor by who stands behind."""
STRONGEST: Final = 0.3
"""Share of the colour where it is warm."""
GLOW: Final = ((255, 110, 40), (255, 150, 70))
"""From cool to warm, RGB."""
FACE_SHARE: Final = 0.5
"""Height of the face in that of the picture, where the camera's picture allows it."""
LEAST: Final = 0.45
"""The picture shows at least this part of the camera's height: no further than that is a face brought near."""
FOLLOW: Final = 0.35
"""Share of the way to the face that the cut goes with each picture: it follows without trembling."""
_GRID: Final = (24, 32)
_TABLE: Final = np.linspace(GLOW[0], GLOW[1], 256).astype(np.uint8)


class Mirror:
    """Makes the picture that people see of themselves.

    Args:
        registration: how camera and array look at the lane.
        heat: lay warmth over it.
        flip: left to right, as a mirror does.
    """

    def __init__(self, registration: RegistrationSettings, *, heat: bool, flip: bool) -> None:
        self._registration = registration
        self._heat = heat
        self._flip = flip
        self._cut: Box | None = None
        self._maps: tuple[tuple[int, ...], NDArray[np.float32], NDArray[np.float32]] | None = None

    def forget(self) -> None:
        """The next face is another one's: the cut begins anew."""
        self._cut = None

    def seen(
        self, picture: NDArray[np.uint8], face: Box, temperatures: NDArray[np.float32] | None, size: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """What is shown: uint8[height, width, 3], RGB, of `size` (width, height).

        `picture` is BGR uint8[rows, columns, 3], `face` a box in it, `temperatures` float32[rows, columns] in °C.
        """
        wanted = cut_around(face, (picture.shape[1], picture.shape[0]), size[0] / size[1])
        cut = self._cut = wanted if self._cut is None else _between(self._cut, wanted)
        x, y = round(cut.x), round(cut.y)
        part = picture[y : max(y + 1, round(cut.y + cut.height)), x : max(x + 1, round(cut.x + cut.width))]
        resized = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        shown = np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)
        if self._heat and temperatures is not None:
            shown = glow(shown, self._warmth(temperatures, cut, picture.shape[:2], size))
        self._frame(shown, face, cut)
        return np.ascontiguousarray(shown[:, ::-1]) if self._flip else shown

    def _warmth(
        self, temperatures: NDArray[np.float32], cut: Box, picture: tuple[int, ...], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """How warm it is at each pixel of the cut, float32[height, width], 0 to 1."""
        columns, rows = self._map(picture, temperatures.shape)
        share = np.clip((np.nan_to_num(temperatures, nan=COOL) - COOL) / (WARM - COOL), 0, 1).astype(np.float32)
        height, width = picture[:2]
        xs = np.linspace(cut.x, cut.x + cut.width, _GRID[1] * 2, dtype=np.float32) / width * (_GRID[1] - 1)
        ys = np.linspace(cut.y, cut.y + cut.height, _GRID[0] * 2, dtype=np.float32) / height * (_GRID[0] - 1)
        across, down = np.meshgrid(xs, ys)
        map_x = cv2.remap(columns, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        map_y = cv2.remap(rows, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = cv2.remap(share, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        return np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 1)

    def _map(self, picture: tuple[int, ...], array: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For a grid over the camera's picture: where its points are on the array, for what is at the mark."""
        key = (*picture, *array)
        if self._maps is None or self._maps[0] != key:
            (height, width), (rows, columns) = picture[:2], array[:2]
            found = np.empty((2, *_GRID), np.float32)
            for row in range(_GRID[0]):
                for column in range(_GRID[1]):
                    at = (column / (_GRID[1] - 1) * width, row / (_GRID[0] - 1) * height)
                    point = thermal_point(
                        self._registration, at, self._registration.mark, (height, width), (rows, columns)
                    )
                    found[:, row, column] = point[0] - 0.5, point[1] - 0.5  # remap counts from pixels' middles
            self._maps = (key, found[0], found[1])
        return self._maps[1], self._maps[2]

    @staticmethod
    def _frame(shown: NDArray[np.uint8], face: Box, cut: Box) -> None:
        """Corners around the face: it has been found."""
        scale = shown.shape[1] / cut.width
        left, top = (face.x - cut.x) * scale, (face.y - cut.y) * scale
        right, bottom = left + face.width * scale, top + face.height * scale
        arm, width = 0.18 * (right - left), max(2, shown.shape[0] // 90)
        for x, inward in ((left, arm), (right, -arm)):
            for y, down in ((top, arm), (bottom, -arm)):
                corner = np.array([(x + inward, y), (x, y), (x, y + down)], np.int32)
                cv2.polylines(shown, [corner], False, (0, 0, 0), width + 2, cv2.LINE_AA)
                cv2.polylines(shown, [corner], False, (255, 255, 255), width, cv2.LINE_AA)


def cut_around(face: Box, picture: tuple[int, int], shape: float) -> Box:
    """The part of a picture (width, height) to show, `shape` times as wide as high, inside the picture."""
    width, height = picture
    high = min(max(face.height / FACE_SHARE, LEAST * height), height, width / shape)
    wide = high * shape
    x, y = face.centre
    return Box(
        min(max(x - wide / 2, 0.0), width - wide),
        min(max(y - 0.5 * high, 0.0), height - high),
        wide,
        high,
    )


def glow(shown: NDArray[np.uint8], warmth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay warmth (float32[height, width], 0 to 1) over an RGB picture."""
    colours = _TABLE[(warmth * 255).astype(np.uint8)]
    share = STRONGEST * warmth
    return np.asarray(cv2.blendLinear(shown, colours, 1 - share, share), np.uint8)


def _between(old: Box, new: Box) -> Box:
    def part(a: float, b: float) -> float:
        return a + FOLLOW * (b - a)

    return Box(part(old.x, new.x), part(old.y, new.y), part(old.width, new.width), part(old.height, new.height))
