"""Where camera and thermal array are and what they see: pinholes side by side, both looking straight ahead.

Coordinates are metres from the camera: x to the right of the picture, y down, z away from the gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """Geometry of one gate's sensors.

    Attributes:
        camera_fov: horizontal field of view of the camera, degrees; at 56 a face 0.5 m away is 178 of 640 pixels wide.
        array_fov: horizontal and vertical field of view of the array, degrees: the MLX90640's narrow lens (BAB).
        array_x: the array's place to the right of the camera, metres: the parallax that registration has to undo.
        array_y: the array's place below the camera, metres.
    """

    camera_fov: float = 56.0
    array_fov: tuple[float, float] = (55.0, 35.0)
    array_x: float = 0.03
    array_y: float = 0.0

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
        return columns / 2 + across * (x - self.array_x) / z, rows / 2 + down * (y - self.array_y) / z
