"""The whole program on a simulated board with a black body in view: what the sensor's truth does to who passes."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from controller.app import App
from controller.config import Config, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person as Registered
from controller.lane import events as ev
from controller.lane.effects import Prompt, RecordKind
from controller.lane.model import Direction, LaneSettings
from controller.perception.engines import open_engine
from controller.perception.reference_settings import LinearitySettings, ReferenceSettings
from controller.perception.registration import RegistrationSettings
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.settings import PerceptionSettings
from controller.record.journal import Journal
from controller.watch import Step, Watch
from hw.board import Simulation, simulated_board
from hw.executor import ClockExecutor
from hw.settings import CameraSettings, GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.figures import BlackBody, Person, Temperature, programme
from hw.sim.mlx90640_flaws import Imperfections
from hw.sim.mount import Mount
from hw.sim.scene import enrolment_photo
from hw.sim.turnstile import RelayMove
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from controller.perception.types import Face
    from controller.record.entry import Entry

GATE = GateSettings(stop=24, ready=16, fire=26)
IDENTITY, STUDENT = 7, "s-7"
ROOM = 24.0
SOURCE = (28.0, 18.0)
"""Where the black body is, thermal pixels: beside the face, below it."""
SOURCE_AWAY = 0.6
"""Metres."""
SELF_HEATED = Imperfections(self_heating=8.0, warm_up_constant=0.01)
"""A chip without a fault, as warm as it gets from its first frame on."""


@lru_cache(maxsize=1)
def engine_and_templates() -> tuple[Any, list[Any]]:
    engine = open_engine("demo")
    photos = [enrolment_photo(IDENTITY, moment, glasses=False) for moment in range(2)]
    return engine, [engine.embed(photo, engine.detect(photo)[0]) for photo in photos]


class BlindEngine:
    """Sees nobody, at no cost: for scenes in which nobody comes."""

    name = "blind"
    template_model = "blind:1"
    dim = 4
    threshold = 0.5
    margin = 0.0
    rehearsal_only = True

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        del pixels
        return []

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        raise AssertionError(f"no face was found, so none at {face.box} of {pixels.shape}")


class Diary(Watch):
    """What was put on disk and shown, with its time."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.prompts: list[Prompt] = []
        self.app: App | None = None
        self._waiting: list[tuple[str, asyncio.Event]] = []

    def on_step(self, step: Step) -> None:
        for stored in step.stored:
            self.entries.append(stored.entry)
            for kind, event in self._waiting:
                if kind == stored.entry.kind:
                    event.set()
        if self.app is not None and self.prompts[-1:] != [self.app.runner.prompt]:
            self.prompts.append(self.app.runner.prompt)

    def of(self, kind: RecordKind) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == kind.value]

    async def next(self, kind: RecordKind, within: float) -> Entry:
        """The next record of this kind, within so many seconds of the gate's time."""
        event = asyncio.Event()
        self._waiting.append((kind.value, event))
        async with asyncio.timeout(within):
            await event.wait()
        return self.of(kind)[-1]


