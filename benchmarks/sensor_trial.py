"""One person before a simulated MLX90640, through the bus, the shipped driver and the shipped screening.

`screening_of` is the only place that knows how the screening is called.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.perception.registration import RegistrationSettings, thermal_box
from controller.perception.screening import ScreeningAttempt
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.types import Box
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.errors import FrameError
from hw.settings import ThermalSettings
from hw.sim.figures import BlackBody, Person
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.mlx90640_flaws import SELF_HEATING, Imperfections
from hw.sim.mount import Mount
from hw.sim.skin import face_maximum
from hw.sim.things import apparent
from hw.sim.world import World

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from controller.lane.model import Screening
    from controller.perception.types import HeatFrame
    from hw.ports import ThermalFrame

SHAPE: Final = (24, 32)
SET_POINT: Final = 37.0
"""°C of the reference source."""
SOURCE_ERROR: Final = 0.2
"""Half-width of the reference source's own error, K: portable sources are sold with ±0.2 °C (Healy et al., J Biomed
Opt 2021, 26, 043009, Table 1)."""
SOURCE_EMISSIVITY: Final = 0.97
SOURCE_PLACE: Final = (26.0, 6.0)
"""Column and row of the source's middle: beside the head at every distance, and not in the corner, which is worst."""
SOURCE_RADIUS: Final = 3.0
"""Pixels; those within SOURCE_RADIUS - 1.5 of the middle are averaged, which blur and edge do not reach."""
SOURCE_DISTANCE: Final = 0.28
"""Metres: before everybody, so that nobody hides it."""
FLAT_SECONDS: Final = 60.0
"""How long an even surface is looked at for a flat field."""
IDENTITIES: Final = 16
ROOMS: Final = (20.0, 22.0, 24.0)

SHIPPED: Final = ScreeningSettings()
LIFTED: Final = ScreeningSettings(
    coldest=30, hottest_surface=60, warm_surface=20, warm_share=0, contrast=0, pixels=4, frames=2, noise=2, guard=0
)
"""Without the limits below which the gate says nothing: what a reading would be worth all the same."""


class LeapingClock:
    """Time that passes while somebody waits, at once."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Be `seconds` later."""
        self._now += max(0.0, seconds)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Be `timeout` seconds later unless `event` is set; True when it is."""
        if not event.is_set():
            self.sleep(timeout)
        return event.is_set()

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        """No threads here. Raises `NotImplementedError`."""
        raise NotImplementedError(f"{name}: one thread drives this clock, {target!r} would be another")


@dataclass(frozen=True, slots=True)
class Setup:
    """What is varied."""

    lens: int = 55
    """Degrees."""
    distance: float = 0.5
    """Metres."""
    rate: float = 16.0
    """Subpages a second."""
    since_power_on: float = 600.0
    """Seconds from power-on until the person stands on the mark."""
    flaws: bool = True
    """Whether the chip deviates from its calibration as the data sheet allows."""
    aged: bool = True
    """Whether the chip has drifted for up to a year since it was calibrated."""
    flat: bool = False
    """Whether an even surface was looked at once, a day before, and each pixel is corrected by what it showed."""
    lead: float = 4.0
    """Seconds for which the reference source was averaged before the person came."""


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """What the sensor delivered while a person stood on the mark."""

    frames: list[ThermalFrame]
    boxes: list[Box]
    """Of the face, thermal pixels."""
    start: float
    """Monotonic seconds when the person came to stand."""
    core: float
    """True oral temperature, °C."""
    surface: float
    """True temperature of the warmest spot of the face, °C."""
    source_seen: NDArray[np.float64]
    """What the reference's pixels read in each frame since before the person came, °C."""
    source_at: NDArray[np.float64]
    """Monotonic seconds of each."""
    source_is: float
    """What they should read, °C, so far as the owner of the source knows."""
    flat: NDArray[np.float64]
    """float64[24, 32], K, to be added to each frame; zeros without a flat field."""
    refused: int
    """Frames that the driver refused."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stand amounts to after some seconds."""

    value: float
    """Oral temperature, °C; NaN where nothing could be read even without limits."""
    surface: float
    """The face's surface, °C; NaN as above."""
    uncertainty: float
    """Standard uncertainty that is stated with the value, K."""
    answered: bool
    """Whether the shipped limits allow a result."""
    verdict: str


