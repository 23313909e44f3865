"""One presentation of the benchmark of liveness: figure, world, chip and bus, the shipped driver, `Perception`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.sensor_trial import LeapingClock
from controller.lane.model import Match
from controller.perception.pipeline import Perception
from controller.perception.registration import RegistrationSettings
from controller.perception.settings import PerceptionSettings
from controller.perception.types import Box, Face, Identification
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.errors import FrameError
from hw.sim.camera import WorldCamera
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.mlx90640_flaws import SELF_HEATING, Imperfections
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.liveness_species import Draw
    from controller.lane.model import Assessment
    from controller.perception.types import FaceEngine
    from hw.ports import ThermalFrame
    from hw.sim.drawing import Seeable

SINCE_POWER_ON: Final = 600.0
BEFORE: Final = 1.0
"""Seconds from the first frame to the figure's appearance."""
PATIENCE: Final = 6.0
"""Seconds after the arrival until a presentation without an answer ends."""
FPS: Final = 10.0
OFTEN: Final = (0.27, 0.39), (0.73, 0.39), (0.48, 0.59), (0.31, 0.74), (0.69, 0.74)
"""Where a detector's landmarks are in its box."""
BOX: Final = {"middle": (0.0, 0.03), "top": (-0.09, 0.03), "bottom": (0.0, 0.04), "width": (0.91, 0.05)}
"""A detector's box against the true one, as shares of its width and height: mean and standard deviation between people,
as measured with YuNet, BlazeFace and the cascade on 32 pictures of 16 drawn people each."""
TAIL: Final = (0.1, 2.5)
"""Share of people with whom a detector errs more, and how much more: in rehearsals with real detectors single boxes are
a quarter too narrow or too wide, and an eighth beside the face."""
JITTER: Final = 0.01
"""The same between pictures of one person."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A camera picture."""

    pixels: NDArray[np.uint8]
    timestamp: float


@dataclass(eq=False)
class KnowingEngine:
    """A `FaceEngine` that is told where the face is, and errs as detectors do."""

    world: World
    figure: Seeable
    seed: int
    name: str = "known"
    template_model: str = "known:1"
    dim: int = 4
    rehearsal_only: bool = True
    threshold: float = 0.5
    margin: float = 0.1
    now: float = 0.0
    appears: float = 0.0
    _rng: np.random.Generator = field(init=False)
    _bias: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Draw this face's own deviation."""
        self._rng = np.random.default_rng((0xDE7, self.seed))
        times = TAIL[1] if self._rng.random() < TAIL[0] else 1.0
        self._bias = {key: float(self._rng.normal(mean, times * spread)) for key, (mean, spread) in BOX.items()}

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        """The one face, once it is there."""
        del pixels
        if self.now < self.appears:
            return []
        x, y, width, height = self.world.face_box(self.figure, self.now)
        off = {key: self._bias[key] + float(self._rng.normal(0, JITTER)) for key in BOX}
        middle = x + width / 2 + off["middle"] * width
        top, bottom = y + off["top"] * height, y + height * (1 + off["bottom"])
        box = Box(middle - off["width"] * width / 2, top, off["width"] * width, bottom - top)
        marks = np.array(OFTEN) * (box.width, box.height) + (box.x, box.y)
        return [Face(box, marks.astype(np.float32), 0.9)]

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        """One person's."""
        del pixels, face
        return np.array([1, 0, 0, 0], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate concluded."""

    assessment: Assessment | None
    """None: it did not see anybody."""
    seconds: float
    """From arrival on the mark to the conclusion."""
    draw: Draw


def known(embedding: NDArray[np.float32]) -> Identification:
    """Everybody is enrolled: identification is another benchmark's matter."""
    del embedding
    return Identification(Match("p1", 0.9, 0.5))


def present(
    species: Callable[[np.random.Generator, float], Draw],
    seed: int,
    *,
    engine: FaceEngine | None = None,
    settings: Callable[[PerceptionSettings], PerceptionSettings] = lambda settings: settings,
    hook: Callable[[Perception], None] = lambda _: None,
) -> Answer:
    """Present what `species` draws from `seed` to a chip of that seed. `engine` None: `KnowingEngine`."""
    arrival = SINCE_POWER_ON
    draw = species(np.random.default_rng((0x11FE, seed)), arrival)
    clock = LeapingClock()
    world = World(clock, seed=seed % 7, ambient=draw.room)
    chip = SimulatedMlx90640(
        world.heat,
        clock,
        seed=seed,
        ambient=draw.room + SELF_HEATING,
        reflected=draw.room,
        imperfections=Imperfections.datasheet(seed),
    )
    driver = Mlx90640Driver(SimulatedI2cBus({0x33: chip}, clock, seed=seed), Mlx90640Settings(), clock)
    world.place(draw.figure)
    appears = arrival - draw.figure.approach
    knowing = KnowingEngine(world, draw.figure, seed, appears=appears)
    mount = world.mount
    registration = RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
    chosen = settings(PerceptionSettings(registration=registration))
    perception = Perception(engine or knowing, known, chosen)
    hook(perception)
    clock.sleep(appears - BEFORE)
    driver.open()
    camera = WorldCamera(world, clock, FPS)
    camera.open()
    due: list[ThermalFrame] = []
    while clock.monotonic() < arrival + PATIENCE:
        pixels, timestamp = camera.grab(1.0)
        knowing.now = timestamp
        # As the shipped eyes do: the newest picture, and the thermal frames since the last.
        heat, due = ([frame for frame in due if (frame.timestamp <= timestamp) is old] for old in (True, False))
        seen = perception.observe(Shot(pixels, timestamp), heat)
        if seen.assessment is not None:
            return Answer(seen.assessment, timestamp - arrival, draw)
        _read_until(timestamp + 1 / FPS, driver, due)
    return Answer(None, PATIENCE, draw)


def _read_until(until: float, driver: Mlx90640Driver, due: list[ThermalFrame]) -> None:
    """Add thermal frames to `due` until one is later than `until`, monotonic seconds."""
    while not due or due[-1].timestamp <= until:
        try:
            due.append(driver.read(5.0))
        except FrameError:
            continue
