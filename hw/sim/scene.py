"""Figures made visible: each knows how to lay itself into the camera's picture and into the heat scene."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from hw.sim import heat, skin
from hw.sim.backdrop import draw_backdrop
from hw.sim.faces import Moment, Sheet, draw_face
from hw.sim.faces_identity import Identity
from hw.sim.figures import Card, Person, PhotoCard, PhotoPerson, Screen, Thing
from hw.sim.placing import place
from hw.sim.sprites import Sprite
from hw.sim.things import draw_thing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.figures import AnyFigure
    from hw.sim.mount import Mount
    from hw.sim.placing import Box, Drawn

UNIT = 0.074
"""Metres of a face unit, half the width of a face (bizygomatic breadth of adults is about 0.13-0.15 m)."""
SPRITE_SCALE = 100.0
BREATHS = 0.27
"""Breaths a second at rest."""
FACE_TOP = -0.75
"""Ordinate of a face box's upper edge, face units."""


def draw(figure: AnyFigure, mount: Mount, seed: int) -> Drawn:
    """Prepare a figure: draws its pictures (tens of milliseconds) unless they are already known."""
    match figure:
        case Person():
            return DrawnPerson(figure, mount)
        case Card():
            return DrawnCard(figure, mount, seed)
        case PhotoPerson() | PhotoCard():
            return DrawnPhoto(figure, mount)
        case Thing():
            return draw_thing(figure, mount)


def dressed(identity: int, glasses: bool | None, *, fringe: bool = False) -> Identity:  # noqa: FBT001 - three-valued
    """The identity, with or without glasses where that differs from its habit, and its hair combed forward."""
    who = Identity.of(identity)
    style = who.style
    if glasses is not None and glasses != bool(style.glasses):
        style = replace(style, glasses=0.018 if glasses else 0.0)
    if fringe and style.hair != "bald":
        style = replace(style, hair="fringe")
    return who if style is who.style else replace(who, style=style)


@lru_cache(maxsize=48)
def person_sprite(
    identity: int,
    moment: int,
    *,
    hat: bool,
    mask: bool,
    glasses: bool | None,
    mouth_open: bool = False,
    fringe: bool = False,
) -> Sprite:
    """A person's cut-out on one occasion."""
    occasion = replace(Moment.of(np.random.default_rng((0x0CCA, identity, moment))), hat=hat, mask=mask)
    if mouth_open:
        occasion = replace(occasion, part=2 * heat.GAPE[1])
    sheet = draw_face(dressed(identity, glasses, fringe=fringe), occasion, scale=SPRITE_SCALE)
    return Sprite.of(sheet.image, sheet.alpha, sheet.scale, sheet.origin, grounded=True)


def portrait(sheet: Sheet, backdrop: NDArray[np.uint8], scale: float, v: float) -> NDArray[np.uint8]:
    """A sheet in the middle of a backdrop, `scale` pixels per face unit, eyes at row `v`; the backdrop is drawn on."""
    Sprite.of(sheet.image, sheet.alpha, sheet.scale, sheet.origin, grounded=True).lay(
        backdrop, backdrop.shape[1] / 2, v, scale
    )
    return backdrop


def enrolment_photo(
    identity: int, moment: int = 0, *, size: tuple[int, int] = (640, 480), glasses: bool | None = None
) -> NDArray[np.uint8]:
    """A neutral, frontal picture for enrolment: BGR uint8[height, width, 3], the face about 180 of 640 pixels wide.

    `moment` 0 is strictly frontal; others differ by a degree or two and by the light. `glasses` None: as the identity
    usually does.
    """
    rng = np.random.default_rng((0xE2A0, identity, moment))
    turn = rng.normal(0, 1.2, 3) if moment else np.zeros(3)
    lamp = (float(rng.uniform(-0.3, 0.3)), -0.6, 0.9)
    when = Moment(yaw=float(turn[0]), pitch=float(turn[1]), roll=float(turn[2]), lamp=lamp)
    width, height = size
    shade = np.linspace(214, 196, height)[:, None, None] * np.ones((1, width, 3))
    return portrait(draw_face(dressed(identity, glasses), when), shade.astype(np.uint8), 0.14 * width, 0.43 * height)


