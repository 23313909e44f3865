"""/dev/i2c-1 of the emulated PC: the simulated MLX90640 behind the kernel, before which somebody stands.

Run as `python -m image.proof.inside.chip`. SIGUSR1 pulls the sensor's cable or plugs it in again; ending the program
takes the whole bus away, as unloading an adapter's driver does.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from hw.clock import SystemClock
from hw.sim.figures import Person
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings
from image.proof.inside.cuse import I2cDevice, serve

UP: Final = "the sensor answers"
SEED: Final = 7
CORE: Final = 36.7
"""°C, oral, of whoever stands there."""


def main() -> None:
    """Serve for ever, before all other programs: a chip waits for none of them."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    clock = SystemClock()
    address = Mlx90640Settings().address
    world = World(clock, seed=SEED)
    # Sensors settle within minutes of power-on; this one was switched on long ago.
    world.place(Person(identity=3, core=CORE, arrival=clock.monotonic(), distance=0.5, sway=0.0))
    # They stand quite still, so that an emulated processor has time for the rest; the noise is the chip's.
    scene = world.heat(clock.monotonic() + 1.0)
    chip = SimulatedMlx90640(lambda _: scene, clock, seed=SEED, fov=world.mount.lens, ambient=world.ambient)
    bus = SimulatedI2cBus({address: chip}, clock, name="/dev/i2c-1")

    def unplug(*_: object) -> None:
        bus.faults.absent ^= {address}

    signal.signal(signal.SIGUSR1, unplug)
    serve(I2cDevice("i2c-1", bus), UP)


if __name__ == "__main__":
    main()
