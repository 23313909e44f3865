"""The self-test of loudspeaker and screen names what is wrong; the lane does without either."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest

from controller.config import Config
from controller.errors import ConfigError
from controller.indicators.check import looked_at
from controller.indicators.settings import ScreenSettings, SoundSettings
from controller.indicators.typeface import find

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_configured_nothing_looked_at() -> None:
    assert looked_at(Config()) == []


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    config = Config(
        sound=SoundSettings(folder=tmp_path, device="nosuchdevice"),
        screen=ScreenSettings(device=str(tmp_path / "fb0")),
    )
    told = {name: text for name, ok, text in looked_at(config) if not ok}
    assert set(told) == {"prompts", "speaker", "screen"}
    assert "look_here.wav: cannot be read" in told["prompts"]
    assert "27 more" in told["prompts"]
    assert "no framebuffer" in told["screen"]
    assert "no such sound device" in told["speaker"] or "alsa-utils" in told["speaker"]


@pytest.mark.service
@pytest.mark.skipif(shutil.which("aplay") is None, reason="aplay is not installed (alsa-utils)")
def test_a_device_that_plays_is_said() -> None:
    found = {name: (ok, text) for name, ok, text in looked_at(Config(sound=SoundSettings(device="null")))}
    assert found["speaker"] == (True, "null plays")


def test_a_screen_that_can_be_read_is_said_and_one_that_cannot_as_well() -> None:
    try:
        font = find(None).path
    except ConfigError as error:
        pytest.skip(str(error))
    settings = ScreenSettings(driver="none", port=8080, font=font)
    ((name, ok, text),) = looked_at(Config(screen=settings))
    assert (name, ok) == ("screen", True)
    assert "1024 x 600, letters for 2 m" in text
    small = msgspec.structs.replace(settings, size=(320, 240), diagonal=2.4)
    ((_, ok, text),) = looked_at(Config(screen=small))
    assert not ok
    assert "of what [screen] distance asks for" in text
