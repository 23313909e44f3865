"""A simulated lane whose truth is known, seen through the shipped drivers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from controller.calibrate.looking import Eyes
from controller.calibrate.stillness import StillMap, still
from hw.board import Sensors, simulated_board
from hw.settings import CameraSettings, GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.mount import Mount
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.sim.figures import AnyFigure
    from hw.sim.mlx90640_flaws import Imperfections


@dataclass
class Lane:
    mount: Mount = field(default_factory=Mount)
    seed: int = 3
    imperfections: Imperfections | None = None

    def __post_init__(self) -> None:
        clock = VirtualClock()
        self.world = World(clock, seed=self.seed, mount=self.mount)
        board, _ = simulated_board(
            Mlx90640Settings(),
            CameraSettings(),
            GateSettings(),
            clock=clock,
            world=self.world,
            seed=self.seed,
            imperfections=self.imperfections,
        )
        sensors = Sensors(
            "test", clock, board.make_thermal, board.make_camera, taking_part=lambda: clock.participant("test")
        )
        self.eyes = Eyes(sensors)

    def show(self, *figures: AnyFigure) -> None:
        self.world.clear()
        for figure in figures:
            self.world.place(figure)

    def heat(self, *figures: AnyFigure, seconds: float = 2.0) -> StillMap:
        if figures:
            self.show(*figures)
        return still(self.eyes.frames(seconds))

    def on_array(self, x: float, y: float, z: float) -> tuple[float, float]:
        return self.mount.to_array(x, y, z, 32, 24)


@pytest.fixture
def make_lane() -> Callable[..., Lane]:
    return Lane
