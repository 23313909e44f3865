"""What is painted on the relief of a head: skin, eyes, brows, nostrils, lips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw.sim.faces_canvas import Canvas, blur, bump, linear, smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.faces_identity import Identity

SIDES = (-1.0, 1.0)
RIDGE = 0.2
"""How much lighter the nose's ridge is than the skin: with dark eyes beside it, what a cascade looks for."""
OWN_TONE, OWN_TONE_CELLS = 0.10, 5.0
"""Strength of a person's own smooth change of tone, and its lattice cells across a head."""


def skin(canvas: Canvas, who: Identity, rng: np.random.Generator) -> NDArray[np.float32]:
    """Albedo of the whole head's skin, linear BGR float32[h, w, 3]."""
    surface = who.surface
    albedo = np.broadcast_to(linear(surface.tone), canvas.light.shape).copy()
    blood = 0.5 * bump(canvas, 0, who.nose.length, 0.16, 0.12)
    for side in SIDES:
        blood += 0.8 * bump(canvas, side * 0.58, 0.42, 0.2, 0.2) + 0.6 * bump(canvas, side * 1.03, 0.1, 0.1, 0.3)
    blood *= 0.15 + 0.85 * surface.ruddy
    albedo *= 1 - blood[..., None] * np.array((0.34, 0.30, 0.06), np.float32)
    shade = np.zeros_like(canvas.x)
    for side in SIDES:
        shade += bump(canvas, side * who.eyes.spacing, -0.03, 0.24, 0.10)
    albedo *= 1 - (who.eyes.shadow * shade)[..., None]
    ridge = np.exp(-0.5 * (canvas.x / 0.10) ** 2) * np.exp(-0.5 * ((canvas.y - 0.1) / 0.25) ** 2)
    albedo *= 1 + (RIDGE * ridge)[..., None]
    blotches = 1 + 0.035 * smooth_field(rng, canvas.x.shape, 22) + 0.03 * smooth_field(rng, canvas.x.shape, 70)
    albedo *= blotches[..., None]
    tone = np.stack([smooth_field(rng, canvas.x.shape, 6) for _ in range(3)], axis=-1)
    albedo *= 1 + OWN_TONE * smooth_field(rng, canvas.x.shape, OWN_TONE_CELLS)[..., None] + 0.03 * tone
    if surface.freckles:
        spots = np.clip(smooth_field(rng, canvas.x.shape, 120) - 1.1, 0, 1)
        spots *= bump(canvas, 0, 0.3, 0.6, 0.25) * surface.freckles
        albedo *= 1 - spots[..., None] * np.array((0.6, 0.5, 0.3), np.float32)
    for x, y in surface.moles:
        near, part = canvas.window(x, y, 0.1, 0.1), canvas.part(x, y, 0.1, 0.1)
        dot = near.soft(0.022 - np.hypot(near.x - x, near.y - y), 0.02)
        albedo[part] *= 1 - 0.7 * dot[..., None]
    return albedo


def wrinkles(canvas: Canvas, who: Identity) -> NDArray[np.float32]:
    """Darkening factor of forehead lines, frown, crow's feet and eye bags, float32[h, w]."""
    depth = who.surface.wrinkles
    dark = np.zeros_like(canvas.x)
    for height in (-0.48, -0.57, -0.66):
        wave = canvas.y - height - 0.02 * np.cos(3 * canvas.x + 9 * height)
        dark += 0.30 * depth * np.exp(-0.5 * (wave / 0.010) ** 2) * bump(canvas, 0, height, 0.38, 0.2)
    for side in SIDES:
        frown = canvas.x - side * (0.08 + 0.1 * (canvas.y + 0.25))
        dark += 0.35 * depth * np.exp(-0.5 * (frown / 0.010) ** 2) * bump(canvas, side * 0.08, -0.22, 0.1, 0.07)
        bag = canvas.y - who.eyes.opening - 0.07 + 0.35 * (canvas.x - side * who.eyes.spacing) ** 2 * 4
        local = bump(canvas, side * who.eyes.spacing, 0.13, 0.14, 0.07)
        dark += 0.22 * who.eyes.bags * np.exp(-0.5 * (bag / 0.022) ** 2) * local
    return (1 - np.clip(dark, 0, 0.7)).astype(np.float32)


