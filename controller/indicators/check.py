"""Looks whether loudspeaker and screen of a configuration would work here. The lane does without, so none is needed."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

from controller.errors import ConfigError, GateError
from controller.indicators.assembly import EXTRA
from controller.indicators.sound_book import load, strangers
from controller.lane.effects import Prompt
from hw.board import linux_screen, play_once
from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.config import Config
    from controller.indicators.settings import ScreenSettings, SoundSettings


def looked_at(config: Config) -> list[tuple[str, bool, str]]:
    """(name, whether it works, what was found) of each that is configured."""
    found = []
    if config.sound is not None:
        sound = config.sound
        found += [_attempt("prompts", lambda: _prompts(sound)), _attempt("speaker", lambda: _speaker(sound))]
    if config.screen is not None:
        screen = config.screen
        found.append(_attempt("screen", lambda: _screen(screen)))
    return found


def _attempt(name: str, look: Callable[[], str]) -> tuple[str, bool, str]:
    try:
        return name, True, look()
    except (GateError, DeviceError) as error:
        return name, False, str(error)


def _prompts(settings: SoundSettings) -> str:
    book = load(settings)
    problems = [*book.problems, *strangers(settings.folder, settings.languages)]
    if problems:
        raise ConfigError(f"{problems[0]}" + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))
    return f"{len(book.sounds)} can be spoken"


def _speaker(settings: SoundSettings) -> str:
    """A tenth of a second of silence goes through the device."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22_050)
        file.writeframes(bytes(2 * 2205))
    play_once(settings, out.getvalue())
    return f"{settings.device} plays"


def _screen(settings: ScreenSettings) -> str:
    """What the panel shows is left alone."""
    try:
        from controller.indicators.painter import Painter  # noqa: PLC0415 - an extra
        from controller.indicators.typeface import find  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"what draws it is not installed ({error}): {EXTRA}") from error
    size, where = settings.size, f"page of port {settings.port}"
    if settings.driver != "none":
        panel = linux_screen(settings)
        size, where = panel.open(), settings.device
        panel.close()
    typeface = find(settings.font)
    shortfall = Painter(size, settings.diagonal, settings.distance, typeface).shortfall(tuple(Prompt))
    if shortfall is not None:
        raise ConfigError(shortfall)
    return f"{where}, {size[0]} x {size[1]}, letters for {settings.distance:g} m in {typeface.path.name}"
