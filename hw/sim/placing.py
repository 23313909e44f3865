"""When and where a figure is, and what every drawn figure can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hw.sim.figures import Figure

WALK = 1.2
"""How much further away a figure is when its approach begins, metres."""
Box = tuple[float, float, float, float]


class Drawn(Protocol):
    """A figure that is ready to be seen."""

    def depth(self, time: float) -> float:
        """Metres from the camera at `time`."""
        ...

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """Lay it into the camera's BGR picture, in place."""
        ...

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """Lay it into the heat scene (°C, a fine grid over the array's field of view), in place."""
        ...

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """Its face in a picture of `size` (width, height): x, y, width, height in pixels."""
        ...


def place(figure: Figure, time: float) -> tuple[float, float, float]:
    """Where a figure's origin is at `time`, metres: it walks up to its mark, then stands."""
    left = figure.arrival - time
    walked = min(1.0, left / figure.approach) if figure.approach and left > 0 else 0.0
    return figure.x, figure.y, figure.distance + WALK * walked


def visible(figure: Figure, time: float) -> bool:
    """Whether the figure is before the gate at `time`."""
    return figure.arrival - figure.approach <= time < figure.leaves
