"""Who feeds the watchdogs, and what stops that: only what a restart can cure. In virtual time, on the whole program."""

from __future__ import annotations

import asyncio
import math
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from controller.config import Config, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.health.notify import Notifier
from controller.health.vitals import CAPTURE_HANGS, JOURNAL_HANGS, PERCEPTION_HANGS, Vitals
from controller.lane.model import LaneSettings
from controller.observe.lateness import LatenessMonitor
from controller.service import serve
from hw.board import simulated_board
from hw.errors import DeviceMissing
from hw.executor import ClockExecutor
from hw.settings import CameraSettings
from hw.sim.clock import VirtualClock
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from controller.app import App
    from controller.perception.types import Face

PATIENCE = 6.0


class Manager(Notifier):
    """Writes down what it is told, with times."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("/nowhere", PATIENCE)
        self._clock = clock
        self.heard: list[tuple[float, str]] = []

    def _send(self, *lines: str) -> None:
        self.heard += [(self._clock.monotonic(), line) for line in lines]

    def fed(self) -> list[float]:
        return [at for at, line in self.heard if line == "WATCHDOG=1"]

    def statuses(self) -> list[str]:
        return [line.removeprefix("STATUS=") for _, line in self.heard if line.startswith("STATUS=")]


class Hardware:
    """A hardware watchdog that writes down what is done to it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.told: list[str] = []

    def open(self) -> float:
        if self.error is not None:
            raise self.error
        self.told.append("open")
        return 60.0

    def feed(self) -> None:
        self.told.append("feed")

    def close(self) -> None:
        self.told.append("close")


class Engine:
    """Sees nobody; hangs in simulated time when it is told to."""

    name = "blind"
    template_model = "blind:1"
    dim = 4
    threshold = 0.5
    margin = 0.0
    rehearsal_only = False

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.hangs = False

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        del pixels
        if self.hangs:
            self._clock.wait(threading.Event(), math.inf)
        return []

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        raise AssertionError(f"no face was found, so none at {face.box} of {pixels.shape}")


class Rig:
    """The service on a simulated board, watched."""

    def __init__(self, folder: Path, hardware: Hardware | None = None) -> None:
        self.clock = VirtualClock()
        self.config = Config(
            store=StoreSettings(folder=folder), thermal=Mlx90640Settings(refresh_hz=2), camera=CameraSettings(fps=2)
        )
        board, self.simulation = simulated_board(
            self.config.thermal,
            self.config.camera,
            self.config.gate,
            clock=self.clock,
            world=World(self.clock, seed=3),
            seed=3,
        )
        self.board = board if hardware is None else _with(board, hardware)
        self.engine = Engine(self.clock)
        self.manager = Manager(self.clock)

    def play(self, scene: Callable[[App], Awaitable[None]]) -> Manager:
        index = GalleryIndex.for_engine(self.engine)

        async def beside(app: App) -> None:
            await app.ready.wait()
            await scene(app)

        try:
            self.board.run(serve(self.config, self.board, self.engine, index, beside=beside, notifier=self.manager))
        finally:
            self.simulation.turnstile.close()
        return self.manager


def _with(board: Any, hardware: Hardware) -> Any:
    import dataclasses

    return dataclasses.replace(board, watchdog=hardware)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def rest(_: App) -> None:
    await asyncio.sleep(12.0)


def test_a_start_has_bounds_then_it_is_ready_fed_and_stopped(rig: Rig) -> None:
    manager = rig.play(rest)
    words = [line for _, line in manager.heard]
    assert words[0] == "EXTEND_TIMEOUT_USEC=60000000"
    assert words.index("READY=1") < words.index("WATCHDOG=1")
    assert words[-2:] == ["STOPPING=1", "STATUS=stopping"]
    gaps = [after - before for before, after in zip(manager.fed(), manager.fed()[1:], strict=False)]
    assert len(gaps) > 20
    assert max(gaps) <= PATIENCE / 3
    assert "locked; thermal ok; camera ok; journal ok; 1 events for the campus" in manager.statuses()


def test_a_lost_sensor_is_told_and_fed_on(rig: Rig) -> None:
    async def scene(_: App) -> None:
        rig.simulation.thermal.bus.faults.absent.add(rig.config.thermal.address)
        await asyncio.sleep(20.0)

    manager = rig.play(scene)
    assert rig.clock.monotonic() - manager.fed()[-1] < PATIENCE / 3
    assert any("thermal lost (simulated-i2c: 0x33" in status and "try 2)" in status for status in manager.statuses())


