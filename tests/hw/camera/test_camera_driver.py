"""The camera driver over a source that does as it is told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hw.drivers.camera import CameraDriver
from hw.errors import DeviceClosed, DeviceError, DeviceMissing, DeviceTimeout
from hw.linux.pictures import PictureSource
from hw.settings import CameraSettings

if TYPE_CHECKING:
    from pathlib import Path


class Script:
    """Gives what stands in its script: a picture with its time, or an error."""

    name = "script"

    def __init__(self, clock: Any, *steps: Any) -> None:
        self.clock = clock
        self.lost = 0
        self.steps = deque(steps)
        self.opened = 0
        self.closed = 0

    def open(self) -> None:
        self.opened += 1
        if isinstance(self.steps[0], DeviceMissing):
            raise self.steps.popleft()

    def grab(self, timeout: float) -> Any:
        self.clock.sleep(min(0.1, timeout))
        step = self.steps.popleft()
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed += 1


def picture(height: int = 2, width: int = 3) -> Any:
    return np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_pictures_are_turned_clockwise(clock: Any, rotate: Any) -> None:
    driver = CameraDriver(Script(clock, (picture(), 1.0)), CameraSettings(rotate=rotate), clock)
    description = driver.open()
    frame = driver.read(1.0)
    assert frame.pixels.shape == ((2, 3, 3) if rotate % 180 == 0 else (3, 2, 3))
    top_left = {0: (0, 0), 90: (1, 0), 180: (1, 2), 270: (0, 2)}[rotate]
    assert np.array_equal(frame.pixels[0, 0], picture()[top_left])
    assert frame.pixels.flags.c_contiguous
    assert ("turned" in description) == bool(rotate)


def test_time_never_goes_back_and_numbers_go_on(clock: Any) -> None:
    source = Script(clock, (picture(), 1.0), (picture(), 1.0), (picture(), 0.5), (picture(), 1.2))
    driver = CameraDriver(source, CameraSettings(), clock)
    driver.open()
    frames = [driver.read(1.0), driver.read(1.0)]
    assert [(frame.timestamp, frame.sequence) for frame in frames] == [(1.0, 0), (1.2, 1)]
    assert driver.stale == 2


def test_a_picture_that_stands_still_times_out(clock: Any) -> None:
    source = Script(clock, *[(picture(), 1.0)] * 30)
    driver = CameraDriver(source, CameraSettings(), clock)
    driver.open()
    driver.read(1.0)
    before = clock.now
    with pytest.raises(DeviceTimeout, match="same picture"):
        driver.read(1.0)
    assert clock.now - before == pytest.approx(1.0)


def test_errors_of_the_source_pass(clock: Any) -> None:
    source = Script(clock, DeviceTimeout("late"), DeviceError("gone"), (picture(), 2.0))
    driver = CameraDriver(source, CameraSettings(), clock)
    driver.open()
    with pytest.raises(DeviceTimeout, match="late"):
        driver.read(1.0)
    with pytest.raises(DeviceError, match="gone"):
        driver.read(1.0)
    assert driver.read(1.0).sequence == 0


def test_reopening_counts_anew(clock: Any) -> None:
    source = Script(clock, (picture(), 9.0), (picture(), 1.0))
    driver = CameraDriver(source, CameraSettings(), clock)
    driver.open()
    driver.read(1.0)
    driver.open()
    frame = driver.read(1.0)
    assert (frame.sequence, frame.timestamp) == (0, 1.0)
    assert source.opened == 2


def test_closed_or_missing(clock: Any) -> None:
    driver = CameraDriver(Script(clock, DeviceMissing("none"), (picture(), 1.0)), CameraSettings(), clock)
    with pytest.raises(DeviceMissing):
        driver.open()
    with pytest.raises(DeviceClosed):
        driver.read(1.0)
    driver.open()
    driver.close()
    driver.close()
    with pytest.raises(DeviceClosed):
        driver.read(1.0)


def test_an_error_while_closing_is_the_closing(clock: Any) -> None:
    source = Script(clock, DeviceError("pulled away"))
    driver = CameraDriver(source, CameraSettings(), clock)
    driver.open()
    grab = source.grab

    class Closing(Script):
        def grab(self, timeout: float) -> Any:
            driver.close()
            return grab(timeout)

    driver = CameraDriver(Closing(clock, None), CameraSettings(), clock)
    driver.open()
    with pytest.raises(DeviceClosed, match="was closed"):
        driver.read(1.0)


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 3), np.uint8), np.zeros((2, 3, 3), np.float32), np.zeros((0, 3, 3), np.uint8)]
)
def test_what_is_no_picture(clock: Any, bad: Any) -> None:
    driver = CameraDriver(Script(clock, (bad, 1.0)), CameraSettings(), clock)
    driver.open()
    with pytest.raises(DeviceError, match="not BGR"):
        driver.read(1.0)


def test_a_folder_through_the_driver(album: Path, clock: Any) -> None:
    driver = CameraDriver(PictureSource(album, clock, fps=5), CameraSettings(), clock)
    assert str(album) in driver.open()
    frames = [driver.read(1.0) for _ in range(3)]
    assert [frame.sequence for frame in frames] == [0, 1, 2]
    with pytest.raises(DeviceClosed):
        driver.read(1.0)
