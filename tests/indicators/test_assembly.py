"""A whole lane with screen, voice and quiet hours: they follow the lane, end with it, and none of them can stop it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from controller.config import parse
from controller.drill.command import Options, rehearse
from controller.errors import ConfigError
from controller.gallery.index import GalleryIndex
from controller.indicators import waves
from controller.indicators.painter import Painter
from controller.indicators.settings import ScreenSettings
from controller.indicators.typeface import Typeface, find
from controller.lane.effects import Prompt
from controller.lane.events import FireAlarm
from controller.perception.engines import open_engine
from controller.service import serve
from hw.board import simulated_board
from hw.drivers.screen import ScreenDriver
from hw.drivers.speaker import SpeakerDriver
from hw.ports import Signal
from hw.sim.clock import VirtualClock
from hw.sim.screen import SimulatedPanelMemory
from hw.sim.speaker import SimulatedSoundCard
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from controller.app import App

SIZE = (480, 320)


@pytest.fixture(scope="module")
def typeface() -> Typeface:
    try:
        return find(None)
    except ConfigError as error:
        pytest.skip(str(error))


class Bench:
    """A lane in a simulated world, with a panel and a sound card."""

    def __init__(self, folder: Path, sections: str) -> None:
        self.folder = folder
        toml = f'[store]\nfolder = "{folder}"\n[gate]\nbuzzer = 25\nfire = 26\n{sections}'
        self.config = parse(toml, where="gate.toml")
        self.clock = VirtualClock()
        world = World(self.clock, seed=3)
        board, self.simulation = simulated_board(
            self.config.thermal, self.config.camera, self.config.gate, clock=self.clock, world=world, seed=3
        )
        self.memory = SimulatedPanelMemory(*SIZE)
        self.card = SimulatedSoundCard(self.clock)
        self.board = replace(board, screen=ScreenDriver(self.memory), speaker=SpeakerDriver(self.card, self.clock))

    def play(self, main: Callable[[App], Coroutine[Any, Any, None]]) -> None:
        engine = open_engine("demo")
        gallery = GalleryIndex.for_engine(engine)

        async def whole(app: App) -> None:
            await app.ready.wait()
            await main(app)

        try:
            self.board.run(serve(self.config, self.board, engine, gallery, beside=whole))
        finally:
            self.simulation.turnstile.close()


def prompts_in(folder: Path, *prompts: Prompt) -> str:
    """A [sound] section whose folder has a sound of its own length for each of these prompts."""
    for language in ("zh", "en"):
        (folder / language).mkdir(parents=True)
        for place, prompt in enumerate(prompts):
            samples = np.full((round(22_050 * (0.3 + 0.1 * place)), 1), 9000, np.int16)
            (folder / language / f"{prompt.value}.wav").write_bytes(waves.encode(waves.Wave(22_050, samples)))
    silent = ", ".join(f'"{prompt.value}"' for prompt in Prompt if prompt not in prompts)
    return f'[sound]\nfolder = "{folder}"\nsilent = [{silent}]\n'


def test_screen_and_voice_follow_the_lane_and_end_with_it(tmp_path: Path, typeface: Typeface) -> None:
    screen = f'[screen]\ndiagonal = 5.0\ndistance = 1.0\nfont = "{typeface.path}"\n'
    bench = Bench(tmp_path / "store", screen + prompts_in(tmp_path / "prompts", Prompt.IDLE, Prompt.EMERGENCY))
    painter = Painter(SIZE, 5.0, 1.0, Typeface(typeface.path))

    def shows(prompt: Prompt) -> bool:
        return np.array_equal(bench.memory.seen(), painter.paint(prompt, None, None))

    async def main(app: App) -> None:
        await asyncio.sleep(1)
        assert shows(Prompt.IDLE)
        assert len(bench.card.played) == 1
        app.runner.on_level(Signal.FIRE, bench.clock.monotonic(), active=True)
        await asyncio.sleep(1)
        assert shows(Prompt.EMERGENCY)
        await asyncio.sleep(11)
        assert len(bench.card.played) == 3  # and again while it burns

    bench.play(main)
    assert shows(Prompt.OUT_OF_SERVICE)


def test_a_lane_without_any_of_it_does_as_well(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "")

    async def main(app: App) -> None:
        assert app.runner.prompt is Prompt.IDLE

    bench.play(main)
    assert bench.memory.opened == 0
    assert bench.card.played == []


def test_whatever_is_missing_the_lane_goes_on_and_each_is_told_once(tmp_path: Path, typeface: Typeface) -> None:
    screen = f'[screen]\nfont = "{typeface.path}"\n'
    bench = Bench(tmp_path / "store", screen + prompts_in(tmp_path / "prompts", Prompt.IDLE, Prompt.EMERGENCY))
    (tmp_path / "prompts" / "zh" / "emergency.wav").write_bytes(b"no sound")
    bench.memory.unplugged = bench.card.unplugged = True

    async def main(app: App) -> None:
        await asyncio.sleep(11)
        app.post(FireAlarm(now=bench.clock.monotonic(), active=True))
        await asyncio.sleep(1)
        assert app.runner.prompt is Prompt.EMERGENCY

    with capture_logs() as logged:
        bench.play(main)
    told = [line["event"] for line in logged if line["log_level"] == "warning" and line["event"] != "lane"]
    for event in ("speaker does not play", "screen does not show", "prompt not spoken"):
        assert sum(line.startswith(event) for line in told) == 1, (event, told)


def test_a_buzzer_that_is_switched_off_sounds_for_alarms_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "[indicators]\nbuzzer = false\n")

    def beeps() -> int:
        return sum(int(state.state) for state in bench.simulation.turnstile.pin_factory.pin(25).states)

    async def main(app: App) -> None:
        await asyncio.sleep(1)
        app.post(FireAlarm(now=bench.clock.monotonic(), active=True))
        await asyncio.sleep(2)
        assert app.runner.prompt is Prompt.EMERGENCY
        assert beeps() == 0

    bench.play(main)
    assert beeps() == 0


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[indicators]\nquiet = ["22-6"]', r"\[indicators\].*'22-6' is no span of a day"),
        ("[sound]\nvolume = 1.5", r"\[sound\] volume"),
        ('[sound]\nsilent = ["whisper"]', r"\[sound\] silent.*'whisper'"),
        ('[sound]\nlanguages = ["fr"]', r"\[sound\] languages"),
        ('[sound]\ndevice = "-D evil"', r"\[sound\] device"),
        ("[screen]\nfps = 60", r"\[screen\] fps"),
        ("[screen]\nrotate = 45", r"\[screen\] rotate"),
        ('[screen]\ndriver = "none"', r"shown nowhere"),
        ("[screen]\ncolour = 1", r"colour"),
    ],
)
def test_wrong_settings_are_named(toml: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(toml, where="gate.toml")


def test_a_rehearsal_draws_into_a_file(tmp_path: Path, typeface: Typeface) -> None:
    path = tmp_path / "screen.png"
    status = rehearse(
        Options(
            people=1, seed=2, speed=None, engine="demo", models=None, report=None, keep=None, plain=True, screen=path
        )
    )
    assert status == 0
    read = cv2.imread(str(path))
    assert read is not None
    size = ScreenSettings().size
    closed = Painter(size, 7.0, 2.0, typeface).paint(Prompt.OUT_OF_SERVICE, None, None)
    np.testing.assert_array_equal(read[:, :, ::-1], closed)


def test_a_screen_that_cannot_be_is_refused_before_the_rehearsal(tmp_path: Path, typeface: Typeface) -> None:
    usual = Options(people=1, seed=2, speed=None, engine="demo", models=None, report=None, keep=None, plain=True)
    with pytest.raises(ConfigError, match="the screen's picture cannot be written there"):
        rehearse(replace(usual, screen=tmp_path / "nowhere" / "screen.png"))
