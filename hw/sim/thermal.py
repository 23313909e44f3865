"""The thermal array of a simulated board, whichever it is: the chip, its buses, and its cable to pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.sim import amg8833, lepton, mlx90640
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.spi import SimulatedSpiBus
from hw.thermal_settings import LeptonSettings, Mlx90640Settings

if TYPE_CHECKING:
    from hw.bus import ResetLine
    from hw.clock import Clock
    from hw.sim.mlx90640_flaws import Imperfections
    from hw.sim.world import World
    from hw.thermal_settings import ThermalSettings

LEPTONS: Final = {(kind.rows, kind.columns): kind for kind in (lepton.LEPTON_25, lepton.LEPTON_35)}


@dataclass(frozen=True, slots=True)
class ThermalRig:
    """A chip on its simulated buses."""

    chip: mlx90640.SimulatedMlx90640 | lepton.SimulatedLepton | amg8833.SimulatedAmg8833
    bus: SimulatedI2cBus
    spi: SimulatedSpiBus | None
    address: int

    @property
    def video(self) -> SimulatedSpiBus:
        """The video's bus. Raises ValueError where the sensor has none."""
        if self.spi is None:
            raise ValueError("this sensor has no video of its own")
        return self.spi

    @property
    def reset(self) -> ResetLine | None:
        """The module's reset line; None where it has none."""
        return self.chip if isinstance(self.chip, lepton.SimulatedLepton) else None

    def unplug(self, *, on: bool) -> None:
        """Pull the sensor's cable (`on`), or put it back."""
        absent = self.bus.faults.absent
        (absent.add if on else absent.discard)(self.address)
        if self.spi is not None:
            self.spi.faults.unplugged = on


def thermal_rig(
    settings: ThermalSettings,
    world: World,
    clock: Clock,
    *,
    seed: int,
    imperfections: Imperfections | None = None,
) -> ThermalRig:
    """The chip that `settings` name, looking at `world`.

    `imperfections` are an MLX90640's. Raises ValueError for those of another chip, and for a world that is seen by an
    array of another size.
    """
    if isinstance(settings, Mlx90640Settings):
        chip = mlx90640.SimulatedMlx90640(
            world.heat,
            clock,
            seed=seed,
            fov=world.mount.lens,
            ambient=world.ambient + (imperfections.self_heating if imperfections else 0.0),
            reflected=world.ambient if imperfections else None,
            imperfections=imperfections,
        )
        _check(world, (24, 32))
        return ThermalRig(chip, SimulatedI2cBus({settings.address: chip}, clock), None, settings.address)
    if imperfections is not None:
        raise ValueError(f"imperfections are modelled of an MLX90640, not of {settings.driver}")
    if isinstance(settings, LeptonSettings):
        if world.array not in LEPTONS:
            raise ValueError(f"a Lepton has {' or '.join(map(str, LEPTONS))} rows and columns, not {world.array}")
        module = lepton.SimulatedLepton(
            world.heat, clock, seed=seed, kind=LEPTONS[world.array], ambient=world.ambient, reflected=world.ambient
        )
        spi = SimulatedSpiBus(module.video, clock, settings.spi_hz, name="simulated-spi", seed=seed)
        bus = SimulatedI2cBus({settings.address: module.cci}, clock)
        return ThermalRig(module, bus, spi, settings.address)
    _check(world, (8, 8))
    grid = amg8833.SimulatedAmg8833(world.heat, clock, seed=seed, ambient=world.ambient + 3.0, reflected=world.ambient)
    return ThermalRig(grid, SimulatedI2cBus({settings.address: grid}, clock), None, settings.address)


def _check(world: World, shape: tuple[int, int]) -> None:
    if world.array != shape:
        raise ValueError(f"this world is seen by an array of {world.array}, the sensor has {shape}")
