"""Traits of drawn people: measures of the face, colours, hair and habits, and the ranges they are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

HairStyle = Literal["bald", "crop", "side", "curly", "bob", "long", "tied", "fringe"]
BeardStyle = Literal["none", "stubble", "moustache", "goatee", "full"]
Build = Literal["man", "woman", "child", "elder"]
CollarStyle = Literal["crew", "vee", "shirt", "jacket", "hood"]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Skull:
    """Outline and relief of the head; lengths in half face widths, downwards from the midpoint between the eyes."""

    forehead: float
    """Half-width at the height of the hairline."""
    jaw: float
    """Half-width at the height of the mouth."""
    chin_width: float
    """Half-width just above the chin."""
    chin: float
    """Ordinate of the chin."""
    crown: float
    """Ordinate of the crown (negative)."""
    cheekbone: float
    """Relief of the cheekbones."""
    hollow: float
    """Depth of the hollows below them."""
    brow_ridge: float
    socket: float
    """Depth of the eye sockets."""
    ear: float
    """Size of the ears."""
    skew: float
    """Left-right asymmetry."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both eyes and brows."""

    spacing: float
    """Half the distance of the pupils."""
    width: float
    opening: float
    tilt: float
    """Radians; positive lifts the outer corner."""
    lid: float
    """How far the upper lid covers the iris."""
    crease: float
    bags: float
    lashes: float
    """Darkness and thickness of the upper lid's line."""
    shadow: float
    """Darkness around the eyes."""
    iris: Colour
    iris_size: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_slope: float
    brow_length: float
    brow_density: float


@dataclass(frozen=True, slots=True)
class Nose:
    """The nose."""

    length: float
    """Ordinate of the tip."""
    width: float
    """Half-width of the wings."""
    bridge: float
    """Half-width of the bridge."""
    height: float
    """Relief of the ridge."""
    tip: float
    """Size of the tip."""
    nostril: float
    bend: float
    """Sideways bend of the ridge."""


@dataclass(frozen=True, slots=True)
class Mouth:
    """The mouth."""

    drop: float
    """From the nose's tip to the mouth line."""
    width: float
    """Half-width."""
    upper: float
    lower: float
    bow: float
    """Depth of Cupid's bow."""
    smile: float
    colour: Colour
    fold: float
    """Depth of the folds from nose to mouth."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Skin."""

    tone: Colour
    ruddy: float
    freckles: float
    wrinkles: float
    shine: float
    moles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Style:
    """Hair, beard and clothes."""

    hair: HairStyle
    hair_colour: Colour
    hair_volume: float
    hairline: float
    """Ordinate of the hairline in the middle."""
    recede: float
    part: float
    beard: BeardStyle
    beard_density: float
    glasses: float
    """0 for none, otherwise the frame's width."""
    collar: CollarStyle
    cloth: Colour
    shirt: Colour


SKINS: tuple[Colour, ...] = (
    (0.96, 0.82, 0.73),
    (0.93, 0.77, 0.66),
    (0.91, 0.74, 0.59),
    (0.86, 0.68, 0.53),
    (0.80, 0.60, 0.45),
    (0.70, 0.50, 0.37),
    (0.58, 0.40, 0.29),
    (0.52, 0.36, 0.27),
)
_HAIRS: tuple[Colour, ...] = (
    (0.08, 0.07, 0.07),
    (0.13, 0.10, 0.08),
    (0.22, 0.15, 0.10),
    (0.34, 0.22, 0.13),
    (0.48, 0.31, 0.17),
    (0.52, 0.27, 0.13),
    (0.70, 0.54, 0.33),
    (0.82, 0.69, 0.48),
)
_GREYS: tuple[Colour, ...] = ((0.40, 0.39, 0.38), (0.78, 0.77, 0.75))
IRISES: tuple[Colour, ...] = (
    (0.16, 0.10, 0.07),
    (0.28, 0.17, 0.09),
    (0.36, 0.30, 0.16),
    (0.30, 0.40, 0.44),
    (0.28, 0.42, 0.58),
    (0.30, 0.44, 0.32),
)

