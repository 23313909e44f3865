"""Devices that go, stay away and come back, on the whole program: health, supply, and what the lane does meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from controller.app import App
from controller.config import Config, SiteSettings, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person as Registered
from controller.health.device import Health, Report
from controller.lane import events as ev
from controller.lane.effects import RecordKind
from controller.lane.model import CredentialKind, Direction, LaneSettings
from controller.lane.states import State
from controller.perception.engines import open_engine
from controller.perception.registration import RegistrationSettings
from controller.perception.settings import PerceptionSettings
from controller.record.journal import Journal
from controller.watch import Step, Watch
from hw.board import Board, Simulation, simulated_board
from hw.errors import DeviceTimeout
from hw.executor import ClockExecutor
from hw.settings import CameraSettings, GateSettings, ReaderSettings
from hw.sim.clock import VirtualClock
from hw.sim.figures import Person
from hw.sim.mlx90640 import SimulatedMlx90640
from hw.sim.scene import enrolment_photo
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from controller.perception.types import FaceEngine
    from hw.ports import Camera

IDENTITY = 7
STUDENT = "s-7"
GATE = GateSettings(stop=24, ready=16, fire=26)
POWER = 12


@pytest.fixture(scope="module")
def engine() -> FaceEngine:
    return open_engine("demo")


class Seen(Watch):
    """Keeps records and changes of health."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.records: list[tuple[str, str | None, dict[str, Any]]] = []
        self.health: list[tuple[str, Health]] = []
        self.reports: dict[str, Report] = {}

    def on_step(self, step: Step) -> None:
        for stored in step.stored:
            self.records.append((stored.entry.kind, stored.entry.person, dict(stored.entry.detail)))

    def on_health(self, name: str, report: Report) -> None:
        self.health.append((name, report.health))
        self.reports[name] = report

    def of(self, name: str) -> list[Health]:
        return [health for device, health in self.health if device == name]

    def grants(self) -> list[tuple[str | None, dict[str, Any]]]:
        return [(person, detail) for kind, person, detail in self.records if kind == RecordKind.GRANT.value]


class Unpluggable:
    """A camera with a cable."""

    def __init__(self, camera: Camera, rig: Rig) -> None:
        self._camera = camera
        self._rig = rig

    def open(self) -> str:
        if self._rig.unplugged:
            raise DeviceTimeout("no picture: the cable is off")
        return self._camera.open()

    def read(self, timeout: float) -> Any:
        frame = self._camera.read(timeout)
        if self._rig.unplugged:
            raise DeviceTimeout("no picture: the cable is off")
        return frame

    def close(self) -> None:
        self._camera.close()


class Rig:
    """The program on a simulated board with one student enrolled."""

    def __init__(self, folder: Path, engine: FaceEngine, *, power: int | None = None, **lane: Any) -> None:
        self.clock = VirtualClock(300.0)
        self.unplugged = False
        world = self.world = World(self.clock, seed=1)
        mount = world.mount
        registration = RegistrationSettings(
            camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
        )
        sees = engine.name != "blind"
        self.config = Config(
            site=SiteSettings(name="north"),
            gate=GATE,
            # What is not about people may be slow: each frame costs real time.
            thermal=Mlx90640Settings(power=power, refresh_hz=16 if sees else 2),
            camera=CameraSettings(fps=15 if sees else 2),
            lane=LaneSettings(**lane),
            reader=ReaderSettings(driver="wiegand", d0=20, d1=21),
            perception=PerceptionSettings(registration=registration),
            store=StoreSettings(folder=folder),
        )
        self.engine = engine
        self.gallery = GalleryIndex.for_engine(self.engine)
        if sees:
            photos = [enrolment_photo(IDENTITY, moment) for moment in range(2)]
            self.gallery.add(Registered(STUDENT), [engine.embed(photo, engine.detect(photo)[0]) for photo in photos])
        self.simulation: Simulation
        board, self.simulation = simulated_board(
            self.config.thermal, self.config.camera, GATE, clock=self.clock, world=world, seed=1
        )
        make_camera = board.make_camera
        self.board: Board = dataclasses.replace(board, make_camera=lambda: Unpluggable(make_camera(), self))
        self.seen = Seen(self.clock)

    @property
    def chip(self) -> SimulatedMlx90640:
        chip = self.simulation.thermal.chip
        assert isinstance(chip, SimulatedMlx90640)
        return chip

    def unplug_sensor(self) -> None:
        self.simulation.thermal.bus.faults.absent.add(self.config.thermal.address)

    def plug_sensor(self) -> None:
        self.simulation.thermal.bus.faults.absent.discard(self.config.thermal.address)

    def step_up(self) -> None:
        self.world.place(Person(identity=IDENTITY, core=36.5, glasses=False, arrival=self.clock.monotonic()))

    def play(self, scene: Callable[[App], Awaitable[None]]) -> Seen:
        async def main() -> None:
            executor = ClockExecutor(self.clock, 1, "journal")
            journal = Journal(self.config.store.folder / "journal.sqlite3", executor, boot_id="boot")
            await journal.open()
            app = App(
                self.config,
                self.board,
                engine=self.engine,
                gallery=self.gallery,
                journal=journal,
                watches=(self.seen,),
            )
            try:
                await app.run(lambda: scene(app))
            finally:
                await journal.close()
                executor.shutdown(wait=False)

        try:
            self.board.run(main())
        finally:
            self.simulation.turnstile.close()
        return self.seen


