"""Makes the prompts' sound files with espeak-ng, a small synthesizer that every Debian has, in Chinese and English.

It sounds like a machine. Files that the school recorded take its place and are never overwritten.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controller.errors import SoundError
from controller.indicators import waves
from controller.indicators.sound_book import path_of
from controller.prompts import PROMPTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from controller.indicators.settings import Language
    from controller.lane.effects import Prompt

PROGRAM: Final = "espeak-ng"
VOICES: Final[dict[Language, str]] = {"zh": "cmn", "en": "en-gb"}
SPEEDS: Final[dict[Language, int]] = {"zh": 220, "en": 150}
"""espeak-ng's words a minute. Its own 175 is fast for English in a hall, and drags Chinese syllables."""
PEAK: Final = 0.7
"""Loudest sample of a file that is made, as a share of full scale: -3 dB."""
SECONDS: Final = 30.0
"""How long one prompt may take to be made."""


@dataclass(frozen=True, slots=True)
class Made:
    """One file."""

    path: Path
    seconds: float
    new: bool
    """False: it was there, and was kept."""


def make(
    folder: Path,
    languages: Sequence[Language],
    prompts: Sequence[Prompt],
    *,
    speed: int | None = None,
    again: bool = False,
    program: str = PROGRAM,
) -> Iterator[Made]:
    """Make what is not there yet, or with `again` all; each file is whole or not there.

    Raises `SoundError` where espeak-ng is missing or fails, and where a folder can't be written.
    """
    found = shutil.which(program)
    if found is None:
        raise SoundError(f"{program} is not installed (apt install espeak-ng)")
    for language in languages:
        for prompt in prompts:
            path = path_of(folder, language, prompt)
            if path.exists() and not again:
                yield Made(path, waves.read(path).seconds, new=False)
                continue
            sound = _synthesized(found, language, prompt, speed or SPEEDS[language])
            _write(path, waves.encode(sound))
            yield Made(path, sound.seconds, new=True)


def words(prompt: Prompt, language: Language) -> str:
    """What is said for a prompt."""
    text = PROMPTS[prompt]
    return text.chinese if language == "zh" else text.english


def _synthesized(program: str, language: Language, prompt: Prompt, speed: int) -> waves.Wave:
    with tempfile.TemporaryDirectory(prefix="thermogate-prompts-") as scratch:
        path = Path(scratch) / "prompt.wav"
        command = [program, "-v", VOICES[language], "-s", str(speed), "-w", str(path), "--", words(prompt, language)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 - our own texts
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SoundError(f"{program}: {error}") from error
        if done.returncode != 0 or not path.exists():
            said = done.stderr.decode("utf-8", "replace").strip() or f"status {done.returncode}"
            raise SoundError(f"{program} could not speak {prompt.value} ({VOICES[language]}): {said}")
        sound = waves.trimmed(waves.decode(path.read_bytes()))
    if sound.peak == 0:
        raise SoundError(f"{program} made a silent file of {prompt.value} ({VOICES[language]}); is its data installed?")
    return waves.scaled(sound, PEAK / sound.peak)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all. Raises `SoundError`."""
    scratch = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(data)
        scratch.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise SoundError(f"{path}: cannot be written: {error.strerror}") from error
