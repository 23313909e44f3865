"""The screen beside a lane, in virtual time: the newest alone, nobody for longer than they stand there, no waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from controller.errors import ConfigError
from controller.indicators.painter import Painter
from controller.indicators.screen import FACE_LASTS, OPEN_AGAIN, Screen
from controller.indicators.settings import ScreenSettings
from controller.indicators.typeface import Typeface, find
from controller.lane.effects import Prompt
from controller.perception.registration import RegistrationSettings
from controller.perception.types import Box, Face
from hw.drivers.screen import ScreenDriver
from hw.errors import DeviceError
from hw.executor import ClockExecutor
from hw.ports import ImageFrame, ThermalFrame
from hw.sim.clock import VirtualClock
from hw.sim.loop import run
from hw.sim.screen import SimulatedPanelMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from numpy.typing import NDArray

SIZE = (480, 320)
FACE = Face(Box(220.0, 140.0, 160.0, 200.0), np.zeros((5, 2), np.float32), 0.9)
MAGENTA = (255, 0, 255)


@pytest.fixture(scope="module")
def typeface() -> Typeface:
    try:
        return find(None)
    except ConfigError as error:
        pytest.skip(str(error))


class SlowPanel(ScreenDriver):
    """Counts, and takes as long as it is told; fails when told."""

    def __init__(self, memory: SimulatedPanelMemory, clock: VirtualClock) -> None:
        super().__init__(memory)
        self.seconds = 0.0
        self.broken = False
        self.shown_at: list[float] = []
        self._clock = clock

    def show(self, pixels: NDArray[np.uint8]) -> None:
        self._clock.sleep(self.seconds)
        if self.broken:
            raise DeviceError("the panel was pulled out")
        super().show(pixels)
        self.shown_at.append(self._clock.monotonic())


class Bench:
    """A screen on a simulated panel, in virtual time."""

    def __init__(self, typeface: Typeface, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.memory = SimulatedPanelMemory(*SIZE)
        self.panel = SlowPanel(self.memory, self.clock)
        self.sign: tuple[Prompt, str | None] = (Prompt.IDLE, None)
        self.settings = ScreenSettings(diagonal=5.0, distance=1.0, font=typeface.path, **settings)
        self.painter = Painter(SIZE, 5.0, 1.0, Typeface(typeface.path))
        self.screen = Screen(
            self.settings,
            RegistrationSettings(),
            panel=self.panel,
            page=None,
            sign=lambda: self.sign,
            clock=self.clock,
            executor=ClockExecutor(self.clock, 1, "screen"),
        )
        self.frames = 0

    def see(self, colour: tuple[int, int, int] = MAGENTA, *, face: bool = True) -> None:
        """A camera picture of one colour (RGB), with a face or without."""
        pixels = np.empty((480, 640, 3), np.uint8)
        pixels[:] = colour[::-1]
        self.frames += 1
        frame = ImageFrame(pixels, self.clock.monotonic(), self.frames)
        self.screen.on_picture(frame, (FACE,) if face else ())

    def play(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            service = asyncio.create_task(self.screen.run())
            try:
                await main()
            finally:
                service.cancel()
                await asyncio.gather(service, return_exceptions=True)
                await self.screen.close()

        run(whole(), self.clock)

    def shows(self, prompt: Prompt, reason: str | None = None) -> bool:
        """Whether the panel shows a prompt, with nobody's picture."""
        return np.array_equal(self.memory.seen(), self.painter.paint(prompt, reason, None))

    def somebody(self) -> float:
        """The part of the panel that has the camera's own colour."""
        return float((self.memory.seen() == MAGENTA).all(axis=2).mean())

    def shows_somebody(self) -> bool:
        """Whether the camera's colour is to be seen."""
        return self.somebody() > 0.01


@pytest.fixture
def bench(typeface: Typeface) -> Bench:
    return Bench(typeface)


def test_the_sign_is_painted_when_it_changes_and_only_then(bench: Bench) -> None:
    async def main() -> None:
        await asyncio.sleep(2)
        assert bench.shows(Prompt.IDLE)
        assert bench.screen.painted == 1
        bench.sign = (Prompt.SEE_DOCTOR, "elevated_temperature")
        await asyncio.sleep(0.3)
        assert bench.shows(Prompt.SEE_DOCTOR)
        await asyncio.sleep(5)
        assert bench.screen.painted == 2

    bench.play(main)


def test_people_see_themselves_for_as_long_as_they_stand_there(bench: Bench) -> None:
    async def main() -> None:
        bench.sign = (Prompt.LOOK_HERE, None)
        await asyncio.sleep(1)
        bench.see(face=False)
        await asyncio.sleep(0.3)
        assert not bench.shows_somebody()
        bench.see()
        await asyncio.sleep(0.3)
        assert bench.shows_somebody()
        await asyncio.sleep(FACE_LASTS)
        assert bench.shows(Prompt.LOOK_HERE)
        for prompt in (Prompt.IDLE, Prompt.OUT_OF_SERVICE, Prompt.EMERGENCY):
            bench.sign = (prompt, None)
            bench.see()
            await asyncio.sleep(0.3)
            assert bench.shows(prompt)

    bench.play(main)


