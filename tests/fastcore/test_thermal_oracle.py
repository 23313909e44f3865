"""The thermal kernel against the float64 oracle on scenes of hypothesis' choosing; every path gives the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import _fastcore
from _fastcore import reference
from _fastcore.thermal import Mlx90640

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

FASTCORE = settings.get_profile("fastcore")


def _assert_close(out: NDArray[np.float32], expected: NDArray[np.float64]) -> None:
    """Down to -100 °C, far below what the sensor can see; there the radicand fades, and with it float32's digits."""
    sound = expected > -100
    assert np.all(np.abs(out[sound] - expected[sound]) <= np.where(expected[sound] <= 150, 5e-4, 2e-3))
    assert np.all(np.isnan(out[~sound]) | (out[~sound] < -99))


SCENES = st.tuples(st.integers(0, 103), st.integers(0, 2**32 - 1), st.sampled_from([0, 50, 1000]))
"""A golden case's index, a seed, and the largest noise in counts that the seed puts on its pixels."""


def _frame(own: Vectors, scene: tuple[int, int, int], control: int, subpage: int) -> NDArray[np.uint16]:
    index, seed, spread = scene
    noise = np.random.default_rng(seed).integers(-spread, spread + 1, 768)
    frame: NDArray[np.uint16] = own["frames"][index, subpage].copy()
    frame[:768] += noise.astype(np.int16).view(np.uint16)
    frame[832], frame[833] = control, subpage
    return frame


@settings(FASTCORE, max_examples=150)
@given(
    scene=SCENES,
    subpage=st.integers(0, 1),
    control=st.sampled_from([0x1901, 0x0901, 0x1D01, 0x0D81, 0x1101, 0x1501]),
    emissivity=st.floats(0.3, 1.0),
    reflected=st.one_of(st.none(), st.floats(-40, 85)),
)
def test_kernel_agrees_with_the_oracle(
    own: Vectors,
    *,
    scene: tuple[int, int, int],
    subpage: int,
    control: int,
    emissivity: float,
    reflected: float | None,
) -> None:
    eeprom, frame = own["eeprom"][scene[0]], _frame(own, scene, control, subpage)
    exact = reference.stored(reference.extract(eeprom))
    expected = reference.object_temperatures(exact, frame, emissivity, reflected)
    kernel = Mlx90640(eeprom)

    assert kernel.supply_voltage(frame) == pytest.approx(reference.supply_voltage(exact, frame), abs=1e-9)
    assert kernel.ambient_temperature(frame) == pytest.approx(reference.ambient_temperature(exact, frame), abs=1e-9)
    out = np.full(768, np.nan, dtype=np.float32)
    assert kernel.object_temperatures(frame, out, emissivity, reflected) == subpage
    _assert_close(out, expected)


@settings(FASTCORE, max_examples=60)
@given(scene=SCENES, subpage=st.integers(0, 1), control=st.sampled_from([0x1901, 0x0901]))
def test_every_path_gives_the_same_bits(own: Vectors, scene: tuple[int, int, int], subpage: int, control: int) -> None:
    frame = _frame(own, scene, control, subpage)
    kernel = Mlx90640(own["eeprom"][scene[0]])
    before, results = _fastcore.backend(), []
    for name in _fastcore.available_backends():
        _fastcore.select_backend(name)
        out = np.zeros(768, dtype=np.float32)
        kernel.object_temperatures(frame, out)
        results.append(out)
    _fastcore.select_backend(before)
    for other in results[1:]:
        # NaN compares by place: the sign of a NaN is the processor's.
        np.testing.assert_array_equal(results[0], other, strict=True)


def _recalibrated(eeprom: NDArray[np.uint16], seed: int) -> NDArray[np.uint16]:
    """Another sensor: drift, pattern and compensation words, and the drift of each pixel, at random."""
    rng, other = np.random.default_rng(seed), eeprom.copy()
    for address in (0x2434, 0x2435, 0x2436, 0x2437, 0x243A, 0x243B):
        other[address - 0x2400] = rng.integers(0, 65536)
    other[0x243C - 0x2400] = rng.choice([0x0000, 0xF810, 0x08F0, 0x0408])
    other[0x40:] = (other[0x40:] & 0xFFF0) | (rng.integers(0, 8, 768) << 1).astype(np.uint16)
    return other


@settings(FASTCORE, max_examples=100)
@given(
    index=st.integers(0, 103),
    seed=st.integers(0, 2**32 - 1),
    subpage=st.integers(0, 1),
    control=st.sampled_from([0x1901, 0x0901]),
)
def test_any_calibration_agrees_with_the_oracle(
    own: Vectors, index: int, seed: int, subpage: int, control: int
) -> None:
    eeprom = _recalibrated(own["eeprom"][index], seed)
    frame = _frame(own, (index, 0, 0), control, subpage)
    expected = reference.object_temperatures(reference.stored(reference.extract(eeprom)), frame)
    out = np.full(768, np.nan, dtype=np.float32)
    Mlx90640(eeprom).object_temperatures(frame, out)
    _assert_close(out, expected)


def test_reflected_defaults_to_eight_under_ambient(own: Vectors, path: str) -> None:
    kernel, frame = Mlx90640(own["eeprom"][0]), own["frames"][0, 0]
    explicit, implicit = np.zeros(768, dtype=np.float32), np.zeros(768, dtype=np.float32)
    kernel.object_temperatures(frame, explicit, 0.95, kernel.ambient_temperature(frame) - 8)
    kernel.object_temperatures(frame, implicit, 0.95)
    assert np.array_equal(explicit, implicit)


def test_the_letter_of_the_data_sheet_is_close_to_the_vendors_storage(own: Vectors) -> None:
    """Keeping parameters in the vendor's integers moves a reading in the gate's range, but by millidegrees."""
    worst = 0.0
    for index in range(len(own["name"])):
        exact = reference.extract(own["eeprom"][index])
        frame = own["frames"][index, 0]
        letter = reference.object_temperatures(exact, frame)
        kept = reference.object_temperatures(reference.stored(exact), frame)
        near = (letter > 15) & (letter < 50)
        worst = max(worst, float(np.max(np.abs(letter - kept)[near], initial=0)))
    assert 0 < worst < 0.01
