"""The composition root: what may not start, and how everything ends in one orderly way."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from controller.app import App
from controller.config import Config, StoreSettings
from controller.errors import EngineError
from controller.gallery.index import GalleryIndex
from controller.lane.model import FaultKind
from controller.lane.states import State
from controller.record.journal import Journal
from controller.sight.capture import CaptureLimits
from controller.watch import Step, Watch
from hw.arrays import array_of
from hw.board import Board, Simulation, simulated_board
from hw.errors import BusError, DeviceError
from hw.executor import ClockExecutor
from hw.ports import ThermalInfo
from hw.settings import GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.lepton import SimulatedLepton
from hw.sim.mount import Mount
from hw.sim.turnstile import RelayMove
from hw.sim.world import World
from hw.thermal_settings import Amg8833Settings, LeptonSettings, Mlx90640Settings, ThermalSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from controller.perception.types import FaceEngine


class States(Watch):
    def __init__(self) -> None:
        self.seen: list[State] = []
        self.devices: list[tuple[str, bool]] = []

    def on_step(self, step: Step) -> None:
        if step.before is not step.after:
            self.seen.append(step.after)

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        del text
        self.devices.append((name, up))


GATE = GateSettings(stop=24, ready=16, fire=26)


class Rig:
    """An app on a simulated board, on a virtual clock."""

    def __init__(
        self, folder: Path, engine: FaceEngine, mount: Mount | None = None, thermal: ThermalSettings | None = None
    ) -> None:
        self.engine = engine
        self.clock = VirtualClock()
        thermal = thermal or Mlx90640Settings()
        mount = mount or Mount(array_fov=array_of(thermal).fov)
        self.config = Config(gate=GATE, thermal=thermal, store=StoreSettings(folder=folder))
        self.simulation: Simulation
        board, self.simulation = simulated_board(
            self.config.thermal,
            self.config.camera,
            GATE,
            clock=self.clock,
            world=World(self.clock, seed=3, mount=mount, array=array_of(thermal).shape),
            seed=3,
        )
        self.board: Board = board
        self.states = States()
        self.app: App | None = None

    def play(self, scene: Callable[[App], Awaitable[None]]) -> None:
        async def main() -> None:
            executor = ClockExecutor(self.clock, 1, "journal")
            journal = Journal(self.config.store.folder / "journal.sqlite3", executor, boot_id="boot")
            await journal.open()
            app = self.app = make(self.config, self.board, self.engine, journal, self.states)
            try:
                await app.run(lambda: scene(app))
            finally:
                await journal.close()
                executor.shutdown(wait=False)

        try:
            self.board.run(main())
        finally:
            self.simulation.turnstile.close()

    def relay(self) -> list[RelayMove]:
        return [move for move in self.simulation.turnstile.moves if isinstance(move, RelayMove)]


def make(config: Config, board: Board, engine: FaceEngine, journal: Any, *watches: Watch) -> App:
    index = GalleryIndex.for_engine(engine)
    return App(config, board, engine=engine, gallery=index, journal=journal, watches=watches)


@pytest.fixture
def rig(tmp_path: Path, blind: Callable[..., FaceEngine]) -> Rig:
    return Rig(tmp_path, blind())


def test_a_rehearsal_engine_never_stands_before_a_real_lock(rig: Rig, blind: Callable[..., FaceEngine]) -> None:
    real = dataclasses.replace(rig.board, real=True)
    with pytest.raises(EngineError, match="for rehearsals only and never stands before a real lock"):
        make(rig.config, real, blind(rehearsal_only=True), None)
    make(rig.config, real, blind(), None)
    rig.simulation.turnstile.close()


def test_boot_and_end_move_no_relay(rig: Rig) -> None:
    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(5.0)

    rig.play(scene)
    assert rig.states.seen == [State.SELFTEST, State.LOCKED]
    assert [move for move in rig.relay() if move.active] == []


def test_a_sensor_that_is_not_there_at_boot_is_a_fault_until_it_comes(rig: Rig) -> None:
    address = rig.config.thermal.address
    rig.simulation.thermal.bus.faults.absent.add(address)

    async def scene(app: App) -> None:
        await app.ready.wait()
        assert app.lane.state is State.FAULT
        rig.simulation.thermal.bus.faults.absent.discard(address)
        await asyncio.sleep(10.0)

    rig.play(scene)
    assert rig.states.seen[-1] is State.LOCKED
    assert [move for move in rig.relay() if move.active] == []


def test_a_sensor_that_drops_off_is_a_fault_and_comes_back(rig: Rig) -> None:
    address = rig.config.thermal.address

    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.simulation.thermal.bus.faults.absent.add(address)
        await asyncio.sleep(4.0)
        rig.simulation.thermal.bus.faults.absent.discard(address)
        await asyncio.sleep(10.0)

    rig.play(scene)
    assert rig.states.seen == [State.SELFTEST, State.LOCKED, State.FAULT, State.LOCKED]


@pytest.mark.parametrize(("lens", "fit"), [(55, True), (110, False)])
def test_a_lens_too_wide_for_the_mark_leaves_identity_and_a_temperature_by_hand(
    tmp_path: Path, blind: Callable[..., FaceEngine], lens: int, *, fit: bool
) -> None:
    rig = Rig(tmp_path, blind(), Mount.with_lens(lens))
    rows = []

    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(2.0)
        rows.append(app.lane.faults)

    rig.play(scene)
    assert rig.states.seen == [State.SELFTEST, State.LOCKED]
    assert (FaultKind.SCREENING in rows[0]) is not fit


@pytest.mark.parametrize(
    ("thermal", "fit"), [(LeptonSettings(), True), (Amg8833Settings(), False)], ids=["lepton", "amg8833"]
)
def test_a_sensor_too_coarse_for_a_face_leaves_identity_and_a_finer_one_screens(
    tmp_path: Path, blind: Callable[..., FaceEngine], thermal: ThermalSettings, *, fit: bool
) -> None:
    rig = Rig(tmp_path, blind(), thermal=thermal)
    faults = []

    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(2.0)
        faults.append(app.lane.faults)

    rig.play(scene)
    assert rig.states.seen == [State.SELFTEST, State.LOCKED]
    assert (FaultKind.SCREENING in faults[0]) is not fit


def test_a_shutter_that_closes_is_no_loss_of_the_sensor(tmp_path: Path, blind: Callable[..., FaceEngine]) -> None:
    rig = Rig(tmp_path, blind(), thermal=LeptonSettings(settle=1.0))
    chip = rig.simulation.thermal.chip
    assert isinstance(chip, SimulatedLepton)
    counters = []

    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(2.0)
        # It is off the bus while it boots.
        rig.states.devices.clear()
        chip.correct(rig.clock.monotonic())
        await asyncio.sleep(4.0)
        counters.append(next(capture.counters for capture in app.captures if capture.name == "thermal"))

    rig.play(scene)
    assert rig.states.seen == [State.SELFTEST, State.LOCKED]
    assert rig.states.devices == []
    assert counters[0].not_ready >= 1


def test_a_fire_that_burns_before_the_program_starts_opens_both_ways(rig: Rig) -> None:
    rig.simulation.turnstile.press_fire(on=True)

    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(1.0)
        assert app.lane.state is State.EMERGENCY_OPEN
        active = {move.side: move.active for move in rig.relay()}
        assert list(active.values()) == [True, True]

    rig.play(scene)
    # Ending leaves the lock at its safe level; the fire panel's own wire is what keeps the way open.
    assert not any({move.side: move.active for move in rig.relay()}.values())


def test_a_crashing_task_ends_everything_with_the_outputs_safe(rig: Rig) -> None:
    async def scene(app: App) -> None:
        await app.ready.wait()
        rig.simulation.turnstile.press_fire(on=True)
        await asyncio.sleep(1.0)
        raise RuntimeError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        rig.play(scene)
    assert caught.group_contains(RuntimeError, match="a bug")
    assert not any({move.side: move.active for move in rig.relay()}.values())


class HangingSensor:
    """Hangs in its first read for ever."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def open(self) -> ThermalInfo:
        return ThermalInfo("a driver that hangs", "0", 24, 32, 16.0, 1.0)

    def read(self, timeout: float) -> Any:
        del timeout
        self._clock.wait(threading.Event(), math.inf)
        raise BusError("never comes here")

    def close(self) -> None:
        """Nothing to release."""


def test_a_driver_that_hangs_is_left_behind(rig: Rig) -> None:
    made: list[object] = []
    working = rig.board.make_thermal

    def make_thermal() -> Any:
        made.append(object())
        return HangingSensor(rig.clock) if len(made) == 1 else working()

    rig.board = dataclasses.replace(rig.board, make_thermal=make_thermal)

    async def scene(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(2 * CaptureLimits().hang_after)

    rig.play(scene)
    assert len(made) == 2
    assert rig.states.seen[-1] is State.LOCKED


def test_after_a_few_hangs_the_program_ends_for_its_restart(rig: Rig) -> None:
    rig.board = dataclasses.replace(rig.board, make_thermal=lambda: HangingSensor(rig.clock))

    async def scene(app: App) -> None:
        del app
        await asyncio.sleep(3600.0)

    with pytest.raises(ExceptionGroup) as caught:
        rig.play(scene)
    assert caught.group_contains(DeviceError, match="hung 4 times; restarting")
