"""What a calibration saw, as a picture file: the camera's picture and the thermal one side by side, with marks.

Captions are English: OpenCV's own letters have no Chinese, and a board has no fonts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from controller.drill.heatview import palette
from controller.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from controller.perception.types import Box

    Image = NDArray[np.uint8]
    Colour = tuple[int, int, int]

GREEN: Final = (80, 220, 80)
RED: Final = (60, 60, 240)
CYAN: Final = (240, 220, 60)
WHITE: Final = (245, 245, 245)
DARK: Final = (28, 28, 30)
HEIGHT: Final = 480
"""Of either picture, pixels."""
CAPTION: Final = 24
"""Height of a line of text, pixels."""
ARROW: Final = 10.0
"""How much longer than life a residual is drawn."""
FINE: Final = 16
"""Parts of a pixel that OpenCV's shapes are placed in."""


class Thermal:
    """A thermal picture, enlarged, its pixels visible; scaled from its coolest to its warmest."""

    def __init__(self, temperatures: NDArray[np.floating], height: int = HEIGHT) -> None:
        """`temperatures`: float[rows, columns], °C; NaN is drawn grey."""
        rows, columns = temperatures.shape
        self.zoom = height / rows
        finite = temperatures[np.isfinite(temperatures)]
        self.low, self.high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        colours = np.array(palette(), np.uint8)[:, ::-1]
        share = (np.nan_to_num(temperatures, nan=self.low) - self.low) / max(self.high - self.low, 1e-6)
        levels = np.clip(share * len(colours), 0, len(colours) - 1).astype(np.intp)
        small = colours[levels]
        small[~np.isfinite(temperatures)] = 90
        size = (round(columns * self.zoom), height)
        self.image: Image = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    def cross(self, column: float, row: float, colour: Colour = GREEN, label: str = "") -> None:
        """A cross at a place in thermal pixels."""
        cross(self.image, column * self.zoom, row * self.zoom, colour, label)

    def circle(self, column: float, row: float, radius: float, colour: Colour = GREEN) -> None:
        """A circle, its radius in thermal pixels."""
        circle(self.image, column * self.zoom, row * self.zoom, radius * self.zoom, colour)

    def arrow(self, column: float, row: float, across: float, down: float, colour: Colour = WHITE) -> None:
        """A residual in thermal pixels, ARROW times as long as it is."""
        begin = (round(column * self.zoom * FINE), round(row * self.zoom * FINE))
        end = (
            round((column + ARROW * across) * self.zoom * FINE),
            round((row + ARROW * down) * self.zoom * FINE),
        )
        cv2.line(self.image, begin, end, colour, 2, cv2.LINE_AA, 4)
        cv2.circle(self.image, end, 3 * FINE, colour, -1, cv2.LINE_AA, 4)


def camera(picture: NDArray[np.floating] | NDArray[np.uint8], height: int = HEIGHT) -> tuple[Image, float]:
    """A camera picture at `height` rows, and by how much it was scaled."""
    scale = height / picture.shape[0]
    size = (round(picture.shape[1] * scale), height)
    whole = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def cross(image: Image, x: float, y: float, colour: Colour = GREEN, label: str = "") -> None:
    """A cross at (x, y), with a label beside it. In place."""
    for dx, dy in ((7, 0), (0, 7)):
        ends = [(round((x + sign * dx - 0.5) * FINE), round((y + sign * dy - 0.5) * FINE)) for sign in (-1, 1)]
        cv2.line(image, ends[0], ends[1], DARK, 4, cv2.LINE_AA, 4)
        cv2.line(image, ends[0], ends[1], colour, 2, cv2.LINE_AA, 4)
    if label:
        text(image, label, round(x) + 9, round(y) - 6, colour)


def circle(image: Image, x: float, y: float, radius: float, colour: Colour = GREEN) -> None:
    """A circle. In place."""
    centre = (round((x - 0.5) * FINE), round((y - 0.5) * FINE))
    cv2.circle(image, centre, round(radius * FINE), colour, 2, cv2.LINE_AA, 4)


def box(image: Image, where: Box, scale: float, colour: Colour = GREEN) -> None:
    """A rectangle, `scale` times as large. In place."""
    low = (round(where.x * scale), round(where.y * scale))
    high = (round((where.x + where.width) * scale), round((where.y + where.height) * scale))
    cv2.rectangle(image, low, high, colour, 2, cv2.LINE_AA)


def text(image: Image, words: str, x: int, y: int, colour: Colour = WHITE) -> None:
    """Words with their baseline at y, legible on anything. In place."""
    plain = words.replace("°", " ").replace("±", "+/-").replace("×", "x")
    cv2.putText(image, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, DARK, 3, cv2.LINE_AA)
    cv2.putText(image, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def sheet(panels: Sequence[tuple[str, Image]], lines: Sequence[str]) -> Image:
    """Pictures of equal height side by side, each with its title, and lines of text below."""
    height = max(image.shape[0] for _, image in panels)
    width = sum(image.shape[1] for _, image in panels) + 8 * (len(panels) - 1)
    page = np.full((CAPTION + height + CAPTION * len(lines) + 8, width, 3), DARK, np.uint8)
    left = 0
    for title, image in panels:
        page[CAPTION : CAPTION + image.shape[0], left : left + image.shape[1]] = image
        text(page, title, left + 6, CAPTION - 7)
        left += image.shape[1] + 8
    for number, line in enumerate(lines):
        text(page, line, 6, CAPTION + height + CAPTION * (number + 1) - 6)
    return page


def save(path: Path, image: Image) -> None:
    """Write a PNG. Raises `ImageError` that names the file."""
    done, data = cv2.imencode(".png", image)
    if not done:
        raise ImageError(f"{path}: the picture cannot be encoded")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise ImageError(f"{path}: the picture cannot be written: {error.strerror}") from error


def plot(points: Sequence[tuple[float, float]], labels: tuple[str, str], line: float, size: int = HEIGHT) -> Image:
    """A scatter of (x, y) with the diagonal y = x + `line`; labels of both axes."""
    image = np.full((size, size, 3), 250, np.uint8)
    values = np.array(points, np.float64)
    low = float(np.floor(min(values.min(), values[:, 0].min() + line) - 0.3))
    high = float(np.ceil(values.max() + 0.3))
    scale = (size - 60) / max(high - low, 1e-6)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(45 + (x - low) * scale), round(size - 40 - (y - low) * scale)

    for tick in range(round(low), round(high) + 1):
        cv2.line(image, at(tick, low), at(tick, high), (225, 225, 225), 1)
        cv2.line(image, at(low, tick), at(high, tick), (225, 225, 225), 1)
        for place in ((at(tick, low)[0] - 8, size - 24), (8, at(low, tick)[1] + 4)):
            cv2.putText(image, str(tick), place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (70, 70, 70), 1, cv2.LINE_AA)
    cv2.line(image, at(low, low + line), at(high, high + line), (60, 160, 60), 2, cv2.LINE_AA)
    for x, y in points:
        cv2.circle(image, at(x, y), 4, (160, 90, 30), -1, cv2.LINE_AA)
    cv2.putText(image, labels[0], (size - 200, size - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    cv2.putText(image, labels[1], (45, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    return image