@dataclass
class Site:
    """A gate with a black body in view."""

    folder: Path
    flaws: Imperfections = SELF_HEATED
    linearity: LinearitySettings | None = None
    wall: Callable[[float], float] | None = None
    temperature: Temperature = 37.0
    people: bool = True
    """Whether anybody comes."""

    def __post_init__(self) -> None:
        mount = Mount()
        column, row = SOURCE
        x, y = mount.from_array(column, row, SOURCE_AWAY)
        self.source = BlackBody(distance=SOURCE_AWAY, x=x, y=y, radius=0.055, temperature=self.temperature)
        reference = ReferenceSettings(
            column=column, row=row, radius=1.5, temperature=37.0, emissivity=0.97, linearity=self.linearity
        )
        self.config = Config(
            gate=GATE,
            lane=LaneSettings(manual_wait=20.0),
            camera=CameraSettings(fps=5 if self.people else 2),
            perception=PerceptionSettings(
                reference=reference,
                screening=ScreeningSettings(room=ROOM),
                registration=RegistrationSettings(
                    camera_fov=mount.camera_fov,
                    thermal_fov=mount.array_fov,
                    offset_x=mount.array_x,
                    offset_y=mount.array_y,
                ),
            ),
            store=StoreSettings(folder=self.folder),
        )
        self.clock = VirtualClock()
        self.world = World(self.clock, seed=3, ambient=ROOM, mount=mount)
        board, self.simulation = self._board()
        wall = self.wall
        self.board = board if wall is None else dataclasses.replace(board, wall=lambda: wall(self.clock.monotonic()))
        self.diary = Diary()

    def _board(self) -> tuple[Any, Simulation]:
        return simulated_board(
            self.config.thermal,
            self.config.camera,
            GATE,
            clock=self.clock,
            world=self.world,
            seed=5,
            imperfections=self.flaws,
        )

    def visitor(self, core: float = 36.6) -> Person:
        return Person(identity=IDENTITY, core=core, glasses=False, distance=0.5, arrival=self.clock.monotonic())

    @property
    def opened(self) -> list[RelayMove]:
        moves = [move for move in self.simulation.turnstile.moves if isinstance(move, RelayMove)]
        return [move for move in moves if move.active]

    def play(self, scene: Callable[[App], Awaitable[None]]) -> None:
        engine, templates = engine_and_templates() if self.people else (BlindEngine(), [])
        index = GalleryIndex.for_engine(engine)
        if templates:
            index.add(Registered(STUDENT), templates)

        async def main() -> None:
            executor = ClockExecutor(self.clock, 1, "journal")
            journal = Journal(self.folder / "journal.sqlite3", executor, boot_id="boot")
            await journal.open()
            app = App(self.config, self.board, engine=engine, gallery=index, journal=journal, watches=(self.diary,))
            self.diary.app = app

            async def whole() -> None:
                await app.ready.wait()
                await scene(app)

            try:
                await app.run(whole)
            finally:
                await journal.close()
                executor.shutdown(wait=False)

        try:
            self.board.run(main())
        finally:
            self.simulation.turnstile.close()


# An absolute error


@pytest.mark.parametrize("bias", [-1.5, 1.5])
def test_a_sensor_that_is_off_screens_right_by_its_reference(tmp_path: Path, bias: float) -> None:
    site = Site(tmp_path, dataclasses.replace(SELF_HEATED, bias=bias))
    site.world.place(site.source)

    async def scene(_: App) -> None:
        await asyncio.sleep(12.0)
        site.world.place(site.visitor(36.6))
        await site.diary.next(RecordKind.GRANT, within=8.0)

    site.play(scene)
    (grant,) = site.diary.of(RecordKind.GRANT)
    told: Any = grant.detail
    assert grant.person == STUDENT
    assert told["verdict"] == "normal"
    assert told["correction"] == pytest.approx(-bias, abs=0.25)
    assert told["u_reference"] < 0.4
    assert abs(told["temperature"] - 36.6) < 2 * told["uncertainty"]
    assert "no_reference" not in (told["remarks"] or "")
    assert len(site.opened) == 1


def test_a_fever_is_looked_at_again_at_once_and_then_goes_to_the_doctor(tmp_path: Path) -> None:
    site = Site(tmp_path, dataclasses.replace(SELF_HEATED, bias=-1.5))
    site.world.place(site.source)

    async def scene(_: App) -> None:
        await asyncio.sleep(12.0)
        site.world.place(site.visitor(39.0))
        await site.diary.next(RecordKind.TICKET, within=12.0)

    site.play(scene)
    first, second = site.diary.of(RecordKind.DENY)
    assert (first.detail["reason"], first.detail["looks"]) == ("recheck_temperature", 1)
    assert (second.detail["reason"], second.detail["looks"]) == ("elevated_temperature", 2)
    assert second.monotonic - first.monotonic < 4.0
    (ticket,) = site.diary.of(RecordKind.TICKET)
    told: Any = ticket.detail
    before: Any = first.detail
    assert ticket.person == STUDENT
    assert told["verdict"] == "elevated"
    parts = [told[f"u_{part}"] for part in ("noise", "reference", "region", "compensation")]
    assert all(part > 0 for part in parts)
    assert sum(part**2 for part in parts) ** 0.5 == pytest.approx(told["uncertainty"])
    assert 0.0 <= told["risk"] < 0.2
    assert told["u_noise"] < before["u_noise"]
    assert abs(told["temperature"] - 39.0) < 2 * told["uncertainty"]
    assert site.diary.prompts[-1] is Prompt.SEE_DOCTOR
    assert site.opened == []
    assert site.diary.of(RecordKind.GRANT) == []


# No reference


