"""Puts together what a lane's passers-by hear and read, as configured. What can't be had is said, and left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from controller.indicators.quiet import BuzzerKeeper, QuietHours
from controller.indicators.sound_book import load
from controller.indicators.speech import Speech
from controller.observe.log import get_logger
from controller.record.boot import clock_state
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.config import Config
    from controller.indicators.page import Page
    from controller.indicators.screen import Screen
    from controller.indicators.settings import ScreenSettings, SoundSettings
    from controller.lane.effects import Prompt
    from controller.perception.registration import RegistrationSettings
    from controller.watch import Watch
    from hw.board import Board
    from hw.clock import Clock
    from hw.output_ports import ScreenPanel

    Sign = Callable[[], tuple[Prompt, str | None]]
    """What the lane shows at present: prompt and reason."""

EXTRA = "pip install 'thermogate[screen]'"

log = get_logger("indicators")


class Service(Protocol):
    """Something that runs beside the lane."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@dataclass
class Indicators:
    """What watches the lane and what runs beside it."""

    watches: list[Watch] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def close(self) -> None:
        """Silence, and nobody's picture left behind. After the gate is closed: it may take a moment."""
        for closer in self.closers:
            await closer()


def indicators_of(config: Config, board: Board, sign: Sign) -> Indicators:
    """What `config` asks for on `board`; `sign` tells what the lane shows at present."""
    made = Indicators()
    quiet = QuietHours(config.indicators.quiet, board.wall, clock_state)
    if config.indicators.quiet or not config.indicators.buzzer:
        made.services.append(BuzzerKeeper(board.gate, quiet, always=not config.indicators.buzzer))
    if config.sound is not None:
        _add_speech(made, config.sound, board, sign, quiet)
    if config.screen is not None:
        add_screen(made, config.screen, config.perception.registration, board.clock, panel=board.screen, sign=sign)
    return made


def _add_speech(made: Indicators, settings: SoundSettings, board: Board, sign: Sign, quiet: QuietHours) -> None:
    if board.speaker is None:
        return
    book = load(settings)
    for problem in book.problems:
        log.warning("prompt not spoken", text=problem)
    speech = Speech(
        board.speaker,
        book.sounds,
        sign=lambda: sign()[0],
        repeat=settings.repeat,
        quiet=quiet.now,
        clock=board.clock,
    )

    async def close() -> None:
        speech.close()

    made.watches.append(speech)
    made.services.append(speech)
    made.closers.append(close)


def add_screen(
    made: Indicators,
    settings: ScreenSettings,
    registration: RegistrationSettings,
    clock: Clock,
    *,
    panel: ScreenPanel | None,
    sign: Sign,
) -> tuple[Screen, Page | None] | None:
    """Add the screen, and its page where it has a port; None where what draws it is not installed."""
    try:
        from controller.indicators.page import Page  # noqa: PLC0415 - an extra: not on every board
        from controller.indicators.screen import Screen  # noqa: PLC0415
    except ImportError as error:
        log.warning("no screen: what draws it is not installed", error=str(error), advice=EXTRA)
        return None
    page = None if settings.port is None else Page(settings.address, settings.port, settings.hosts)
    if panel is None and page is None:
        return None
    screen = Screen(
        settings,
        registration,
        panel=panel,
        page=page,
        sign=sign,
        clock=clock,
        executor=ClockExecutor(clock, 1, "screen"),
    )
    made.watches.append(screen)
    made.services += [screen, *([page] if page else [])]
    made.closers.append(screen.close)
    return screen, page