def test_a_school_that_wants_no_pictures_gets_none(typeface: Typeface) -> None:
    bench = Bench(typeface, picture=False)

    async def main() -> None:
        bench.sign = (Prompt.PASS, None)
        bench.see()
        await asyncio.sleep(1)
        assert bench.shows(Prompt.PASS)

    bench.play(main)


def test_nobodys_picture_stays_behind(bench: Bench) -> None:
    async def main() -> None:
        bench.sign = (Prompt.PASS, None)
        await asyncio.sleep(1)
        bench.see()
        await asyncio.sleep(0.3)
        assert bench.shows_somebody()

    bench.play(main)
    assert bench.shows(Prompt.OUT_OF_SERVICE)


def test_pictures_come_no_faster_than_asked_for(typeface: Typeface) -> None:
    bench = Bench(typeface, fps=5.0)

    async def main() -> None:
        bench.sign = (Prompt.LOOK_HERE, None)
        for _ in range(60):
            bench.see()
            await asyncio.sleep(1 / 30)

    bench.play(main)
    gaps = np.diff(bench.panel.shown_at[:-1])
    assert gaps.min() >= 0.2 - 1e-9
    assert 8 <= len(bench.panel.shown_at) <= 12


def test_a_slow_panel_shows_the_newest_and_the_loop_never_waits(bench: Bench) -> None:
    bench.panel.seconds = 1.0

    async def main() -> None:
        bench.sign = (Prompt.LOOK_HERE, None)
        late = 0.0
        for shade in range(100):
            bench.see((shade, 0, 0))
            before = bench.clock.monotonic()
            await asyncio.sleep(0.1)
            late = max(late, bench.clock.monotonic() - before - 0.1)
        assert late < 1e-6
        await asyncio.sleep(0.5)
        reds = bench.memory.seen()[:, :, 0]
        place = bench.painter.sheet(Prompt.LOOK_HERE, None, True).picture
        middle = int(reds[place.top + 3, place.left + 3])
        assert middle >= 85

    bench.play(main)
    assert len(bench.panel.shown_at) <= 12


def test_a_missing_panel_is_told_once_and_found_when_it_comes(bench: Bench) -> None:
    bench.memory.unplugged = True

    async def main() -> None:
        await asyncio.sleep(3.5 * OPEN_AGAIN)
        bench.memory.unplugged = False
        await asyncio.sleep(OPEN_AGAIN + 1)
        assert bench.shows(Prompt.IDLE)

    with capture_logs() as logged:
        bench.play(main)
    assert bench.memory.opened == 1
    assert [line["error"] for line in logged if line["log_level"] == "warning"] == ["no such panel"]


def test_a_panel_that_fails_is_opened_again(bench: Bench) -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        bench.panel.broken = True
        bench.sign = (Prompt.PASS, None)
        await asyncio.sleep(3)
        assert bench.shows(Prompt.IDLE)
        bench.panel.broken = False
        await asyncio.sleep(OPEN_AGAIN)
        assert bench.shows(Prompt.PASS)

    bench.play(main)
    assert bench.memory.opened == 2


def test_a_panel_that_hangs_does_not_hold_up_the_end(bench: Bench) -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        bench.panel.seconds = 3600.0
        bench.sign = (Prompt.PASS, None)
        await asyncio.sleep(1)

    bench.play(main)
    assert bench.clock.monotonic() < 10


def heat(celsius: float, at: float) -> ThermalFrame:
    return ThermalFrame(np.full((24, 32), celsius, np.float32), 25.0, 3.3, at, 0, 0)


def test_warmth_is_laid_over_while_the_sensor_lives(bench: Bench) -> None:
    async def main() -> None:
        bench.sign = (Prompt.LOOK_HERE, None)
        await asyncio.sleep(1)
        bench.see()
        bench.screen.on_thermal(heat(35.0, bench.clock.monotonic()))
        assert bench.screen.view(bench.clock.monotonic()).heat is not None
        await asyncio.sleep(0.3)
        covered = bench.somebody()
        bench.screen.on_device("thermal", up=False, text="gone")
        bench.see()
        assert bench.screen.view(bench.clock.monotonic()).heat is None
        await asyncio.sleep(0.3)
        assert covered < 0.5 * bench.somebody()
        bench.screen.on_thermal(heat(35.0, bench.clock.monotonic() - 5))
        bench.see()
        assert bench.screen.view(bench.clock.monotonic()).heat is None

    bench.play(main)
