"""A thermal picture in the terminal: two pixels a character, iron colours on a scale that never moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from rich.color import Color
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from rich.console import Console, ConsoleOptions, RenderResult

COLDEST: Final = 15.0
WARMEST: Final = 40.0
"""Ends of the scale, °C. Fixed, so that the same colour is the same temperature all morning."""
LEVELS: Final = 48
"""Colours of the palette: half a degree each, and few enough that their styles are made once."""
_IRON: Final = (
    (0, 0, 12),
    (43, 0, 109),
    (131, 4, 155),
    (204, 42, 106),
    (240, 106, 24),
    (252, 186, 27),
    (255, 250, 210),
)
"""Control points of the palette, cold to warm, RGB."""
UPPER_HALF: Final = "▀"


def palette() -> list[tuple[int, int, int]]:
    """`LEVELS` colours, cold to warm."""
    points = np.array(_IRON, np.float64)
    at = np.linspace(0, len(points) - 1, LEVELS)
    channels = [np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)]
    return [(round(r), round(g), round(b)) for r, g, b in zip(*channels, strict=True)]


_COLOURS: Final = [Color.from_rgb(*colour) for colour in palette()]
_NO_PIXEL: Final = Color.from_rgb(60, 60, 60)
_STYLES: Final[dict[tuple[int, int], Style]] = {}


def levels(temperatures: NDArray[np.floating]) -> NDArray[np.intp]:
    """Palette index of each pixel, 0..LEVELS - 1; -1 where the sensor has no usable pixel (NaN)."""
    share = (np.nan_to_num(temperatures, nan=COLDEST) - COLDEST) / (WARMEST - COLDEST)
    found: NDArray[np.intp] = np.clip(share * LEVELS, 0, LEVELS - 1).astype(np.intp)
    found[np.isnan(temperatures)] = -1
    return found


def _style(upper: int, lower: int) -> Style:
    style = _STYLES.get((upper, lower))
    if style is None:
        top = _NO_PIXEL if upper < 0 else _COLOURS[upper]
        bottom = _NO_PIXEL if lower < 0 else _COLOURS[lower]
        style = _STYLES[upper, lower] = Style(color=top, bgcolor=bottom)
    return style


class HeatView:
    """Renders float32[rows, columns] °C as `columns * zoom` x `rows * zoom / 2` characters.

    The array looks at the people, so it sees them mirrored left to right; the picture is shown as it is.
    """

    def __init__(self, temperatures: NDArray[np.float32], zoom: int = 1) -> None:
        self._temperatures = temperatures
        self._zoom = zoom

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        del console, options
        width = self._temperatures.shape[1] * self._zoom
        return Measurement(width, width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        picture = self._temperatures
        if self._zoom > 1:
            size = (picture.shape[1] * self._zoom, picture.shape[0] * self._zoom)
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR).astype(np.float32)
        rows: Sequence[Sequence[int]] = levels(picture).tolist()
        for upper, lower in zip(rows[::2], rows[1::2], strict=True):
            for above, below in zip(upper, lower, strict=True):
                yield Segment(UPPER_HALF, _style(above, below))
            yield Segment.line()


def scale_bar(width: int) -> list[Segment]:
    """The scale, `width` characters long with its numbers."""
    cold, warm = f"{COLDEST:.0f} ", f" {WARMEST:.0f} °C"
    cells = max(1, width - len(cold) - len(warm))
    bar = [Segment(" ", Style(bgcolor=_COLOURS[index * LEVELS // cells])) for index in range(cells)]
    return [Segment(cold), *bar, Segment(warm)]