Range = tuple[float, float]
SKULL: dict[str, Range] = {
    "forehead": (0.80, 0.97),
    "jaw": (0.64, 0.96),
    "chin_width": (0.28, 0.52),
    "chin": (1.20, 1.56),
    "crown": (-1.32, -1.12),
    "cheekbone": (0.02, 0.13),
    "hollow": (0.0, 0.10),
    "brow_ridge": (0.03, 0.13),
    "socket": (0.14, 0.24),
    "ear": (0.75, 1.25),
}
EYES: dict[str, Range] = {
    "spacing": (0.35, 0.52),
    "width": (0.15, 0.27),
    "opening": (0.05, 0.11),
    "tilt": (-0.16, 0.26),
    "lid": (0.0, 0.5),
    "crease": (0.0, 1.0),
    "bags": (0.0, 1.0),
    "lashes": (0.5, 1.0),
    "shadow": (0.5, 0.8),
    "iris_size": (0.085, 0.105),
    "brow_height": (0.17, 0.37),
    "brow_thickness": (0.035, 0.10),
    "brow_arch": (0.0, 0.09),
    "brow_slope": (-0.26, 0.22),
    "brow_length": (0.24, 0.36),
    "brow_density": (0.45, 1.0),
}
NOSE: dict[str, Range] = {
    "length": (0.41, 0.73),
    "width": (0.19, 0.38),
    "bridge": (0.07, 0.13),
    "height": (0.28, 0.42),
    "tip": (0.09, 0.16),
    "nostril": (0.3, 1.0),
}
MOUTH: dict[str, Range] = {
    "drop": (0.24, 0.42),
    "width": (0.26, 0.52),
    "upper": (0.03, 0.085),
    "lower": (0.05, 0.12),
    "bow": (0.0, 0.04),
    "smile": (-0.04, 0.07),
    "fold": (0.0, 0.06),
}
_SURFACE: dict[str, Range] = {"ruddy": (0.0, 1.0), "wrinkles": (0.0, 0.5), "shine": (0.0, 1.0)}
LIPS: dict[str, Range] = {"red": (0.55, 0.72), "green": (0.30, 0.44), "blue": (0.28, 0.42)}

_OWN: dict[Build, dict[str, Range]] = {
    "man": {},
    "woman": {
        "jaw": (0.60, 0.84),
        "brow_ridge": (0.0, 0.05),
        "width": (0.20, 0.30),
        "opening": (0.08, 0.125),
        "tilt": (-0.06, 0.28),
        "lashes": (1.2, 2.4),
        "shadow": (0.55, 0.95),
        "brow_thickness": (0.018, 0.05),
        "brow_arch": (0.03, 0.12),
        "brow_height": (0.22, 0.40),
        "nose_width": (0.15, 0.27),
        "tip": (0.07, 0.12),
        "upper": (0.055, 0.11),
        "lower": (0.09, 0.15),
        "red": (0.62, 0.86),
        "green": (0.12, 0.40),
        "blue": (0.16, 0.40),
        "wrinkles": (0.0, 0.15),
    },
    "child": {
        "chin": (1.02, 1.26),
        "jaw": (0.74, 0.94),
        "crown": (-1.46, -1.28),
        "hollow": (0.0, 0.02),
        "brow_ridge": (0.0, 0.04),
        "spacing": (0.40, 0.52),
        "width": (0.20, 0.28),
        "opening": (0.09, 0.13),
        "iris_size": (0.10, 0.12),
        "brow_thickness": (0.02, 0.06),
        "length": (0.38, 0.50),
        "nose_width": (0.16, 0.27),
        "height": (0.24, 0.32),
        "drop": (0.21, 0.30),
        "mouth_width": (0.22, 0.38),
        "fold": (0.0, 0.01),
        "bags": (0.0, 0.3),
        "wrinkles": (0.0, 0.02),
    },
    "elder": {
        "hollow": (0.06, 0.15),
        "opening": (0.045, 0.08),
        "tilt": (-0.22, 0.06),
        "length": (0.52, 0.76),
        "upper": (0.02, 0.05),
        "lower": (0.03, 0.07),
        "fold": (0.05, 0.10),
        "bags": (0.6, 1.6),
        "wrinkles": (0.7, 1.3),
        "ear": (1.0, 1.4),
    },
}
BUILDS: tuple[Build, ...] = ("man", "woman", "child", "elder")


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A measure between two bounds, more often near the ends than a bell would be: faces should differ."""
    return low + (high - low) * float(rng.beta(0.9, 0.9))


def measures(rng: np.random.Generator, build: Build, ranges: dict[str, Range], prefix: str = "") -> dict[str, float]:
    """One value in each range; a build's own range, under the name or prefix_name, goes first."""
    own = _OWN[build]
    return {name: between(rng, *own.get(f"{prefix}_{name}", own.get(name, wide))) for name, wide in ranges.items()}