def eyes(canvas: Canvas, who: Identity, *, gaze: float, openness: float) -> None:
    """Paint both eyes; `gaze` shifts the irises sideways (face units), `openness` 1 is the person's own."""
    for side in SIDES:
        _eye(canvas.window(side * who.eyes.spacing, 0.0, 0.36, 0.24), who, side, gaze, openness)


def _eye(near: Canvas, who: Identity, side: float, gaze: float, openness: float) -> None:
    eye = who.eyes
    cos, sin = np.cos(eye.tilt), np.sin(eye.tilt)
    dx, dy = side * (near.x - side * eye.spacing), near.y
    along = (dx * cos - dy * sin) / eye.width
    across = dx * sin + dy * cos
    arch = np.clip(1 - along * along, 0, 1)
    upper = -eye.opening * openness * arch**0.62 * (1 - 0.12 * along)
    lower = 0.72 * eye.opening * openness * arch**0.85 * (1 + 0.1 * along)
    inside = near.soft(np.minimum(across - upper, lower - across), 0.012) * near.soft(1 - np.abs(along), 0.03)
    white = np.array((0.38, 0.42, 0.44), np.float32) * (1 - 0.35 * along[..., None] ** 2)
    near.tint(white * near.light.max(initial=0.3) ** 0.3, inside)
    ix, iy = side * eye.spacing + gaze, -eye.opening * 0.12 * (1 + eye.lid)
    radius = np.hypot(near.x - ix, near.y - iy)
    iris = linear(eye.iris) * (0.55 + 0.9 * np.clip(radius / eye.iris_size, 0, 1)[..., None])
    near.tint(iris, inside * near.soft(eye.iris_size - radius, 0.014))
    near.tint(linear((0.04, 0.03, 0.03)), inside * near.soft(0.016 - np.abs(radius - eye.iris_size), 0.02) * 0.7)
    near.tint(linear((0.02, 0.02, 0.02)), inside * near.soft(eye.iris_size * 0.45 - radius, 0.012))
    near.shade(1 - 0.55 * inside * np.exp(-0.5 * ((across - upper) / (0.4 * eye.opening + 0.01)) ** 2))
    glint = np.hypot(near.x - ix + 0.03, near.y - iy + 0.03)
    near.tint(linear((0.95, 0.95, 0.95)), near.soft(0.014 - glint, 0.014) * inside)
    within = near.soft(1.06 - np.abs(along), 0.12)
    lash = np.exp(-0.5 * ((across - upper) / (0.013 * max(1.0, eye.lashes) ** 0.6)) ** 2) * within
    near.tint(linear((0.07, 0.05, 0.04)), np.clip(lash * 1.1 * eye.lashes**0.5, 0, 1))
    under = np.exp(-0.5 * ((across - lower) / 0.011) ** 2) * within
    near.shade(1 - 0.38 * under)
    fold = np.exp(-0.5 * ((across - 1.15 * upper + 0.052 + 0.02 * along) / 0.013) ** 2) * near.soft(
        1 - np.abs(along), 0.3
    )
    near.shade(1 - 0.5 * eye.crease * fold)


