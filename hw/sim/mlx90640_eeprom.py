"""A synthetic calibration: 832 EEPROM words as a healthy MLX90640 might carry, another for every seed.

The fields lie in the ranges that real chips' dumps show; data sheet rev 12, Table 10 gives their places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw.sim.mlx90640_slave import COLUMNS, PIXELS, ROWS, WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OPTIONS: Final = {55: 0x0499, 110: 0x049D}
"""Device options (0x240A) by field of view; bits 3:2 tell the lens."""
ALPHA_SCALES: Final = {55: 0x8895, 110: 0x7895}
"""Scales of the sensitivity (0x2420): 2^-38 for the narrow lens, 2^-37 for the wide one, which gathers more."""


def synthetic_eeprom(
    seed: int, *, fov: int = 55, address: int = 0x33, dead: Sequence[int] = (), outliers: Sequence[int] = ()
) -> NDArray[np.uint16]:
    """Make uint16[832] from `seed`.

    Args:
        seed: of every random field; the serial number follows from it.
        fov: 55 (BAB) or 110 (BAA) degrees.
        address: 7-bit I2C address.
        dead: pixel indices marked as failed (word 0).
        outliers: pixel indices marked as out of specification (bit 0).

    Raises:
        ValueError: an unknown field of view or a pixel index out of range.
    """
    if fov not in OPTIONS:
        raise ValueError(f"an MLX90640 sees 55 or 110 degrees, not {fov}")
    rng = np.random.default_rng((0x90640, seed))
    words = np.zeros(WORDS, dtype=np.uint16)
    words[0x00:0x10] = (0x00AE, 0x499A, 0, 0x2061, 5, 0x0320, 0x03E0, 0, 0, 0, OPTIONS[fov], 0, 0x1901, 0, 0, 0xBE00)
    words[0x07:0x0A] = rng.integers(1, 0xFFFF, 3)
    words[0x0F] |= address & 0x7F
    _offsets(words, rng)
    _sensitivities(words, rng, ALPHA_SCALES[fov])
    _common(words, rng)
    _pixels(words, rng)
    for name, indices in (("dead", dead), ("outliers", outliers)):
        if any(not 0 <= index < PIXELS for index in indices):
            raise ValueError(f"{name}: a pixel index lies in 0..{PIXELS - 1}")
    words[64 + np.array(list(outliers), dtype=np.int64)] |= 1
    words[64 + np.array(list(dead), dtype=np.int64)] = 0
    return words


def _nibbles(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pack signed 4-bit values, four to a word, the first in the lowest nibble."""
    packed = np.clip(values, -8, 7).astype(np.int64).reshape(-1, 4) & 0xF
    return np.asarray(packed @ (1 << np.array([0, 4, 8, 12])))


def _offsets(words: NDArray[np.uint16], rng: np.random.Generator) -> None:
    words[0x10] = 0x4210
    words[0x11] = rng.integers(-75, -50) & 0xFFFF
    rows = np.rint(np.linspace(1.5, -3.5, ROWS) + 1.2 * np.cos(np.pi * np.arange(ROWS))).astype(np.int64)
    columns = np.rint(np.cos(np.pi * np.arange(COLUMNS)) + rng.normal(0, 0.7, COLUMNS)).astype(np.int64)
    words[0x12:0x18] = _nibbles(rows)
    words[0x18:0x20] = _nibbles(columns)


def _sensitivities(words: NDArray[np.uint16], rng: np.random.Generator, scales: int) -> None:
    words[0x20] = scales
    words[0x21] = rng.integers(11_800, 13_800)
    for first, length in ((0x22, ROWS), (0x28, COLUMNS)):
        # The lens lights the corners less.
        across = np.linspace(-1.0, 1.0, length)
        profile = np.rint(3.4 - 8.0 * np.abs(across) ** 2.2 + rng.normal(0, 0.3, length)).astype(np.int64)
        words[first : first + length // 4] = _nibbles(profile)


def _common(words: NDArray[np.uint16], rng: np.random.Generator) -> None:
    def byte(low: int, high: int) -> int:
        return int(rng.integers(low, high)) & 0xFF

    words[0x30] = rng.integers(5300, 6300)
    words[0x31] = rng.integers(12_150, 12_280)
    words[0x32] = (int(rng.integers(7, 12)) << 10) | int(rng.integers(325, 350))
    words[0x33] = (byte(-101, -88) << 8) | byte(0x70, 0x90)
    words[0x34] = _nibbles(rng.integers(3, 8, 4))[0]
    words[0x35] = (byte(-1, 2) & 0x1F) << 11 | int(rng.integers(3, 9)) << 6 | int(rng.integers(5, 21))
    words[0x36:0x38] = [(byte(55, 106) << 8) | byte(55, 106) for _ in range(2)]
    words[0x38] = 0x2363
    words[0x39] = (byte(-4, 4) & 0x3F) << 10 | int(rng.integers(60, 100))
    words[0x3A] = (byte(-4, 3) & 0x3F) << 10 | (int(rng.integers(-85, -60)) & 0x3FF)
    words[0x3B] = byte(3, 10) << 8 | byte(60, 80)
    words[0x3C] = byte(-18, -8) << 8
    words[0x3D] = byte(-65, -50) << 8 | byte(-60, -45)
    words[0x3E] = 0x97B1
    words[0x3F] = 0x2669


def _pixels(words: NDArray[np.uint16], rng: np.random.Generator) -> None:
    offset = np.clip(np.rint(rng.normal(0, 9, PIXELS)), -30, 30).astype(np.int64) & 0x3F
    alpha = np.clip(np.rint(rng.normal(0, 5, PIXELS)), -25, 25).astype(np.int64) & 0x3F
    kta = rng.integers(-2, 3, PIXELS) & 0x7
    packed = offset << 10 | alpha << 4 | kta << 1
    # A word of 0 would mark the pixel as failed.
    words[64:] = np.where(packed == 0, 1 << 4, packed)
