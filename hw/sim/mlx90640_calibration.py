"""What an MLX90640's EEPROM says, decoded for the simulated chip: data sheet rev 12, section 11.1 and Table 10.

Written apart from the kernels' extraction, which it may not import: two equal mistakes would cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw.sim.mlx90640_slave import COLUMNS, PIXELS, ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Calibration of one chip. Pixel arrays are float64[768]; pairs are of subpage 0 and 1."""

    kv_vdd: float
    """LSB per volt."""
    vdd_25: float
    """LSB at 3.3 V and 25 °C."""
    kv_ptat: float
    kt_ptat: float
    ptat_25: float
    alpha_ptat: float
    gain: float
    resolution: int
    """ADC resolution code (0: 16 bit) that the chip was calibrated at."""
    chess_calibrated: bool
    interleave: tuple[float, float, float]
    """Corrections C1, C2, C3 of the pattern that the chip was not calibrated in (11.1.3.1)."""
    tgc: float
    ks_ta: float
    ks_to: tuple[float, float, float, float]
    corners: tuple[float, float, float, float]
    """Corner temperatures CT1..CT4 in °C."""
    cp_alpha: tuple[float, float]
    cp_offset: tuple[float, float]
    cp_kv: float
    cp_kta: float
    alpha: Pixels
    offset: Pixels
    kta: Pixels
    kv: Pixels
    dead: NDArray[np.bool_]
    """bool[768]: pixels whose word is 0, which marks them as failed."""


def signed(value: int, bits: int) -> int:
    """Two's complement of the lowest `bits` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def lens(eeprom: NDArray[np.uint16]) -> int:
    """Field of view in degrees: bits 3:2 of word 0x240A, 0b11 for 110 (melexis/mlx90640-library, issue 30)."""
    return 110 if (int(eeprom[0x0A]) >> 2) & 3 == 3 else 55


def decode(eeprom: NDArray[np.uint16]) -> Calibration:
    """Decode uint16[832]. Raises ValueError where a divisor is 0, which no working chip has."""
    word = [int(w) for w in eeprom]
    kv_vdd = 32.0 * signed(word[0x33] >> 8, 8)
    kt_ptat = signed(word[0x32], 10) / 8.0
    if not kv_vdd or not kt_ptat or not word[0x21]:
        raise ValueError("the EEPROM is not a working chip's: K_Vdd, Kt_PTAT or the mean sensitivity is 0")
    ks_to, corners = _object_slopes(word)
    cp_offset = signed(word[0x3A], 10)
    cp_alpha = (word[0x39] & 0x3FF) / 2.0 ** ((word[0x20] >> 12) + 27)
    return Calibration(
        kv_vdd=kv_vdd,
        vdd_25=((word[0x33] & 0xFF) - 256) * 32.0 - 8192.0,
        kv_ptat=signed(word[0x32] >> 10, 6) / 4096.0,
        kt_ptat=kt_ptat,
        ptat_25=float(signed(word[0x31], 16)),
        alpha_ptat=(word[0x10] >> 12) / 4.0 + 8.0,
        gain=float(signed(word[0x30], 16)),
        resolution=(word[0x38] >> 12) & 3,
        chess_calibrated=not word[0x0A] & 0x0800,
        interleave=(
            signed(word[0x35], 6) / 16.0,
            signed(word[0x35] >> 6, 5) / 2.0,
            signed(word[0x35] >> 11, 5) / 8.0,
        ),
        tgc=signed(word[0x3C], 8) / 32.0,
        ks_ta=signed(word[0x3C] >> 8, 8) / 8192.0,
        ks_to=ks_to,
        corners=corners,
        cp_alpha=(cp_alpha, cp_alpha * (1.0 + signed(word[0x39] >> 10, 6) / 128.0)),
        cp_offset=(float(cp_offset), float(cp_offset + signed(word[0x3A] >> 10, 6))),
        cp_kv=signed(word[0x3B] >> 8, 8) / 2.0 ** ((word[0x38] >> 8) & 15),
        cp_kta=signed(word[0x3B], 8) / 2.0 ** (((word[0x38] >> 4) & 15) + 8),
        alpha=_alpha(word),
        offset=_offset(word),
        kta=_kta(word),
        kv=_checkered([signed(word[0x34] >> shift, 4) for shift in (12, 8, 4, 0)], 2.0 ** ((word[0x38] >> 8) & 15)),
        dead=np.asarray(eeprom[64:] == 0),
    )


def _object_slopes(word: list[int]) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
    """KsTo and corner temperatures of the four ranges (11.1.9, 11.1.10)."""
    scale = 2.0 ** ((word[0x3F] & 15) + 8)
    step = ((word[0x3F] >> 12) & 3) * 10
    third = float(((word[0x3F] >> 4) & 15) * step)
    fourth = third + ((word[0x3F] >> 8) & 15) * step
    slopes = (
        signed(word[0x3D], 8) / scale,
        signed(word[0x3D] >> 8, 8) / scale,
        signed(word[0x3E], 8) / scale,
        signed(word[0x3E] >> 8, 8) / scale,
    )
    return slopes, (-40.0, 0.0, third, fourth)


def _nibbles(words: list[int]) -> NDArray[np.int64]:
    """Signed 4-bit values, lowest nibble of each word first."""
    return np.array([signed(word >> shift, 4) for word in words for shift in (0, 4, 8, 12)], dtype=np.int64)


def _field(word: list[int], shift: int, bits: int) -> NDArray[np.int64]:
    """A signed field of the 768 pixel words."""
    value = (np.array(word[64:], dtype=np.int64) >> shift) & ((1 << bits) - 1)
    return np.where(value >> (bits - 1), value - (1 << bits), value)


def _separable(word: list[int], first: int, scales: int, remnant: NDArray[np.int64]) -> Pixels:
    """Mean + row + column + remnant, each with its own power of two (11.1.3, 11.1.4)."""
    rows = _nibbles(word[first : first + 6]) << ((scales >> 8) & 15)
    columns = _nibbles(word[first + 6 : first + 14]) << ((scales >> 4) & 15)
    total = rows[:, None] + columns[None, :] + (remnant << (scales & 15)).reshape(ROWS, COLUMNS)
    return np.asarray(total.reshape(-1), dtype=np.float64)


def _offset(word: list[int]) -> Pixels:
    return np.asarray(signed(word[0x11], 16) + _separable(word, 0x12, word[0x10], _field(word, 10, 6)))


def _alpha(word: list[int]) -> Pixels:
    steps = word[0x21] + _separable(word, 0x22, word[0x20], _field(word, 4, 6))
    return np.asarray(steps / 2.0 ** ((word[0x20] >> 12) + 30))


def _kta(word: list[int]) -> Pixels:
    # Order: odd row and column, even row and odd column, odd row and even column, both even (counted from 1).
    means = [signed(word[0x36] >> 8, 8), signed(word[0x36], 8), signed(word[0x37] >> 8, 8), signed(word[0x37], 8)]
    remnant = _field(word, 1, 3) << (word[0x38] & 15)
    return np.asarray(_checkered(means, 1.0, remnant) / 2.0 ** (((word[0x38] >> 4) & 15) + 8))


def _checkered(values: list[int], scale: float, remnant: NDArray[np.int64] | None = None) -> Pixels:
    """One value for each parity of row and column, in the data sheet's order (11.1.5, 11.1.6)."""
    row, column = np.divmod(np.arange(PIXELS), COLUMNS)
    mean = np.array(values, dtype=np.float64)[2 * (column % 2) + row % 2]
    return np.asarray(mean / scale if remnant is None else mean + remnant)