def test_without_its_reference_the_gate_falls_back_to_the_guards_thermometer_and_returns(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.world.place(site.source)
    opened_before: list[int] = []

    async def scene(app: App) -> None:
        await asyncio.sleep(5.0)
        site.world.remove(site.source)
        lost = await site.diary.next(RecordKind.FAULT, within=40.0)
        assert lost.detail == {"fault": "screening", "cause": "reference_missing"}
        assert site.clock.monotonic() > 35.0
        visitor = site.visitor(36.6)
        site.world.place(visitor)
        denied = await site.diary.next(RecordKind.DENY, within=8.0)
        assert (denied.person, denied.detail["reason"]) == (STUDENT, "manual_temperature")
        assert denied.detail["temperature"] is None
        assert denied.detail["remarks"] == "reference_missing"
        assert app.runner.prompt is Prompt.SEE_GUARD
        opened_before.append(len(site.opened))
        app.post(
            ev.OpenOnce(
                now=site.clock.monotonic(),
                actor="guard",
                direction=Direction.ENTRY,
                grant_id="by-hand",
                temperature=36.6,
            )
        )
        grant = await site.diary.next(RecordKind.GRANT, within=2.0)
        assert grant.person == STUDENT
        assert grant.detail["manual_temperature"] == 36.6
        await asyncio.sleep(1.0)
        opened_before.append(len(site.opened))
        site.world.remove(visitor)
        site.world.place(site.source)
        back = await site.diary.next(RecordKind.FAULT_CLEARED, within=8.0)
        assert back.detail == {"fault": "screening"}
        await asyncio.sleep(10.0)
        site.world.place(site.visitor(36.6))
        again = await site.diary.next(RecordKind.GRANT, within=8.0)
        assert again.person == STUDENT
        assert again.detail["verdict"] == "normal"

    site.play(scene)
    assert opened_before == [0, 1]
    assert len(site.diary.of(RecordKind.FAULT)) == len(site.diary.of(RecordKind.FAULT_CLEARED)) == 1
    # What was said is on disk.
    reader = sqlite3.connect(tmp_path / "journal.sqlite3")
    try:
        kinds = [kind for (kind,) in reader.execute("SELECT kind FROM entry ORDER BY seq")]
    finally:
        reader.close()
    assert [kind for kind in kinds if kind in ("fault", "fault_cleared")] == ["fault", "fault_cleared"]


def test_a_hand_before_the_source_is_no_fault(tmp_path: Path) -> None:
    site = Site(tmp_path, people=False)
    site.world.place(site.source)

    async def scene(_: App) -> None:
        await asyncio.sleep(5.0)
        site.world.remove(site.source)
        await asyncio.sleep(15.0)
        site.world.place(site.source)
        await asyncio.sleep(5.0)

    site.play(scene)
    assert site.diary.of(RecordKind.FAULT) == []


# The daily self-test

POINTS = (35.0, 37.5, 40.0)
DAILY = LinearitySettings(at="05:30", points=POINTS, dwell=10.0, settle=2.0)
"""Eight seconds a point: enough to see a slope that is a fifth off, not for the twentieth that a real one finds."""
BEGIN = 4.0
"""Monotonic seconds at which it is half past five."""


def half_past_five(now: float) -> float:
    return time.mktime((2024, 3, 5, 5, 30, 0, 0, 0, -1)) + now - BEGIN


@pytest.mark.parametrize(("gain", "passes"), [(0.0, True), (0.2, False)])
def test_the_daily_programme_finds_a_wrong_slope_and_only_that(tmp_path: Path, gain: float, *, passes: bool) -> None:
    source = programme((*POINTS, 37.0), DAILY.dwell, start=BEGIN)
    site = Site(
        tmp_path,
        dataclasses.replace(SELF_HEATED, gain=gain),
        people=False,
        linearity=DAILY,
        wall=half_past_five,
        temperature=lambda now: 37.0 if now < BEGIN else source(now),
    )
    site.world.place(site.source)

    async def scene(_: App) -> None:
        await site.diary.next(RecordKind.SELF_TEST, within=BEGIN + 3 * DAILY.dwell + 2.0)
        await asyncio.sleep(2.0)

    site.play(scene)
    (test,) = site.diary.of(RecordKind.SELF_TEST)
    told: Any = test.detail
    assert (told["test"], told["complete"], told["passed"]) == ("linearity", True, passes)
    assert told["slope"] == pytest.approx(1.0 + gain, abs=0.07)
    assert {f"error_at_{point:g}" for point in POINTS} <= set(told)
    faults = [(entry.detail["fault"], entry.detail["cause"]) for entry in site.diary.of(RecordKind.FAULT)]
    assert faults == ([] if passes else [("screening", "not_linear")])
    assert site.opened == []
