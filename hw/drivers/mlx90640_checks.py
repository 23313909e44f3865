"""What no sensor could have seen: I2C has no checksum, and one wrong byte reads as hundreds of degrees.

Three nets. (1) Supply, die temperature and gain move slowly: a reading that leaps is refused. (2) RAM still holds the
other subpage, which must read as it did when it was new: every word is so compared bit by bit, one period late.
(3) A new pixel far outside all of its neighbours and far from its own last value is taken from its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.drivers.mlx90640_link import COLUMNS, PIXELS, ROWS
from hw.errors import FrameError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUPPLY_RANGE: Final = (2.5, 3.9)
"""Volts. The chip works from 3.0 to 3.6 and resets itself below 2.55 (Table 5)."""
DIE_RANGE: Final = (-45.0, 95.0)
"""°C; specified from -40 to 85."""
GAIN_RANGE: Final = (0.75, 1.25)
"""Gain word against the EEPROM's; real chips were seen at 0.98 to 1.02."""
SUPPLY_LEAP: Final = 0.25
"""Volts from one subpage to the next."""
DIE_LEAP: Final = 0.5
"""°C from one subpage to the next; the PTAT word alone resolves 0.1."""
DIE_DRIFT: Final = 0.5
"""°C a second that a die may really change by."""
GAIN_LEAP: Final = 0.03
OBJECT_RANGE: Final = (-70.0, 450.0)
"""°C; specified from -40 to 300."""
SMALLEST_SPIKE: Final = 6.0
"""°C by which an isolated pixel must leap; more where the noise is larger."""
SPIKE_SIGMAS: Final = 8.0
MOST_REPAIRED: Final = 8
"""Glitched pixels in one subpage beyond which the whole reading is refused."""
MOST_ALTERED: Final = 16
"""Old words that read anew; more of them mean that their subpage was renewed unseen."""

GAIN_WORD: Final = PIXELS + 0x0A
CONTROL_WORD: Final = 832
EEPROM_GAIN: Final = 0x30
EEPROM_RESOLUTION: Final = 0x38


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the auxiliary words say."""

    supply: float
    """Volts."""
    die: float
    """Ta in °C."""
    gain: float
    """Gain word against the EEPROM's, at the same ADC resolution."""


def gain_ratio(eeprom: NDArray[np.uint16], frame: NDArray[np.uint16]) -> float:
    """The frame's gain word against the calibrated one.

    A real recording at another ADC resolution than the calibration's shows the word scaled with it; made ones do not.
    Both are taken; they are the same at the resolution that the driver sets.
    """
    ratio = int(frame[GAIN_WORD].astype(np.int16)) / int(eeprom[EEPROM_GAIN].astype(np.int16))
    codes = (int(frame[CONTROL_WORD]) >> 10) & 3, (int(eeprom[EEPROM_RESOLUTION]) >> 12) & 3
    return float(min(ratio, ratio / 2.0 ** (codes[0] - codes[1]), key=lambda value: abs(value - 1.0)))


class VitalsCheck:
    """Refuses auxiliary words out of range, or leaping for one reading only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: Vitals | None = None
        self._last_at = 0.0
        self._suspect: Vitals | None = None

    def accept(self, now: Vitals, at: float) -> None:
        """Take `now`, read at monotonic `at`. Raises `FrameError`; a leap that lasts is believed the second time."""
        for what, value, unit, (low, high) in (
            ("supply voltage", now.supply, "V", SUPPLY_RANGE),
            ("die temperature", now.die, "°C", DIE_RANGE),
            ("gain", now.gain, "of the calibrated", GAIN_RANGE),
        ):
            if not low <= value <= high:
                raise FrameError(f"{self._name}: {what} {value:.3g} {unit} cannot be: a byte was read wrong")
        allowed = DIE_LEAP + DIE_DRIFT * (at - self._last_at)
        if self._last is not None and not _near(now, self._last, allowed):
            believed = self._suspect is not None and _near(now, self._suspect, allowed)
            self._suspect = now
            if not believed:
                raise FrameError(f"{self._name}: {_leap(self._last, now)}: a byte was read wrong")
        self._last, self._last_at, self._suspect = now, at, None


def _near(one: Vitals, other: Vitals, die_leap: float) -> bool:
    return (
        abs(one.supply - other.supply) <= SUPPLY_LEAP
        and abs(one.die - other.die) <= die_leap
        and abs(one.gain - other.gain) <= GAIN_LEAP
    )


def _leap(before: Vitals, now: Vitals) -> str:
    return (
        f"supply {before.supply:.2f} to {now.supply:.2f} V, die {before.die:.1f} to {now.die:.1f} °C, "
        f"gain {before.gain:.3f} to {now.gain:.3f} within one subpage"
    )


def neighbours(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[8, 768]: the eight neighbours of each pixel of float32[768]; NaN beyond the edge."""
    padded = np.full((ROWS + 2, COLUMNS + 2), np.nan, dtype=np.float32)
    padded[1:-1, 1:-1] = picture.reshape(ROWS, COLUMNS)
    shifted = [
        padded[1 + down : 1 + down + ROWS, 1 + right : 1 + right + COLUMNS]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if down or right
    ]
    return np.stack(shifted).reshape(8, PIXELS)


def spikes(
    now: NDArray[np.float32], before: NDArray[np.float32], fresh: NDArray[np.bool_], noise: float
) -> NDArray[np.bool_]:
    """Which fresh pixels no scene could have made.

    Args:
        now: float32[768] °C, merged; NaN for pixels not seen yet.
        before: float32[768], as it was before this subpage.
        fresh: bool[768], the pixels of this subpage.
        noise: sigma of one pixel in K.

    Returns:
        bool[768]: out of the sensor's range, or further than the threshold from its own last value and outside all
        neighbours, alone or as one of two: an object that enters is larger. What stays (a lamp) is believed at its
        second reading.
    """
    threshold = max(SMALLEST_SPIKE, SPIKE_SIGMAS * noise)
    low, high = OBJECT_RANGE
    impossible = ~np.isfinite(now) | (now < low) | (now > high)
    leapt = fresh & ~(np.abs(now - before) <= threshold)
    # fmax and fmin leave out NaN: pixels beyond the edge, not seen yet, or themselves leaping.
    around = neighbours(np.where(leapt, np.float32(np.nan), now))
    outside = (now > np.fmax.reduce(around) + threshold) | (now < np.fmin.reduce(around) - threshold)
    return np.asarray(fresh & impossible | _at_most_two(leapt & outside))


def _at_most_two(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marked pixels (bool[768]) that touch no other marked one, or just one that touches no third."""
    count = np.nansum(neighbours(marked.astype(np.float32)), axis=0)
    largest = np.fmax.reduce(neighbours(np.where(marked, count, np.float32(np.nan)).astype(np.float32)))
    return np.asarray(marked & ((count == 0) | ((count == 1) & (largest == 1))))


def fill_from_neighbours(picture: NDArray[np.float32], bad: NDArray[np.bool_]) -> None:
    """Set the `bad` pixels (bool[768]) of float32[768] to the median of their good neighbours, NaN where none is."""
    around = neighbours(np.where(bad, np.float32(np.nan), picture))[:, bad]
    usable = np.isfinite(around).any(axis=0)
    values = np.full(around.shape[1], np.nan, dtype=np.float32)
    values[usable] = np.nanmedian(around[:, usable], axis=0)
    picture[bad] = values
