"""Warm things made visible: reference sources, lamps, mugs and registration targets, in the picture and in the heat.

Each is a flat shape that faces the gate. Its outline is one function of the place on its plane, in metres, from which
both views are drawn: so what the camera sees and what the array sees agree by construction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hw.sim.figures import BlackBody, Lamp, Mug, Thing, WarmTarget
from hw.sim.heat import EMISSIVITY
from hw.sim.placing import place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.mount import Mount
    from hw.sim.placing import Box

    Grid = NDArray[np.float64]

ZERO_CELSIUS = 273.15
RIM = 1.25
"""Radius of a reference source with its metal rim, of the source alone."""
HANDLE = 0.35
MUG_HEIGHT = 1.2
"""Half the height of a mug, of half its width."""


def apparent(temperature: float, emissivity: float, reflected: float) -> float:
    """How warm a surface looks to somebody who takes it for skin, °C.

    Its radiance is ε T⁴ + (1 - ε) Tr⁴ (Stefan and Boltzmann, grey and diffuse); the temperature is that of a surface
    of emissivity `heat.EMISSIVITY` with the same radiance.

    Args:
        temperature: of the surface, °C.
        emissivity: of the surface, (0, 1].
        reflected: temperature that it reflects, °C.
    """
    share = emissivity / EMISSIVITY
    fourth = share * (temperature + ZERO_CELSIUS) ** 4 + (1.0 - share) * (reflected + ZERO_CELSIUS) ** 4
    return float(fourth**0.25 - ZERO_CELSIUS)


def draw_thing(figure: Thing, mount: Mount) -> DrawnThing:
    """Prepare a warm thing."""
    kinds: dict[type[Thing], type[DrawnThing]] = {
        BlackBody: DrawnBlackBody,
        Lamp: DrawnLamp,
        Mug: DrawnMug,
        WarmTarget: DrawnTarget,
    }
    return kinds.get(type(figure), DrawnThing)(figure, mount)


class DrawnThing:
    """A plain warm disc, dark grey in the picture; the base of the others."""

    reach = 1.0
    """Half the side of its box, in radii."""

    def __init__(self, figure: Thing, mount: Mount) -> None:
        self.figure, self._mount = figure, mount

    def depth(self, time: float) -> float:
        """See `placing.Drawn`."""
        return place(self.figure, time)[2]

    def inside(self, x: Grid, y: Grid) -> Grid:
        """How far within the warm outline a place is, metres from the figure's middle; negative outside."""
        return self.figure.radius - np.hypot(x, y)

    def colours(self, x: Grid, y: Grid) -> list[tuple[Grid, tuple[float, float, float]]]:
        """Layers of the picture, lowest first: how far within each a place is (metres), and its BGR colour, 0..255."""
        return [(self.inside(x, y), (48.0, 48.0, 50.0))]

    def celsius(self, time: float, ambient: float) -> float:
        """What the array takes its temperature for, °C."""
        del ambient
        return self.figure.celsius(time)

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `placing.Drawn`."""
        size = (frame.shape[1], frame.shape[0])
        x, y, z = place(self.figure, time)
        u, v, width, height = self.face_box(size, time)
        part = np.s_[max(0, int(v) - 2) : max(0, int(v + height) + 3), max(0, int(u) - 2) : max(0, int(u + width) + 3)]
        under = frame[part]
        if not under.size:
            return
        focal = self._mount.focal(size[0])
        row, column = np.mgrid[0 : under.shape[0], 0 : under.shape[1]] + 0.5
        across = (column + part[1].start - size[0] / 2) * z / focal - x
        down = (row + part[0].start - size[1] / 2) * z / focal - y
        shown = under.astype(np.float64)
        for within, colour in self.colours(across, down):
            cover = _coverage(within, z / focal)[..., None]
            shown += (np.array(colour) - shown) * cover
        under[...] = np.rint(shown).astype(np.uint8)

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """See `placing.Drawn`."""
        x, y, z = place(self.figure, time)
        rows, columns = field.shape
        across, down = self._mount.plane(z, columns, rows)
        cell = z / max(self._mount.array_focal(columns, rows))
        for within, celsius in self.heats(across - x, down - y, time, ambient):
            field += ((celsius - field) * _coverage(within, cell)).astype(np.float32)

    def heats(self, x: Grid, y: Grid, time: float, ambient: float) -> list[tuple[Grid, float]]:
        """Layers of the heat scene, lowest first: how far within each a place is (metres), and its °C."""
        return [(self.inside(x, y), self.celsius(time, ambient))]

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """Its rectangle in a picture of `size`: x, y, width, height in pixels. There is no face on it."""
        x, y, z = place(self.figure, time)
        half = self.reach * self.figure.radius
        u, v = self._mount.to_picture(x - half, y - half, z, size)
        side = 2 * half * self._mount.focal(size[0]) / z
        return u, v, side, side


class DrawnBlackBody(DrawnThing):
    """A matt black disc in a metal rim that is as warm as the room."""

    figure: BlackBody
    reach = RIM

    def celsius(self, time: float, ambient: float) -> float:
        """Apparent temperature, °C: it reflects the room."""
        return apparent(self.figure.celsius(time), self.figure.emissivity, ambient)

    def colours(self, x: Grid, y: Grid) -> list[tuple[Grid, tuple[float, float, float]]]:
        """See `DrawnThing`."""
        return [(RIM * self.figure.radius - np.hypot(x, y), (172.0, 174.0, 176.0)), (self.inside(x, y), (20.0,) * 3)]

    def heats(self, x: Grid, y: Grid, time: float, ambient: float) -> list[tuple[Grid, float]]:
        """See `DrawnThing`."""
        rim = RIM * self.figure.radius - np.hypot(x, y)
        return [(rim, ambient), (self.inside(x, y), self.celsius(time, ambient))]


class DrawnLamp(DrawnThing):
    """A bright disc with a glow around it."""

    reach = 3.0

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `placing.Drawn`."""
        super().paint(frame, time)
        size = (frame.shape[1], frame.shape[0])
        u, v, side, _ = self.face_box(size, time)
        row, column = np.ogrid[0 : size[1], 0 : size[0]]
        far = np.hypot(column + 0.5 - u - side / 2, row + 0.5 - v - side / 2)
        glow = 90.0 * np.exp(-far / (0.25 * side))
        cv2.add(frame, np.repeat(np.rint(glow).astype(np.uint8)[..., None], 3, axis=2), dst=frame)

    def colours(self, x: Grid, y: Grid) -> list[tuple[Grid, tuple[float, float, float]]]:
        """See `DrawnThing`."""
        return [(self.inside(x, y), (250.0, 253.0, 255.0))]


