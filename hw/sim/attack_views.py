"""Attacks made visible: printed and shown faces in the camera's picture, and their warmth in the heat scene."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from hw.sim.backdrop import draw_backdrop
from hw.sim.faces import Moment, draw_face
from hw.sim.faces_canvas import Canvas
from hw.sim.faces_identity import Identity
from hw.sim.faces_relief import outline
from hw.sim.placing import place
from hw.sim.scene import FACE_TOP, SPRITE_SCALE, UNIT, DrawnPerson, portrait
from hw.sim.sprites import Sprite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.attacks import Hand, Sheet, Worn
    from hw.sim.figures import Person
    from hw.sim.mount import Mount
    from hw.sim.placing import Box

EYE_HOLES = (0.017, 0.010, 0.032)
"""Half-width and half-height of a cut-out eye, and its middle's distance from the face's, metres."""
HAND = (0.042, 0.085)
"""Half-width and half-height of a flat hand, metres."""
SPOT = 0.025
"""Standard deviation of a warm spot, metres."""
WORN_SHEET = (0.13, 0.13, 0.19)
"""Half-width, above and below the eyes of a sheet that is held before a face, metres."""


class DrawnSheet:
    """A print or screen before the gate."""

    def __init__(self, figure: Sheet, mount: Mount, seed: int) -> None:
        self.figure, self._mount = figure, mount
        self._holder = None
        if figure.held_by is not None:
            self._holder = DrawnPerson(_behind(figure.held_by, figure, figure.behind), mount)
        edges = (figure.width / 2, figure.above, figure.below)
        self._sprite = _sprite(
            figure.identity,
            figure.moment,
            seed,
            edges=tuple(edge / (figure.scale * UNIT) for edge in edges),
            screen=figure.screen,
            cut=figure.cut,
            bend=figure.bend,
        )

    def depth(self, time: float) -> float:
        """See `placing.Drawn`."""
        return place(self.figure, time)[2]

    def _held(self, time: float) -> tuple[float, float, float]:
        x, y, z = place(self.figure, time)
        return x + 0.002 * math.sin(2.3 * time), y + 0.002 * math.sin(1.7 * time), z

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `placing.Drawn`."""
        if self._holder:
            self._holder.paint(frame, time)
        size = (frame.shape[1], frame.shape[0])
        x, y, z = self._held(time)
        u, v = self._mount.to_picture(x, y, z, size)
        scale = self._mount.focal(size[0]) * UNIT * self.figure.scale / z
        self._sprite.lay(frame, u, v, scale, 0.03 * math.sin(1.1 * time))

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """See `placing.Drawn`."""
        if self._holder:
            self._holder.warm(field, time, ambient)
        figure = self.figure
        x, y, cell = _on_plane(field, self._mount, self._held(time))
        narrow = math.sin(figure.bend) / figure.bend if figure.bend else 1.0
        half = narrow * figure.width / 2
        # On a bent sheet the angle of a place, whose sine is its share of the way to the edge.
        facing = np.sqrt(1 - np.clip(x / half * math.sin(figure.bend), -1, 1) ** 2)
        warmth = ambient + (figure.celsius(time, ambient) - ambient) * facing
        if figure.spot:
            away = ((x - figure.spot_x) ** 2 + (y - figure.spot_y) ** 2) / (2 * SPOT**2)
            warmth = warmth + figure.spot * np.exp(-away)
        if figure.hand is not None:
            taken = ambient + figure.hand.take * (figure.hand.temperature - ambient)
            warmth = warmth + (taken - warmth) * _touched(figure.hand, x, y, cell)
        if figure.cut:
            inside = _face_cover(figure.identity, x / narrow, y, figure.scale * UNIT)
        else:
            edge = np.minimum.reduce([half - np.abs(x), y + figure.above, figure.below - y])
            inside = np.clip(edge / cell + 0.5, 0, 1)
        field += ((warmth - field) * inside).astype(np.float32)

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """See `placing.Drawn`: the face that it shows."""
        narrow = math.sin(self.figure.bend) / self.figure.bend if self.figure.bend else 1.0
        return _box(self.figure.identity, self._mount, self._held(time), size, (self.figure.scale, narrow))


class DrawnWorn:
    """A printed face before a living one."""

    def __init__(self, figure: Worn, mount: Mount, seed: int) -> None:
        self.figure, self._mount = figure, mount
        self._wearer = DrawnPerson(_behind(figure.wearer, figure, 0.0), mount)
        edges = tuple(edge / UNIT for edge in WORN_SHEET)
        self._sprite = _sprite(
            figure.identity,
            figure.moment,
            seed,
            edges=edges,
            screen=False,
            cut=figure.cut,
            holes=figure.holes,
        )

    def depth(self, time: float) -> float:
        """See `placing.Drawn`."""
        return place(self.figure, time)[2]

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `placing.Drawn`."""
        self._wearer.paint(frame, time)
        size = (frame.shape[1], frame.shape[0])
        x, y, z = place(self.figure, time)
        u, v = self._mount.to_picture(x, y, z, size)
        self._sprite.lay(frame, u, v, self._mount.focal(size[0]) * UNIT / z)

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """See `placing.Drawn`: each place of the print gets what is behind it, spread by the gap between."""
        figure, at = self.figure, place(self.figure, time)
        self._wearer.warm(field, time, ambient)
        x, y, cell = _on_plane(field, self._mount, at)
        behind = cv2.GaussianBlur(field, (0, 0), max(figure.ahead / cell, 0.3))
        warmth = ambient + figure.take * (behind - ambient)
        if figure.cut:
            inside = _face_cover(figure.identity, x, y, UNIT)
        else:
            half, above, below = WORN_SHEET
            edge = np.minimum.reduce([half - np.abs(x), y + above, below - y])
            inside = np.clip(edge / cell + 0.5, 0, 1)
        if figure.holes:
            inside = inside * (1 - _holes(x, y, cell))
        field += ((warmth - field) * inside).astype(np.float32)

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """See `placing.Drawn`: the printed face."""
        return _box(self.figure.identity, self._mount, place(self.figure, time), size, (1.0, 1.0))


def _behind(person: Person, before: Sheet | Worn, by: float) -> Person:
    """The person `by` metres behind a figure, still, and there as long as it is."""
    return replace(
        person,
        distance=before.distance + by,
        x=before.x,
        y=before.y,
        arrival=before.arrival,
        leaves=before.leaves,
        approach=before.approach,
        sway=0.0,
    )


def _on_plane(
    field: NDArray[np.float32], mount: Mount, at: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Metres right of and below `at` of each cell of the heat scene, on the plane through it, and a cell's size."""
    rows, columns = field.shape
    across, down = mount.plane(at[2], columns, rows)
    return across - at[0], down - at[1], at[2] / max(mount.array_focal(columns, rows))


