"""What a drawn person wears: hair, beard, clothes, glasses, hat, mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from hw.sim.faces_bend import moved
from hw.sim.faces_canvas import Canvas, bump, linear, smooth_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.faces_identity import Identity

SIDES = (-1.0, 1.0)
_LONG = ("long", "bob")


def strands(u: NDArray[np.float32], v: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Hair-like texture of zero mean: fine across `u`, long along `v`; both in face units."""
    tile = rng.standard_normal((64, 512)).astype(np.float32)
    tile = cv2.GaussianBlur(tile, (0, 0), 1.0) * 2 + cv2.GaussianBlur(tile, (0, 0), 4.0) * 5
    at_u = (np.abs(u) * 90).astype(np.float32) % 511
    at_v = (np.abs(v) * 9).astype(np.float32) % 63
    return cast("NDArray[np.float32]", cv2.remap(tile, at_u, at_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def back_hair(canvas: Canvas, who: Identity, rng: np.random.Generator) -> None:
    """Hair that hangs behind the neck."""
    style = who.style
    if style.hair not in _LONG:
        return
    end = 2.2 if style.hair == "long" else who.skull.chin + 0.12
    width = _fall_width(canvas, style.hair_volume) - 0.02
    edge = np.minimum(width - np.abs(canvas.x), end - canvas.y + 0.06 * smooth_field(rng, canvas.x.shape, 18))
    body = canvas.soft(np.minimum(edge - 0.04, canvas.y - 0.05), 0.05)
    tone = 0.55 + 0.16 * strands(canvas.x, canvas.y, rng)
    canvas.paint(linear(style.hair_colour) * tone[..., None], body)


def _fall_width(canvas: Canvas, volume: float) -> NDArray[np.float32]:
    """Half-width of hanging hair at each height: the skull's at the ears, wider at the shoulders."""
    down = np.clip((canvas.y - 0.05) / 1.1, 0, 1)
    return cast("NDArray[np.float32]", (0.975 * (1 + volume) + 0.14 * down * down * (3 - 2 * down)).astype(np.float32))


def front_hair(canvas: Canvas, who: Identity, rho: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Hair over the skull, down to the hairline, with its sides."""
    style = who.style
    if style.hair == "bald":
        return
    inside, ragged = _hair_shape(canvas, who, rho, rng)
    body = canvas.soft(inside, ragged)
    colour = linear(style.hair_colour)
    if style.hair == "curly":
        texture = 0.9 * smooth_field(rng, rho.shape, 44) + 0.5 * smooth_field(rng, rho.shape, 90)
    else:
        angle = np.arctan2(canvas.x - style.part * 0.6, -(canvas.y - who.skull.crown * 0.55))
        texture = strands(angle * 1.4, rho, rng)
    sheen = np.exp(-0.5 * ((rho - 0.92) / 0.12) ** 2) * np.clip(1 - np.abs(canvas.x), 0, 1)
    tone = 0.62 + 0.17 * texture + 0.55 * sheen - 0.25 * np.clip(np.abs(canvas.x) - 0.6, 0, 1)
    lit = colour * np.clip(tone, 0.1, 2)[..., None] + 0.03 * sheen[..., None]
    canvas.shade(1 - 0.35 * np.clip(canvas.soft(inside + 0.07, 0.16) - body, 0, 1))
    canvas.paint(lit.astype(np.float32), body)


def _hair_shape(
    canvas: Canvas, who: Identity, rho: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Signed distance of the front hair (positive inside) and the raggedness of its edge."""
    style = who.style
    thick = style.hair_volume * (0.45 if style.hair in {"crop", "tied"} else 1.0)
    outer = 1 + thick - rho
    if style.hair == "curly":
        outer = outer + 0.35 * thick + 0.025 * smooth_field(rng, rho.shape, 26)
    x = np.abs(canvas.x)
    line = style.hairline + 0.25 * np.clip(x, 0, 0.8) ** 2
    line = line - style.recede * bump(canvas, 0.5, 0, 0.2, 9) - style.recede * bump(canvas, -0.5, 0, 0.2, 9)
    ragged = 0.05
    if style.hair == "fringe":
        teeth = 0.035 * strands(canvas.x * 0.5, canvas.y * 0, rng)
        line, ragged = -0.47 + 0.10 * (style.hairline + 0.8) + 0.12 * x**2 + teeth, 0.04
    elif style.hair in {"side", "bob"}:
        sweep = canvas.x * (1 if style.part < 0 else -1)
        line = line + 0.16 * np.clip(sweep + 0.3, 0, 1.1)
    above = line - canvas.y
    reach = {"crop": 0.0, "side": 0.12, "curly": 0.2, "tied": -0.1, "fringe": 0.15}.get(style.hair, who.skull.chin)
    inner = 0.90 if style.hair not in _LONG else 0.86 - 0.1 * float(rng.random())
    sides = np.minimum(x - inner - 0.06 * np.clip(canvas.y, -1, 0.3), reach - canvas.y)
    if style.hair in _LONG:
        end = 2.1 if style.hair == "long" else who.skull.chin
        fall = np.minimum(np.minimum(x - inner - 0.02, _fall_width(canvas, thick) - x), end - canvas.y)
        outer = np.maximum(outer, np.minimum(fall, canvas.y - 0.05))
        sides = np.minimum(x - inner - 0.02, end - canvas.y)
    return np.minimum(outer, np.maximum(above, sides)).astype(np.float32), ragged


def beard(canvas: Canvas, who: Identity, rho: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Stubble, moustache, goatee or full beard, as strands over the skin."""
    style, mouth, nose = who.style, who.mouth, who.nose
    if style.beard == "none":
        return
    line = nose.length + mouth.drop
    upper_lip = bump(canvas, 0, 0.5 * (nose.length + 0.1 + line - mouth.upper), mouth.width * 0.95, 0.055)
    chin = bump(canvas, 0, 0.5 * (line + mouth.lower + who.skull.chin), 0.30, 0.24)
    clear = bump(canvas, 0, line + 0.02, mouth.width * 0.85, 0.07)
    lower = canvas.soft((canvas.y - 0.62 + 0.55 * (1 - np.abs(canvas.x))).astype(np.float32), 0.3)
    cheeks = lower * canvas.soft((np.abs(canvas.x) - 0.42 + 0.5 * (canvas.y - 0.7)).astype(np.float32), 0.25)
    jaw = np.clip(cheeks + chin, 0, 1)
    area = {
        "moustache": upper_lip * 1.2,
        "goatee": np.clip(upper_lip + chin * 1.1, 0, 1),
        "full": np.clip(upper_lip + jaw, 0, 1),
        "stubble": 0.5 * np.clip(upper_lip + jaw, 0, 1),
    }[style.beard]
    grain = 0.8 + 0.3 * strands(canvas.x * 0.8, canvas.y, rng)
    cover = np.clip(area * grain - 0.95 * clear, 0, 1) * style.beard_density * canvas.soft((1.0 - rho), 0.04)
    colour = linear(style.hair_colour) * (0.75 + 0.15 * strands(canvas.x, canvas.y, rng))[..., None]
    canvas.tint(colour.astype(np.float32), cover.astype(np.float32))


def glasses(canvas: Canvas, who: Identity) -> None:
    """A frame, its bridge and arms, and a little reflection."""
    thick = who.style.glasses
    if not thick:
        return
    dark = linear((0.10, 0.09, 0.09) if who.number % 3 else (0.38, 0.25, 0.15))
    near = canvas.window(0, 0.03, 1.15, 0.5)
    half_w, half_h = 0.29 + 0.02 * (who.number % 4), 0.17 + 0.02 * (who.number % 5)
    centre = 0.5 * (0.43 + moved(who.bend, who.eyes.spacing, 0.0)[0])
    power = 2.0 + 1.0 * (who.number % 4)
    rim = np.zeros_like(near.x)
    for side in SIDES:
        u, v = (near.x - side * centre) / half_w, (near.y - 0.04) / half_h
        around = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
        rim = np.maximum(rim, near.soft(thick - np.abs(around - 1) * min(half_w, half_h), 0.015))
        glare = near.soft(1 - around, 0.05) * np.exp(-0.5 * ((u + 0.5 + v * 0.4) / 0.12) ** 2)
        near.light[...] += (0.035 * glare)[..., None]
    arm = near.soft(thick * 0.8 - np.abs(near.y + 0.04), 0.015) * near.soft(np.abs(near.x) - 0.72, 0.02)
    bridge = near.soft(thick * 0.7 - np.abs(near.y + 0.02 - 0.2 * near.x**2), 0.015) * near.soft(0.14 - np.abs(near.x))
    near.tint(dark, np.maximum.reduce([rim, arm * near.soft(1.0 - np.abs(near.x)), bridge]) * 0.9)


def neck(canvas: Canvas, who: Identity) -> None:
    """Neck and its shade below the jaw."""
    half = 0.50 + 0.22 * (who.skull.jaw - 0.6)
    width = half + 0.25 * np.clip(canvas.y - 1.5, 0, 1) ** 2
    body = canvas.soft(np.minimum(width - np.abs(canvas.x), canvas.y - 0.5).astype(np.float32), 0.02)
    round_ = np.sqrt(np.clip(1 - (canvas.x / width) ** 2, 0.05, 1))
    under = 1 - 0.62 * np.exp(-0.5 * (np.clip(canvas.y - who.skull.chin + 0.1, 0, 2) / 0.32) ** 2)
    tone = linear(who.surface.tone) * (0.78 * round_ * under)[..., None]
    canvas.paint(tone.astype(np.float32), body)


def ears(canvas: Canvas, who: Identity) -> None:
    """Ears beside the head."""
    size = who.skull.ear
    for side in SIDES:
        near = canvas.window(side * 1.03, 0.12, 0.35, 0.5)
        u, v = (near.x - side * 1.01) / (0.135 * size), (near.y - 0.12) / (0.29 * size)
        around = np.hypot(u - 0.25 * side * v, v)
        fold = 0.62 + 0.3 * np.exp(-0.5 * ((around - 0.82) / 0.16) ** 2) - 0.22 * np.exp(-0.5 * (around / 0.4) ** 2)
        near.paint(
            (linear(who.surface.tone) * fold[..., None]).astype(np.float32), near.soft((1 - around) * 0.13, 0.02)
        )


def clothes(canvas: Canvas, who: Identity, rng: np.random.Generator) -> None:
    """Shoulders, arms, garment and collar."""
    style = who.style
    x = np.abs(canvas.x)
    top = 1.62 + 0.13 * np.clip(x - 0.5, 0, 3) + 0.32 * np.clip(x - 1.6, 0, 2) ** 2
    opening = {"crew": 0.10, "vee": 0.50, "shirt": 0.30, "jacket": 0.75, "hood": 0.14}[style.collar]
    dip = opening * np.clip(1 - x / 0.52, 0, 1) ** (1.0 if style.collar in {"vee", "shirt", "jacket"} else 0.5)
    folds = 1 + 0.05 * smooth_field(rng, x.shape, 12) + 0.02 * strands(canvas.x * 0.2, canvas.y, rng)
    light = (0.95 - 0.14 * np.clip(x - 0.9, 0, 2)) * folds
    arms = 2.62 + 0.05 * canvas.y - x
    if style.collar in {"shirt", "jacket"}:
        under = canvas.soft(np.minimum(canvas.y - top - 0.30 * dip, arms), 0.02)
        canvas.paint(linear(style.shirt) * light[..., None], under)
    body = canvas.soft(np.minimum(canvas.y - top - dip, arms), 0.02)
    canvas.paint(linear(style.cloth) * light[..., None], body)
    canvas.shade(1 - 0.3 * np.exp(-0.5 * ((canvas.y - top - dip) / 0.025) ** 2) * body)
    canvas.shade(
        1 - 0.25 * np.exp(-0.5 * ((x - 1.95 + 0.04 * canvas.y) / 0.03) ** 2) * canvas.soft(canvas.y - 2.35, 0.5)
    )
    if style.collar in {"shirt", "jacket", "hood"}:
        _collar(canvas, who)


def _collar(canvas: Canvas, who: Identity) -> None:
    """Flaps of a shirt's collar, lapels of a jacket or the rim of a hood."""
    style = who.style
    outer = {"shirt": (0.66, 1.68, 0.34, 2.08), "jacket": (0.72, 1.66, 0.50, 2.45), "hood": (0.95, 1.78, 0.25, 2.02)}
    wide, height, corner, low = outer[style.collar]
    colour = linear(style.cloth) * (1.25 if style.collar != "hood" else 0.8)
    for side in SIDES:
        flap = ((0.46, 1.46), (wide, height), (corner, low), (0.04, 1.62 + 0.6 * (low - 1.62)))
        corners = flap if side > 0 else tuple((-x, y) for x, y in reversed(flap))
        canvas.shade(1 - 0.3 * canvas.polygon(tuple((x, y + 0.03) for x, y in corners), 0.06) * canvas.alpha)
        canvas.paint(colour, canvas.polygon(corners, 0.015))


def hat(canvas: Canvas, who: Identity, rho: NDArray[np.float32]) -> None:
    """A knitted hat pulled down to the brows."""
    edge = np.minimum(1.16 - rho, -0.52 - 0.06 * canvas.x**2 - canvas.y)
    body = canvas.soft(edge.astype(np.float32), 0.02)
    ribs = 0.85 + 0.15 * np.sin(canvas.x * 60) * np.sqrt(np.clip(1 - (canvas.x / 1.3) ** 2, 0, 1))
    round_ = np.sqrt(np.clip(1.1 - canvas.x**2, 0.1, 1))
    tone = ribs * round_ * (1 - 0.25 * np.exp(-0.5 * ((canvas.y + 0.78) / 0.02) ** 2))
    canvas.paint((linear(who.style.cloth) * tone[..., None]).astype(np.float32), body)


def mask(canvas: Canvas, who: Identity, rho: NDArray[np.float32]) -> None:
    """A surgical mask over nose and mouth, with its loops."""
    top = 0.26 + 0.20 * np.clip(np.abs(canvas.x), 0, 1) ** 2
    low = who.skull.chin + 0.06 - 0.5 * np.clip(np.abs(canvas.x) - 0.4, 0, 1)
    shape = np.minimum(np.minimum(canvas.y - top, low - canvas.y), (1.0 - rho) * 0.8)
    body = canvas.soft(shape.astype(np.float32), 0.02)
    pleats = 0.92 - 0.10 * np.clip(np.sin((canvas.y - top) * 26), 0.6, 1)
    tone = pleats * np.sqrt(np.clip(1.15 - canvas.x**2, 0.1, 1))
    canvas.paint((linear((0.62, 0.78, 0.88)) * tone[..., None]).astype(np.float32), body)
    for side in SIDES:
        loop = np.abs(canvas.y - 0.42 + 0.35 * (side * canvas.x - 0.85))
        strap = canvas.soft((0.014 - loop).astype(np.float32)) * canvas.soft(
            (side * canvas.x - 0.82).astype(np.float32)
        )
        canvas.paint(linear((0.85, 0.88, 0.9)), strap * canvas.soft((1.02 - rho), 0.02))
