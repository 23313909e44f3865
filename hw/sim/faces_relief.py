"""The head as a relief: outline, bones, nose and lips as heights, and the light that falls on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from hw.sim.faces_canvas import Canvas, blur, bump, smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.faces_identity import Identity
    from hw.sim.faces_traits import Skull

CENTRE = 0.12
"""Ordinate of the point that outlines are told from."""
_TABLE = 256
OWN_RELIEF, OWN_RELIEF_CELLS = 0.022, 7.0
"""Heights of a person's own smooth relief, half face widths, and its lattice cells across a head."""
OCCLUSION, OCCLUSION_REACH = 8.0, 0.13
"""How fast hollows darken with depth below their surroundings, and how far those reach, half face widths."""
DEPTH = 0.95
"""How far the middle of the face stands before its outline, half face widths."""


def outline(canvas: Canvas, skull: Skull) -> NDArray[np.float32]:
    """Distance from the outline's centre over the outline's radius: float32[h, w], below 1 inside the head."""
    known = np.array(
        [
            (0.0, skull.crown),
            (0.62 * skull.forehead, skull.crown + 0.16),
            (skull.forehead, -0.72),
            (0.985, -0.25),
            (1.0, 0.2),
            (0.5 * (1.0 + skull.jaw), 0.55),
            (skull.jaw, 0.84),
            (skull.chin_width, skull.chin - 0.1),
            (0.0, skull.chin),
        ]
    )
    angle = np.arctan2(known[:, 0], -(known[:, 1] - CENTRE))
    radius = np.hypot(known[:, 0], known[:, 1] - CENTRE)
    turn = np.linspace(0, 2 * np.pi, _TABLE, endpoint=False)
    folded = np.minimum(turn, 2 * np.pi - turn)
    table = np.interp(folded, angle, radius) * (1 + skull.skew * np.sin(turn) * np.sin(folded))
    smoothing = np.exp(-0.5 * (np.fft.rfftfreq(_TABLE, 1 / _TABLE) / 9.0) ** 2)
    table = np.fft.irfft(np.fft.rfft(table) * smoothing, _TABLE)
    here = np.arctan2(canvas.x, -(canvas.y - CENTRE)) % (2 * np.pi)
    reach = np.interp(here, np.append(turn, 2 * np.pi), np.append(table, table[0])).astype(np.float32)
    return cast("NDArray[np.float32]", (np.hypot(canvas.x, canvas.y - CENTRE) / reach).astype(np.float32))


