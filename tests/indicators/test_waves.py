"""Sound files: every wrong one is named with what is wrong; trimming, joining and scaling keep what is said."""

from __future__ import annotations

import io
import re
import struct
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.errors import SoundError
from controller.indicators import waves
from controller.indicators.settings import SoundSettings
from controller.indicators.sound_book import load, path_of, strangers
from controller.indicators.waves import FULL, Wave
from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def tone(seconds: float = 1.0, *, rate: int = 22_050, level: float = 0.5, channels: int = 1) -> Wave:
    wanted = level * FULL * np.sin(np.arange(round(seconds * rate)) * 0.2)
    return Wave(rate, np.repeat(wanted.astype(np.int16)[:, None], channels, axis=1))


def file(*, channels: int = 1, width: int = 2, rate: int = 22_050, frames: int = 22_050) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(bytes([0, 64] * (frames * channels * width // 2)))
    return out.getvalue()


def float_file() -> bytes:
    """A WAV file of 32-bit floats, as some editors write them."""
    data = np.zeros(22_050, "<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, 22_050, 4 * 22_050, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "mp3": (lambda: b"ID3\x04" + bytes(500), "is no WAV file; export it as WAV"),
    "empty": (lambda: b"", "is no WAV file"),
    "floats": (float_file, "unknown format"),
    "header alone": (lambda: file()[:20], "header"),
    "cut short": (lambda: file()[:20_000], "is cut short: 22050 samples were promised"),
    "8 bits": (lambda: file(width=1), "samples of 8 bits"),
    "24 bits": (lambda: file(width=3), "samples of 24 bits"),
    "surround": (lambda: file(channels=6), "has 6 channels"),
    "telephone": (lambda: file(rate=8000), "8000 samples a second"),
    "long": (lambda: file(frames=22_050 * 9), "is 9.00 s long"),
    "short": (lambda: file(frames=2205), "is 0.10 s long"),
    "silent": (lambda: waves.encode(tone(level=0)), "is silent"),
    "faint": (lambda: waves.encode(tone(level=0.05)), "is too faint: its loudest sample is 5 %"),
    "distorted": (lambda: waves.encode(waves.scaled(tone(), 10)), "is distorted"),
    "huge": (lambda: bytes(waves.LARGEST + 1), "is larger than 4 MB"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_named_with_the_reason(name: str, tmp_path: Path) -> None:
    make, reason = WRONG[name]
    path = tmp_path / "pass.wav"
    path.write_bytes(make())
    with pytest.raises(SoundError, match=re.escape(f"{path}: ") + ".*" + re.escape(reason)):
        waves.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=r"pass\.wav: cannot be read: No such file"):
        waves.read(tmp_path / "pass.wav")


def test_what_is_encoded_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "pass.wav"
    sound = tone(0.5, rate=44_100, channels=2)
    path.write_bytes(waves.encode(sound))
    again = waves.read(path)
    assert again.rate == 44_100
    np.testing.assert_array_equal(again.samples, sound.samples)


@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    for candidate in (data, b"RIFF" + data, file(frames=50)[:44] + data, file(frames=50)[:20] + data):
        try:
            waves.check(waves.decode(candidate))
        except SoundError:
            continue


def test_trimming_takes_silence_off_both_ends_only() -> None:
    hush = np.zeros((11_025, 1), np.int16)
    inner = tone(0.4).samples
    trimmed = waves.trimmed(Wave(22_050, np.concatenate([hush, inner, hush, inner, hush])), margin=0.0)
    assert trimmed.seconds == pytest.approx(0.4 + 0.5 + 0.4, abs=0.01)
    assert waves.trimmed(Wave(22_050, hush)).samples.shape == hush.shape


def test_joining_keeps_order_and_pause_and_widens_mono() -> None:
    one, two = tone(0.4, level=0.3), tone(0.6, level=0.6, channels=2)
    both = waves.joined([one, two], pause=0.2)
    assert both.samples.shape == (round(1.2 * 22_050), 2)
    np.testing.assert_array_equal(both.samples[: len(one.samples), 1], one.samples[:, 0])
    assert not both.samples[len(one.samples) : -len(two.samples)].any()
    with pytest.raises(SoundError, match="22050 and 44100"):
        waves.joined([one, tone(rate=44_100)])


def test_scaling_halves_and_never_wraps() -> None:
    assert waves.scaled(tone(level=0.8), 0.5).peak == pytest.approx(0.4, abs=0.001)
    assert waves.scaled(tone(level=0.8), 100).peak == 1.0


def write(folder: Path, language: str, prompt: Prompt, sound: Wave) -> None:
    path = path_of(folder, language, prompt)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(waves.encode(sound))


def test_a_book_has_all_languages_in_order_and_names_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, "zh", Prompt.PASS, tone(0.5, level=0.8))
    write(tmp_path, "en", Prompt.PASS, tone(0.3, level=0.4))
    write(tmp_path, "en", Prompt.DENIED, tone(0.3))
    write(tmp_path, "zh", Prompt.ALARM, tone(0.3))
    write(tmp_path, "en", Prompt.ALARM, tone(0.3, rate=48_000))
    kept = (Prompt.PASS, Prompt.DENIED, Prompt.ALARM)
    settings = SoundSettings(folder=tmp_path, volume=0.5, silent=tuple(one for one in Prompt if one not in kept))
    book = load(settings)
    assert set(book.sounds) == {Prompt.PASS, Prompt.DENIED}
    both = waves.decode(book.sounds[Prompt.PASS])
    assert both.seconds == pytest.approx(0.5 + 0.25 + 0.3, abs=0.01)
    half = len(both.samples) // 2
    assert both.peak == pytest.approx(0.4, abs=0.01)
    assert Wave(both.rate, both.samples[-half // 2 :]).peak == pytest.approx(0.2, abs=0.01)
    missing, mixed = book.problems
    assert "zh/denied.wav: cannot be read" in missing
    assert "alarm: languages of one prompt differ" in mixed


def test_a_missing_folder_is_one_problem_with_its_remedy(tmp_path: Path) -> None:
    book = load(SoundSettings(folder=tmp_path / "nowhere"))
    assert not book.sounds
    (problem,) = book.problems
    assert "thermogate prompts make --folder" in problem


def test_a_slip_of_a_name_is_found(tmp_path: Path) -> None:
    write(tmp_path, "zh", Prompt.PASS, tone())
    (tmp_path / "zh" / "come-closer.wav").write_bytes(waves.encode(tone()))
    (line,) = strangers(tmp_path, ("zh", "en"))
    assert "no prompt is named 'come-closer'" in line
