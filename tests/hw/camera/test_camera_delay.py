"""The delay that a flashing screen shows, with a camera that is late by a known time."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from benchmarks.camera_delay import BLACK, WHITE, UnseenError, delay_of, watch
from hw.ports import ImageFrame

RATE = 15.0
READOUT = 0.02


class Scene:
    """A screen, and a camera that exposes for a while, and tells a moment that is late."""

    def __init__(self, clock: Any, late: float, exposure: float, brightness: int = 200) -> None:
        self.clock, self.late, self.exposure, self.brightness = clock, late, exposure, brightness
        self.changes: list[tuple[float, float]] = [(float("-inf"), 0.0)]
        self.next = clock.monotonic()
        self.dice = random.Random(3)

    def show(self, codes: str) -> None:
        assert codes in {BLACK, WHITE}
        self.changes.append((self.clock.monotonic(), float(codes == WHITE)))

    def light(self, start: float, end: float) -> float:
        """Mean light of the screen from `start` to `end`."""
        grid = np.linspace(start, end, 50)
        times, shades = (np.array(column) for column in zip(*self.changes, strict=True))
        return float(shades[np.searchsorted(times, grid, side="right") - 1].mean())

    def open(self) -> str:
        return "scene"

    def close(self) -> None:
        pass

    def read(self, timeout: float) -> ImageFrame:  # noqa: ARG002 - as the port has it
        while self.next + self.exposure + READOUT < self.clock.monotonic():
            self.next += 1 / RATE
        start, self.next = self.next, self.next + 1 / RATE
        self.clock.sleep(start + self.exposure + READOUT - self.clock.monotonic())
        pixels = np.full((120, 160, 3), 30, np.uint8)
        pixels[40:80, 40:90] += np.uint8(self.brightness * self.light(start, start + self.exposure))
        return ImageFrame(pixels, start + self.exposure / 2 + self.late, 0)


@pytest.mark.parametrize("exposure", [0.002, 0.06])
@pytest.mark.parametrize("late", [0.0, 0.15, 0.6])
def test_the_delay_is_found(clock: Any, late: float, exposure: float) -> None:
    scene = Scene(clock, late, exposure)
    found = delay_of(watch(scene, scene.show, clock, 60, random.Random(1)))
    assert found.median == pytest.approx(late, abs=0.02)
    assert found.low <= late <= found.high


def test_a_screen_that_is_not_seen(clock: Any) -> None:
    scene = Scene(clock, 0.1, 0.01, brightness=10)
    with pytest.raises(UnseenError, match="10 grey levels"):
        delay_of(watch(scene, scene.show, clock, 10, random.Random(1)))
