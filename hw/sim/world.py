"""The simulated world before one gate: who stands there, what its camera sees and what its thermal array sees."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from hw.sim import heat
from hw.sim.backdrop import draw_backdrop
from hw.sim.drawing import draw
from hw.sim.mount import Mount
from hw.sim.placing import visible
from hw.sim.sprites import Grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.clock import Clock
    from hw.sim.drawing import Seeable
    from hw.sim.placing import Box, Drawn

ROWS, COLUMNS = 24, 32
"""Of an MLX90640."""
FINE_CELLS = 128
"""Cells of the heat scene across the array, at the least; each pixel has two or more, each way."""
LENS_BLUR = 0.45
"""Standard deviation of the array's optical blur, pixels."""


class World:
    """The space before a gate. All methods may be called from any thread.

    What is seen at a time depends only on the figures placed and on the seed: two worlds with the same figures agree.

    Args:
        clock: tells the time where none is given.
        seed: of the entrance, its light and the camera's noise.
        width: of the camera's picture, pixels.
        height: of the camera's picture, pixels.
        ambient: room temperature, °C.
        mount: geometry of camera and array.
        grain: camera noise, grey levels (1 sigma).
        array: rows and columns of the array that looks at it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int,
        width: int = 640,
        height: int = 480,
        ambient: float = 22.0,
        mount: Mount | None = None,
        grain: float = 2.2,
        array: tuple[int, int] = (ROWS, COLUMNS),
    ) -> None:
        self.clock, self.seed, self.ambient = clock, seed, ambient
        self.width, self.height = width, height
        self.mount = mount or Mount()
        self._lock = threading.Lock()
        self._drawn: dict[Seeable, Drawn] = {}
        self._backdrop = draw_backdrop(seed, width, height)
        self.array = array
        self._fine = max(2, FINE_CELLS // array[1])
        self._room = heat.room(seed, array[0] * self._fine, array[1] * self._fine)
        self._grain = Grain(seed, width, height, grain)
        self._flicker = np.random.default_rng((0xF11C, seed)).uniform(0, 2 * np.pi)

    def place(self, figure: Seeable) -> None:
        """Let a figure appear at its time. Draws it first (about 0.2 s for someone new), so that frames stay cheap."""
        drawn = draw(figure, self.mount, self.seed)
        with self._lock:
            self._drawn[figure] = drawn

    def remove(self, figure: Seeable) -> None:
        """Take a figure away at once; harmless when it is not there."""
        with self._lock:
            self._drawn.pop(figure, None)

    def clear(self) -> None:
        """Take everybody away."""
        with self._lock:
            self._drawn.clear()

    def figures(self) -> tuple[Seeable, ...]:
        """Who has been placed, in order."""
        with self._lock:
            return tuple(self._drawn)

    def _seen(self, time: float) -> list[Drawn]:
        """Visible figures, the furthest first."""
        with self._lock:
            present = [drawn for figure, drawn in self._drawn.items() if visible(figure, time)]
        return sorted(present, key=lambda drawn: -drawn.depth(time))

    def picture(self, time: float | None = None) -> NDArray[np.uint8]:
        """What the camera sees at `time` (now): BGR uint8[height, width, 3], with sensor noise and a little flicker."""
        moment = self.clock.monotonic() if time is None else time
        frame = self._backdrop.copy()
        for drawn in self._seen(moment):
            drawn.paint(frame, moment)
        gain = 1 + 0.015 * np.sin(1.9 * moment + self._flicker)
        cv2.convertScaleAbs(frame, frame, alpha=float(gain))
        self._grain.add(frame, moment)
        return frame

    def heat(self, time: float | None = None) -> NDArray[np.float32]:
        """Surface temperatures in °C as the array's optics deliver them at `time` (now): float32[rows, columns].

        The scene is drawn on a finer grid, blurred by the lens and averaged over each pixel. No emissivity, reflection
        or noise: those belong to the sensor.
        """
        moment = self.clock.monotonic() if time is None else time
        field = self._room + np.float32(self.ambient)
        for drawn in self._seen(moment):
            drawn.warm(field, moment, self.ambient)
        soft = cv2.GaussianBlur(field, (0, 0), LENS_BLUR * self._fine)
        rows, columns = self.array
        return cast("NDArray[np.float32]", cv2.resize(soft, (columns, rows), interpolation=cv2.INTER_AREA))

    def face_box(self, figure: Seeable, time: float | None = None) -> Box:
        """Where a placed figure's face is in the camera's picture: x, y, width, height in pixels, hairline to chin.

        Raises KeyError when the figure has not been placed.
        """
        moment = self.clock.monotonic() if time is None else time
        with self._lock:
            drawn = self._drawn[figure]
        return drawn.face_box((self.width, self.height), moment)
