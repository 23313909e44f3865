"""Prompts made by espeak-ng, really: each is speech of a fitting length, and recordings are kept."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from controller.cli.main import main
from controller.errors import SoundError
from controller.indicators import waves
from controller.indicators.settings import SoundSettings
from controller.indicators.sound_book import load, path_of
from controller.indicators.voice import make
from controller.lane.effects import Prompt
from controller.prompts import PROMPTS

if TYPE_CHECKING:
    from pathlib import Path

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    assert main(["prompts", "make", "--folder", str(folder)]) == 0
    return folder


@needs_espeak
@pytest.mark.service
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_prompt_is_spoken(made: Path, language: str) -> None:
    """Speech is loud for most of its time, but not all alike, and takes 0.1 to 0.6 s a syllable or word."""
    sounds: list[np.ndarray[tuple[int, ...], np.dtype[np.int16]]] = []
    for prompt in Prompt:
        sound = waves.read(path_of(made, language, prompt))
        text = PROMPTS[prompt]
        pieces = len(text.chinese) if language == "zh" else len(text.english) / 4
        assert 0.1 * pieces < sound.seconds < 0.6 * pieces + 0.3, prompt
        assert sound.peak == pytest.approx(0.7, abs=0.01)
        frame = sound.rate // 50
        loud = sound.samples[: len(sound.samples) // frame * frame].reshape(-1, frame).astype(float).std(axis=1)
        assert np.mean(loud > 0.02 * loud.max()) > 0.5, prompt
        assert loud.std() > 0.1 * loud.mean(), prompt
        sounds.append(sound.samples)
    assert len({sound.tobytes() for sound in sounds}) == len(Prompt)


@needs_espeak
@pytest.mark.service
def test_all_that_was_made_can_be_spoken_at_the_gate(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = load(SoundSettings(folder=made))
    assert book.problems == ()
    assert set(book.sounds) == set(Prompt) - set(SoundSettings().silent)
    assert max(waves.decode(sound).seconds for sound in book.sounds.values()) < 8
    assert main(["prompts", "check", "--folder", str(made)]) == 0
    assert "0 problems" in capsys.readouterr().out


@needs_espeak
@pytest.mark.service
def test_recordings_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = path_of(tmp_path, "en", Prompt.PASS)
    path.parent.mkdir()
    own = waves.encode(waves.Wave(44_100, np.full((22_050, 1), 9000, np.int16)))
    path.write_bytes(own)
    (kept,) = make(tmp_path, ["en"], [Prompt.PASS])
    assert not kept.new
    assert path.read_bytes() == own
    (anew,) = make(tmp_path, ["en"], [Prompt.PASS], again=True)
    assert anew.new
    assert path.read_bytes() != own
    assert list(tmp_path.rglob("*.part")) == []


def test_without_espeak_its_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match="apt install espeak-ng"):
        list(make(tmp_path, ["en"], [Prompt.PASS], program="no-such-program"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    (tmp_path / "en").write_text("in the way", encoding="ascii")
    with pytest.raises(SoundError, match=r"pass\.wav: cannot be written"):
        list(make(tmp_path, ["en"], [Prompt.PASS]))


def test_check_names_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts", "check", "--folder", str(tmp_path), "--languages", "en"]) == 1
    told = capsys.readouterr().out
    assert "en/pass.wav: cannot be read" in told
    assert "0 prompts can be spoken, 14 problems" in told


def test_list_names_every_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompts", "list"]) == 0
    told = capsys.readouterr().out
    assert all(f"{prompt.value} " in told for prompt in Prompt)
    assert "请通过" in told


@pytest.mark.parametrize(("name", "device", "told"), [("nonsense", "null", "no prompt is named 'nonsense'")])
def test_play_refuses_what_is_no_prompt(
    name: str, device: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prompts", "play", name, "--folder", str(tmp_path), "--device", device]) == 1
    assert told in capsys.readouterr().err