def relief(canvas: Canvas, who: Identity, rho: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Heights of the bare head towards the viewer, half face widths."""
    skull, eyes = who.skull, who.eyes
    z = DEPTH * np.sqrt(np.clip(1 - np.clip(rho, 0, 1) ** 2.4, 0, 1))
    for side in (-1.0, 1.0):
        z += skull.brow_ridge * bump(canvas, side * 0.40, -eyes.brow_height + 0.04, 0.24, 0.09)
        z -= skull.socket * bump(canvas, side * (eyes.spacing - 0.03), 0.0, 0.19, 0.13)
        z -= 0.5 * skull.socket * bump(canvas, side * 0.2, -0.02, 0.08, 0.10)
        z += 0.11 * bump(canvas, side * eyes.spacing, 0.01, 0.15, 0.10)
        z += skull.cheekbone * bump(canvas, side * 0.62, 0.36, 0.20, 0.16)
        z += 0.05 * bump(canvas, side * 0.42, 0.55, 0.22, 0.2)
        z -= skull.hollow * bump(canvas, side * 0.66, 0.72, 0.16, 0.22)
        z -= 0.06 * bump(canvas, side * 0.92, -0.35, 0.12, 0.2)
    z += 0.05 * bump(canvas, 0, skull.chin - 0.2, 0.2, 0.13)
    z += _nose(canvas, who) + _mouth(canvas, who)
    z += OWN_RELIEF * smooth_field(rng, z.shape, OWN_RELIEF_CELLS)
    return cast("NDArray[np.float32]", z.astype(np.float32))


def _nose(canvas: Canvas, who: Identity) -> NDArray[np.float32]:
    nose = who.nose
    along = np.clip((canvas.y + 0.12) / (nose.length + 0.12), 0, 1)
    width = nose.bridge * (1 + 0.45 * along)
    end = 1 / (1 + np.exp(np.minimum((canvas.y - nose.length - 0.05) / 0.022, 60)))
    begin = 1 / (1 + np.exp(-(canvas.y + 0.12) / 0.07))
    bend = nose.bend * np.sin(np.pi * along)
    z = nose.height * (0.28 + 0.72 * along**1.3) * np.exp(-0.5 * ((canvas.x - bend) / width) ** 2) * begin * end
    z += 0.42 * nose.tip * bump(canvas, 0, nose.length - 0.01, nose.tip, nose.tip * 0.8)
    for side in (-1.0, 1.0):
        z += 0.14 * bump(canvas, side * nose.width * 0.78, nose.length + 0.01, 0.32 * nose.width, 0.075)
    return cast("NDArray[np.float32]", z)


def _mouth(canvas: Canvas, who: Identity) -> NDArray[np.float32]:
    mouth, nose = who.mouth, who.nose
    line = nose.length + mouth.drop
    z = 0.06 * bump(canvas, 0, line, mouth.width * 0.8, 0.2)
    z += 0.5 * mouth.upper * bump(canvas, 0, line - 0.6 * mouth.upper, mouth.width * 0.6, 0.5 * mouth.upper + 0.012)
    z += 0.6 * mouth.lower * bump(canvas, 0, line + 0.55 * mouth.lower, mouth.width * 0.5, 0.5 * mouth.lower + 0.01)
    z -= 0.05 * bump(canvas, 0, line + mouth.lower + 0.07, mouth.width * 0.55, 0.045)
    z -= 0.02 * bump(canvas, 0, 0.5 * (nose.length + line), 0.035, 0.08)
    for side in (-1.0, 1.0):
        z -= 0.03 * bump(canvas, side * mouth.width, line, 0.05, 0.05)
        lean = side * (canvas.x * side - nose.width - 0.04 - 0.42 * (canvas.y - nose.length))
        z -= mouth.fold * np.exp(-0.5 * (lean / 0.035) ** 2) * bump(canvas, side * 0.36, line - 0.14, 0.3, 0.14)
    return cast("NDArray[np.float32]", z)


def shading(z: NDArray[np.float32], scale: float, towards: tuple[float, float, float]) -> NDArray[np.float32]:
    """Light on a relief: wrapped Lambert from `towards` (x right, y down, z to the viewer) plus sky, less hollows."""
    dy, dx = np.gradient(z, 1 / scale)
    norm = 1 / np.sqrt(dx * dx + dy * dy + 1)
    lx, ly, lz = (part / math.hypot(*towards) for part in towards)
    key = np.clip(((-dx * lx - dy * ly + lz) * norm + 0.25) / 1.25, 0, 1)
    sky = 0.5 + 0.5 * dy * norm
    fill = norm
    hollow = np.clip(blur(z, OCCLUSION_REACH * scale) - z, 0, None)
    light = 0.66 * key + 0.16 * sky + 0.26 * fill
    return cast("NDArray[np.float32]", (light * np.exp(-OCCLUSION * hollow)).astype(np.float32))


def gloss(z: NDArray[np.float32], scale: float, towards: tuple[float, float, float]) -> NDArray[np.float32]:
    """Specular light (Blinn-Phong, exponent 18) on a relief, 0..1."""
    dy, dx = np.gradient(blur(z, 0.03 * scale), 1 / scale)
    norm = 1 / np.sqrt(dx * dx + dy * dy + 1)
    length = math.hypot(*towards)
    middle = (towards[0] / length, towards[1] / length, towards[2] / length + 1)
    hx, hy, hz = (part / math.hypot(*middle) for part in middle)
    return cast("NDArray[np.float32]", np.clip((-dx * hx - dy * hy + hz) * norm, 0, 1).astype(np.float32) ** 18)
