"""Composes the screen: large words in Chinese and English, a sign, the person's own picture. All in one colour family.

The words are laid out once for each prompt and kept; a new camera picture costs a resize and a copy.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from controller.indicators.icons import ICONS, drawn
from controller.indicators.letters import MILLIMETRES, NEAR, Heights, needed
from controller.indicators.typeface import SAMPLE_CHINESE, SAMPLE_LATIN
from controller.indicators.words import FAMILIES, detail, headline
from controller.lane.effects import Prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.indicators.typeface import Typeface

SCALES: Final = tuple(step / 40 for step in range(48, 11, -1))
"""Sizes of the large letters over what their distance asks for, the first that fits: from 1.2 down to 0.3."""
SMALL_SCALES: Final = (1.15, 1.0, 0.85, 0.7)
"""The small letters over what their own distance asks for; the last ones only where a long text meets a small panel."""
SIGN_SHARES: Final = (0.92, 0.8, 0.68, 0.56, 0.45)
"""Height of the sign over its room's."""
LEAST_PART: Final = 0.36
"""Of the screen's height stays for picture and sign."""
MARGIN: Final = 0.035
"""Of the screen's shorter side."""
PICTURE_SHAPE: Final = 4 / 3
CACHED: Final = 32


class Place(NamedTuple):
    """A rectangle of the screen, pixels."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A prompt laid out."""

    background: NDArray[np.uint8]
    """uint8[height, width, 3], RGB, without anybody's picture."""
    picture: Place
    """Where the person's picture goes."""
    chinese: tuple[Place, ...]
    """The ink of each large line."""
    english: tuple[Place, ...]
    heights: Heights
    """Of the large letters as they are drawn, by the samples that fill their height."""


