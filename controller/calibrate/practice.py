"""A simulated lane to practise on: sensors that are mounted a little askew, and things that move where they are asked.

The drivers are those of a real board. `truth` says what a good calibration finds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.arrays import array_of
from hw.board import Sensors, simulated_board
from hw.sim.clock import VirtualClock
from hw.sim.figures import BlackBody, Person, WarmTarget
from hw.sim.mlx90640_flaws import Imperfections
from hw.sim.mount import Mount
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from controller.config import Config

SOURCE: Final = (-0.11, -0.02)
"""Where the practice lane's black body is, metres right of and below the axis."""
SOURCE_DISTANCE: Final = 0.45
PLATE, PATCH = (-0.08, 0.0), (0.12, 0.0)
PLATE_EMISSIVITY: Final = 0.93
PATCH_EMISSIVITY: Final = 0.95
PLATE_TEMPERATURE: Final = 52.0
TARGET: Final = 55.0
ROOM: Final = 22.0
BIAS: Final = 0.3
"""What the practice sensor reads too much, K."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the practice lane is really like."""

    mount: Mount
    source: tuple[float, float]
    """(column, row) of the black body's middle, thermal pixels."""
    plate_emissivity: float = PLATE_EMISSIVITY
    patch_emissivity: float = PATCH_EMISSIVITY
    plate_temperature: float = PLATE_TEMPERATURE
    room: float = ROOM
    bias: float = BIAS

    @property
    def text(self) -> str:
        """What the figures above should have come near to."""
        mount = self.mount
        return (
            f"the simulated lane is: array {100 * mount.array_x:+.1f} cm right of and {100 * mount.array_y:+.1f} cm "
            f"below the camera, turned by {mount.array_yaw:+.1f}, {mount.array_pitch:+.1f} and "
            f"{mount.array_roll:+.1f} degrees (yaw, pitch, roll); camera_fov {mount.camera_fov:g}; black body at "
            f"column {self.source[0]:.2f}, row {self.source[1]:.2f}; plate {self.plate_emissivity:g} at "
            f"{self.plate_temperature:g} °C, patch {self.patch_emissivity:g}; the sensor reads {self.bias:+.1f} K off"
        )


class Practice:
    """A simulated lane, and the hands that set things up in it; satisfies `dialogue.Helper`.

    Args:
        config: the gate.toml whose sensors are simulated.
        seed: of the mount's tilt and place, the room and the noise.
        temperature: the black body's set point, °C.
        emissivity: the black body's.
    """

    def __init__(self, config: Config, seed: int, *, temperature: float = 37.0, emissivity: float = 0.98) -> None:
        rng = np.random.default_rng((0xCA11B, seed))
        yaw, pitch, roll = (float(value) for value in rng.uniform(-2.5, 2.5, 3))
        mount = Mount(
            array_fov=config.perception.registration.thermal_fov,
            array_yaw=yaw,
            array_pitch=pitch,
            array_roll=roll,
            array_x=float(rng.uniform(-0.04, 0.04)),
            array_y=float(rng.uniform(0.0, 0.04)),
        )
        self._clock = VirtualClock()
        self._world = World(
            self._clock,
            seed=seed,
            width=config.camera.width,
            height=config.camera.height,
            ambient=ROOM,
            mount=mount,
            array=array_of(config.thermal).shape,
        )
        self._temperature, self._emissivity = temperature, emissivity
        # A wide lens needs a larger target, though one as many thermal pixels wide would not fit the camera's picture.
        self._size = math.sqrt(math.tan(math.radians(mount.array_fov[0] / 2)) / math.tan(math.radians(27.5)))
        board, _ = simulated_board(
            config.thermal,
            config.camera,
            config.gate,
            clock=self._clock,
            world=self._world,
            seed=seed,
            imperfections=Imperfections(bias=BIAS) if isinstance(config.thermal, Mlx90640Settings) else None,
        )
        self.sensors = Sensors(
            "practice",
            self._clock,
            board.make_thermal,
            board.make_camera,
            # Somebody at the terminal may think for as long as they like; the lane's time waits for them.
            taking_part=lambda: self._clock.participant("calibration"),
        )
        rows, columns = self._world.array
        column, row = mount.to_array(*SOURCE, SOURCE_DISTANCE, columns, rows)
        self.truth = Truth(mount, (column, row))

    def target(self, x: float, y: float, distance: float) -> None:
        """See `dialogue.Helper`: somebody holds it beside themselves."""
        self._world.clear()
        behind = distance + 0.3
        self._world.place(Person(identity=5, distance=behind, x=(x + 0.25) * behind, y=y * behind - 0.05))
        self._world.place(
            WarmTarget(
                distance=distance,
                x=x * distance,
                y=y * distance,
                temperature=TARGET,
                radius=0.03 * self._size,
                board=0.08 * self._size,
            )
        )

    def source(self) -> None:
        """See `dialogue.Helper`."""
        self._world.clear()
        self._world.place(
            BlackBody(
                x=SOURCE[0],
                y=SOURCE[1],
                distance=SOURCE_DISTANCE,
                radius=0.045,
                temperature=self._temperature,
                emissivity=self._emissivity,
            )
        )

    def plate(self, *, patch: bool) -> None:
        """See `dialogue.Helper`."""
        self._world.clear()
        discs = [(PLATE, PLATE_EMISSIVITY)] + ([(PATCH, PATCH_EMISSIVITY)] if patch else [])
        for (x, y), emissivity in discs:
            self._world.place(
                BlackBody(x=x, y=y, distance=0.45, radius=0.06, temperature=PLATE_TEMPERATURE, emissivity=emissivity)
            )

    def person(self, distance: float) -> None:
        """See `dialogue.Helper`."""
        self._world.clear()
        self._world.place(Person(identity=3, distance=distance))
