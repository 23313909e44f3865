"""Inputs of the benchmark, made up from a seed: a plausible sensor's words, and a gallery of random directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SENSOR = {
    0x2410: 0x4210,  # αPTAT 9; scales of the offset's corrections
    0x2411: 0xFFC0,  # average offset -64
    0x2420: 0x79A6,  # scales of the sensitivity's corrections
    0x2421: 0x2E00,  # average sensitivity 8.6e-8
    0x2430: 6200,  # gain
    0x2431: 12250,  # V_PTAT25
    0x2432: 0x5950,  # KvPTAT, KtPTAT 42
    0x2433: 0x9D68,  # KVdd -3168, Vdd25 -13056
    0x2434: 0x4343,  # Kv
    0x2435: 0x0363,  # pattern correction
    0x2436: 0x5A52,  # Kta
    0x2437: 0x5852,
    0x2438: 0x2363,  # resolution 18 bits; scales of Kv and Kta
    0x2439: 0x0050,  # compensation pixel
    0x243A: 0xFBB5,
    0x243B: 0x0446,
    0x243C: 0xEC00,  # KsTa -0.0024, TGC 0
    0x243D: 0xE6E6,  # KsTo -2e-4 in every range
    0x243E: 0xE6E6,
    0x243F: 0x2889,  # corners at 160 and 320 °C
}
_FRAME = {
    0x0700: 19_440,  # V_BE
    0x0708: 0xFFC4,  # compensation pixels
    0x070A: 6200,  # gain
    0x0720: 1650,  # V_PTAT
    0x0728: 0xFFC4,
    0x072A: 0x10000 - 13_000,  # supply
}


def eeprom(seed: int = 0) -> NDArray[np.uint16]:
    """uint16[832] of a sensor without defects."""
    rng, words = np.random.default_rng(seed), np.zeros(832, dtype=np.uint16)
    for address, word in _SENSOR.items():
        words[address - 0x2400] = word
    offset, alpha, kta = rng.integers(-16, 16, 768), rng.integers(-16, 16, 768), rng.integers(-2, 3, 768)
    pixels = (offset & 0x3F) << 10 | (alpha & 0x3F) << 4 | (kta & 0x7) << 1
    words[0x40:] = np.where(pixels == 0, 0x0010, pixels)
    return words


def frame(seed: int = 0, *, chess: bool = True) -> NDArray[np.uint16]:
    """uint16[834]: a scene near room temperature, subpage 0."""
    rng, words = np.random.default_rng(seed), np.zeros(834, dtype=np.uint16)
    words[:768] = rng.normal(-60, 40, 768).astype(np.int16).view(np.uint16)
    for address, word in _FRAME.items():
        words[address - 0x0400] = word
    words[832] = 0x1901 if chess else 0x0901
    return words


def directions(count: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """float32[count, dim], L2-normalised."""
    rows = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
