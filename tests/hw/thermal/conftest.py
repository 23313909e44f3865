"""A clock that only sleeping moves, and a sensor on a simulated bus below the real driver."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hw.drivers.lepton import LeptonDriver
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.errors import NotReady
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.lepton import LEPTON_25, SimulatedLepton
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.spi import SimulatedSpiBus
from hw.thermal_settings import LeptonSettings, Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.ports import ThermalFrame, ThermalInfo

ADDRESS = 0x33
LEPTON = 0x2A


class SteppingClock:
    """Time passes while someone sleeps, and only then."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        if not event.is_set():
            self.sleep(timeout)
        return event.is_set()

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


@dataclass
class Rig:
    clock: SteppingClock
    chip: Any
    bus: SimulatedI2cBus
    driver: Mlx90640Driver

    def frames(self, count: int) -> list[Any]:
        return [self.driver.read(5.0) for _ in range(count)]


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def make_rig(clock: SteppingClock) -> Callable[..., Rig]:
    def make(
        scene: Any = 30.0, *, chip: Any = None, clock_hz: int = 400_000, settings: Any = None, **options: Any
    ) -> Rig:
        if chip is None:
            options = {"seed": 1, "netd": 0.0, **options}
            see = scene if callable(scene) else lambda _: np.broadcast_to(np.asarray(scene, dtype=float), (24, 32))
            chip = SimulatedMlx90640(see, clock, **options)
        bus = SimulatedI2cBus({ADDRESS: chip}, clock, clock_hz, seed=3)
        return Rig(clock, chip, bus, Mlx90640Driver(bus, settings or Mlx90640Settings(), clock))

    return make


@dataclass
class LeptonRig:
    clock: Any
    chip: SimulatedLepton
    i2c: SimulatedI2cBus
    spi: SimulatedSpiBus
    driver: LeptonDriver

    def open(self) -> ThermalInfo:
        return self.driver.open()

    def frames(self, count: int) -> list[ThermalFrame]:
        """The next good frames; waits while the shutter is closed."""
        found: list[ThermalFrame] = []
        for _ in range(20 * count):
            try:
                found.append(self.driver.read(1.0))
            except NotReady:
                continue
            if len(found) == count:
                return found
        raise AssertionError("no frames")


@pytest.fixture
def lepton(clock: Any) -> Callable[..., LeptonRig]:
    def make(
        scene: Any = 34.0,
        *,
        kind: Any = LEPTON_25,
        settings: Any = None,
        spi_hz: int = 16_000_000,
        reset: bool = False,
        age: float = 5.0,
        **options: Any,
    ) -> LeptonRig:
        shape = kind.rows, kind.columns
        see = scene if callable(scene) else lambda _: np.broadcast_to(np.asarray(scene, dtype=float), shape)
        given = {"seed": 1, "netd": 0.005, "reflected": 22.0, "ffc_period": float("inf"), **options}
        chip = SimulatedLepton(see, clock, kind=kind, **given)
        i2c = SimulatedI2cBus({LEPTON: chip.cci}, clock)
        spi = SimulatedSpiBus(chip.video, clock, spi_hz)
        driver = LeptonDriver(i2c, spi, settings or LeptonSettings(), clock, reset=chip if reset else None)
        clock.sleep(age)
        return LeptonRig(clock, chip, i2c, spi, driver)

    return make