def stand(setup: Setup, number: int, seconds: float) -> Stand:
    """Let person `number` stand for `seconds` before chip `number`."""
    rng = np.random.default_rng((0x7247, number))
    room, core = float(rng.choice(ROOMS)), float(rng.uniform(36.0, 40.0))
    identity, off = int(rng.integers(IDENTITIES)), float(rng.uniform(-SOURCE_ERROR, SOURCE_ERROR))
    clock, world = LeapingClock(), _world(room, setup.lens)
    flat_at = 600.0 if setup.flat else -math.inf
    # A day lies between the flat field and the person; the sensor is then switched on anew.
    power_on = 86_400.0 if setup.flat else 0.0
    start = power_on + setup.since_power_on

    def see(at: float) -> NDArray[np.floating]:
        return np.full(SHAPE, 35.0) if at <= flat_at + FLAT_SECONDS else world.heat(at)

    chip = _chip(see, clock, setup, number, room)
    driver = Mlx90640Driver(
        SimulatedI2cBus({0x33: chip}, clock, seed=number), ThermalSettings(refresh_hz=setup.rate), clock
    )
    flat = _flat_field(driver, clock, flat_at) if setup.flat else np.zeros(SHAPE)
    if setup.flat:
        chip.power(on=False)
        clock.sleep(power_on - clock.monotonic())
        chip.power(on=True)
    person = Person(identity=identity, core=core, distance=setup.distance, arrival=start, approach=1.0, glasses=False)
    world.clear()
    world.place(person)
    world.place(_source(world.mount, SET_POINT + off))
    clock.sleep(start - setup.lead - 0.5 - clock.monotonic())
    driver.open()
    frames, refused = _watch(driver, clock, start + seconds)
    middle = _source_pixels()
    return Stand(
        frames=[frame for frame in frames if frame.timestamp > start],
        boxes=[_box(world, person, frame.timestamp) for frame in frames if frame.timestamp > start],
        start=start,
        core=core,
        surface=face_maximum(core, room),
        source_seen=np.array([(frame.temperatures + flat)[middle].mean() for frame in frames]),
        source_at=np.array([frame.timestamp for frame in frames]),
        source_is=apparent(SET_POINT, SOURCE_EMISSIVITY, room),
        flat=flat,
        refused=refused,
    )


def reading(seen: Stand, seconds: float, *, reference: bool, after: float = 0.0) -> Reading:
    """What the frames from `after` to `after + seconds` after the person's arrival amount to."""
    from_, to = seen.start + after, seen.start + after + seconds
    chosen = [k for k, frame in enumerate(seen.frames) if from_ < frame.timestamp <= to]
    correction = 0.0
    if reference:
        correction = seen.source_is - float(seen.source_seen[seen.source_at <= to].mean())
    frames = [_corrected(seen.frames[k], seen.flat + correction) for k in chosen]
    boxes = [seen.boxes[k] for k in chosen]
    lifted, shipped = screening_of(frames, boxes, LIFTED), screening_of(frames, boxes, SHIPPED)
    return Reading(
        value=_or_nan(lifted.value),
        surface=_or_nan(lifted.surface),
        uncertainty=_or_nan(lifted.uncertainty),
        answered=shipped.value is not None,
        verdict=shipped.verdict.name,
    )


def screening_of(frames: Sequence[HeatFrame], boxes: Sequence[Box], settings: ScreeningSettings) -> Screening:
    """The shipped screening of frames in °C with the face's place on each, thermal pixels."""
    attempt = ScreeningAttempt(settings)
    for frame, box in zip(frames, boxes, strict=True):
        attempt.add(frame, box)
    return attempt.screening()


def _corrected(frame: ThermalFrame, kelvin: NDArray[np.float64]) -> ThermalFrame:
    return dataclasses.replace(frame, temperatures=(frame.temperatures + kelvin).astype(np.float32))


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


@lru_cache(maxsize=8)
def _world(room: float, lens: int) -> World:
    return World(LeapingClock(), seed=round(room), ambient=room, mount=Mount.with_lens(lens))


def _chip(
    see: Callable[[float], NDArray[np.floating]], clock: LeapingClock, setup: Setup, number: int, room: float
) -> SimulatedMlx90640:
    return SimulatedMlx90640(
        see,
        clock,
        seed=number,
        fov=setup.lens,
        ambient=room + SELF_HEATING,
        reflected=room,
        imperfections=_flaws(setup, number),
    )


def _flaws(setup: Setup, number: int) -> Imperfections | None:
    if not setup.flaws:
        return None
    chip = Imperfections.datasheet(number, fov=setup.lens)
    return chip if setup.aged else dataclasses.replace(chip, age=0.0)


def _watch(driver: Mlx90640Driver, clock: LeapingClock, until: float) -> tuple[list[ThermalFrame], int]:
    """Frames until a monotonic time, and how many the driver refused; as the gate does, the next one is tried then."""
    frames, refused = [], 0
    while clock.monotonic() < until:
        try:
            frames.append(driver.read(5.0))
        except FrameError:
            refused += 1
    return frames, refused


def _flat_field(driver: Mlx90640Driver, clock: LeapingClock, at: float) -> NDArray[np.float64]:
    """What brings each pixel to the mean over the frame, K, from an even surface looked at from `at` on."""
    clock.sleep(at - clock.monotonic())
    driver.open()
    frames, _ = _watch(driver, clock, at + FLAT_SECONDS - 1.0)
    mean = np.mean([frame.temperatures for frame in frames], axis=0, dtype=np.float64)
    return np.asarray(mean.mean() - mean)


def _source(mount: Mount, temperature: float) -> BlackBody:
    x, y = mount.from_array(*SOURCE_PLACE, SOURCE_DISTANCE)
    edge, _ = mount.from_array(SOURCE_PLACE[0] + SOURCE_RADIUS, SOURCE_PLACE[1], SOURCE_DISTANCE)
    return BlackBody(
        x=x,
        y=y,
        distance=SOURCE_DISTANCE,
        radius=edge - x,
        temperature=temperature,
        emissivity=SOURCE_EMISSIVITY,
    )


def _source_pixels() -> NDArray[np.bool_]:
    row, column = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    return np.asarray(np.hypot(column - SOURCE_PLACE[0], row - SOURCE_PLACE[1]) <= SOURCE_RADIUS - 1.5)


def _box(world: World, person: Person, at: float) -> Box:
    mount = world.mount
    settings = RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
    face = Box(*world.face_box(person, at))
    return thermal_box(settings, face, (world.height, world.width), SHAPE)
