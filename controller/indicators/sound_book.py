"""The sounds of a folder, one a prompt, ready to be played; and what is wrong with those that can't be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.errors import SoundError
from controller.indicators import waves
from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from controller.indicators.settings import SoundSettings


@dataclass(frozen=True, slots=True)
class SoundBook:
    """What can be said."""

    sounds: Mapping[Prompt, bytes]
    """WAV files, all languages in one, at their volume."""
    problems: tuple[str, ...]
    """Files that are missing or can't be played, a line each."""


def spoken(settings: SoundSettings) -> list[Prompt]:
    """The prompts that these settings speak."""
    return [prompt for prompt in Prompt if prompt not in settings.silent]


def path_of(folder: Path, language: str, prompt: Prompt) -> Path:
    """The file of one prompt in one language."""
    return folder / language / f"{prompt.value}.wav"


def load(settings: SoundSettings) -> SoundBook:
    """Read what is spoken. A file that can't be played takes only its own words away."""
    if not settings.folder.is_dir():
        advice = f"`thermogate prompts make --folder {settings.folder}` makes it"
        return SoundBook({}, (f"{settings.folder}: no such folder; {advice}",))
    sounds: dict[Prompt, bytes] = {}
    problems: list[str] = []
    for prompt in spoken(settings):
        parts: list[waves.Wave] = []
        for language in settings.languages:
            try:
                parts.append(waves.trimmed(waves.read(path_of(settings.folder, language, prompt))))
            except SoundError as error:
                problems.append(str(error))
        if parts:
            try:
                sounds[prompt] = waves.encode(waves.scaled(waves.joined(parts), settings.volume))
            except SoundError as error:
                problems.append(f"{settings.folder}: {prompt.value}: {error}")
    return SoundBook(sounds, tuple(problems))


def strangers(folder: Path, languages: Iterable[str]) -> list[str]:
    """WAV files there that no prompt is named after, a line each: most likely a slip of the name."""
    known = {prompt.value for prompt in Prompt}
    return [
        f"{path}: no prompt is named {path.stem!r}; `thermogate prompts list` names them"
        for language in languages
        for path in sorted((folder / language).glob("*.wav"))
        if path.stem not in known
    ]
