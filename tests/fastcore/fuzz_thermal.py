"""Bytes to EEPROM and frame words: refused by name or computed, on every path to the same bits, as by the oracle.

A harness for atheris, run by built.py. The first byte chooses a golden case, every four after it change a word.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import atheris
import numpy as np

import _fastcore
from _fastcore import reference
from _fastcore.thermal import CalibrationError, Mlx90640

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint16]

WORDS, PIXELS = 832, 768
with np.load(Path(__file__).parents[1] / "data" / "own_golden.npz") as archive:
    EEPROMS, FRAMES = archive["eeprom"], archive["frames"]


def _words(data: bytes) -> tuple[Words, Words, list[int]]:
    """An EEPROM and a frame, and where they differ from the golden case; places beyond the EEPROM are the frame's."""
    case = data[0] if data else 0
    both = np.concatenate([EEPROMS[case % len(EEPROMS)], FRAMES[case % len(FRAMES), case & 1]])
    changes = np.frombuffer(data[1 : 1 + (len(data) - 1) // 4 * 4], dtype="<u2").reshape(-1, 2)
    places = [int(place) % both.size for place in changes[:, 0]]
    both[places] = changes[:, 1]
    return both[:WORDS].copy(), both[WORDS:].copy(), places


def _pictures(kernel: Mlx90640, frame: Words) -> NDArray[np.float32]:
    """The picture, the same bits on every path, unrepaired."""
    results = []
    for name in _fastcore.available_backends():
        _fastcore.select_backend(name)
        out = np.full(PIXELS, 25, dtype=np.float32)
        kernel.object_temperatures(frame, out)
        results.append(out)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
    return results[0]


def _agrees(eeprom: Words, frame: Words, out: NDArray[np.float32], kernel: Mlx90640) -> None:
    """As the oracle has it, where the sensor is sound and only its pixels are not."""
    exact = reference.stored(reference.extract(eeprom))
    assert abs(kernel.supply_voltage(frame) - reference.supply_voltage(exact, frame)) <= 1e-9
    assert abs(kernel.ambient_temperature(frame) - reference.ambient_temperature(exact, frame)) <= 1e-9
    expected = reference.object_temperatures(exact, frame)
    here = reference.subpage_mask(frame).ravel() & (np.nan_to_num(expected.ravel(), nan=-999) > -100)
    off = np.abs(out[here] - expected.ravel()[here])
    # The promise ends where words are no body's radiation: beyond 1000 °C, float32's own digits.
    assert np.all(off <= np.where(expected.ravel()[here] <= 150, 5e-4, 2e-3 + 1e-5 * np.abs(out[here]))), off.max()


def one(data: bytes) -> None:
    """One input."""
    eeprom, frame, places = _words(data)
    try:
        kernel = Mlx90640(eeprom)
    except CalibrationError as error:
        assert "word 0x" in str(error)
        return
    try:
        out = _pictures(kernel, frame)
    except ValueError as error:
        assert str(error).startswith("frame:")
        return
    if all(WORDS <= place < WORDS + PIXELS for place in places):
        _agrees(eeprom, frame, out, kernel)
    assert np.all(np.isnan(out) | (out >= -273.16))
    # Repair extrapolates along a row as the vendor does, so that it may fall below absolute zero, but not to infinity.
    kernel.repair(out, frame)
    assert not np.any(np.isinf(out))


atheris.Setup(sys.argv, one)
atheris.Fuzz()
