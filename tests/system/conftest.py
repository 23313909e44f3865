"""A whole lane on a simulated board, with photographs of real people before its camera."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from controller.app import App
from controller.config import Config, StoreSettings
from controller.lane.effects import RecordKind
from controller.lane.model import LaneSettings
from controller.perception.registration import RegistrationSettings
from controller.perception.settings import PerceptionSettings
from controller.record.boot import read_boot_id
from controller.record.journal import Journal
from controller.watch import Step, Watch
from hw.board import simulated_board
from hw.executor import ClockExecutor
from hw.settings import CameraSettings
from hw.sim.clock import VirtualClock
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from controller.gallery.index import GalleryIndex
    from controller.perception.types import FaceEngine
    from hw.sim.figures import AnyFigure

TRIES = 2
"""Attempts that a passer-by makes before they give up."""
PATIENCE = 12.0
"""Seconds of the gate's time until a try without an answer has failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the lane said to somebody."""

    granted: str | None
    """Who it took them for, when it let them in."""
    reasons: tuple[str, ...]
    """Why it did not, try by try."""


class Listener(Watch):
    """Hears grants and denials."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()

    def on_step(self, step: Step) -> None:
        for stored in step.stored:
            if stored.entry.kind == RecordKind.GRANT.value:
                self.heard.put_nowait(("grant", stored.entry.person))
            elif stored.entry.kind == RecordKind.DENY.value:
                self.heard.put_nowait((str(stored.entry.detail["reason"]), stored.entry.person))


class PhotographedLane:
    """Lets figures step up one after the other and notes the lane's answers."""

    def __init__(self, engine: FaceEngine, gallery: GalleryIndex, folder: Path, *, seed: int) -> None:
        self._clock = VirtualClock(300.0)
        self._world = World(self._clock, seed=seed)
        lane = LaneSettings(passage_wait=0.5, deny_show=0.3, warm_up=0.3)
        mount = self._world.mount
        registration = RegistrationSettings(
            camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
        )
        perception = PerceptionSettings(registration=registration)
        camera = CameraSettings(fps=10)
        self._config = Config(lane=lane, camera=camera, perception=perception, store=StoreSettings(folder=folder))
        self._board, self._simulation = simulated_board(
            self._config.thermal,
            self._config.camera,
            self._config.gate,
            clock=self._clock,
            world=self._world,
            seed=seed,
        )
        self._engine = engine
        self._gallery = gallery
        self._listener = Listener()

    def visit(self, figures: Sequence[AnyFigure]) -> list[Answer]:
        """One answer a figure."""
        answers: list[Answer] = []

        async def people() -> None:
            answers.extend([await self._one(figure) for figure in figures])

        async def main() -> None:
            executor = ClockExecutor(self._clock, 1, "journal")
            journal = Journal(self._config.store.folder / "journal.sqlite3", executor, boot_id=read_boot_id())
            await journal.open()
            app = App(
                self._config,
                self._board,
                engine=self._engine,
                gallery=self._gallery,
                journal=journal,
                watches=(self._listener,),
            )
            try:
                await app.run(people)
            finally:
                await journal.close()
                executor.shutdown(wait=False)

        try:
            self._board.run(main())
        finally:
            self._simulation.turnstile.close()
        return answers

    async def _one(self, figure: AnyFigure) -> Answer:
        self._world.place(figure)
        granted, reasons = None, []
        for _ in range(TRIES):
            try:
                what, who = await asyncio.wait_for(self._listener.heard.get(), PATIENCE)
            except TimeoutError:
                reasons.append("no_answer")
                continue
            if what == "grant":
                granted = who
                break
            reasons.append(what)
        self._world.clear()
        await asyncio.sleep(1.5)
        while not self._listener.heard.empty():
            self._listener.heard.get_nowait()
        return Answer(granted, tuple(reasons))


def wilson(hits: int, trials: int, z: float = 1.96) -> str:
    """A rate with its 95 % Wilson interval, as text."""
    rate, square = hits / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials)) / (1 + square)
    return f"{hits}/{trials} = {rate:.3f} (95 % interval {max(0, middle - half):.3f} to {min(1, middle + half):.3f})"


@pytest.fixture
def lane() -> Callable[..., PhotographedLane]:
    """Makes a lane for an engine, a gallery and a folder."""
    return PhotographedLane


@pytest.fixture
def rate() -> Callable[[int, int], str]:
    """Writes a rate with its interval."""
    return wilson
