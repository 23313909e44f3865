"""The signs beside the words, drawn with simple shapes: what a colour says, a shape says too."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw

from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pen = ImageDraw.ImageDraw

GRID: Final = 100
"""Shapes are written down on a square of so many units."""
FINE: Final = 4
"""Drawn so many times as large and then made smaller: smooth edges."""


class Icon(enum.Enum):
    """What is drawn."""

    MARK = "mark"
    FACE = "face"
    CLOSER = "closer"
    CARD = "card"
    HOURGLASS = "hourglass"
    GO = "go"
    NO_ENTRY = "no_entry"
    PERSON = "person"
    GLASSES = "glasses"
    CLOSED = "closed"
    EXIT = "exit"
    DOOR = "door"
    WARNING = "warning"


ICONS: Final[dict[Prompt, Icon]] = {
    Prompt.IDLE: Icon.MARK,
    Prompt.LOOK_HERE: Icon.FACE,
    Prompt.PRESENT_CARD: Icon.CARD,
    Prompt.WAIT: Icon.HOURGLASS,
    Prompt.PASS: Icon.GO,
    Prompt.DENIED: Icon.NO_ENTRY,
    Prompt.SEE_DOCTOR: Icon.PERSON,
    Prompt.SEE_GUARD: Icon.PERSON,
    Prompt.ASK_GUARD: Icon.PERSON,
    Prompt.WARM_UP: Icon.HOURGLASS,
    Prompt.COOL_DOWN: Icon.HOURGLASS,
    Prompt.UNCOVER: Icon.GLASSES,
    Prompt.COME_CLOSER: Icon.CLOSER,
    Prompt.CLOSE_DOOR: Icon.DOOR,
    Prompt.ONE_AT_A_TIME: Icon.NO_ENTRY,
    Prompt.OUT_OF_SERVICE: Icon.CLOSED,
    Prompt.FREE: Icon.GO,
    Prompt.EMERGENCY: Icon.EXIT,
    Prompt.ALARM: Icon.WARNING,
}


@functools.lru_cache(maxsize=64)
def drawn(icon: Icon, size: int) -> NDArray[np.float32]:
    """An icon's coverage, float32[size, size], 0 to 1."""
    image = Image.new("L", (size * FINE, size * FINE))
    _SHAPES[icon](_Scaled(ImageDraw.Draw(image), size * FINE / GRID))
    small = image.resize((size, size), Image.Resampling.BOX)
    return np.asarray(np.asarray(small, np.float32) / 255, np.float32)


class _Scaled:
    """A pen that takes units of the grid."""

    def __init__(self, pen: Pen, scale: float) -> None:
        self._pen = pen
        self._scale = scale

    def _at(self, places: tuple[float, ...]) -> list[float]:
        return [place * self._scale for place in places]

    def polygon(self, *places: float, fill: int = 255) -> None:
        self._pen.polygon(self._at(places), fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: int = 255) -> None:
        self._pen.ellipse(self._at((x - radius, y - radius, x + radius, y + radius)), fill=fill)

    def ring(self, x: float, y: float, radius: float, width: float) -> None:
        self.disc(x, y, radius)
        self.disc(x, y, radius - width, fill=0)

    def oval(self, *box: float, fill: int = 255) -> None:
        self._pen.ellipse(self._at(box), fill=fill)

    def box(self, *box: float, fill: int = 255, radius: float = 0.0) -> None:
        self._pen.rounded_rectangle(self._at(box), fill=fill, radius=radius * self._scale)

    def line(self, *places: float, width: float = 9.0) -> None:
        self._pen.line(self._at(places), fill=255, width=round(width * self._scale), joint="curve")
        for x, y in zip(places[::2], places[1::2], strict=True):
            self.disc(x, y, width / 2)


def _mark(pen: _Scaled) -> None:
    """An arrow down onto a mark on the floor."""
    pen.box(43, 6, 57, 42)
    pen.polygon(24, 38, 76, 38, 50, 68)
    pen.oval(10, 62, 90, 96)
    pen.oval(19, 67, 81, 91, fill=0)
    pen.polygon(24, 38, 76, 38, 50, 68)


