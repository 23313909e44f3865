"""/dev/i2c-1 and /dev/spidev0.0 of the emulated PC: a simulated sensor behind the kernel, before which somebody stands.

SIGUSR1 pulls the sensor's cable or plugs it in again; ending the process takes the whole bus away, as unloading an
adapter's driver does.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import cache
from typing import Final

from hw.clock import SystemClock
from hw.sim.figures import Person
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.lepton import LEPTON_25, SimulatedLepton
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.spi import SimulatedSpiBus
from hw.sim.world import World
from hw.thermal_settings import LeptonSettings, Mlx90640Settings
from image.proof.inside.cuse import I2cDevice, SpiDevice, serve

ADDRESS: Final = Mlx90640Settings().address
SEED: Final = 7
CORE: Final = 36.7
"""°C, oral, of whoever stands there."""


@cache
def bus() -> SimulatedI2cBus:
    """The bus with its chip, as at power-on."""
    clock = SystemClock()
    world = World(clock, seed=SEED)
    world.place(Person(identity=3, core=CORE, arrival=clock.monotonic(), distance=0.5, sway=0.0))
    # They stand quite still, so that an emulated processor has time for the rest; the noise is the chip's.
    scene = world.heat(clock.monotonic() + 1.0)
    chip = SimulatedMlx90640(lambda _: scene, clock, seed=SEED, fov=world.mount.lens, ambient=world.ambient)
    return SimulatedI2cBus({ADDRESS: chip}, clock, name="/dev/i2c-1")


@cache
def lepton() -> tuple[SimulatedI2cBus, SimulatedSpiBus]:
    """The two buses of a Lepton 2.5, as at power-on."""
    clock = SystemClock()
    world = World(clock, seed=SEED, array=(LEPTON_25.rows, LEPTON_25.columns))
    world.place(Person(identity=3, core=CORE, arrival=clock.monotonic(), distance=0.5, sway=0.0))
    scene = world.heat(clock.monotonic() + 1.0)
    module = SimulatedLepton(
        lambda _: scene, clock, seed=SEED, kind=LEPTON_25, ambient=world.ambient, reflected=world.ambient
    )
    settings = LeptonSettings()
    i2c = SimulatedI2cBus({settings.address: module.cci}, clock, name=settings.bus)
    return i2c, SimulatedSpiBus(module.video, clock, settings.spi_hz, name=settings.spi)


def serve_lepton() -> None:
    """Serve both for ever, before all other programs."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    i2c, spi = lepton()
    threading.Thread(target=serve, args=(SpiDevice("spidev0.0", spi),), daemon=True).start()
    serve(I2cDevice("i2c-1", i2c))


def serve_bus() -> None:
    """Serve for ever, before all other programs: a chip waits for none of them."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))

    def unplug(*_: object) -> None:
        bus().faults.absent ^= {ADDRESS}

    signal.signal(signal.SIGUSR1, unplug)
    serve(I2cDevice("i2c-1", bus()))