class DrawnPerson:
    """A drawn person before the gate."""

    def __init__(self, figure: Person, mount: Mount) -> None:
        self.figure, self._mount = figure, mount
        worn = {"hat": figure.hat, "mask": figure.mask, "glasses": figure.glasses, "fringe": figure.fringe}
        self._sprite = person_sprite(figure.identity, figure.moment, mouth_open=figure.mouth_open, **worn)
        self._shares = heat.shares(figure.identity, **worn)
        self._sun = heat.sunlight(figure.identity, **worn) if figure.sunlit else None
        self._gape = heat.gape(figure.identity, **worn) if figure.mouth_open else None
        self._phase = np.random.default_rng((0x5A1, figure.identity, figure.moment)).uniform(0, 2 * math.pi, 4)

    def depth(self, time: float) -> float:
        """Metres from the camera at `time`."""
        return place(self.figure, time)[2]

    def _eyes(self, time: float) -> tuple[float, float, float]:
        """Where the eyes are, metres: the mark and a slow sway."""
        x, y, z = place(self.figure, time)
        sway, turn = self.figure.sway, 2 * math.pi * time
        x += sway * (math.sin(0.31 * turn + self._phase[0]) + 0.4 * math.sin(0.83 * turn + self._phase[1]))
        y += 0.6 * sway * math.sin(0.27 * turn + self._phase[2])
        return x, y, z

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `Drawn`."""
        size = (frame.shape[1], frame.shape[0])
        x, y, z = self._eyes(time)
        u, v = self._mount.to_picture(x, y, z, size)
        angle = 2 * self.figure.sway * math.sin(0.4 * math.pi * time + self._phase[3])
        self._sprite.lay(frame, u, v, self._mount.focal(size[0]) * UNIT / z, angle)

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """See `Drawn`."""
        breath = max(0.0, math.sin(2 * math.pi * BREATHS * time + float(self._phase[3])))
        eyes, maximum = self._eyes(time), self.maximum(time, ambient)
        lay_warmth(field, self._mount, self._shares, eyes, unit=UNIT, maximum=maximum, ambient=ambient, breath=breath)
        if self._sun is not None:
            field += self.figure.sunlit * seen_map(field, self._mount, self._sun, eyes, unit=UNIT)
        if self._gape is not None:
            cover = seen_map(field, self._mount, self._gape, eyes, unit=UNIT)
            field += (skin.open_mouth(self.figure.core) - field) * cover

    def maximum(self, time: float, ambient: float) -> float:
        """Temperature of the warmest part of the bare face at `time`, °C (`skin.face_maximum`)."""
        return _maximum(self.figure, time, ambient)

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """See `Drawn`."""
        x, y, z = self._eyes(time)
        chin = Identity.of(self.figure.identity).skull.chin
        u, v = self._mount.to_picture(x - UNIT, y + FACE_TOP * UNIT, z, size)
        unit = self._mount.focal(size[0]) * UNIT / z
        return u, v, 2 * unit, (chin - FACE_TOP) * unit


def _maximum(figure: Person | PhotoPerson, time: float, ambient: float) -> float:
    indoors = figure.minutes_indoors
    if indoors is not None:
        indoors += max(0.0, time - figure.arrival) / 60
    return skin.face_maximum(figure.core, ambient, scatter=figure.scatter, minutes_indoors=indoors)


def lay_warmth(
    field: NDArray[np.float32],
    mount: Mount,
    shares: NDArray[np.float32],
    at: tuple[float, float, float],
    *,
    unit: float,
    maximum: float,
    ambient: float,
    breath: float,
    tall: float = 1.0,
) -> None:
    """Lay a map of `heat.shares` into the heat scene, its origin at `at` (metres).

    A face unit is `unit` metres across, and `tall` times that in height.
    """
    seen = seen_map(field, mount, shares, at, unit=unit, tall=tall)
    share, cover = seen[..., 0] + breath * seen[..., 2], seen[..., 1]
    # Away from the map's edge shares are those of the part itself, so that coverage alone blends with the room.
    field += (ambient + (maximum - ambient) * share - field) * cover


def seen_map(
    field: NDArray[np.float32],
    mount: Mount,
    figure: NDArray[np.float32],
    at: tuple[float, float, float],
    *,
    unit: float,
    tall: float = 1.0,
) -> NDArray[np.float32]:
    """A map on the grid of `heat.shares`, its origin at `at` (metres), as the cells of `field` see it."""
    rows, columns = field.shape
    column, row = mount.to_array(*at, columns, rows)
    ox, oy = heat.EXTENT[0] * heat.SCALE, -heat.EXTENT[1] * heat.SCALE
    slope = mount.slope(at, columns, rows, (unit, unit * tall)) / heat.SCALE
    left, top = (column, row) - slope @ (ox, oy) - 0.5
    matrix = np.array([[slope[0, 0], slope[0, 1], left], [slope[1, 0], slope[1, 1], top]])
    # The map is clear at its sides and top; below, the body goes on.
    seen = cv2.warpAffine(figure, matrix, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast("NDArray[np.float32]", seen)


class DrawnCard:
    """A print or tablet with a drawn face, life-size, in somebody's hands."""

    def __init__(self, figure: Card, mount: Mount, seed: int) -> None:
        self.figure, self._mount = figure, mount
        self._holder = DrawnPerson(_behind(figure.held_by, figure), mount) if figure.held_by else None
        self._sprite = card_sprite(figure.identity, figure.moment, seed, screen=isinstance(figure, Screen))

    def depth(self, time: float) -> float:
        """Metres from the camera at `time`."""
        return place(self.figure, time)[2]

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `Drawn`."""
        if self._holder:
            self._holder.paint(frame, time)
        size = (frame.shape[1], frame.shape[0])
        x, y, z = self._held(time)
        u, v = self._mount.to_picture(x, y, z, size)
        self._sprite.lay(frame, u, v, self._mount.focal(size[0]) * UNIT / z, 0.03 * math.sin(1.1 * time))

    def _held(self, time: float) -> tuple[float, float, float]:
        x, y, z = place(self.figure, time)
        return x + 0.002 * math.sin(2.3 * time), y + 0.002 * math.sin(1.7 * time), z

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """See `Drawn`. The holder is behind, fingers are over the lower corners."""
        if self._holder:
            self._holder.warm(field, time, ambient)
        temperature = ambient if self.figure.temperature is None else self.figure.temperature
        at = self._held(time)
        rows, columns = field.shape
        column, row = self._mount.to_array(*at, columns, rows)
        across, down = (focal * UNIT / at[2] for focal in self._mount.array_focal(columns, rows))
        left, right, top, bottom = (
            column - CARD[0] * across,
            column + CARD[0] * across,
            row + CARD[1] * down,
            row + CARD[2] * down,
        )
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) + np.float32(0.5)
        inside = np.clip(np.minimum.reduce([x - left, right - x, y - top, bottom - y]) + 0.5, 0, 1)
        field += (temperature - field) * inside
        if self.figure.held_by:
            skin_warm = skin.surface(0.8, _maximum(self.figure.held_by, time, ambient), ambient)
            for edge in (left, right):
                reach = np.hypot((x - edge) / (0.30 * across), (y - row - FINGERS * down) / (0.22 * down))
                field += (skin_warm - field) * np.clip((1 - reach) * 3, 0, 1)

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """See `Drawn`: the face on the card."""
        x, y, z = self._held(time)
        unit = self._mount.focal(size[0]) * UNIT / z
        u, v = self._mount.to_picture(x, y, z, size)
        chin = Identity.of(self.figure.identity).skull.chin
        return u - PRINTED * unit, v + FACE_TOP * PRINTED * unit, 2 * PRINTED * unit, (chin - FACE_TOP) * PRINTED * unit


CARD = (1.75, -1.75, 2.55)
"""Half-width, top and bottom of a card around its picture's eyes, in life-size face units: about 26 by 32 cm."""
PRINTED = 0.92
"""Size of a printed face, of life."""
FINGERS = 1.7
"""Ordinate of the fingers on a card, face units."""
HELD_BEFORE = 0.12
"""How far before the holder's face a card is, metres."""


