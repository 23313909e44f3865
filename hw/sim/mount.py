"""Where camera and thermal array are and what they see: pinholes side by side, the array turned by a little or not.

Coordinates are metres from the camera: x to the right of the picture, y down, z away from the gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENSES: Final = {55: (55.0, 35.0), 110: (110.0, 75.0)}
"""Horizontal and vertical field of view of the MLX90640's lenses, degrees (BAB, BAA; data sheet rev 12, Table 15)."""
SMALL: Final = 30.0
"""Degrees by which an array may be turned: beyond it would look past the lane, and the pinhole's plane gives out."""


@dataclass(frozen=True)
class Mount:
    """Geometry of one gate's sensors.

    Attributes:
        camera_fov: horizontal field of view of the camera, degrees; at 56 a face 0.5 m away is 178 of 640 pixels wide.
        array_fov: horizontal and vertical field of view of the array, degrees: the MLX90640's narrow lens (BAB).
        array_x: the array's place to the right of the camera, metres: the parallax that registration has to undo.
        array_y: the array's place below the camera, metres.
        array_yaw: degrees by which the array looks to the right of the camera's direction.
        array_pitch: degrees by which it looks below it.
        array_roll: degrees by which it is turned clockwise, seen from behind: the scene turns the other way.
    """

    camera_fov: float = 56.0
    array_fov: tuple[float, float] = (55.0, 35.0)
    array_x: float = 0.03
    array_y: float = 0.0
    array_yaw: float = 0.0
    array_pitch: float = 0.0
    array_roll: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for an array that is turned by more than SMALL degrees, or to no number."""
        for name in ("array_yaw", "array_pitch", "array_roll"):
            if not abs(getattr(self, name)) <= SMALL:
                raise ValueError(f"{name} is at most {SMALL:g} degrees either way, not {getattr(self, name)}")

    @classmethod
    def with_lens(cls, degrees: int, *, array_x: float = 0.03, array_y: float = 0.0) -> Mount:
        """A mount whose array has the lens of 55 (BAB) or 110 (BAA) degrees. Raises ValueError for another one."""
        if degrees not in LENSES:
            raise ValueError(f"an MLX90640 sees 55 or 110 degrees, not {degrees}")
        return cls(array_fov=LENSES[degrees], array_x=array_x, array_y=array_y)

    @property
    def lens(self) -> int:
        """The lens whose field of view is nearest, 55 or 110: what the chip's EEPROM should tell."""
        return min(LENSES, key=lambda degrees: abs(LENSES[degrees][0] - self.array_fov[0]))

    @cached_property
    def _turn(self) -> NDArray[np.float64] | None:
        """float64[3, 3] from the camera's directions to the array's; None when they are the same."""
        yaw, pitch, roll = (math.radians(a) for a in (self.array_yaw, self.array_pitch, self.array_roll))
        if not (yaw or pitch or roll):
            return None
        level = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
        nod = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
        tilt = np.array([[math.cos(roll), math.sin(roll), 0], [-math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
        return np.asarray(tilt @ nod @ level)

    def focal(self, width: int) -> float:
        """Focal length of a camera picture `width` pixels wide, pixels."""
        return width / 2 / math.tan(math.radians(self.camera_fov / 2))

    def to_picture(self, x: float, y: float, z: float, size: tuple[int, int]) -> tuple[float, float]:
        """Pixel (u, v) of a point in a picture of `size` (width, height)."""
        focal = self.focal(size[0])
        return size[0] / 2 + focal * x / z, size[1] / 2 + focal * y / z

    def array_focal(self, columns: int, rows: int) -> tuple[float, float]:
        """Focal lengths of a thermal grid of `columns` by `rows` cells, cells."""
        across, down = self.array_fov
        return columns / 2 / math.tan(math.radians(across / 2)), rows / 2 / math.tan(math.radians(down / 2))

    def to_array(self, x: float, y: float, z: float, columns: int, rows: int) -> tuple[float, float]:
        """Cell (column, row) of a point on a thermal grid; cell 0 spans 0..1."""
        across, down = self.array_focal(columns, rows)
        dx, dy, dz = x - self.array_x, y - self.array_y, z
        if self._turn is not None:
            dx, dy, dz = (float(value) for value in self._turn @ (dx, dy, dz))
        return columns / 2 + across * dx / dz, rows / 2 + down * dy / dz

    def from_array(self, column: float, row: float, z: float, columns: int = 32, rows: int = 24) -> tuple[float, float]:
        """The point (x, y), metres, that a cell's place on the grid shows of the plane z metres from the camera."""
        x, y = self._plane(np.array(column), np.array(row), z, columns, rows)
        return float(x), float(y)

    def plane(self, z: float, columns: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(x, y) in metres of each cell's centre on the plane z metres from the camera: float64[rows, columns] each."""
        row, column = np.mgrid[0:rows, 0:columns] + 0.5
        return self._plane(column, row, z, columns, rows)

    def _plane(
        self, column: NDArray[np.float64], row: NDArray[np.float64], z: float, columns: int, rows: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        across, down = self.array_focal(columns, rows)
        ray = np.stack([(column - columns / 2) / across, (row - rows / 2) / down, np.ones_like(column, dtype=float)])
        if self._turn is not None:
            ray = np.tensordot(self._turn.T, ray, 1)
        return self.array_x + z * ray[0] / ray[2], self.array_y + z * ray[1] / ray[2]

    def slope(
        self, at: tuple[float, float, float], columns: int, rows: int, stretch: tuple[float, float]
    ) -> NDArray[np.float64]:
        """Cells (column, row) a metre (x, y) at the point `at`, `stretch`ed across and down: float64[2, 2]."""
        across, down = self.array_focal(columns, rows)
        if self._turn is None:
            return np.diag([across * stretch[0] / at[2], down * stretch[1] / at[2]])
        dx, dy, dz = self._turn @ (at[0] - self.array_x, at[1] - self.array_y, at[2])
        seen = np.array([[across / dz, 0, -across * dx / dz**2], [0, down / dz, -down * dy / dz**2]])
        return np.asarray(seen @ self._turn[:, :2] * np.array(stretch))
