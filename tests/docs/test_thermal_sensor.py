"""The page on thermal sensors: tests that it names are there, and its figures are what the drivers tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.perception.resolution import pixels_on_face
from hw.arrays import array_of
from hw.drivers.lepton import MODELS
from hw.thermal_settings import Amg8833Settings, Mlx90640Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "thermal-sensor.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:tests/[\w/]+/)?test_\w+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_each_accident_has_its_test(file: str, test: str) -> None:
    path = ROOT / file if "/" in file else ROOT / "tests" / "hw" / "thermal" / file
    assert f"def {test}(" in path.read_text(encoding="utf-8")


def test_no_accident_is_without_one() -> None:
    rows = [line for line in PAGE.split("## Accidents and their tests")[1].splitlines() if line.startswith("|")]
    assert len(rows) > 20
    assert all("::test_" in row for row in rows[2:])


def test_pixels_on_a_face_are_as_the_table_says() -> None:
    leptons = [model for model in MODELS.values() if model.radiometric]
    arrays = [
        *((array.fov, array.shape) for array in (array_of(Mlx90640Settings()), array_of(Amg8833Settings()))),
        *((model.fov, (model.layout.rows, model.layout.columns)) for model in leptons),
    ]
    found = [round(pixels_on_face(fov, shape, 0.5).count) for fov, shape in arrays]
    narrow, grid, small, large = found
    assert f"| pixels on a face at 0.5 m | {narrow} (BAB), 11 (BAA) | {small}, {large} | {grid} |" in PAGE