def _behind(holder: Person, card: Card) -> Person:
    return replace(
        holder, distance=card.distance + HELD_BEFORE, x=card.x, y=card.y, arrival=card.arrival, approach=card.approach
    )


@lru_cache(maxsize=24)
def card_sprite(identity: int, moment: int, seed: int, *, screen: bool) -> Sprite:
    """A held card with its picture: flat print or bright tablet."""
    scale = SPRITE_SCALE
    width, height = round(2 * CARD[0] * scale), round((CARD[2] - CARD[1]) * scale)
    border = round((0.10 if screen else 0.07) * scale)
    occasion = Moment.of(np.random.default_rng((0xCA2D, identity, moment)))
    behind = draw_backdrop(seed + 11, width - 2 * border, height - 2 * border)
    inner = portrait(draw_face(identity, occasion), behind, PRINTED * scale, -CARD[1] * scale - border)
    tone = inner.astype(np.float32)
    if screen:
        tone = np.clip((tone - 128) * 1.15 + 150, 0, 255) * np.array((1.06, 1.0, 0.95), np.float32)
        glare = np.clip(
            1 - np.abs(np.linspace(-3, 4, tone.shape[1])[None, :] - np.linspace(0, 2, tone.shape[0])[:, None]), 0, 1
        )
        tone += 22 * glare[..., None]
    else:
        tone = 30 + 0.78 * tone
        tone *= 1 + 0.015 * np.sin(np.arange(tone.shape[0]) * 2.1)[:, None, None]
    card = np.full((height, width, 3), 22 if screen else 232, np.uint8)
    card[border:-border, border:-border] = np.clip(tone, 0, 255).astype(np.uint8)
    return Sprite.of(card, np.ones((height, width), np.float32), scale, (CARD[0] * scale, -CARD[1] * scale))


