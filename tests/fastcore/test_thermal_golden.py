"""The thermal kernel and its oracle against what the vendor's library puts out, on every path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from _fastcore import reference
from _fastcore.thermal import Mlx90640

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

BELOW_150, ABOVE_150 = 5e-4, 2e-3
"""°C. The vendor's library differs from itself by up to 6e-5 between compilers."""


def _cases(golden: Vectors) -> list[tuple[str, int]]:
    return [(str(name), index) for index, name in enumerate(golden["name"])]


def _assert_close(actual: NDArray[Any], expected: NDArray[Any], case: str) -> None:
    assert np.array_equal(np.isnan(actual), np.isnan(expected)), case
    finite = ~np.isnan(expected)
    limit = np.where(expected[finite] <= 150, BELOW_150, ABOVE_150)
    error = np.abs(actual[finite].astype(np.float64) - expected[finite])
    assert np.all(error <= limit), f"{case}: {error.max():.2g} °C"


def test_object_temperatures(golden: Vectors, path: str) -> None:
    for case, index in _cases(golden):
        calibration = Mlx90640(golden["eeprom"][index])
        emissivity, reflected = float(golden["emissivity"][index]), float(golden["tr"][index])
        for frame, expected in zip(golden["frames"][index], golden["to_sub"][index], strict=True):
            out = np.full(768, np.nan, dtype=np.float32)
            subpage = calibration.object_temperatures(frame, out, emissivity, reflected)
            assert subpage == frame[833]
            _assert_close(out, expected, case)


def test_pixels_of_the_other_subpage_are_untouched(golden: Vectors, path: str) -> None:
    for case, index in _cases(golden):
        frame = golden["frames"][index, 0]
        out = np.arange(768, dtype=np.float32) + 10_000
        before = out.copy()
        Mlx90640(golden["eeprom"][index]).object_temperatures(frame, out)
        other = ~reference.subpage_mask(frame).ravel()
        assert np.array_equal(out[other], before[other]), case
        assert not np.any(out[~other] == before[~other]), case


def test_a_whole_picture_and_its_repair(golden: Vectors, path: str) -> None:
    for case, index in _cases(golden):
        calibration = Mlx90640(golden["eeprom"][index])
        out = np.full(768, np.nan, dtype=np.float32)
        for frame in golden["frames"][index]:
            calibration.object_temperatures(frame, out, float(golden["emissivity"][index]), float(golden["tr"][index]))
        _assert_close(out, golden["to_full"][index], case)
        calibration.repair(out, golden["frames"][index, 1])
        _assert_close(out, golden["to_fixed"][index], case)


def test_supply_and_ambient(golden: Vectors) -> None:
    for case, index in _cases(golden):
        calibration = Mlx90640(golden["eeprom"][index])
        for page, frame in enumerate(golden["frames"][index]):
            assert calibration.supply_voltage(frame) == pytest.approx(golden["vdd"][index, page], abs=1e-5), case
            assert calibration.ambient_temperature(frame) == pytest.approx(golden["ta"][index, page], abs=1e-4), case


def test_defects(golden: Vectors) -> None:
    for case, index in _cases(golden):
        defects = Mlx90640(golden["eeprom"][index]).defects
        assert defects.code == golden["rc"][index], case
        assert list(defects.broken) == [p for p in golden["broken"][index] if p != 0xFFFF], case
        assert list(defects.outliers) == [p for p in golden["outlier"][index] if p != 0xFFFF], case


def test_the_oracle(golden: Vectors) -> None:
    for case, index in _cases(golden):
        calibration = reference.stored(reference.extract(golden["eeprom"][index]))
        for page, frame in enumerate(golden["frames"][index]):
            actual = reference.object_temperatures(
                calibration, frame, float(golden["emissivity"][index]), float(golden["tr"][index])
            )
            _assert_close(actual, golden["to_sub"][index, page], case)
            assert reference.supply_voltage(calibration, frame) == pytest.approx(golden["vdd"][index, page], abs=1e-5)


@pytest.mark.realdata
def test_parameters_as_the_vendor_keeps_them(testdata: Path) -> None:
    """The integers the vendor's extraction puts out are those our rounded parameters are multiples of."""
    with np.load(testdata / "thermal" / "mlx90640_params.npz") as golden:
        for index, eeprom in enumerate(golden["eeprom"]):
            calibration = reference.stored(reference.extract(eeprom))
            for name in ("kta", "kv"):
                unit = 2.0 ** -float(golden[f"{name}Scale"][index])
                assert np.array_equal(getattr(calibration, name).ravel(), golden[name][index] * unit), name
            inverse = golden["alpha"][index] * 2.0 ** -float(golden["alphaScale"][index])
            np.testing.assert_allclose(1e-6 / calibration.alpha.ravel(), inverse, rtol=1e-12)
            assert np.array_equal(calibration.offset.ravel(), golden["offset"][index])


@pytest.mark.realdata
def test_the_data_sheets_worked_example(testdata: Path, path: str) -> None:
    """The numbers printed in section 11.2: one pixel of the example, Vdd, Ta, and the vendor's To for its words."""
    folder = testdata / "thermal"
    example = json.loads((folder / "mlx90640_datasheet_worked_example.json").read_text())
    words = json.loads((folder / "raw" / "datasheet_r12.json").read_text())["eeprom_832_u16"]
    frame = np.zeros(834, dtype=np.uint16)
    for address, value in example["inputs"]["ram"].items():
        frame[int(address, 16) - 0x0400] = int(value, 16)
    frame[832], frame[833] = int(example["inputs"]["ctrl1"], 16), 1
    calibration = Mlx90640(np.array(words, dtype=np.uint16))
    out = np.zeros(768, dtype=np.float32)
    calibration.object_temperatures(frame, out, emissivity=1.0, reflected=example["inputs"]["tr_C"])

    assert calibration.supply_voltage(frame) == pytest.approx(example["expected"]["vdd_V"], abs=5e-5)
    assert calibration.ambient_temperature(frame) == pytest.approx(example["expected"]["ta_C_datasheet"], abs=1e-4)
    assert out[example["pixel"]["index0"]] == pytest.approx(example["vendor_c_measured"]["to_12_16"], abs=BELOW_150)


@pytest.mark.realdata
def test_a_real_eeprom_damaged_on_the_bus_is_still_usable(testdata: Path) -> None:
    words = json.loads((testdata / "thermal" / "raw" / "kedziorno_tb_data.json").read_text())["eeprom_832_u16"]
    defects = Mlx90640(np.array(words, dtype=np.uint16)).defects
    assert defects.code == -3
    assert len(defects.broken) >= 5
