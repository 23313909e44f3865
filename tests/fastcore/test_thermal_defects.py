"""Which pixels count as defects, the vendor's codes, and what a repair puts in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastcore import reference
from _fastcore.thermal import Defects, Mlx90640

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = dict[str, NDArray[Any]]

FASTCORE = settings.get_profile("fastcore")
CHESS, INTERLEAVED = 0x1901, 0x0901


def _with_defects(own: Vectors, broken: list[int], outliers: list[int]) -> NDArray[np.uint16]:
    eeprom: NDArray[np.uint16] = own["eeprom"][0].copy()
    for pixel in outliers:
        eeprom[0x40 + pixel] |= 1
    for pixel in broken:
        eeprom[0x40 + pixel] = 0
    return eeprom


def _frame(own: Vectors, control: int) -> NDArray[np.uint16]:
    frame: NDArray[np.uint16] = own["frames"][0, 0].copy()
    frame[832] = control
    return frame


def test_the_vendors_code_for_each_kind(own_defects: Vectors) -> None:
    for name, eeprom, code, broken, outliers in zip(
        *(own_defects[field] for field in ("name", "eeprom", "rc", "broken", "outlier")), strict=True
    ):
        defects = Mlx90640(eeprom).defects
        assert defects.code == code, name
        assert list(defects.broken[:5]) == [p for p in broken if p != 0xFFFF], name
        assert list(defects.outliers[:5]) == [p for p in outliers if p != 0xFFFF], name
        assert reference.defect_code(reference.extract(eeprom)) == code, name
    assert set(own_defects["rc"]) == {0, -3, -4, -5, -6}


@pytest.mark.parametrize(
    ("broken", "outliers", "code"),
    [
        ([3, 90, 200, 333, 500], [600, 605, 610, 615, 620], -3),
        ([600, 605, 610, 615, 620], [3, 90, 200, 333, 500], -4),
        ([0, 2, 4], [6, 8], -5),
        ([31, 64], [], 0),
        ([31], [63], -6),
        ([31], [62], -6),
        ([31], [32], 0),
    ],
)
def test_codes_at_the_edges_of_the_rules(own: Vectors, broken: list[int], outliers: list[int], code: int) -> None:
    defects = Mlx90640(_with_defects(own, broken, outliers)).defects
    assert defects == Defects(code=code, broken=tuple(broken), outliers=tuple(outliers))


def test_a_sensor_with_too_many_defects_still_measures(own_defects: Vectors, own: Vectors, path: str) -> None:
    index = list(own_defects["name"]).index("syn1/broken5")
    kernel = Mlx90640(own_defects["eeprom"][index])
    assert kernel.defects.code == -3
    out = np.full(768, np.nan, dtype=np.float32)
    for frame in own["frames"][0]:
        kernel.object_temperatures(frame, out)
    kernel.repair(out, own["frames"][0, 1])
    assert np.all((out > 10) & (out < 50))


@pytest.mark.parametrize(
    ("control", "pixel", "neighbours"),
    [
        (CHESS, 0, [33]),
        (CHESS, 31, [62]),
        (CHESS, 736, [705]),
        (CHESS, 767, [734]),
        (CHESS, 5, [36, 38]),
        (CHESS, 740, [707, 709]),
        (CHESS, 64, [33, 97]),
        (CHESS, 95, [62, 126]),
        (CHESS, 100, [67, 69, 131, 133]),
        (INTERLEAVED, 64, [65]),
        (INTERLEAVED, 65, [64, 66]),
        (INTERLEAVED, 94, [93, 95]),
        (INTERLEAVED, 95, [94]),
    ],
)
def test_repair_takes_the_middle_of_the_neighbours(
    own: Vectors, control: int, pixel: int, neighbours: list[int]
) -> None:
    kernel = Mlx90640(_with_defects(own, [pixel], []))
    out = np.random.default_rng(1).uniform(20, 40, 768).astype(np.float32)
    before = out.copy()
    kernel.repair(out, _frame(own, control))
    assert out[pixel] == pytest.approx(np.median(before[neighbours]), abs=1e-5)
    out[pixel] = before[pixel]
    assert np.array_equal(out, before)


@pytest.mark.parametrize(("left", "right", "expected"), [((30, 31), (35, 39), 32), ((30, 35), (32, 33), 31)])
def test_interleaved_repair_follows_the_flatter_side(
    own: Vectors, left: tuple[int, int], right: tuple[int, int], expected: float
) -> None:
    out = np.full(768, 20, dtype=np.float32)
    out[98:103] = [*left, -40, *right]
    Mlx90640(_with_defects(own, [], [100])).repair(out, _frame(own, INTERLEAVED))
    assert out[100] == expected


def test_no_defect_no_change(own: Vectors) -> None:
    out = np.full((24, 32), np.nan, dtype=np.float32)
    Mlx90640(own["eeprom"][0]).repair(out, _frame(own, CHESS))
    assert np.all(np.isnan(out))


def test_an_island_of_defects_is_nan_rather_than_invented(own: Vectors) -> None:
    island = [r * 32 + c for r in range(5, 10) for c in range(5, 10)]
    out = np.full(768, 30, dtype=np.float32)
    Mlx90640(_with_defects(own, island, [])).repair(out, _frame(own, CHESS))
    assert np.isnan(out[7 * 32 + 7])
    assert out[5 * 32 + 5] == 30


@settings(FASTCORE, max_examples=100)
@given(
    defects=st.sets(st.integers(0, 767), max_size=60),
    holes=st.sets(st.integers(0, 767), max_size=60),
    split=st.integers(0, 60),
    control=st.sampled_from([CHESS, INTERLEAVED]),
    seed=st.integers(0, 1000),
)
def test_repair_agrees_with_the_oracle(
    own: Vectors, *, defects: set[int], holes: set[int], split: int, control: int, seed: int
) -> None:
    marked = sorted(defects)
    eeprom = _with_defects(own, marked[:split], marked[split:])
    picture = np.random.default_rng(seed).uniform(-40, 300, 768).astype(np.float32)
    picture[list(holes)] = np.nan
    out = picture.copy()
    kernel = Mlx90640(eeprom)
    kernel.repair(out, _frame(own, control))
    exact = reference.extract(eeprom)
    assert kernel.defects.code == reference.defect_code(exact)
    expected = reference.repair(exact, picture.astype(np.float64), _frame(own, control))
    np.testing.assert_allclose(out, expected, atol=2e-4)
