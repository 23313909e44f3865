"""The driver of the thermal sensor that is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.drivers.amg8833 import Amg8833Driver
from hw.drivers.lepton import LeptonDriver
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.thermal_settings import Amg8833Settings, Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.bus import I2cBus, ResetLine, SpiBus
    from hw.clock import Clock
    from hw.ports import ThermalSensor
    from hw.thermal_settings import LeptonSettings, ThermalSettings


def thermal_driver(
    settings: ThermalSettings,
    clock: Clock,
    bus: I2cBus,
    spi: Callable[[LeptonSettings], SpiBus],
    reset: Callable[[int], ResetLine | None],
) -> ThermalSensor:
    """The driver that `settings` name; `spi` and `reset` give what only some of them need."""
    if isinstance(settings, Mlx90640Settings):
        return Mlx90640Driver(bus, settings, clock)
    if isinstance(settings, Amg8833Settings):
        return Amg8833Driver(bus, settings, clock)
    line = None if settings.reset is None else reset(settings.reset)
    return LeptonDriver(bus, spi(settings), settings, clock, reset=line)
