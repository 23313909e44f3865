"""Reading the sensors: what is torn, lost or stale is not measured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.calibrate.looking import Eyes
from controller.calibrate.refusal import CalibrationError, Refusal
from hw.board import Sensors
from hw.errors import BusError, DeviceTimeout, FrameError
from hw.ports import ImageFrame, ThermalFrame, ThermalInfo
from hw.sim.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.clock import Clock


class Thermal:
    """Sixteen frames a second; `fails` says what happens at a reading, by its number."""

    def __init__(self, clock: Clock, fails: Callable[[int], Exception | None]) -> None:
        self._clock, self._fails = clock, fails
        self.reads = self.opened = self.closed = 0

    def open(self) -> ThermalInfo:
        self.opened += 1
        return ThermalInfo("fake", "1", 24, 32, 16.0, 0.5)

    def read(self, timeout: float) -> ThermalFrame:  # noqa: ARG002 - as the port has it
        self._clock.sleep(1 / 16)
        self.reads += 1
        error = self._fails(self.reads)
        if error is not None:
            raise error
        picture = np.full((24, 32), 22.0, np.float32)
        return ThermalFrame(picture, 25.0, 3.3, self._clock.monotonic(), self.reads, self.reads % 2)

    def close(self) -> None:
        self.closed += 1


class Camera:
    """Its driver still holds two old pictures."""

    def __init__(self, clock: Clock, whole: Callable[[int], bool] = lambda _: True) -> None:
        self._clock, self._old, self._whole, self._reads = clock, [0.0, 0.1], whole, 0

    def open(self) -> str:
        return "fake"

    def read(self, timeout: float) -> ImageFrame:  # noqa: ARG002 - as the port has it
        self._clock.sleep(1 / 15)
        self._reads += 1
        if not self._whole(self._reads):
            raise FrameError("half")
        at = self._old.pop(0) if self._old else self._clock.monotonic()
        return ImageFrame(np.zeros((48, 64, 3), np.uint8), at, 0)

    def close(self) -> None:
        pass


def eyes(fails: Callable[[int], Exception | None] = lambda _: None) -> tuple[Eyes, Thermal]:
    clock = ManualClock(100.0)
    thermal = Thermal(clock, fails)
    return Eyes(Sensors("fake", clock, lambda: thermal, lambda: Camera(clock))), thermal


def test_only_frames_of_the_present_scene_count() -> None:
    looking, thermal = eyes()
    with looking:
        look = looking.look(1.0, 3)
    assert 14 <= len(look.frames) <= 17
    assert thermal.reads - len(look.frames) in (2, 3)
    assert all(picture.timestamp > 100 for picture in [*look.before, *look.after])
    assert len(look.before) == len(look.after) == 3
    assert thermal.closed == 1


@pytest.mark.parametrize("error", [BusError("gone"), DeviceTimeout("silent")])
def test_a_sensor_that_drops_off_is_opened_once_more(error: Exception) -> None:
    looking, thermal = eyes(lambda number: error if number == 5 else None)
    assert len(looking.frames(1.0)) >= 14
    assert (thermal.opened, thermal.closed) == (2, 1)
    looking, thermal = eyes(lambda number: error if number % 5 == 0 else None)
    with pytest.raises(type(error)):
        looking.frames(1.0)
    assert thermal.opened == 2


def test_torn_frames_are_left_out_until_they_are_most() -> None:
    looking, _ = eyes(lambda number: FrameError("torn") if number % 4 == 0 else None)
    assert len(looking.frames(2.0)) > 20
    looking, _ = eyes(lambda number: FrameError("torn") if number % 4 else None)
    with pytest.raises(CalibrationError, match="were torn: see to the bus") as caught:
        looking.frames(2.0)
    assert caught.value.refusal is Refusal.SENSOR


def test_pictures_that_are_not_whole_are_left_out() -> None:
    def look(whole: Callable[[int], bool]) -> int:
        clock = ManualClock(100.0)
        thermal = Thermal(clock, lambda _: None)
        with Eyes(Sensors("fake", clock, lambda: thermal, lambda: Camera(clock, whole))) as looking:
            return len(looking.pictures(4))

    assert look(lambda number: number % 3 != 0) == 4
    with pytest.raises(FrameError):
        look(lambda _: False)
