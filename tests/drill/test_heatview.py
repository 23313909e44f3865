"""The heat picture: the right size, a fixed scale, and holes shown as holes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from controller.drill.heatview import COLDEST, LEVELS, WARMEST, HeatView, levels, palette, scale_bar


def lines(view: object) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, color_system="truecolor", legacy_windows=False).print(
        view, end=""
    )
    return out.getvalue().splitlines()


def test_the_palette_gets_brighter_with_the_temperature() -> None:
    brightness = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in palette()]
    assert brightness == sorted(brightness)
    assert len(brightness) == LEVELS


def test_a_temperature_has_the_same_level_whatever_is_beside_it() -> None:
    alone = levels(np.array([[36.0]], np.float32))[0, 0]
    beside = levels(np.array([[36.0, -40.0, 300.0, np.nan]], np.float32))[0]
    assert beside.tolist() == [alone, 0, LEVELS - 1, -1]
    ends = levels(np.array([[COLDEST, WARMEST]], np.float32))[0]
    assert ends.tolist() == [0, LEVELS - 1]


@pytest.mark.parametrize(("zoom", "rows", "columns"), [(1, 12, 32), (2, 24, 64)])
def test_two_pixels_share_a_character(zoom: int, rows: int, columns: int) -> None:
    picture = np.full((24, 32), 22.0, np.float32)
    drawn = [Text.from_ansi(line).plain for line in lines(HeatView(picture, zoom))]
    assert drawn == ["▀" * columns] * rows


def test_upper_and_lower_pixel_are_foreground_and_background() -> None:
    picture = np.array([[COLDEST], [WARMEST]], np.float32)
    (line,) = lines(HeatView(picture))
    cold, warm = palette()[0], palette()[-1]
    assert f"38;2;{cold[0]};{cold[1]};{cold[2]}" in line
    assert f"48;2;{warm[0]};{warm[1]};{warm[2]}" in line


def test_the_scale_names_its_ends() -> None:
    text = "".join(segment.text for segment in scale_bar(32))
    assert len(text) == 32
    assert text.startswith("15 ")
    assert text.endswith(" 40 °C")