class DrawnPhoto:
    """A photograph that fills the camera's frame; a person's is warm where its face is."""

    def __init__(self, figure: PhotoPerson | PhotoCard, mount: Mount) -> None:
        self.figure, self._mount = figure, mount
        self._frame: NDArray[np.uint8] | None = None
        self._shares = heat.plain_head()

    def depth(self, time: float) -> float:
        """Metres from the camera at `time`."""
        return place(self.figure, time)[2]

    def _fit(self, size: tuple[int, int]) -> tuple[float, float, float]:
        """Scale and offset (x, y) that put the whole photograph into a picture of `size`."""
        height, width = self.figure.image.shape[:2]
        scale = min(size[0] / width, size[1] / height)
        return scale, (size[0] - scale * width) / 2, (size[1] - scale * height) / 2

    def paint(self, frame: NDArray[np.uint8], time: float) -> None:
        """See `Drawn`. Where the photograph does not reach, its outermost pixels fill the frame."""
        del time
        size = (frame.shape[1], frame.shape[0])
        if self._frame is None or self._frame.shape != frame.shape:
            scale, left, top = self._fit(size)
            matrix = np.array([[scale, 0, left + (scale - 1) / 2], [0, scale, top + (scale - 1) / 2]])
            # Nothing that a detector could take for a second face: an enlargement of the photograph would be one.
            canvas = cv2.warpAffine(
                self.figure.image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            self._frame = cast("NDArray[np.uint8]", canvas)
        frame[...] = self._frame

    def face_box(self, size: tuple[int, int], time: float) -> Box:
        """See `Drawn`."""
        del time
        scale, left, top = self._fit(size)
        x, y, width, height = self.figure.box
        return left + scale * x, top + scale * y, scale * width, scale * height

    def warm(self, field: NDArray[np.float32], time: float, ambient: float) -> None:
        """See `Drawn`. The face box gives place and size; `distance` the parallax."""
        if isinstance(self.figure, PhotoCard):
            field[...] = ambient if self.figure.temperature is None else self.figure.temperature
            return
        size = (640, 480)
        x, y, width, height = self.face_box(size, time)
        focal, z = self._mount.focal(size[0]), self.depth(time)
        chin = 1.3
        eyes = y + height * FACE_TOP / (FACE_TOP - chin)
        # Boxes of real faces are taller than wide in all proportions: the warm face fills its box.
        tall = (height / width) / ((chin - FACE_TOP) / 2)
        at = ((x + width / 2 - size[0] / 2) * z / focal, (eyes - size[1] / 2) * z / focal, z)
        unit = 0.5 * width * z / focal
        breath = max(0.0, math.sin(2 * math.pi * BREATHS * time))
        maximum = _maximum(self.figure, time, ambient)
        lay_warmth(
            field,
            self._mount,
            self._shares,
            at,
            unit=unit,
            maximum=maximum,
            ambient=ambient,
            breath=breath,
            tall=tall,
        )