class Painter:
    """Paints the screen.

    Args:
        size: width and height in pixels.
        diagonal: of the panel, inches.
        distance: metres from which the large letters are to be read.
        typeface: their font.
    """

    def __init__(self, size: tuple[int, int], diagonal: float, distance: float, typeface: Typeface) -> None:
        self.size = size
        self.needed = needed(*size, diagonal, distance)
        self._small = needed(*size, diagonal, NEAR)
        self._diagonal = diagonal
        self._typeface = typeface
        self._margin = round(MARGIN * min(size))
        # One place for every prompt's words, so that nothing jumps from one to the next.
        self._words_high = max(self._headline(prompt)[0][-1].bottom for prompt in Prompt)
        self.sheet = functools.lru_cache(maxsize=CACHED)(self._lay_out)
        """(prompt, reason, with a picture) -> `Sheet`."""

    def paint(self, prompt: Prompt, reason: str | None, picture: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
        """uint8[height, width, 3], RGB. `picture` has the size that `picture_size` tells; None: nobody is shown."""
        sheet = self.sheet(prompt, reason, picture is not None)
        if picture is None:
            return sheet.background
        painted = sheet.background.copy()
        left, top, right, bottom = sheet.picture
        painted[top:bottom, left:right] = picture
        return painted

    def picture_size(self, prompt: Prompt, reason: str | None) -> tuple[int, int]:
        """Width and height of the person's picture beside this prompt."""
        left, top, right, bottom = self.sheet(prompt, reason, True).picture
        return right - left, bottom - top

    def shortfall(self, prompts: tuple[Prompt, ...]) -> str | None:
        """What to tell where the panel is too small for its distance; None: every large letter is large enough."""
        worst = min(
            (have / want for prompt in prompts for have, want in zip(self._heights(prompt), self.needed, strict=True)),
            default=1.0,
        )
        if worst >= 1:
            return None
        return (
            f"letters of this panel ({self.size[0]} x {self.size[1]}, {self._diagonal:g} inches = "
            f"{self._diagonal * MILLIMETRES / 10:.0f} cm) are only {worst:.0%} of what [screen] distance asks for"
        )

    def _heights(self, prompt: Prompt) -> Heights:
        return self.sheet(prompt, None, False).heights

    # Layout

    def _lay_out(self, prompt: Prompt, reason: str | None, pictured: bool) -> Sheet:  # noqa: FBT001 - a cache's key
        width, height = self.size
        family = FAMILIES[prompt]
        image = Image.new("RGB", self.size, family.ground)
        pen = ImageDraw.Draw(image)
        margin = self._margin
        blocks, heights = self._headline(prompt)
        top = height - margin - self._words_high
        inks = [block.moved(top + (self._words_high - blocks[-1].bottom) // 2) for block in blocks]
        for block in inks:
            block.draw(pen, self._typeface, family.ink)
        above = Place(margin, margin, width - margin, top - margin)
        picture = self._picture_place(above)
        if pictured:
            self._sign_and_detail(image, pen, prompt, reason, Place(picture.right + margin, *above[1:]))
            pen.rectangle((picture.left - 2, picture.top - 2, picture.right + 1, picture.bottom + 1), fill=family.ink)
        else:
            self._sign_and_detail(image, pen, prompt, reason, above)
        chinese = tuple(block.place for block in inks if block.chinese)
        english = tuple(block.place for block in inks if not block.chinese)
        return Sheet(np.asarray(image), picture, chinese, english, heights)

    def _picture_place(self, above: Place) -> Place:
        high = above.bottom - above.top
        wide = min(round(high * PICTURE_SHAPE), round(0.55 * (above.right - above.left)))
        high = min(high, round(wide / PICTURE_SHAPE))
        return Place(above.left, above.top, above.left + wide, above.top + high)

    def _headline(self, prompt: Prompt) -> tuple[list[_Line], Heights]:
        """The large lines, from 0 down, as large as there is place for; smaller than needed only if they must be."""
        text = headline(prompt)

        def fits(scale: float) -> bool:
            lines, _ = self._lines(text.chinese, text.english.upper(), scale)
            inside = all(line.place.right <= self.size[0] - self._margin for line in lines)
            return inside and lines[-1].bottom <= (1 - LEAST_PART) * self.size[1]

        # SCALES fall, so the first that fits is where "does not fit" ends.
        place = bisect.bisect_left(SCALES, True, hi=len(SCALES) - 1, key=fits)
        return self._lines(text.chinese, text.english.upper(), SCALES[place])

    def _lines(self, chinese: str, english: str, scale: float) -> tuple[list[_Line], Heights]:
        face = self._typeface
        large = face.size_for(SAMPLE_CHINESE, self.needed.chinese * scale)
        small = face.size_for(SAMPLE_LATIN, self.needed.latin * scale)
        lines: list[_Line] = []
        bottom = 0
        for text, size, is_chinese in ((chinese, large, True), (english, small, False)):
            for part in self._wrapped(text, size):
                line = _Line.below(bottom, part, size, self.size[0], face, chinese=is_chinese)
                lines.append(line)
                bottom = line.bottom + round(0.2 * small)
        _, ink_top, _, ink_bottom = face.ink(SAMPLE_CHINESE, large)
        _, cap_top, _, cap_bottom = face.ink(SAMPLE_LATIN, small)
        return lines, Heights(cap_bottom - cap_top, ink_bottom - ink_top)

    def _wrapped(self, text: str, size: int, width: int | None = None) -> list[str]:
        """Lines that fit, broken at spaces, and between Chinese letters where there are none."""
        room = width or self.size[0] - 2 * self._margin
        font = self._typeface.font(size)
        spaced = " " in text
        lines: list[str] = []
        for piece in text.split(" ") if spaced else list(text):
            joined = (lines[-1] + (" " if spaced else "") + piece) if lines else piece
            if lines and font.getlength(joined) <= room:
                lines[-1] = joined
            else:
                lines.append(piece)
        return lines

    def _sign_and_detail(
        self, image: Image.Image, pen: ImageDraw.ImageDraw, prompt: Prompt, reason: str | None, room: Place
    ) -> None:
        """The sign, and beneath or beside it the small words, in the middle of `room`."""
        ink = FAMILIES[prompt].ink
        wide, high = room.right - room.left, room.bottom - room.top
        beside = wide > 1.9 * high
        size, lines = self._fitted(detail(prompt, reason), (wide, high), beside=beside)
        text_wide = round(max(line.wide for line in lines))
        text_high = sum(line.high for line in lines)
        gap = 2 * self._margin
        if beside:
            left = room.left + (wide - size - gap - text_wide) // 2
            corner = (left, room.top + (high - size) // 2)
            x, y = left + size + gap, room.top + (high - text_high) // 2
        else:
            corner = (room.left + (wide - size) // 2, room.top + (high - size - text_high - gap // 2) // 2)
            x, y = room.left + (wide - text_wide) // 2, corner[1] + size + gap // 2
        _stamp(image, drawn(ICONS[prompt], size), corner, ink)
        for line in lines:
            indent = 0 if beside else round(text_wide - line.wide) // 2
            pen.text((x + indent, y), line.text, fill=ink, font=self._typeface.font(line.size))
            y += line.high

    def _fitted(self, texts: tuple[str, str], room: tuple[int, int], *, beside: bool) -> tuple[int, list[_SmallLine]]:
        """The sign's size and the small lines: first the sign makes way for the words, then the words get smaller."""
        wide, high = room
        gap = 2 * self._margin
        for scale, share in itertools.product(SMALL_SCALES, SIGN_SHARES):
            size = round(min(share * high * (1 if beside else 0.6), wide))
            lines = self._small_lines(texts, wide - size - gap if beside else wide, scale)
            text_high = sum(line.high for line in lines)
            smallest = (scale, share) == (SMALL_SCALES[-1], SIGN_SHARES[-1])
            if smallest or text_high <= (high if beside else high - size - gap // 2):
                return size, lines
        raise AssertionError("the smallest is taken as it is")

    def _small_lines(self, texts: tuple[str, str], width: int, scale: float) -> list[_SmallLine]:
        heights = (self._small.chinese * scale, self._small.latin * scale)
        lines: list[_SmallLine] = []
        for text, sample, height in zip(texts, (SAMPLE_CHINESE, SAMPLE_LATIN), heights, strict=True):
            size = self._typeface.size_for(sample, height)
            font = self._typeface.font(size)
            parts = self._wrapped(text, size, width)
            lines += [_SmallLine(part, size, font.getlength(part), round(1.32 * size)) for part in parts]
        return lines


class _SmallLine(NamedTuple):
    """One line of the small words."""

    text: str
    size: int
    wide: float
    high: int


class _Line(NamedTuple):
    """One large line."""

    text: str
    size: int
    x: float
    baseline: float
    place: Place
    """Its ink."""
    chinese: bool

    @property
    def bottom(self) -> int:
        return self.place.bottom

    @classmethod
    def below(cls, top: int, text: str, size: int, width: int, face: Typeface, *, chinese: bool) -> _Line:
        """With its ink from `top` on, in the middle of the screen's width."""
        left, ink_top, right, ink_bottom = face.ink(text, size)
        x = (width - (right - left)) / 2 - left
        baseline = top - ink_top
        place = Place(round(x + left), top, round(x + right), top + ink_bottom - ink_top)
        return cls(text, size, x, baseline, place, chinese)

    def moved(self, down: int) -> _Line:
        left, top, right, bottom = self.place
        place = Place(left, top + down, right, bottom + down)
        return self._replace(baseline=self.baseline + down, place=place)

    def draw(self, pen: ImageDraw.ImageDraw, face: Typeface, ink: tuple[int, int, int]) -> None:
        """A little bolder than the font: thin strokes fade first, but the many of a Chinese letter must stay apart."""
        bold = self.size / (100 if self.chinese else 50)
        pen.text(
            (self.x, self.baseline), self.text, fill=ink, font=face.font(self.size), anchor="ls", stroke_width=bold
        )


def _stamp(image: Image.Image, coverage: NDArray[np.float32], at: tuple[int, int], ink: tuple[int, int, int]) -> None:
    """Lay ink on an image where there is coverage."""
    mask = Image.fromarray((coverage * 255).astype(np.uint8), "L")
    image.paste(ink, at, mask)
