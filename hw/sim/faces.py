"""Drawn people: seeded, parametric portraits that face detectors find and face embedders tell apart.

No photograph and no average of photographs is behind them. A head is a relief (`faces_relief`) under a lamp, with skin,
eyes, brows and lips painted on it (`faces_features`) and hair and clothes around it (`faces_wear`). Who it is comes
from `faces_identity`; a `Moment` is one occasion: pose, light, expression.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from hw.sim import faces_features as features
from hw.sim import faces_wear as wear
from hw.sim.faces_bend import HEAD, displacement
from hw.sim.faces_canvas import Canvas, blur, encode
from hw.sim.faces_identity import Identity
from hw.sim.faces_relief import gloss, outline, relief, shading

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE = 112.0
SHEET = (2.9, -1.75, 3.0)
"""Half-width, top and bottom of a sheet, face units: shoulders included."""
NECK = 1.4
"""Pixels per face unit of a sheet drawn at its natural size: a face 224 pixels wide."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One occasion on which a person is seen."""

    yaw: float = 0.0
    """Degrees to the viewer's right."""
    pitch: float = 0.0
    """Degrees; positive looks down."""
    roll: float = 0.0
    """Degrees clockwise."""
    lamp: tuple[float, float, float] = (-0.35, -0.65, 0.9)
    """Direction to the key light: x right, y down, z to the viewer."""
    exposure: float = 1.0
    warmth: float = 0.0
    """Colour of the light, -1 bluish to 1 reddish."""
    smile: float = 0.0
    part: float = 0.0
    brow_lift: float = 0.0
    gaze: float = 0.0
    openness: float = 1.0
    hat: bool = False
    mask: bool = False

    @classmethod
    def of(cls, rng: np.random.Generator) -> Moment:
        """An ordinary occasion at a gate: a few degrees of pose, some light, some expression."""
        return cls(
            yaw=float(np.clip(3.0 * rng.standard_normal(), -7, 7)),
            pitch=float(np.clip(2.0 * rng.standard_normal(), -5, 5)),
            roll=float(np.clip(2.0 * rng.standard_normal(), -5, 5)),
            lamp=(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.8, -0.45)), 0.9),
            exposure=float(rng.uniform(0.82, 1.15)),
            warmth=float(rng.uniform(-0.8, 0.8)),
            smile=float(np.clip(0.02 * rng.standard_normal(), -0.02, 0.05)),
            part=max(0.0, float(0.012 * rng.standard_normal())),
            brow_lift=float(0.008 * rng.standard_normal()),
            gaze=float(0.012 * rng.standard_normal()),
            openness=float(rng.uniform(0.85, 1.08)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A drawn person without background.

    Attributes:
        image: uint8[h, w, 3] BGR, not multiplied by coverage.
        alpha: float32[h, w] coverage, 0..1.
        scale: pixels of one face unit (half the width of the face).
        origin: pixel (x, y) of the midpoint between the eyes.
        chin: ordinate of the chin in face units.
    """

    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    scale: float
    origin: tuple[float, float]
    chin: float


def draw_face(identity: int | Identity, moment: Moment | None = None, *, scale: float = SCALE) -> Sheet:
    """Draw one person on one occasion, with `scale` pixels per half face width.

    Deterministic: the same arguments give the same picture, byte for byte, on one machine.
    """
    who = identity if isinstance(identity, Identity) else Identity.of(identity)
    when = moment or Moment()
    rng = np.random.default_rng((0x5EED, who.number))
    sheet = Canvas.blank(scale, *SHEET)
    wear.back_hair(_rolled(sheet, when.roll), who, rng)
    wear.neck(sheet, who)
    wear.clothes(sheet, who, rng)
    head = Canvas.blank(scale, *HEAD)
    heights = _head(head, who, when, rng)
    light, cover = _turn(head, heights, when)
    # Eyes over eyes: the heat is laid by the same origin.
    left, top = (round(under - over) for under, over in zip(sheet.origin, head.origin, strict=True))
    rows, columns = slice(top, top + cover.shape[0]), slice(left, left + cover.shape[1])
    under = 1 - cover
    sheet.light[rows, columns] = light + sheet.light[rows, columns] * under[..., None]
    sheet.alpha[rows, columns] = cover + sheet.alpha[rows, columns] * under
    tint = np.array((1 - 0.08 * when.warmth, 1, 1 + 0.08 * when.warmth), np.float32) * np.float32(when.exposure)
    straight = sheet.light * tint / np.maximum(sheet.alpha, 1e-3)[..., None]
    return Sheet(encode(straight), sheet.alpha, scale, sheet.origin, who.skull.chin)


def _head(canvas: Canvas, who: Identity, when: Moment, rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint the head with all it wears, seen from the front; returns its relief."""
    wear.ears(canvas, who)
    face = canvas.bent(*displacement(who.bend, canvas.x.shape))
    rho = outline(face, who.skull)
    z = relief(face, who, rho, rng)
    light = shading(z, face.scale, when.lamp) * features.wrinkles(face, who)
    lit = features.skin(face, who, rng) * light[..., None]
    lit += (0.10 * who.surface.shine * gloss(z, face.scale, when.lamp))[..., None]
    bleed = np.dstack([lit[..., 0], blur(lit[..., 1], 0.012 * face.scale), blur(lit[..., 2], 0.022 * face.scale)])
    face.paint(bleed, face.soft(1 - rho, 0.018))
    features.nostrils(face, who)
    features.lips(face, who, smile=when.smile, part=when.part)
    features.eyes(face, who, gaze=when.gaze, openness=when.openness)
    features.brows(face, who, rng, lift=when.brow_lift)
    wear.beard(face, who, rho, rng)
    wear.front_hair(canvas, who, rho, rng)
    wear.glasses(canvas, who)
    if when.mask:
        wear.mask(canvas, who, rho)
    if when.hat:
        wear.hat(canvas, who, rho)
    return z


def _rolled(canvas: Canvas, degrees: float) -> Canvas:
    """The same sheet with its coordinates turned clockwise around the neck."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x = cos * canvas.x + sin * (canvas.y - NECK)
    y = -sin * canvas.x + cos * (canvas.y - NECK) + NECK
    return canvas.bent((x - canvas.x).astype(np.float32), (y - canvas.y).astype(np.float32))


def _turn(head: Canvas, z: NDArray[np.float32], when: Moment) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn the head a few degrees by its relief, and roll it around the neck: (light, coverage)."""
    depth = blur(z, 0.08 * head.scale)
    at_x = head.x - depth * math.sin(math.radians(when.yaw))
    at_y = head.y - depth * math.sin(math.radians(when.pitch))
    ox, oy = head.origin
    if when.roll:
        rolled = _rolled(head, when.roll)
        index_x, index_y = rolled.x * head.scale + ox, rolled.y * head.scale + oy
        at_x = cv2.remap(at_x, index_x, index_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        at_y = cv2.remap(at_y, index_x, index_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    layers = np.dstack([head.light, head.alpha])
    turned = cast(
        "NDArray[np.float32]", cv2.remap(layers, at_x * head.scale + ox, at_y * head.scale + oy, cv2.INTER_LINEAR)
    )
    return turned[..., :3], turned[..., 3]
