"""WAV files of prompts: read and checked, trimmed, joined, scaled. A file that can't be used is named and told why."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.errors import SoundError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATES: Final = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Samples a second; less sounds like a telephone, more is wasted."""
SHORTEST, LONGEST = 0.2, 8.0
"""Seconds of a prompt; people walk on after that."""
FULL: Final = 32_767
SILENT: Final = 0.01 * FULL
"""A sample below -40 dB of full scale is silence."""
FAINT: Final = 0.1 * FULL
"""A recording whose loudest sample is below -20 dB won't be heard in a hall."""
CLIPPED_SHARE: Final = 0.01
"""Of the samples, at full scale: from here on it is distorted."""
LARGEST: Final = 4_000_000
"""Bytes of a file; 8 s of stereo at 48 kHz are 1.5 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Wave:
    """Sound, as samples."""

    rate: int
    """Samples a second."""
    samples: NDArray[np.int16]
    """int16[frames, channels], 1 or 2 channels."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        """The loudest sample, as a share of full scale."""
        return float(np.abs(self.samples.astype(np.int32)).max(initial=0)) / FULL


def read(path: Path) -> Wave:
    """A WAV file that may be played. Raises `SoundError` with its name and what is wrong with it."""
    try:
        if path.stat().st_size > LARGEST:
            raise SoundError(f"{path}: is larger than {LARGEST // 1_000_000} MB; a prompt is a few seconds long")
        data = path.read_bytes()
    except OSError as error:
        raise SoundError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        sound = decode(data)
        check(sound)
    except SoundError as error:
        raise SoundError(f"{path}: {error}") from error
    return sound


def decode(data: bytes) -> Wave:
    """The samples of a WAV file. Raises `SoundError` for what is no uncompressed 16-bit WAV file."""
    if data[:4] != b"RIFF":
        raise SoundError("is no WAV file; export it as WAV, 16-bit PCM")
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate, frames, _, _ = file.getparams()
            raw = file.readframes(frames)
    except EOFError as error:
        raise SoundError("is cut short in its header") from error
    except wave.Error as error:
        raise SoundError(f"is no WAV file that can be played ({error}); export it as 16-bit PCM") from error
    if width != 2:
        raise SoundError(f"has samples of {8 * width} bits; export it as 16-bit PCM")
    if channels not in (1, 2):
        raise SoundError(f"has {channels} channels; mono or stereo is needed")
    if len(raw) != frames * channels * width:
        raise SoundError(f"is cut short: {frames} samples were promised, {len(raw) // (channels * width)} are there")
    return Wave(rate, np.frombuffer(raw, "<i2").reshape(-1, channels).astype(np.int16))


def check(sound: Wave) -> None:
    """Raise `SoundError` for a sound that is no good as a prompt."""
    if sound.rate not in RATES:
        rates = ", ".join(f"{rate}" for rate in RATES)
        raise SoundError(f"has {sound.rate} samples a second; one of {rates} is needed")
    if not SHORTEST <= sound.seconds <= LONGEST:
        raise SoundError(f"is {sound.seconds:.2f} s long; a prompt has {SHORTEST:g} to {LONGEST:g} s")
    loud = np.abs(sound.samples.astype(np.int32))
    if loud.max() < SILENT:
        raise SoundError("is silent")
    if loud.max() < FAINT:
        raise SoundError(f"is too faint: its loudest sample is {100 * sound.peak:.0f} % of full scale; amplify it")
    if np.mean(loud >= FULL) > CLIPPED_SHARE:
        raise SoundError("is distorted: recorded too loud; record it again with less gain")


def trimmed(sound: Wave, margin: float = 0.03) -> Wave:
    """Without the silence before and after, but for `margin` seconds of it."""
    loud = np.flatnonzero(np.abs(sound.samples.astype(np.int32)).max(axis=1) >= SILENT)
    if not loud.size:
        return sound
    keep = round(margin * sound.rate)
    return Wave(sound.rate, sound.samples[max(0, loud[0] - keep) : loud[-1] + 1 + keep])


def scaled(sound: Wave, factor: float) -> Wave:
    """With every sample times `factor`; what would be beyond full scale is cut."""
    samples = np.clip(np.rint(sound.samples * float(factor)), -FULL, FULL).astype(np.int16)
    return Wave(sound.rate, samples)


def joined(sounds: list[Wave], pause: float = 0.25) -> Wave:
    """One after the other, `pause` seconds apart. Raises `SoundError` where their rates differ."""
    rates = sorted({sound.rate for sound in sounds})
    if len(rates) != 1:
        told = " and ".join(f"{rate}" for rate in rates)
        raise SoundError(f"languages of one prompt differ in samples a second ({told}); export them alike")
    channels = max(sound.samples.shape[1] for sound in sounds)
    gap = np.zeros((round(pause * rates[0]), channels), np.int16)
    parts: list[NDArray[np.int16]] = []
    for sound in sounds:
        wide = np.repeat(sound.samples, channels, axis=1) if sound.samples.shape[1] < channels else sound.samples
        parts += [gap, wide] if parts else [wide]
    return Wave(rates[0], np.concatenate(parts))


def encode(sound: Wave) -> bytes:
    """As a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(sound.samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(sound.samples.astype("<i2").tobytes())
    return out.getvalue()
