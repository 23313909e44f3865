"""Which of a V4L2 camera's pixel formats, sizes and rates to ask for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from hw.linux import videodev2 as v4l2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hw.settings import CameraSettings

YUYV: Final = frozenset({v4l2.PIX_FMT_YUYV})
MJPEG: Final = frozenset({v4l2.PIX_FMT_MJPEG, v4l2.PIX_FMT_JPEG})
USABLE: Final = YUYV | MJPEG
WANTED: Final[dict[Literal["auto", "yuyv", "mjpeg"], frozenset[int]]] = {"auto": USABLE, "yuyv": YUYV, "mjpeg": MJPEG}
RATE_TOLERANCE: Final = 0.01
"""Part of a rate; 30 is 29.97."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One thing that a camera can do."""

    pixelformat: int
    width: int
    height: int
    rate: float | None
    """Its highest rate, pictures a second; None where the camera does not tell."""


def ranked(modes: Iterable[Mode], wish: CameraSettings) -> list[Mode]:
    """The modes of the wished format, the best first: nearest in size, then fast enough, then without compression.

    Uncompressed pictures cost nothing to decode and cannot be half there; over USB they are slow at larger sizes, where
    the camera then offers a lower rate for them than for MJPEG.
    """

    def price(mode: Mode) -> tuple[int, float, bool]:
        size = abs(mode.width - wish.width) + abs(mode.height - wish.height)
        lacking = 0.0 if mode.rate is None else max(0.0, wish.fps * (1 - RATE_TOLERANCE) - mode.rate)
        return size, lacking, mode.pixelformat not in YUYV

    return sorted((mode for mode in modes if mode.pixelformat in WANTED[wish.format]), key=price)


def nearest(wanted: int, least: int, most: int, step: int) -> int:
    """The value of `least`, `least + step` … `most` that is nearest to `wanted`."""
    held = min(max(wanted, least), most)
    return least + round((held - least) / step) * step if step else held
