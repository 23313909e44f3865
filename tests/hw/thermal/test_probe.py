"""What answers on the bus, where the configured sensor does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw.drivers.probe import identify, told_otherwise
from hw.errors import DeviceMissing
from hw.sim.amg8833 import SimulatedAmg8833
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.lepton import LEPTON_25, SimulatedLepton
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.thermal_settings import Amg8833Settings, LeptonSettings, Mlx90640Settings


class Something:
    """A clock or a motion sensor at the same address."""

    powered = True

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes, at: float) -> None:  # noqa: ARG002 - an I2cSlave's
        self.written.append(data)

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:  # noqa: ARG002
        return b"\x47\xa1" * (count // 2) + b"\x47" * (count % 2)


@pytest.fixture
def chips(clock: Any) -> dict[str, Any]:
    made = {
        "mlx90640": SimulatedMlx90640(lambda _: np.full((24, 32), 30.0), clock, seed=1),
        "lepton": SimulatedLepton(lambda _: np.full((60, 80), 30.0), clock, seed=1, kind=LEPTON_25).cci,
        "amg8833": SimulatedAmg8833(lambda _: np.full((8, 8), 30.0), clock, seed=1),
        "unknown": Something(),
    }
    clock.sleep(3.0)
    return made


ADDRESSES = {"mlx90640": 0x33, "lepton": 0x2A, "amg8833": 0x69, "unknown": 0x69}


@pytest.mark.parametrize("driver", ADDRESSES)
def test_each_chip_is_known(chips: Any, clock: Any, driver: str) -> None:
    bus = SimulatedI2cBus({ADDRESSES[driver]: chips[driver]}, clock)
    assert identify(bus, ADDRESSES[driver]) == driver
    assert identify(bus, 0x40) is None


def test_an_mlx90640_at_an_address_of_its_own(clock: Any) -> None:
    chip = SimulatedMlx90640(lambda _: np.full((24, 32), 30.0), clock, seed=1, address=0x35)
    assert identify(SimulatedI2cBus({0x35: chip}, clock), 0x35) == "mlx90640"


@pytest.mark.parametrize(
    ("settings", "there", "told"),
    [
        (
            Mlx90640Settings(),
            {0x69: "amg8833"},
            'an AMG8833 answers at 0x69, but [thermal] driver = "mlx90640"',
        ),
        (Amg8833Settings(), {0x33: "mlx90640"}, 'an MLX90640 answers at 0x33, but [thermal] driver = "amg8833"'),
        (Mlx90640Settings(), {0x2A: "lepton"}, 'a Lepton answers at 0x2a, but [thermal] driver = "mlx90640"'),
        (Amg8833Settings(), {0x68: "amg8833"}, "an AMG8833 answers at 0x68, but [thermal] address = 0x69"),
        (LeptonSettings(), {0x69: "unknown"}, "something unknown answers at 0x69"),
        (Amg8833Settings(), {0x69: "unknown"}, "something unknown answers at 0x69"),
        (LeptonSettings(), {}, "no thermal sensor answers on simulated-i2c: see to cable, supply and pull-ups"),
        # What answers is what was asked for: then something else is wrong, and the driver's own words say it.
        (LeptonSettings(), {0x2A: "lepton", 0x69: "amg8833"}, None),
        (
            LeptonSettings(),
            {0x33: "mlx90640", 0x69: "amg8833"},
            (
                'an MLX90640 answers at 0x33, but [thermal] driver = "lepton"; '
                'an AMG8833 answers at 0x69, but [thermal] driver = "lepton"'
            ),
        ),
    ],
)
def test_the_mistake_is_named(chips: Any, clock: Any, settings: Any, there: dict[int, str], told: str | None) -> None:
    bus = SimulatedI2cBus({address: chips[name] for address, name in there.items()}, clock)
    assert told_otherwise(bus, settings) == told


def test_looking_changes_nothing(chips: Any, clock: Any) -> None:
    devices = {0x33: chips["mlx90640"], 0x2A: chips["lepton"], 0x68: chips["unknown"], 0x69: chips["amg8833"]}
    chips["amg8833"]._advance(clock.now)
    registers = bytes(chips["amg8833"]._registers[:0x80])
    told_otherwise(SimulatedI2cBus(devices, clock), Mlx90640Settings(address=0x44))
    assert chips["mlx90640"].stray_writes == []
    assert chips["lepton"].commands == []
    assert bytes(chips["amg8833"]._registers[:0x80]) == registers
    # One byte is a register to read from, for whatever chip it is.
    assert {len(data) for data in chips["unknown"].written} == {1}


def test_a_bus_that_is_not_there_explains_itself(clock: Any) -> None:
    class Missing(SimulatedI2cBus):
        def write_read(self, address: int, data: bytes, count: int) -> bytes:
            raise DeviceMissing(f"no such bus for {address}, {data!r}, {count}")

    assert told_otherwise(Missing({}, clock), Mlx90640Settings()) is None
