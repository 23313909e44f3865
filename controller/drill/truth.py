"""What the readings ought to be: the world's true heat, as the array's optics deliver it, and the sensor's noise alone.

Independent of chip, bus, driver and kernels: between the world's picture in °C and the predicted verdict there is only
perception's own rule for a temperature and its noise model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from controller.drill.stage import figure_of, indoors
from controller.lane.model import Verdict
from controller.perception.prediction import Scene, elevated_at_last, prediction
from controller.perception.screening import HOTTEST
from hw.sim.mount import Mount
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.drill.diary import VisitLog
    from controller.drill.scenario import Visit
    from controller.lane.model import Assessment
    from controller.perception.screening_settings import ScreeningSettings
    from hw.arrays import Array
    from hw.clock import Clock

LOOK: Final = 0.8
"""Seconds of a look over which the true heat is averaged: breath and sway."""
SAMPLES: Final = 5
BIAS: Final = -0.04
"""Reading less truth, K: half of the frames choose the warmest pixels, and now and then choose others. Measured over 69
looks of a rehearsal: -0.043 ± 0.023, with a spread of 0.188 where the noise model says 0.204."""
QUIET: Final = 0.1
"""K of noise below which a look always finds the hottest pixels."""
QUIET_BIAS, QUIET_SPREAD = 0.13, 0.05
"""The same of such an array, to which perception adds what a noisy one would lose by its choice: 0.129 ± 0.036 over 8
looks of a Lepton."""


class Truth:
    """Predicts readings of people in a world with this seed.

    Args:
        settings: of the screening whose verdicts are predicted.
        clock: the world's.
        seed: the world's.
        array: what the data sheet says of the sensor.
    """

    def __init__(self, settings: ScreeningSettings, clock: Clock, seed: int, array: Array) -> None:
        self._settings = settings
        self._array = array
        # A world of its own: the rehearsal's may still have somebody in it.
        self._world = World(clock, seed=seed, mount=Mount(array_fov=array.fov), array=array.shape)

    def first_look(self, log: VisitLog, found: Assessment, at: float) -> tuple[float, Mapping[Verdict, float]]:
        """True surface, °C, and the chance of each verdict, for the look that ended at `at` with `found`."""
        stay = log.stays[0]
        surface, room = self._heat(log.visit, stay.begin, stay.warm_minutes, at)
        return surface, prediction(self._settings, self._scene(log.visit, surface, room, found.screening.frames))

    def refused_twice(self, visit: Visit, frames: int) -> float:
        """Chance that noise alone has this person refused at both looks, once they are warm."""
        surface, room = self._heat(visit, 0.0, indoors(visit), LOOK)
        scene = self._scene(visit, surface, room, frames)
        cold = prediction(self._settings, scene).get(Verdict.TOO_COLD, 0.0)
        return elevated_at_last(self._settings, scene) + cold**2

    def _scene(self, visit: Visit, surface: float, room: float, frames: int) -> Scene:
        rows, columns = self._array.shape
        quiet = self._array.noise < QUIET
        across, _ = self._world.mount.array_focal(columns, rows)
        return Scene(
            surface=surface + self._settings.offset,
            size=visit.distance / across,
            room=room,
            noise=self._array.noise,
            frames=max(frames, self._settings.frames),
            renewed=self._array.renewed,
            bias=QUIET_BIAS if quiet else BIAS,
            spread=QUIET_SPREAD if quiet else 0.0,
        )

    def _heat(self, visit: Visit, arrival: float, warm_minutes: float | None, end: float) -> tuple[float, float]:
        """Mean of the warmest pixels, and the room behind, °C, over the look that ends at `end`."""
        figure = figure_of(visit, arrival=arrival, warm_minutes=warm_minutes)
        self._world.place(figure)
        begin = max(arrival, end - LOOK)
        mean = np.mean([self._world.heat(time) for time in np.linspace(begin, end, SAMPLES)], axis=0)
        self._world.remove(figure)
        return float(np.sort(mean, axis=None)[-HOTTEST:].mean()), float(np.quantile(mean, 0.2))