class DrawnMug(DrawnThing):
    """A mug from the side, with its handle on the right and the drink's surface as its upper edge."""

    reach = 1.0 + HANDLE

    def inside(self, x: Grid, y: Grid) -> Grid:
        """See `DrawnThing`."""
        half = self.figure.radius
        return np.minimum(half - np.abs(x), MUG_HEIGHT * half - np.abs(y))

    def colours(self, x: Grid, y: Grid) -> list[tuple[Grid, tuple[float, float, float]]]:
        """See `DrawnThing`."""
        half = self.figure.radius
        loop = np.hypot(x - half, y)
        handle = np.minimum(HANDLE * half - loop, loop - 0.6 * HANDLE * half)
        return [(handle, (196.0, 205.0, 210.0)), (self.inside(x, y), (206.0, 214.0, 220.0))]


class DrawnTarget(DrawnThing):
    """A heated black mark on a white board."""

    figure: WarmTarget

    @property
    def reach(self) -> float:  # type: ignore[override]  # the board's, which the figure tells
        """See `DrawnThing`."""
        return self.figure.board / self.figure.radius

    def inside(self, x: Grid, y: Grid) -> Grid:
        """See `DrawnThing`."""
        radius = self.figure.radius
        if self.figure.shape == "cross":
            arms = [np.minimum(radius - np.abs(a), radius / 3 - np.abs(b)) for a, b in ((x, y), (y, x))]
            return np.maximum(*arms)
        far = np.hypot(x, y)
        return np.minimum(radius - far, far - radius / 2) if self.figure.shape == "ring" else radius - far

    def _board(self, x: Grid, y: Grid) -> Grid:
        return self.figure.board - np.maximum(np.abs(x), np.abs(y))

    def colours(self, x: Grid, y: Grid) -> list[tuple[Grid, tuple[float, float, float]]]:
        """See `DrawnThing`."""
        return [(self._board(x, y), (236.0, 238.0, 238.0)), (self.inside(x, y), (16.0,) * 3)]

    def heats(self, x: Grid, y: Grid, time: float, ambient: float) -> list[tuple[Grid, float]]:
        """See `DrawnThing`."""
        return [(self._board(x, y), ambient), (self.inside(x, y), self.celsius(time, ambient))]


def _coverage(within: Grid, cell: float) -> Grid:
    """Share 0..1 of each cell of `cell` metres that lies within an outline."""
    return np.clip(within / cell + 0.5, 0.0, 1.0)
