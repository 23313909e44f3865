"""The kernel's fourth root: its constants are those that are derived, and it is as exact as is said."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fourth_root

HEADER = (Path(__file__).parents[2] / "_fastcore" / "src" / "mlx90640_root.h").read_text()
ERRORS = {"fair": 2.2e-6, "exact": 1.7e-7}
STEP = 61
"""Every so manieth float32; `python -m benchmarks.fourth_root` takes them all."""


def _constants(name: str) -> list[np.float32]:
    """An array of the header."""
    found = re.search(rf"{name.upper()}\[\] = {{([^}}]*)}}", HEADER)
    assert found is not None
    return [np.float32(each.strip().rstrip("f")) for each in found[1].split(",")]


@pytest.mark.parametrize("name", list(fourth_root.ROOTS))
def test_the_constants_are_the_derived_ones(name: str) -> None:
    degree, origin = fourth_root.ROOTS[name]
    derived, left = fourth_root.best_polynomial(*fourth_root.seed_range(STEP), degree, origin)
    assert len(_constants(name)) == degree + 1
    np.testing.assert_allclose(_constants(name), derived, rtol=2e-4)
    assert left < ERRORS[name]
    assert f"ROOT_MAGIC = 0x{fourth_root.MAGIC:X} " in HEADER


@pytest.mark.parametrize("name", list(fourth_root.ROOTS))
def test_the_error_is_as_stated(name: str) -> None:
    assert fourth_root.largest_error(_constants(name), fourth_root.ROOTS[name][1], STEP) <= ERRORS[name]


def test_the_seed_repeats_from_x_to_sixteen_x() -> None:
    constants, origin = _constants("exact"), fourth_root.ROOTS["exact"][1]
    x = next(fourth_root.four_octaves(STEP))
    for power in (-120, -4, 4, 40, 120):
        scaled = np.ldexp(x, power).astype(np.float32)
        root = fourth_root.fourth_root(scaled, constants, origin)
        np.testing.assert_array_equal(root, np.ldexp(fourth_root.fourth_root(x, constants, origin), power // 4))


def test_what_is_no_radicand() -> None:
    x = np.array([0, 1e-45, 1e-38, np.nan, 3.4e38], dtype=np.float32)
    root = fourth_root.fourth_root(x, _constants("exact"), 1.0)
    np.testing.assert_allclose(root, np.sqrt(np.sqrt(x.astype(np.float64))), rtol=2e-7, atol=1e-10)
