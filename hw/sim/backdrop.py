"""What the gate's camera sees when nobody is there: a school entrance with wall, glass door, floor and turnstile."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from hw.sim.faces_canvas import encode, linear, smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.faces_canvas import Colour


def draw_backdrop(seed: int, width: int, height: int) -> NDArray[np.uint8]:
    """The empty entrance: BGR uint8[height, width, 3], slightly out of focus; walls and light differ with `seed`."""
    rng = np.random.default_rng((0xD00F, seed))
    wall = _wall(rng, width, height)
    unit = height / 480.0
    floor = int((330 + rng.uniform(-10, 25)) * unit)
    _door(wall, rng, unit, floor)
    _floor(wall, rng, unit, floor)
    _turnstile(wall, rng, unit, floor)
    soft = cv2.GaussianBlur(wall, (0, 0), 2.2 * unit)
    grain = 1 + 0.01 * rng.standard_normal((height, width, 1)).astype(np.float32)
    return encode(soft * grain)


def _wall(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """A painted wall under ceiling lamps, with a dado of another colour and a notice board."""
    tints: tuple[Colour, ...] = ((0.78, 0.77, 0.72), (0.72, 0.76, 0.78), (0.80, 0.75, 0.68), (0.70, 0.73, 0.68))
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    lamp = 0.75 + 0.30 * np.exp(-((x - rng.uniform(-0.6, 0.6)) ** 2) / 0.5) - 0.25 * y
    lamp = lamp + 0.03 * smooth_field(rng, (height, width), 8)
    wall = linear(tints[int(rng.integers(len(tints)))]) * lamp[..., None]
    dado = int(height * rng.uniform(0.55, 0.64))
    wall[dado:] *= linear((0.75, 0.82, 0.85)) / linear((0.95, 0.95, 0.95))
    wall[dado : dado + max(1, height // 120)] *= 0.5
    left = int(width * rng.uniform(0.70, 0.76))
    board = np.s_[int(height * 0.14) : int(height * 0.42), left : left + int(width * 0.2)]
    wall[board] = linear((0.45, 0.52, 0.46)) * lamp[board][..., None]
    for _ in range(5):
        top, at = int(height * rng.uniform(0.16, 0.33)), left + int(width * rng.uniform(0.01, 0.14))
        note = np.s_[top : top + height // 12, at : at + width // 22]
        wall[note] = linear((0.9, 0.89, 0.84)) * lamp[note][..., None]
    return cast("NDArray[np.float32]", wall.astype(np.float32))


def _door(sheet: NDArray[np.float32], rng: np.random.Generator, unit: float, floor: int) -> None:
    """A glazed double door with daylight behind it."""
    left, width = int(rng.uniform(40, 90) * unit), int(rng.uniform(170, 210) * unit)
    top, frame = int(30 * unit), max(2, int(9 * unit))
    sheet[top:floor, left : left + width] = linear((0.30, 0.33, 0.36))
    for leaf in (0, 1):
        x0 = left + frame + leaf * (width // 2)
        pane = sheet[top + frame : floor - frame, x0 : x0 + width // 2 - 2 * frame]
        sky = np.linspace(0.95, 0.45, pane.shape[0], dtype=np.float32)[:, None, None]
        pane[...] = linear((0.80, 0.88, 0.93)) * sky
        pane[int(pane.shape[0] * 0.62) :] *= linear((0.72, 0.78, 0.66))
    bar = int((top + floor) / 2)
    sheet[bar : bar + frame, left : left + width] = linear((0.35, 0.36, 0.38))


def _floor(sheet: NDArray[np.float32], rng: np.random.Generator, unit: float, floor: int) -> None:
    """Tiles in perspective."""
    height, width = sheet.shape[:2]
    y, x = np.mgrid[floor:height, 0:width].astype(np.float32)
    depth = 60 * unit / (y - floor + 14 * unit)
    across = (x - width / 2) * depth / (60 * unit)
    joint = (np.abs(across * 1.6 - np.round(across * 1.6)) < 0.03) | (np.abs(depth * 5 - np.round(depth * 5)) < 0.04)
    tone = rng.uniform(0.40, 0.55) * (1 - 0.35 * depth / depth.max())
    sheet[floor:] = linear((0.80, 0.78, 0.74)) * np.where(joint, 0.7 * tone, tone)[..., None]


def _turnstile(sheet: NDArray[np.float32], rng: np.random.Generator, unit: float, floor: int) -> None:
    """Steel cabinets left and right, with a light strip."""
    height, width = sheet.shape[:2]
    for left in (0, int(width - 74 * unit)):
        right = min(width, left + int(74 * unit))
        top = floor - int(24 * unit)
        steel = 0.55 + 0.25 * np.sin(np.linspace(0, 3, right - left, dtype=np.float32) + rng.uniform(0, 1))
        sheet[top:height, left:right] = linear((0.74, 0.76, 0.78)) * steel[None, :, None]
        sheet[top : top + int(6 * unit), left:right] = linear((0.20, 0.22, 0.24))
        strip = sheet[top + int(14 * unit) : top + int(18 * unit), left + int(10 * unit) : right - int(10 * unit)]
        strip[...] = linear((0.25, 0.85, 0.40))
