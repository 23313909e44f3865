"""The register file of an MLX90640 as a slave on the simulated bus; its kinds say what a measurement puts into RAM.

Data sheet rev 12: 10.2 (16-bit addresses, big endian, auto-increment), 10.7 (address map), Table 5 note 5 (EEPROM at
no more than 400 kHz).
"""

from __future__ import annotations

import abc
import math
import random
import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.sim.i2c import BITS_PER_BYTE

if TYPE_CHECKING:
    from numpy.typing import NDArray

RAM: Final = 0x0400
EEPROM: Final = 0x2400
STATUS: Final = 0x8000
CONTROL: Final = 0x800D
I2C_CONFIG: Final = 0x800F
I2C_ADDRESS: Final = 0x8010
WORDS: Final = 832
PIXELS: Final = 768
ROWS: Final = 24
COLUMNS: Final = 32

NEW_DATA: Final = 1 << 3
OVERWRITE: Final = 1 << 4
DATA_HOLD: Final = 1 << 2
SUBPAGE_MODE: Final = 1 << 0
SUBPAGE_REPEAT: Final = 1 << 3

EEPROM_CLOCK_LIMIT: Final = 400_000
EEPROM_ERRORS: Final = 1e-3
"""Share of EEPROM words read wrong above the limit (our choice: the data sheet only forbids it)."""


def refresh_period(control: int) -> float:
    """Seconds of one subpage for a control register word (10.7.1, figure 12): 2 s at code 0, half at each next."""
    return float(2.0 / (1 << ((control >> 7) & 7)))


def is_chess(control: int) -> bool:
    """Whether bit 12 selects the chess pattern."""
    return bool((control >> 12) & 1)


def owned_pixels(subpage: int, *, chess: bool) -> NDArray[np.bool_]:
    """bool[768]: the pixels that a measurement of `subpage` renews (figures 8 and 9)."""
    row, column = np.divmod(np.arange(PIXELS), COLUMNS)
    return np.asarray(((row + column) % 2 if chess else row % 2) == subpage)


class Mlx90640Slave(abc.ABC):
    """Memory, registers and word-by-word timing.

    Args:
        eeprom: uint16[832].
        seed: of the read errors above the EEPROM's clock limit.

    Raises:
        ValueError: the EEPROM has another shape.
    """

    def __init__(self, eeprom: NDArray[np.uint16], *, seed: int = 0) -> None:
        words = np.array(eeprom, dtype=np.uint16)
        if words.shape != (WORDS,):
            raise ValueError(f"an MLX90640's EEPROM is uint16[{WORDS}], not {words.dtype}{list(words.shape)}")
        self.eeprom = words
        self.stray_writes: list[tuple[int, int]] = []
        """(address, word) of every write outside the registers a driver may set; a driver never writes EEPROM."""
        self._ram = np.zeros(WORDS, dtype=np.uint16)
        self._status = 0
        self._control = int(words[0x0C])
        self._pointer = 0
        self._powered = True
        self._lock = threading.Lock()
        self._errors = random.Random(seed)

    @property
    def address(self) -> int:
        """The 7-bit slave address in EEPROM 0x240F."""
        return int(self.eeprom[0x0F]) & 0x7F

    @property
    def powered(self) -> bool:
        """Whether the chip has supply voltage."""
        return self._powered

    def write(self, data: bytes, at: float) -> None:
        """Set the address pointer from the first two bytes and store the words after them."""
        with self._lock:
            self._advance(at)
            if len(data) < 2:
                return
            self._pointer = int.from_bytes(data[:2], "big")
            for offset in range(2, len(data) - 1, 2):
                self._store(self._pointer, int.from_bytes(data[offset : offset + 2], "big"), at)
                self._pointer += 1

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        """Send words from the pointer on; words after the end of a measurement are already the new ones."""
        with self._lock:
            self._advance(start)
            return self._stream(count, start, 2 * seconds_per_byte).astype(">u2").tobytes()[:count]

    @abc.abstractmethod
    def _due(self) -> float:
        """When the next measurement ends, monotonic seconds; infinity for never."""

    @abc.abstractmethod
    def _measure(self, at: float) -> None:
        """End the measurement due at `at`: renew RAM and status, and set the next one."""

    def _advance(self, to: float) -> None:
        while (due := self._due()) <= to:
            self._measure(due)

    def _stream(self, count: int, start: float, seconds_per_word: float) -> NDArray[np.uint16]:
        address = self._pointer
        remaining = (count + 1) // 2
        self._pointer = (address + remaining) & 0xFFFF
        pieces: list[NDArray[np.uint16]] = []
        now = start
        while remaining:
            until = (self._due() - now) / seconds_per_word
            words = min(remaining, max(1, math.ceil(until))) if math.isfinite(until) else remaining
            pieces.append(self._load(address, words, seconds_per_word))
            address += words
            remaining -= words
            now += words * seconds_per_word
            self._advance(now)
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.uint16)

    def _load(self, address: int, count: int, seconds_per_word: float) -> NDArray[np.uint16]:
        for base, block in ((RAM, self._ram), (EEPROM, self.eeprom)):
            if base <= address and address + count <= base + WORDS:
                words = block[address - base : address - base + count].copy()
                return self._overclocked(words, seconds_per_word) if base == EEPROM else words
        return np.array([self._word(address + k) for k in range(count)], dtype=np.uint16)

    def _overclocked(self, words: NDArray[np.uint16], seconds_per_word: float) -> NDArray[np.uint16]:
        if 2 * BITS_PER_BYTE / seconds_per_word > EEPROM_CLOCK_LIMIT * 1.001:
            for index in range(words.size):
                if self._errors.random() < EEPROM_ERRORS:
                    words[index] ^= 1 << self._errors.randrange(16)
        return words

    def _word(self, address: int) -> int:
        if RAM <= address < RAM + WORDS:
            return int(self._ram[address - RAM])
        if EEPROM <= address < EEPROM + WORDS:
            return int(self.eeprom[address - EEPROM])
        registers = {
            STATUS: self._status,
            CONTROL: self._control_word(),
            I2C_CONFIG: int(self.eeprom[0x0E]),
            I2C_ADDRESS: int(self.eeprom[0x0F]),
        }
        return registers.get(address, 0)

    def _control_word(self) -> int:
        return self._control

    def _store(self, address: int, word: int, at: float) -> None:  # noqa: ARG002 - kinds may act at that time
        if address == STATUS:
            # The subpage bits are the chip's own; new data can only be cleared.
            self._status = (self._status & (0x07 | (word & NEW_DATA))) | (word & OVERWRITE)
        elif address == CONTROL:
            self._control = word
        else:
            self.stray_writes.append((address, word))