def _face(pen: _Scaled) -> None:
    """A face between the corners of a finder."""
    pen.oval(30, 22, 70, 78)
    pen.oval(36, 28, 64, 72, fill=0)
    for x in (44, 56):
        pen.disc(x, 44, 3.4)
    pen.line(44, 60, 50, 63, 56, 60, width=4)
    for x, right in ((8, 1), (92, -1)):
        for y, down in ((8, 1), (92, -1)):
            pen.line(x + 20 * right, y, x, y, x, y + 20 * down, width=7)


def _closer(pen: _Scaled) -> None:
    """Two chevrons that lead to the screen."""
    for top in (16, 48):
        pen.line(18, top + 32, 50, top, 82, top + 32, width=13)


def _card(pen: _Scaled) -> None:
    pen.box(6, 22, 94, 78, radius=8)
    pen.box(6, 34, 94, 47, fill=0)
    pen.box(16, 58, 50, 66, fill=0)


def _hourglass(pen: _Scaled) -> None:
    pen.box(20, 6, 80, 16, radius=4)
    pen.box(20, 84, 80, 94, radius=4)
    pen.polygon(26, 16, 74, 16, 74, 26, 55, 50, 74, 74, 74, 84, 26, 84, 26, 74, 45, 50, 26, 26)
    pen.polygon(34, 22, 66, 22, 66, 25, 50, 44, 34, 25, fill=0)
    pen.polygon(50, 54, 62, 69, 38, 69, fill=0)


def _go(pen: _Scaled) -> None:
    """A disc with an arrow ahead."""
    pen.disc(50, 50, 46)
    pen.polygon(50, 16, 80, 50, 20, 50, fill=0)
    pen.box(40, 48, 60, 84, fill=0)


def _no_entry(pen: _Scaled) -> None:
    pen.disc(50, 50, 46)
    pen.box(18, 41, 82, 59, fill=0)


def _person(pen: _Scaled) -> None:
    """Somebody to go to, aside."""
    pen.disc(36, 26, 17)
    pen.box(10, 48, 62, 96, radius=22)
    pen.box(10, 78, 62, 96)
    pen.box(66, 46, 82, 56)
    pen.polygon(80, 36, 97, 51, 80, 66)


def _glasses(pen: _Scaled) -> None:
    for x in (27, 73):
        pen.ring(x, 56, 22, 7)
    pen.box(44, 50, 56, 57)
    pen.line(7, 52, 14, 30, width=6)
    pen.line(93, 52, 86, 30, width=6)


def _closed(pen: _Scaled) -> None:
    pen.line(18, 18, 82, 82, width=17)
    pen.line(82, 18, 18, 82, width=17)


def _exit(pen: _Scaled) -> None:
    """A way out through a door."""
    pen.box(48, 6, 94, 94)
    pen.box(57, 15, 85, 94, fill=0)
    pen.box(4, 43, 46, 59)
    pen.polygon(40, 28, 73, 51, 40, 74)


def _door(pen: _Scaled) -> None:
    """A leaf that stands out of its frame."""
    pen.box(10, 6, 66, 94)
    pen.box(19, 15, 57, 94, fill=0)
    pen.polygon(57, 15, 92, 26, 92, 98, 57, 94)
    pen.disc(82, 60, 5, fill=0)


def _warning(pen: _Scaled) -> None:
    pen.polygon(50, 6, 97, 92, 3, 92)
    pen.polygon(44, 34, 56, 34, 54, 64, 46, 64, fill=0)
    pen.disc(50, 76, 6, fill=0)


_SHAPES: Final[dict[Icon, Callable[[_Scaled], None]]] = {
    Icon.MARK: _mark,
    Icon.FACE: _face,
    Icon.CLOSER: _closer,
    Icon.CARD: _card,
    Icon.HOURGLASS: _hourglass,
    Icon.GO: _go,
    Icon.NO_ENTRY: _no_entry,
    Icon.PERSON: _person,
    Icon.GLASSES: _glasses,
    Icon.CLOSED: _closed,
    Icon.EXIT: _exit,
    Icon.DOOR: _door,
    Icon.WARNING: _warning,
}
