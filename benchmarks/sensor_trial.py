"""One person before a simulated MLX90640, through the bus, the shipped driver, footing and screening."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.lane.model import Remark
from controller.perception import screening
from controller.perception.footing import FootingKeeper
from controller.perception.reference_settings import ReferenceSettings
from controller.perception.registration import RegistrationSettings, thermal_box
from controller.perception.screening import ScreeningAttempt
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.types import Box
from hw.drivers.mlx90640 import Mlx90640Driver
from hw.errors import FrameError
from hw.sim.figures import BlackBody, Person, Thing
from hw.sim.i2c import SimulatedI2cBus
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.mlx90640_flaws import SELF_HEATING, Imperfections
from hw.sim.mount import Mount
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from controller.lane.model import Screening, Uncertainty
    from controller.perception.crowd import CrowdBaseline
    from controller.perception.heat import HeatMap
    from controller.perception.screening import Footing
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
"""Pixels; the gate reads those within half of that, which blur and edge do not reach."""
SOURCE_DISTANCE: Final = 0.28
"""Metres: before everybody, so that nobody hides it."""
REFERENCE: Final = ReferenceSettings(
    column=SOURCE_PLACE[0],
    row=SOURCE_PLACE[1],
    radius=SOURCE_RADIUS / 2,
    temperature=SET_POINT,
    emissivity=SOURCE_EMISSIVITY,
    accuracy=SOURCE_ERROR,
)
SHIPPED: Final = ScreeningSettings()
SOMEBODY: Final = Person(identity=0, approach=1.0, glasses=False)


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
    patterned: bool = True
    """Whether its pixels differ among themselves."""
    source: bool = True
    """Whether the reference source stands in view (the gate may still be told of none)."""
    cores: tuple[float, float] = (36.0, 40.0)
    """Oral temperatures are drawn evenly between, °C."""
    rooms: tuple[float, ...] = (20.0, 22.0, 24.0)
    """Rooms, °C, of which one is drawn."""
    identities: range = range(16)
    """Drawn people of whom one is drawn."""
    person: Person = SOMEBODY
    """Who stands there, apart from identity, temperature, place and time."""
    things: tuple[Thing, ...] = ()
    """What else is there."""
    lead: float = 6.0
    """Seconds for which the gate had watched before: most of its window on the reference source."""
    unsure: float = 0.0
    """How far the face is from where the gate takes it for, as shares of its size (1 σ): in place, and in size."""


@dataclass(frozen=True, slots=True)
class Looked:
    """A frame as the gate corrected it, and what it rested on."""

    frame: HeatFrame
    footing: Footing


@dataclass(frozen=True, slots=True, eq=False)
class Stand:
    """What the sensor delivered while a person stood on the mark, and for `Setup.lead` seconds before."""

    frames: list[ThermalFrame]
    start: float
    """Monotonic seconds when the person came to stand."""
    boxes: list[Box]
    """Of the face, thermal pixels; one for each frame after `start`."""
    core: float
    """True oral temperature, °C."""
    room: float
    """°C."""
    refused: int
    """Frames that the driver refused."""
    plain: list[Looked]
    """The frames after `start` to a gate that knows of no reference source."""
    referred: list[Looked]
    """The same to one that does."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stand amounts to after some seconds."""

    value: float
    """Oral temperature, °C, with all limits lifted; NaN where nothing could be read even so."""
    parts: Uncertainty | None
    """The uncertainty that is stated with it."""
    shipped: Screening
    """What the gate says."""

    @property
    def answered(self) -> bool:
        """Whether the gate gives a temperature."""
        return self.shipped.value is not None


