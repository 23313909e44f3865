"""A font with Chinese letters, found through fontconfig or named in the configuration, and measured by its ink."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

from controller.errors import ConfigError
from controller.prompts import LIVENESS, PROMPTS, REASONS, SHORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFont import FreeTypeFont

PATTERN: Final = "sans-serif:lang=zh-cn:weight=bold"
ADVICE: Final = "apt install fonts-wqy-microhei fontconfig, or name a font file in [screen] font"
SAMPLE_LATIN, SAMPLE_CHINESE = "H", "国"
"""Letters that fill their height."""
_SECONDS: Final = 10.0


class Typeface:
    """A font file at any size.

    Args:
        path: the file.
        index: which font of a collection.

    Raises `ConfigError` for a file that is no font, or lacks a letter that is shown.
    """

    def __init__(self, path: Path, index: int = 0) -> None:
        self.path = path
        self._index = index
        try:
            self.font(20)
        except OSError as error:
            raise ConfigError(f"[screen] font: {path} cannot be used: {error}; {ADVICE}") from error
        lacking = self._lacking()
        if lacking:
            raise ConfigError(f"[screen] font: {path} has no {' '.join(lacking[:8])}; {ADVICE}")

    @functools.lru_cache(maxsize=64)  # noqa: B019 - one typeface lives as long as the program
    def font(self, size: int) -> FreeTypeFont:
        """The font at `size` pixels an em."""
        return ImageFont.truetype(str(self.path), size, index=self._index)

    def ink(self, text: str, size: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is drawn, from the pen's place on the baseline."""
        left, top, right, bottom = self.font(size).getbbox(text, anchor="ls")
        return round(left), round(top), round(right), round(bottom)

    @functools.lru_cache(maxsize=256)  # noqa: B019 - as above
    def size_for(self, sample: str, height: float) -> int:
        """The least size at which the ink of `sample` is at least `height` pixels high."""
        _, top, _, bottom = self.ink(sample, 200)
        size = max(8, int(200 * height / (bottom - top)) - 2)
        while self._height(sample, size) < height:
            size += 1
        return size

    def _height(self, sample: str, size: int) -> int:
        _, top, _, bottom = self.ink(sample, size)
        return bottom - top

    def _lacking(self) -> list[str]:
        """Letters that would be drawn as an empty box: those that look like one that no font has."""
        box = self._drawn("\U000fffff")
        texts = (text for known in (SHORT, PROMPTS, REASONS, LIVENESS) for text in known.values())
        letters = {letter for text in texts for letter in text.english.upper() + text.english + text.chinese}
        return sorted(letter for letter in letters if not letter.isspace() and self._drawn(letter) == box)

    def _drawn(self, letter: str) -> bytes:
        image = Image.new("L", (48, 48))
        ImageDraw.Draw(image).text((4, 36), letter, fill=255, font=self.font(32), anchor="ls")
        return image.tobytes()


def find(configured: Path | None, ask: Callable[[], str] | None = None) -> Typeface:
    """The configured font, or the one that fontconfig takes for bold Chinese. Raises `ConfigError` where none is."""
    if configured is not None:
        return Typeface(configured)
    answer = (ask or _fontconfig)()
    path, _, index = answer.rpartition(":")
    if not path or not index.isdigit():
        raise ConfigError(f"no font was found for the screen; {ADVICE}")
    return Typeface(Path(path), int(index))


def _fontconfig() -> str:
    """`FILE:INDEX` as fc-match names it; empty where it can't be asked."""
    program = shutil.which("fc-match")
    if program is None:
        return ""
    command = [program, "-f", "%{file}:%{index}", PATTERN]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - a constant
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