def brows(canvas: Canvas, who: Identity, rng: np.random.Generator, *, lift: float) -> None:
    """Paint both brows as strands; `lift` raises them (face units)."""
    eye = who.eyes
    colour = linear(who.style.hair_colour) * 0.5 + 0.5 * linear((0.12, 0.09, 0.07))
    for side in SIDES:
        near = canvas.window(side * 0.42, -eye.brow_height, 0.5, 0.3)
        dx = side * near.x - (eye.spacing - 0.02)
        along = dx / eye.brow_length
        centre = -eye.brow_height - lift - eye.brow_arch * (1 - (along - 0.25) ** 2) - eye.brow_slope * dx
        thick = eye.brow_thickness * np.clip(1.05 - 0.55 * np.clip(along, -1, 1) ** 2 - 0.3 * along, 0.12, 1.2)
        body = near.soft(thick - np.abs(near.y - centre), 0.045) * near.soft(1 - np.abs(along), 0.22)
        strand = 0.75 + 0.25 * smooth_field(rng, near.x.shape, 34)
        near.tint(colour, np.clip(body * strand * eye.brow_density, 0, 1))


def nostrils(canvas: Canvas, who: Identity) -> None:
    """Darken the nostrils, the wings' creases and the shade below the tip."""
    nose = who.nose
    near = canvas.window(0, nose.length + 0.05, 0.5, 0.3)
    dark = np.zeros_like(near.x)
    for side in SIDES:
        hole = ((near.x - side * 0.48 * nose.width) / (0.30 * nose.width)) ** 2 + (
            (near.y - nose.length - 0.06) / 0.033
        ) ** 2
        dark += (0.30 + 0.5 * nose.nostril) * np.clip(1.3 - hole, 0, 1)
        crease = np.hypot((near.x - side * nose.width * 0.78) / (0.36 * nose.width), (near.y - nose.length) / 0.09)
        outer = np.clip(side * near.x - 0.7 * nose.width, 0, 0.1) * 10
        dark += 0.42 * outer * np.exp(-0.5 * ((crease - 1) / 0.16) ** 2)
    dark += 0.22 * bump(near, 0, nose.length + 0.085, nose.width * 0.7, 0.028)
    near.shade(1 - np.clip(blur(dark.astype(np.float32), 0.012 * near.scale), 0, 0.85))


def lips(canvas: Canvas, who: Identity, *, smile: float, part: float) -> None:
    """Paint the lips; `smile` lifts the corners, `part` opens the mouth (face units)."""
    mouth = who.mouth
    line = who.nose.length + mouth.drop
    near = canvas.window(0, line, 0.62, 0.34)
    width = mouth.width * (1 + 0.8 * max(0.0, smile))
    along = near.x / width
    arch = np.clip(1 - along * along, 0, 1)
    middle = line - (mouth.smile + smile) * along * along + 0.012 * np.cos(3.0 * along)
    bow = mouth.bow * np.exp(-0.5 * (near.x / 0.05) ** 2)
    upper = middle - part / 2 - (mouth.upper * arch**0.7 - bow * arch)
    lower = middle + part / 2 + mouth.lower * arch**0.75
    ends = near.soft(1 - np.abs(along), 0.06)
    body = near.soft(np.minimum(near.y - upper, lower - near.y), 0.022) * ends
    tint = 0.55 * linear(mouth.colour) + 0.45 * linear(who.surface.tone) * linear((0.9, 0.6, 0.58))
    light = near.light.mean(axis=-1) / max(1e-3, float(linear(who.surface.tone).mean()))
    near.tint(tint * np.clip(light, 0.15, 1.4)[..., None], body * 0.85)
    near.shade(1 - 0.25 * body * near.soft(middle - near.y, 0.03))
    seam = np.exp(-0.5 * ((near.y - middle) / (0.012 + part / 2)) ** 2) * near.soft(1.05 - np.abs(along), 0.1)
    near.shade(1 - 0.78 * seam)
    near.light[...] += (0.05 * bump(near, 0, line + 0.55 * mouth.lower, 0.4 * width, 0.2 * mouth.lower))[..., None]
    for side in SIDES:
        near.shade(1 - 0.35 * bump(near, side * width, line - mouth.smile - smile, 0.035, 0.03))
