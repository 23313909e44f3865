"""NumPy oracle of the search's planes, in float64 and independent of the C code: rotation, levels, distances.

docs/search.md says what they are for.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Rows = NDArray[np.float64]

STEP = 0.28
"""Of the 16 levels, in root mean squares of a rotated template."""
GAIN = (4 * 0.951, 2 * 1.0096, 1.0213)
"""Length of a reading's unit, in half steps."""
BITS = (2, 3, 4)


def _signs(count: int) -> Rows:
    """Of the rotation: bit i of splitmix64's output for the state i // 64 (Steele, Lea, Flood 2014)."""
    with np.errstate(over="ignore"):
        mixed = np.arange(-(-count // 64), dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    bits = (mixed[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    return np.where(bits.ravel()[:count] == 1, -1.0, 1.0)


@functools.cache
def _hadamard(size: int) -> Rows:
    """Sylvester's matrix, scaled to be orthogonal."""
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    scaled: Rows = matrix / np.sqrt(size)
    return scaled


def _stages(dim: int) -> Iterator[tuple[slice, Rows]]:
    """The elements that each transform takes in, and their signs."""
    power = 1 << (dim.bit_length() - 1)
    first, last = slice(0, power), slice(dim - power, dim)
    places = [first] if power == dim else [first, last, first]
    signs = _signs(power * len(places))
    for stage, place in enumerate(places):
        yield place, signs[stage * power : (stage + 1) * power]


def rotate(vectors: Rows) -> Rows:
    """Rotated float64[n, dim]."""
    rotated = np.array(vectors, dtype=np.float64)
    for place, signs in _stages(rotated.shape[1]):
        rotated[:, place] = (rotated[:, place] * signs) @ _hadamard(len(signs))
    return rotated


def unrotate(vectors: Rows) -> Rows:
    """What `rotate` makes these from."""
    back = np.array(vectors, dtype=np.float64)
    for place, signs in reversed(list(_stages(back.shape[1]))):
        back[:, place] = (back[:, place] @ _hadamard(len(signs))) * signs
    return back


def _bfloat16(values: Rows) -> Rows:
    """Nearest numbers of 8 significant bits."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    near: Rows = ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)
    return near


def readings(rotated: Rows) -> tuple[Rows, Rows, Rows]:
    """What the first, two and three planes make of rotated templates, float64[n, dim] each."""
    size = np.sqrt(np.mean(rotated**2, axis=1, keepdims=True))
    half = _bfloat16(STEP / 2 * size)
    codes = np.clip(np.floor(rotated / (2 * half)) + 8, 0, 15).astype(np.int64)
    first, second, third = (
        half * gain * (2 * (codes >> (4 - bits)) - (2**bits - 1)) for gain, bits in zip(GAIN, BITS, strict=True)
    )
    return first, second, third


def fine(rotated: Rows) -> Rows:
    """What 8 bits make of rotated vectors, float64[n, dim]."""
    unit = np.max(np.abs(rotated), axis=1, keepdims=True) / 127
    rounded: Rows = np.round(rotated / unit) * unit
    return rounded