def stand(setup: Setup, number: int, seconds: float, chip_number: int | None = None) -> Stand:
    """Let person `number` stand for `seconds` before chip `chip_number` (None: that of the person's number)."""
    rng = np.random.default_rng((0x7247, number))
    room, core = float(rng.choice(setup.rooms)), float(rng.uniform(*setup.cores))
    identity, off = int(rng.choice(setup.identities)), float(rng.uniform(-SOURCE_ERROR, SOURCE_ERROR))
    clock, world = LeapingClock(), _world(room, setup.lens)
    start = setup.since_power_on
    chip = _chip(world, clock, setup, number if chip_number is None else chip_number, room)
    driver = Mlx90640Driver(
        SimulatedI2cBus({0x33: chip}, clock, seed=number), Mlx90640Settings(refresh_hz=setup.rate), clock
    )
    person = dataclasses.replace(setup.person, identity=identity, core=core, distance=setup.distance, arrival=start)
    world.clear()
    for figure in (person, *setup.things, *([_source(world.mount, SET_POINT + off)] if setup.source else ())):
        world.place(figure)
    clock.sleep(max(start - setup.lead, 0.0))
    driver.open()
    frames, refused = _watch(driver, clock, start + seconds)
    standing = [frame for frame in frames if frame.timestamp > start]
    wrong = [float(share) for share in setup.unsure * rng.standard_normal(3)]
    return Stand(
        frames=frames,
        start=start,
        boxes=[_shifted(_box(world, person, frame.timestamp), wrong) for frame in standing],
        core=core,
        room=room,
        refused=refused,
        plain=watched(frames, FootingKeeper(SHIPPED, None), start),
        referred=watched(frames, FootingKeeper(SHIPPED, REFERENCE), start) if setup.source else [],
    )


def watched(frames: Sequence[HeatFrame], keeper: FootingKeeper, start: float) -> list[Looked]:
    """The frames after monotonic `start` as a gate sees them that has seen all of them."""
    seen = [Looked(keeper.correct(frame), keeper.footing()) for frame in frames]
    return [each for each in seen if each.frame.timestamp > start]


def reading(seen: Stand, seconds: float, *, reference: bool, after: float = 0.0, look: int = 1) -> Reading:
    """What the frames from `after` to `after + seconds` after the person's arrival amount to."""
    return of_looked(seen, seen.referred if reference else seen.plain, seconds, after=after, look=look)


def with_crowd(seen: Stand, seconds: float, crowd: CrowdBaseline, at: float) -> Reading:
    """The same to a gate without a source that has learned of a crowd, at monotonic `at` of the crowd's time."""
    keeper = FootingKeeper(SHIPPED, None, crowd=crowd, unix=lambda: at)
    return of_looked(seen, watched(seen.frames, keeper, seen.start), seconds)


def of_looked(seen: Stand, looked: Sequence[Looked], seconds: float, *, after: float = 0.0, look: int = 1) -> Reading:
    """What the frames of a gate amount to."""
    from_, to = seen.start + after, seen.start + after + seconds
    attempt = ScreeningAttempt(SHIPPED, look)
    footing = None
    for each, box in zip(looked, seen.boxes, strict=True):
        # As the gate does: what came before the source was known is dropped.
        if from_ < each.frame.timestamp <= to and each.footing.unfit is not Remark.REFERENCE_MISSING:
            attempt.add(each.frame, box)
            footing = each.footing
    heat = attempt.heat()
    worth = None if heat is None or footing is None else without_limits(heat, footing)
    return Reading(
        value=math.nan if worth is None else worth.value,
        parts=None if worth is None else worth.parts,
        shipped=attempt.screening(heat, footing),
    )


def without_limits(heat: HeatMap, footing: Footing) -> screening.Reading | None:
    """What a reading would be worth if the gate did not keep silent; None where there are not two samples."""
    surface = screening.surface(heat, SHIPPED)
    return None if surface is None else screening.reading(surface, footing)


@lru_cache(maxsize=8)
def _world(room: float, lens: int) -> World:
    return World(LeapingClock(), seed=round(room), ambient=room, mount=Mount.with_lens(lens))


def _chip(world: World, clock: LeapingClock, setup: Setup, number: int, room: float) -> SimulatedMlx90640:
    return SimulatedMlx90640(
        world.heat,
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
    chip = chip if setup.patterned else dataclasses.replace(chip, pattern=None, hot=(), dead=(), outliers=())
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


def _box(world: World, person: Person, at: float) -> Box:
    mount = world.mount
    settings = RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
    face = Box(*world.face_box(person, at))
    return thermal_box(settings, face, (world.height, world.width), SHAPE)


def _shifted(box: Box, wrong: Sequence[float]) -> Box:
    """The box, wrong by such shares of its size: to the right, downwards, and in its size."""
    x, y = box.centre
    width, height = box.width * (1 + wrong[2]), box.height * (1 + wrong[2])
    x, y = x + wrong[0] * box.width, y + wrong[1] * box.height
    return Box(x - width / 2, y - height / 2, width, height)