def _touched(hand: Hand, x: NDArray[np.float64], y: NDArray[np.float64], cell: float) -> NDArray[np.float64]:
    """Coverage 0..1 of the hand behind."""
    reach = np.hypot((x - hand.x) / HAND[0], (y - hand.y) / HAND[1])
    return np.clip((1 - reach) * HAND[0] / cell + 0.5, 0, 1)


def _holes(x: NDArray[np.float64], y: NDArray[np.float64], cell: float) -> NDArray[np.float64]:
    half, high, middle = EYE_HOLES
    reach = np.hypot((np.abs(x) - middle) / half, (y - 0.002) / high)
    return np.clip((1 - reach) * high / cell + 0.5, 0, 1)


def _face_cover(identity: int, x: NDArray[np.float64], y: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """Coverage 0..1 of a face's outline at places in metres."""
    cover, origin, scale = _outline(identity)
    across = (x / unit * scale + origin[0]).astype(np.float32)
    down = (y / unit * scale + origin[1]).astype(np.float32)
    return np.asarray(cv2.remap(cover, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.float64)


@lru_cache(maxsize=64)
def _outline(identity: int) -> tuple[NDArray[np.float32], tuple[float, float], float]:
    """Coverage of a face's outline, the pixel of the point between its eyes, and pixels a face unit."""
    scale, half, top, bottom = 20.0, 1.5, -1.75, 2.2
    canvas = Canvas.blank(scale, half, top, bottom)
    cover = canvas.soft(1 - outline(canvas, Identity.of(identity).skull), 0.06)
    return np.asarray(cover, dtype=np.float32), (half * scale, -top * scale), scale


@lru_cache(maxsize=24)
def _sprite(
    identity: int,
    moment: int,
    seed: int,
    *,
    edges: tuple[float, ...],
    screen: bool,
    cut: bool,
    holes: bool = False,
    bend: float = 0.0,
) -> Sprite:
    """A face on a sheet with `edges` (half-width, above, below) in its own face units."""
    scale = SPRITE_SCALE
    half, above, below = edges
    width, height = max(32, round(2 * half * scale)), max(32, round((above + below) * scale))
    occasion = Moment.of(np.random.default_rng((0xA77C, identity, moment)))
    behind = draw_backdrop(seed + 11, width, height)
    shown = portrait(draw_face(identity, occasion), behind, scale, above * scale).astype(np.float32)
    shown = np.clip((shown - 128) * 1.15 + 150, 0, 255) if screen else 30 + 0.78 * shown
    border = 4
    if not cut:
        edge = np.ones(shown.shape[:2], dtype=np.bool_)
        edge[border:-border, border:-border] = False
        shown[edge] = 22 if screen else 232
    row, column = np.mgrid[0:height, 0:width] + 0.5
    x, y = (column / scale - half) * UNIT, (row / scale - above) * UNIT
    cover = _face_cover(identity, x, y, UNIT) if cut else np.ones(x.shape)
    if holes:
        cover = cover * (1 - _holes(x, y, UNIT / scale))
    alpha, image = cover.astype(np.float32), shown.astype(np.uint8)
    origin = half * scale
    if bend:
        image, alpha, origin = _bent(image, alpha, bend, origin)
    return Sprite.of(image, alpha, scale, (origin, above * scale))


def _bent(
    image: NDArray[np.uint8], alpha: NDArray[np.float32], bend: float, half: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32], float]:
    """A picture on an upright cylinder seen from the front, and half of its width then, pixels."""
    seen = half * math.sin(bend) / bend
    columns = np.arange(max(2, round(2 * seen))) + 0.5 - seen
    source = half + np.arcsin(np.clip(columns / seen * math.sin(bend), -1, 1)) / bend * half - 0.5
    across = np.repeat(source[None, :].astype(np.float32), image.shape[0], axis=0)
    down = np.repeat(np.arange(image.shape[0], dtype=np.float32)[:, None], columns.size, axis=1)
    flat = cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.remap(alpha, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(flat, np.uint8), np.asarray(cover, np.float32), seen


def _box(
    identity: int, mount: Mount, at: tuple[float, float, float], size: tuple[int, int], stretch: tuple[float, float]
) -> Box:
    """A shown face's box in a picture of `size`: of life times the first, and its width of that times the second."""
    unit, narrow = mount.focal(size[0]) * UNIT * stretch[0] / at[2], stretch[1]
    u, v = mount.to_picture(*at, size)
    chin = Identity.of(identity).skull.chin
    return u - narrow * unit, v + FACE_TOP * unit, 2 * narrow * unit, (chin - FACE_TOP) * unit
