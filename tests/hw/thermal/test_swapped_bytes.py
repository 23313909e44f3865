"""Words that arrive low byte first: never a picture, whichever of them are swapped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.errors import BusError, CalibrationDataError, DeviceClosed, DeviceTimeout, FrameError
from hw.sim.mlx90640 import SimulatedMlx90640


class Swapped:
    """A slave whose words arrive low byte first, as from a host that mistakes their order."""

    powered = True

    def __init__(self, chip: SimulatedMlx90640) -> None:
        self.chip = chip
        self.every = False
        self.frames = False

    def write(self, data: bytes, at: float) -> None:
        self.chip.write(data, at)

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        data = self.chip.read(count, start, seconds_per_byte)
        if not (self.every or (self.frames and count == 1664)):
            return data
        return np.frombuffer(data, dtype=">u2").astype("<u2").tobytes()


@pytest.fixture
def swapped(clock: Any) -> Swapped:
    return Swapped(SimulatedMlx90640(lambda _: np.full((24, 32), 35.0), clock, seed=1, netd=0.0))


def test_swapped_bytes_from_power_on_never_open(make_rig: Any, swapped: Swapped) -> None:
    swapped.every = True
    rig = make_rig(chip=swapped)
    with pytest.raises((CalibrationDataError, BusError, DeviceTimeout)):
        rig.driver.open()
    with pytest.raises(DeviceClosed):
        rig.driver.read(1.0)


def test_a_calibration_with_swapped_bytes_is_refused(make_rig: Any, swapped: Swapped) -> None:
    swapped.frames = True
    rig = make_rig(chip=swapped)
    with pytest.raises(CalibrationDataError):
        rig.driver.open()


def test_frames_with_swapped_bytes_never_become_a_picture(make_rig: Any, swapped: Swapped) -> None:
    """Not even when they last, as a leap of one byte may."""
    rig = make_rig(chip=swapped)
    rig.driver.open()
    rig.frames(2)
    swapped.frames = True
    for _ in range(40):
        with pytest.raises((FrameError, BusError)):
            rig.driver.read(1.0)
    swapped.frames = False
    assert np.abs(rig.frames(3)[-1].temperatures - 35.0).max() < 0.5


@pytest.mark.parametrize("seed", range(4))
def test_no_words_with_swapped_bytes_pass_for_the_vitals_of_any_chip(make_rig: Any, clock: Any, seed: int) -> None:
    slave = Swapped(SimulatedMlx90640(lambda _: np.full((24, 32), 35.0), clock, seed=seed))
    rig = make_rig(chip=slave)
    rig.driver.open()
    slave.frames = True
    for _ in range(10):
        with pytest.raises((FrameError, BusError)):
            rig.driver.read(1.0)
