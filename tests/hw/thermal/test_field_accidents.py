"""Accidents of the MLX90640 that others reported and that stand in no other file here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.errors import BusError, DeviceTimeout
from hw.sim.mlx90640_flaws import Imperfections
from hw.sim.mlx90640_model import LEGAL_7FFF
from hw.thermal_settings import Mlx90640Settings


class Hung:
    """A chip that acknowledges and answers, but no longer measures: opening it anew does not help."""

    def __init__(self, chip: Any) -> None:
        self.chip = chip
        self.hung = False

    @property
    def powered(self) -> bool:
        return bool(self.chip.powered)

    def write(self, data: bytes, at: float) -> None:
        if self.hung:
            self.chip.freeze()
        self.chip.write(data, at)

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        return bytes(self.chip.read(count, start, seconds_per_byte))

    def power_cycle(self) -> None:
        self.chip.power(on=False)
        self.hung = False
        self.chip.power(on=True)


def test_a_chip_that_hangs_until_its_supply_is_switched_is_named_each_time(make_rig: Any) -> None:
    rig = make_rig()
    hung = Hung(rig.chip)
    rig.bus._devices[0x33] = hung
    rig.driver.open()
    rig.frames(2)
    hung.hung = True
    for _ in range(3):
        with pytest.raises(DeviceTimeout, match="it may have stopped measuring"):
            rig.frames(3)
        rig.driver.open()
    hung.power_cycle()
    with pytest.raises((BusError, DeviceTimeout)):
        rig.frames(3)
    rig.driver.open()
    assert np.abs(rig.frames(3)[-1].temperatures - 30.0).max() < 0.5


def test_reserved_words_of_7fff_are_no_fault(make_rig: Any) -> None:
    rig = make_rig()
    rig.driver.open()
    frames = rig.frames(6)
    assert all(rig.chip._ram[768 + word] == 0x7FFF for word in LEGAL_7FFF)
    assert rig.driver.counters.glitches == 0
    assert np.abs(frames[-1].temperatures - 30.0).max() < 0.5


@pytest.mark.parametrize("step", [0.2, 1.0])
def test_a_checkerboard_is_gone_from_a_mean_over_pairs_of_pixels(make_rig: Any, step: float) -> None:
    """Subpages that differ are seen pixel by pixel, and not in what four warmest neighbours average to."""
    rig = make_rig(34.0, imperfections=Imperfections(checkerboard=step), settings=Mlx90640Settings(refresh_hz=8))
    rig.driver.open()
    picture = rig.frames(4)[-1].temperatures
    row, column = np.mgrid[0:24, 0:32]
    odd = (row + column) % 2 == 1
    assert picture[odd].mean() - picture[~odd].mean() == pytest.approx(step, abs=0.05)
    pairs = (picture[:, 0::2] + picture[:, 1::2]) / 2
    assert pairs.std() < 0.25
    assert pairs.mean() == pytest.approx(34.0, abs=0.15)


@pytest.mark.parametrize(("clock_hz", "told"), [(400_000, False), (100_000, False), (1_000_000, True)])
def test_a_bus_speed_that_does_not_suit_the_eeprom_is_told(make_rig: Any, clock_hz: int, *, told: bool) -> None:
    warnings = make_rig(clock_hz=clock_hz).driver.open().warnings
    assert any("i2c_arm_baudrate=400000" in warning for warning in warnings) is told
