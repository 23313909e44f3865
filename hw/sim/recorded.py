"""An MLX90640 that plays recorded words, and the files that such recordings are kept in.

A recording waits for its reader: each frame comes one refresh period after the one before was taken, so none is lost
or torn, however slow the bus is.
"""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw.errors import DeviceMissing, RecordingError
from hw.sim.mlx90640_slave import NEW_DATA, OVERWRITE, RAM, STATUS, WORDS, Mlx90640Slave, refresh_period

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.clock import Clock

FRAME_WORDS: Final = 834
REFRESH_BITS: Final = 7 << 7
EEPROM_KEYS: Final = ("eeprom", "eeprom_832_u16")
FRAMES_KEYS: Final = ("frames", "frames_834_u16")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Words of one sensor."""

    name: str
    """File, and case where a file holds several."""
    eeprom: NDArray[np.uint16]
    """uint16[832]."""
    frames: NDArray[np.uint16]
    """uint16[n, 834]: RAM, control register 1, subpage."""
    emissivity: float | None = None
    """Where the file tells it."""
    reflected: float | None = None
    """Tr in °C, where the file tells it."""


class RecordedMlx90640(Mlx90640Slave):
    """Plays `frames` through the register interface, from the driver's first clearing of the new-data flag on.

    Refresh rate writes are obeyed; pattern and ADC resolution stay as recorded.

    Args:
        eeprom: uint16[832].
        frames: uint16[n, 834], n >= 1.
        clock: not waited on; the same as the bus'.
        loop: start again after the last frame; else the sensor then has no new data.

    Raises:
        ValueError: an array has another shape.
    """

    def __init__(
        self, eeprom: NDArray[np.uint16], frames: NDArray[np.uint16], clock: Clock, *, loop: bool = False
    ) -> None:
        super().__init__(eeprom)
        self._frames = np.array(frames, dtype=np.uint16)
        if self._frames.ndim != 2 or self._frames.shape[1] != FRAME_WORDS or not len(self._frames):
            raise ValueError(f"frames are uint16[n, {FRAME_WORDS}] with n >= 1, not {list(self._frames.shape)}")
        self._clock = clock
        self._loop = loop
        self._position = -1
        self._next = math.inf
        self._ram[:] = self._frames[0, :WORDS]

    @property
    def finished(self) -> bool:
        """Whether the last frame has been shown and none will follow."""
        return not self._loop and self._position == len(self._frames) - 1

    @property
    def position(self) -> int:
        """Index of the frame in RAM; -1 before the first."""
        return self._position

    def _due(self) -> float:
        return self._next

    def _measure(self, at: float) -> None:  # noqa: ARG002 - frames have no time of their own
        self._position = (self._position + 1) % len(self._frames)
        frame = self._frames[self._position]
        self._ram[:] = frame[:WORDS]
        self._status = (self._status & OVERWRITE) | NEW_DATA | (int(frame[833]) & 1)
        self._next = math.inf

    def _control_word(self) -> int:
        recorded = int(self._frames[max(0, self._position), 832])
        return (recorded & ~REFRESH_BITS) | (self._control & REFRESH_BITS)

    def _store(self, address: int, word: int, at: float) -> None:
        super()._store(address, word, at)
        if address == STATUS and not word & NEW_DATA:
            self._schedule(at)

    def _stream(self, count: int, start: float, seconds_per_word: float) -> NDArray[np.uint16]:
        if not RAM <= self._pointer < RAM + WORDS or not math.isfinite(self._next):
            return super()._stream(count, start, seconds_per_word)
        self._next = math.inf
        words = super()._stream(count, start, seconds_per_word)
        self._schedule(start + (count + 1) // 2 * seconds_per_word)
        return words

    def _schedule(self, after: float) -> None:
        self._next = math.inf if self.finished else after + refresh_period(self._control)


def load_recording(path: str | Path, case: str | None = None) -> Recording:
    """Load a recording from `.npz` or `.json`.

    Keys: `eeprom` uint16[832] and `frames` uint16[n, 834] (also as `eeprom_832_u16`, `frames_834_u16`), optionally
    `emissivity` and `tr` (Tr, °C). An `.npz` of several cases has a leading axis on each and their `name`s.

    Args:
        path: the file.
        case: which one of several, by name.

    Raises:
        DeviceMissing: no such file.
        RecordingError: the file, key or case is not what it should be; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise DeviceMissing(f"{path}: no such recording")
    fields = _read_npz(path) if path.suffix == ".npz" else _read_json(path)
    eeprom_key, eeprom = _field(path, fields, EEPROM_KEYS)
    frames_key, frames = _field(path, fields, FRAMES_KEYS)
    name = str(path)
    emissivity, reflected = fields.get("emissivity"), fields.get("tr")
    if np.ndim(eeprom) == 2:
        index = _case_index(path, fields, case, len(eeprom))
        eeprom, frames = eeprom[index], frames[index]
        emissivity = None if emissivity is None else emissivity[index]
        reflected = None if reflected is None else reflected[index]
        name = f"{path}:{case}"
    elif case is not None:
        raise RecordingError(f"{path}: holds one recording, so there is no case {case!r}")
    recording = Recording(
        name=name,
        eeprom=_words(path, eeprom_key, eeprom, (WORDS,)),
        frames=_words(path, frames_key, frames, (None, FRAME_WORDS)),
        emissivity=_number(path, "emissivity", emissivity),
        reflected=_number(path, "tr", reflected),
    )
    wrong = np.flatnonzero(recording.frames[:, 833] > 1)
    if wrong.size:
        raise RecordingError(f"{path}: {frames_key}[{wrong[0]}]: the last word is the subpage, 0 or 1")
    return recording


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise RecordingError(f"{path}: not a readable .npz file: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path}: neither .npz nor readable JSON: {error}") from error
    if not isinstance(fields, dict):
        raise RecordingError(f"{path}: not a JSON object with eeprom and frames")
    return fields


def _field(path: Path, fields: dict[str, Any], keys: tuple[str, ...]) -> tuple[str, Any]:
    for key in keys:
        if key in fields:
            return key, fields[key]
    raise RecordingError(f"{path}: key {keys[0]!r} (or {keys[1]!r}) is missing; it has {', '.join(sorted(fields))}")


def _case_index(path: Path, fields: dict[str, Any], case: str | None, count: int) -> int:
    names = [str(name) for name in fields.get("name", np.arange(count))]
    if case in names:
        return names.index(case)
    asked = "say which one" if case is None else f"none is called {case!r}"
    raise RecordingError(f"{path}: holds {count} cases, {asked}: {', '.join(names[:5])}, ...")


def _words(path: Path, key: str, value: Any, shape: tuple[int | None, ...]) -> NDArray[np.uint16]:
    try:
        words = np.asarray(value)
    except ValueError as error:
        raise RecordingError(f"{path}: {key}: rows of different length") from error
    wanted = "[" + ", ".join("n" if size is None else str(size) for size in shape) + "]"
    fits = words.ndim == len(shape) and all(
        size in {None, actual} for size, actual in zip(shape, words.shape, strict=True)
    )
    if not fits or not words.size:
        raise RecordingError(f"{path}: {key}: shape {list(words.shape)} instead of {wanted}")
    if words.dtype.kind not in "iu" or words.min() < 0 or words.max() > 0xFFFF:
        raise RecordingError(f"{path}: {key}: 16-bit unsigned words are wanted, not {words.dtype}")
    return words.astype(np.uint16)


def _number(path: Path, key: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"{path}: {key}: not a number") from error
    return number if math.isfinite(number) else None
