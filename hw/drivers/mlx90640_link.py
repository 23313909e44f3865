"""Transfers with an MLX90640: registers, frames and the EEPROM, over a bus that has no checksum of its own.

Data sheet rev 12: 10.2 (16-bit addresses and words, big endian), 10.7 (address map and register bits).
"""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.errors import BusError, BusStuck, CalibrationDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.bus import I2cBus

RAM: Final = 0x0400
EEPROM: Final = 0x2400
STATUS: Final = 0x8000
CONTROL: Final = 0x800D
WORDS: Final = 832
"""Words of RAM (768 pixels, 64 auxiliary) and of EEPROM."""
PIXELS: Final = 768
ROWS: Final = 24
COLUMNS: Final = 32

NEW_DATA: Final = 1 << 3
OVERWRITE_ENABLED: Final = 1 << 4
SUBPAGE_BITS: Final = 0x07

SUBPAGES_ENABLED: Final = 1 << 0
REFRESH_SHIFT: Final = 7
ADC_18_BIT: Final = 2 << 10
CHESS: Final = 1 << 12
LAYOUT_BITS: Final = CHESS | 3 << 10
"""Bits that decide what the words mean: pattern and ADC resolution."""

EEPROM_READS: Final = 5
MOST_UNSURE: Final = 64
"""So many words that differ between two reads are no glitches: the bus does not work."""


def control_word(refresh_hz: float, *, chess: bool) -> int:
    """Control register 1 (figure 12): continuous measurement of both subpages at 18 bit.

    Always written whole: a damaged EEPROM word 0x240C starts the chip with 0 or 0xFFFF in it.
    """
    code = round(math.log2(refresh_hz * 2))
    return SUBPAGES_ENABLED | code << REFRESH_SHIFT | ADC_18_BIT | (CHESS if chess else 0)


def refresh_hz(control: int) -> float:
    """Subpages a second of a control register word."""
    return float(0.5 * (1 << ((control >> REFRESH_SHIFT) & 7)))


def subpage_of_pixels(control: int) -> NDArray[np.uint8]:
    """uint8[768]: which subpage renews each pixel, by the pattern bit (figures 8 and 9)."""
    row, column = np.divmod(np.arange(PIXELS), COLUMNS)
    return ((row + column if control & CHESS else row) % 2).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class EepromReading:
    """The EEPROM as several reads agree on it."""

    words: NDArray[np.uint16]
    """uint16[832]."""
    unsure: int
    """Words that needed more than two reads."""


class Mlx90640Link:
    """One sensor at `address` on `bus`. Every call raises `BusError` kinds."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self.bus = bus
        self.address = address
        self.name = f"MLX90640 at 0x{address:02x} on {bus.name}"

    def words(self, register: int, count: int) -> NDArray[np.uint16]:
        """Read uint16[count] from `register` on."""
        data = self.bus.write_read(self.address, register.to_bytes(2, "big"), 2 * count)
        if len(data) != 2 * count:
            raise BusError(errno.EIO, f"{self.name}: {len(data)} bytes instead of {2 * count} from 0x{register:04x}")
        return np.frombuffer(data, dtype=">u2").astype(np.uint16)

    def word(self, register: int) -> int:
        """Read one word."""
        return int(self.words(register, 1)[0])

    def agreed_word(self, register: int) -> int:
        """Read a word until two reads in a row agree."""
        before = self.word(register)
        for _ in range(4):
            now = self.word(register)
            if now == before:
                return now
            before = now
        raise BusError(errno.EIO, f"{self.name}: register 0x{register:04x} reads differently each time: noisy bus")

    def store(self, register: int, word: int) -> None:
        """Write one word."""
        self.bus.write(self.address, register.to_bytes(2, "big") + word.to_bytes(2, "big"))

    def raise_if_stuck(self, words: NDArray[np.uint16], what: str) -> None:
        """Raise `BusStuck` where a block of `words` is all 0x0000 or all 0xFFFF, as a held or floating SDA reads."""
        first = int(words[0])
        if first in {0x0000, 0xFFFF} and bool((words == first).all()):
            raise BusStuck(
                errno.EIO,
                f"{self.name}: {what} reads 0x{first:04X} throughout: SDA is held or floating, or the sensor hangs; "
                "check cable and pull-ups, switch its supply off and on",
            )

    def read_eeprom(self) -> EepromReading:
        """Read the EEPROM until every word was read the same at least twice.

        Raises:
            BusStuck: the line reads all zeros or ones.
            CalibrationDataError: words that never agree, or an EEPROM that is all 0x0000 or 0xFFFF on a working bus.
        """
        reads = [self.words(EEPROM, WORDS), self.words(EEPROM, WORDS)]
        self._raise_if_blank(reads[0])
        unsure = reads[0] != reads[1]
        agreed = reads[0].copy()
        open_words = unsure.copy()
        while open_words.any() and len(reads) < EEPROM_READS and np.count_nonzero(unsure) <= MOST_UNSURE:
            newest = self.words(EEPROM, WORDS)
            for earlier in reads:
                settled = open_words & (earlier == newest)
                agreed[settled] = newest[settled]
                open_words &= ~settled
            reads.append(newest)
        if open_words.any():
            places = ", ".join(f"0x{EEPROM + index:04X}" for index in np.flatnonzero(open_words)[:8])
            raise CalibrationDataError(
                f"{self.name}: {np.count_nonzero(open_words)} EEPROM words differ between reads ({places}, ...): "
                "EEPROM must be read at 400 kHz or less; set dtparam=i2c_arm_baudrate=400000 and check the cable"
            )
        return EepromReading(words=agreed, unsure=int(np.count_nonzero(unsure)))

    def _raise_if_blank(self, words: NDArray[np.uint16]) -> None:
        first = int(words[0])
        if first not in {0x0000, 0xFFFF} or not bool((words == first).all()):
            return
        if self.word(CONTROL) == first:
            self.raise_if_stuck(words, "EEPROM")
        raise CalibrationDataError(f"{self.name}: EEPROM is 0x{first:04X} throughout while its registers answer: dead")
