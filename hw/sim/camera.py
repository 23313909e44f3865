"""The simulated world's camera: a `FrameSource` whose pictures are the world's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hw.errors import DeviceClosed, DeviceTimeout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hw.clock import Clock
    from hw.sim.world import World


class WorldCamera:
    """A camera that exposes a picture of `world` every 1/`fps` seconds of `clock`.

    Like a real one with a single buffer, it gives the newest picture and drops those nobody fetched.
    """

    def __init__(self, world: World, clock: Clock, fps: float = 15.0) -> None:
        """Raises ValueError for a frame rate that is not positive."""
        if not fps > 0:
            raise ValueError(f"a camera's frame rate is positive, not {fps}")
        self.name = f"simulated world (seed {world.seed}), {world.width}x{world.height} at {fps:g} fps"
        self.lost = 0
        self._world, self._clock, self._period = world, clock, 1 / fps
        self._next = 0.0
        self._closed = threading.Event()
        self._closed.set()

    def open(self) -> None:
        """Start to expose: the first picture is ready one period later."""
        self._next = self._clock.monotonic() + self._period
        self.lost = 0
        self._closed = threading.Event()

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """Wait for the next exposure and render it. Raises `DeviceTimeout`, or `DeviceClosed` when it is not open."""
        now, closed = self._clock.monotonic(), self._closed
        due = self._next
        if due < now:
            overtaken = (now - due) // self._period
            due += self._period * overtaken
            self.lost += int(overtaken)
        if self._clock.wait(closed, min(timeout, max(0.0, due - now))):
            raise DeviceClosed(f"{self.name} is closed")
        if due - now > timeout:
            raise DeviceTimeout(f"{self.name}: no picture within {timeout:g} s")
        self._next = due + self._period
        return self._world.picture(due), due

    def close(self) -> None:
        """Stop, and end a wait in another thread; harmless when closed."""
        self._closed.set()