def test_a_perception_that_hangs_starves_it(rig: Rig) -> None:
    async def scene(_: App) -> None:
        rig.engine.hangs = True
        await asyncio.sleep(PERCEPTION_HANGS + 10.0)

    manager = rig.play(scene)
    assert rig.clock.monotonic() - manager.fed()[-1] > PATIENCE
    assert manager.statuses()[-2].startswith("HANGS: perception has hung for over 10 s; locked; ")


@pytest.mark.parametrize("deny", [True, False])
def test_a_disk_that_hangs_starves_it_unless_the_lane_lives_without(rig: Rig, deny: bool) -> None:  # noqa: FBT001
    lane = LaneSettings(on_journal_failure_deny=deny)
    rig.config = Config(lane=lane, store=rig.config.store, thermal=rig.config.thermal, camera=rig.config.camera)

    async def scene(app: App) -> None:
        journal: Any = app.runner._journal
        journal._executor.submit(rig.clock.wait, threading.Event(), math.inf)
        await asyncio.sleep(JOURNAL_HANGS + 10.0)

    manager = rig.play(scene)
    starved = rig.clock.monotonic() - manager.fed()[-1] > PATIENCE
    assert starved is deny


def test_the_hardware_is_fed_with_it_and_let_go_at_the_end(tmp_path: Path) -> None:
    hardware = Hardware()
    manager = Rig(tmp_path, hardware).play(rest)
    assert hardware.told[0] == "open"
    assert hardware.told[-1] == "close"
    assert hardware.told.count("feed") == len(manager.fed())


def test_the_hardware_starves_with_it(tmp_path: Path) -> None:
    hardware = Hardware()
    rig = Rig(tmp_path, hardware)

    async def scene(_: App) -> None:
        rig.engine.hangs = True
        await asyncio.sleep(PERCEPTION_HANGS + 3.0)
        hardware.told.append("hung for long")
        await asyncio.sleep(10.0)

    rig.play(scene)
    assert hardware.told[hardware.told.index("hung for long") :] == ["hung for long", "close"]


def test_a_lane_runs_without_the_hardware_watchdog_it_was_promised(tmp_path: Path) -> None:
    manager = Rig(tmp_path, Hardware(DeviceMissing("[watchdog] /dev/watchdog1 is not there"))).play(rest)
    assert len(manager.fed()) > 5


def capture(silent_for: float) -> Any:
    return SimpleNamespace(name="camera", silent_for=silent_for, limits=SimpleNamespace(hang_after=5.0))


def an_app(silent_for: float = 0.0, step: float = 0.0, cards: float = 0.0) -> Any:
    return SimpleNamespace(
        captures=[capture(silent_for)],
        eyes=SimpleNamespace(busy_for=0.0),
        desk=SimpleNamespace(busy_for=cards),
        runner=SimpleNamespace(busy_for=step),
        config=Config(),
    )


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (an_app(), None),
        (an_app(silent_for=5.0 + CAPTURE_HANGS - 1), None),
        (an_app(silent_for=5.0 + CAPTURE_HANGS + 1), "the camera's thread hangs and was not replaced"),
        (an_app(step=25.0), None),
        (an_app(step=27.0), "a step of the lane takes over 26 s"),
        (an_app(cards=31.0), "the look-up of cards has hung for over 30 s"),
    ],
)
def test_each_vital_sign_has_a_bound(app: Any, told: str | None) -> None:
    vitals = Vitals(lambda: app, LatenessMonitor(lambda _: None), None)
    assert vitals.ailing() == ([] if told is None else [told])


@pytest.mark.asyncio
async def test_a_loop_that_is_always_late_is_a_sign_and_one_late_moment_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = LatenessMonitor(lambda _: None)
    vitals = Vitals(an_app, monitor, None)
    monitor._recent.extend([0.0] * 39 + [30.0])
    assert vitals.ailing() == []
    monitor._recent.extend([0.7] * 40)
    assert vitals.ailing() == ["the event loop has been over 0.5 s late for ten seconds"]


def test_an_executor_tells_how_long_its_longest_job_has_taken() -> None:
    clock = VirtualClock()
    executor = ClockExecutor(clock, 2)
    go_on = threading.Event()
    with clock.participant("the test"):
        assert executor.busy_for == 0.0
        executor.submit(clock.wait, go_on, math.inf)
        clock.sleep(3.0)
        job = executor.submit(clock.sleep, 1.0)
        clock.sleep(0.5)
        assert executor.busy_for == pytest.approx(3.5)
        go_on.set()
        clock.sleep(0.1)
        assert executor.busy_for == pytest.approx(0.6)
        clock.sleep(1.0)
        assert (job.done(), executor.busy_for) == (True, 0.0)