def present(app: App) -> None:
    """The student holds their card to the reader."""
    now = app.board.clock.monotonic()
    app.post(ev.Presented(now=now, credential=CredentialKind.CARD, person=STUDENT))


def test_without_the_thermal_sensor_the_guard_measures(tmp_path: Path, engine: FaceEngine) -> None:
    rig = Rig(tmp_path, engine, on_thermal_lost="manual")

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.unplug_sensor()
        await asyncio.sleep(5.0)
        assert app.lane.state is State.LOCKED
        rig.step_up()
        await asyncio.sleep(6.0)
        assert app.runner.reason == "manual_temperature"
        now = rig.clock.monotonic()
        app.post(ev.OpenOnce(now=now, actor="guard", direction=Direction.ENTRY, grant_id="g1", temperature=36.4))
        await asyncio.sleep(1.0)

    seen = rig.play(scene)
    assert [(person, detail["manual_temperature"]) for person, detail in seen.grants()] == [(STUDENT, 36.4)]


def test_without_the_camera_a_card_and_heat_let_in(tmp_path: Path, engine: FaceEngine) -> None:
    rig = Rig(tmp_path, engine, on_camera_lost="cards")

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.unplugged = True
        await asyncio.sleep(5.0)
        assert app.lane.state is State.LOCKED
        rig.step_up()
        await asyncio.sleep(6.0)
        assert app.runner.reason == "credential_needed"
        present(app)
        await asyncio.sleep(4.0)

    seen = rig.play(scene)
    (person, detail), *more = seen.grants()
    assert (person, detail["credential"], detail["verified"], detail["faces"]) == (STUDENT, "card", None, 0)
    assert abs(detail["temperature"] - 36.5) < 3 * detail["uncertainty"]
    assert more == []
    assert seen.of("camera")[:2] == [Health.OK, Health.LOST]


def test_who_leaves_a_lane_without_a_camera_is_gone(tmp_path: Path, engine: FaceEngine) -> None:
    rig = Rig(tmp_path, engine, on_camera_lost="cards")

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.unplugged = True
        await asyncio.sleep(5.0)
        rig.step_up()
        await asyncio.sleep(12.0)
        assert app.lane._core.present, "whoever stands still has not gone"
        rig.world.clear()
        await asyncio.sleep(2.0)
        assert not app.lane._core.present

    rig.play(scene)


def test_a_camera_that_comes_back_sees_again(tmp_path: Path, engine: FaceEngine) -> None:
    rig = Rig(tmp_path, engine, on_camera_lost="cards")

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.unplugged = True
        await asyncio.sleep(20.0)
        rig.unplugged = False
        await asyncio.sleep(8.0)
        rig.step_up()
        await asyncio.sleep(4.0)

    seen = rig.play(scene)
    assert [(person, detail["credential"]) for person, detail in seen.grants()] == [(STUDENT, "face")]
    assert seen.of("camera")[-2:] == [Health.RECOVERING, Health.OK]
    assert seen.reports["camera"].tries >= 3


def test_a_sensor_that_only_a_power_cycle_frees_is_freed(tmp_path: Path, blind: Callable[..., FaceEngine]) -> None:
    rig = Rig(tmp_path, blind(), power=POWER)

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.chip.freeze()
        await asyncio.sleep(25.0)
        assert app.lane.state is State.LOCKED

    seen = rig.play(scene)
    assert seen.of("thermal")[:2] == [Health.OK, Health.LOST]
    assert seen.of("thermal")[-1] is Health.OK
    assert seen.reports["thermal"].power_cycles == 1
    assert Health.FAILED not in seen.of("thermal")


def test_a_sensor_that_stays_away_is_called_failed_once(tmp_path: Path, blind: Callable[..., FaceEngine]) -> None:
    rig = Rig(tmp_path, blind())

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.unplug_sensor()
        await asyncio.sleep(50.0)
        assert app.lane.state is State.FAULT
        assert app.health["camera"].health is Health.OK

    seen = rig.play(scene)
    assert seen.of("thermal")[-1] is Health.FAILED
    assert seen.of("thermal").count(Health.FAILED) == 1, "said once, not at each try"


def test_starting_and_ending_leave_the_sensor_its_supply(tmp_path: Path, blind: Callable[..., FaceEngine]) -> None:
    rig = Rig(tmp_path, blind(), power=POWER)
    chip = rig.chip

    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(2.0)

    rig.play(scene)
    assert chip.powered
    assert rig.seen.of("thermal") == [Health.OK]