def pick(
    rng: np.random.Generator, colours: tuple[Colour, ...], spread: float, *, top: float = 1.0
) -> tuple[float, Colour]:
    """Where in a list (0..`top`) and which colour there, between two neighbours and a little off."""
    part = top * rng.random()
    at = part * (len(colours) - 1)
    low, rest = int(at), at - int(at)
    mixed = (1 - rest) * np.asarray(colours[low]) + rest * np.asarray(colours[min(low + 1, len(colours) - 1)])
    red, green, blue = np.clip(mixed * (1 + spread * rng.standard_normal(3)), 0.02, 0.98)
    return part, (float(red), float(green), float(blue))


def draw_surface(rng: np.random.Generator, build: Build, tone: Colour) -> Surface:
    """Skin of the given colour."""
    moles = tuple(
        (float(rng.uniform(-0.75, 0.75)), float(rng.uniform(-0.5, 1.1))) for _ in range(int(rng.integers(0, 4)))
    )
    freckles = between(rng, 0.0, 1.0) if rng.random() < 0.25 else 0.0
    return Surface(**measures(rng, build, _SURFACE), tone=tone, freckles=freckles, moles=moles)


_HAIR_ODDS: dict[Build, tuple[float, ...]] = {
    #        bald  crop  side  curly bob   long  tied  fringe
    "man": (0.12, 0.28, 0.28, 0.16, 0.02, 0.04, 0.02, 0.08),
    "woman": (0.0, 0.03, 0.05, 0.14, 0.24, 0.26, 0.16, 0.12),
    "child": (0.0, 0.18, 0.14, 0.12, 0.12, 0.10, 0.12, 0.22),
    "elder": (0.18, 0.28, 0.20, 0.14, 0.08, 0.02, 0.08, 0.02),
}
_HAIRSTYLES: tuple[HairStyle, ...] = ("bald", "crop", "side", "curly", "bob", "long", "tied", "fringe")
_BEARDS: tuple[BeardStyle, ...] = ("none", "stubble", "moustache", "goatee", "full")
_COLLARS: tuple[CollarStyle, ...] = ("crew", "vee", "shirt", "jacket", "hood")


def _hair_colour(rng: np.random.Generator, build: Build, dark: float) -> Colour:
    """Dark hair with dark skin, any with fair skin, grey with age."""
    if rng.random() < (0.8 if build == "elder" else 0.04):
        return pick(rng, _GREYS, 0.01)[1]
    return pick(rng, _HAIRS, 0.03, top=1 - 0.8 * dark)[1]


def draw_style(rng: np.random.Generator, build: Build, dark: float) -> Style:
    """Hair, beard, glasses and clothes that go with a build and a skin (`dark` 0 fair .. 1 dark)."""
    hair = _HAIRSTYLES[int(rng.choice(len(_HAIRSTYLES), p=_HAIR_ODDS[build]))]
    bearded = build == "man" or (build == "elder" and hair in {"bald", "crop", "side"})
    beard = _BEARDS[int(rng.choice(5, p=(0.40, 0.22, 0.10, 0.11, 0.17)))] if bearded else "none"
    glasses = {"man": 0.25, "woman": 0.22, "child": 0.12, "elder": 0.45}[build]
    cloth = rng.uniform(0.08, 0.8, 3)
    shirt = rng.uniform(0.65, 0.95, 3)
    return Style(
        hair=hair,
        hair_colour=_hair_colour(rng, build, dark),
        hair_volume=between(rng, 0.06, 0.26),
        hairline=between(rng, -0.92, -0.66),
        recede=between(rng, 0.0, 0.25 if build in {"man", "elder"} else 0.08),
        part=between(rng, -0.5, 0.5),
        beard=beard,
        beard_density=between(rng, 0.35, 0.95),
        glasses=between(rng, 0.012, 0.026) if rng.random() < glasses else 0.0,
        collar=_COLLARS[int(rng.integers(len(_COLLARS)))],
        cloth=(float(cloth[0]), float(cloth[1]), float(cloth[2])),
        shirt=(float(shirt[0]), float(shirt[1]), float(shirt[2])),
    )
