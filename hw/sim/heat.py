"""How warmth is spread over a person, as shares between the room (0) and the face's maximum (1).

The differences between the parts of a face are those of the FDA and University of Maryland set
(doi 10.13026/3bhc-9065) at 24 °C: below the face's maximum of 35.8 °C a circle of 12 mm at the warmest corner of an
eye is 0.76 °C, and the mean of the forehead 1.41 °C. Cheeks, nose, neck, hair and clothes are our own choice. The
corners of the eyes are drawn broader and less warm than life, with the same effect on a circle of 12 mm, since the map
has cells of 4 mm: its own maximum is some 0.5 °C below `skin.face_maximum`, which no array at a gate resolves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

import numpy as np

from hw.sim.faces_canvas import Canvas, blur, bump
from hw.sim.faces_identity import Identity
from hw.sim.faces_relief import outline

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCALE = 20.0
"""Map pixels per face unit (half the width of the face)."""
EXTENT = (2.9, -1.75, 3.0)
"""Half-width, top and bottom of a map, face units."""
CHEEK, FOREHEAD, FOREHEAD_TOP = 0.88, 0.915, 0.88
ORBIT, CANTHUS, CANTHUS_SIZE = 0.905, 0.05, 0.08
NOSE, NECK, EAR, HAIR, CLOTH, LENS, HAT, MASK = 0.78, 0.89, 0.80, 0.42, 0.40, 0.62, 0.25, 0.72
FRINGE = -0.45
"""Ordinate of the lower edge of hair combed over the forehead, face units."""
GAPE = (0.22, 0.12)
"""Half-width and half-height of an open mouth, face units: 33 by 18 mm."""
SUN = {"forehead": 1.0, "cheek": 0.9, "canthi": 0.5}
"""Share of the sun's warming that parts of a face take: the corners of the eyes lie in the shade (our choice)."""
EMISSIVITY = 0.98
"""What the heat scene's temperatures mean: those of surfaces as emissive as skin (ISO/TR 13154)."""
BREATH = 0.05
"""Swing of the share below the nostrils with each breath; three times that on a mask."""


@lru_cache(maxsize=64)
def shares(identity: int, *, hat: bool, mask: bool, glasses: bool | None, fringe: bool = False) -> NDArray[np.float32]:
    """Warmth of a drawn person: float32[h, w, 3]: share, coverage 0..1, and share added at full exhalation.

    The origin (between the eyes) is at pixel (-EXTENT left, -EXTENT top) * SCALE.
    """
    who = Identity.of(identity)
    canvas = Canvas.blank(SCALE, *EXTENT)
    rho = outline(canvas, who.skull)
    fall = {"long": 2.1, "bob": who.skull.chin}.get(who.style.hair)
    share, cover = _body(canvas, fall)
    _lay(share, cover, EAR, canvas.soft(0.24 - np.hypot((np.abs(canvas.x) - 1.02) / 0.6, canvas.y - 0.12), 0.1))
    face = canvas.soft(1 - rho, 0.06)
    _lay(share, cover, _face(canvas, who.nose.length, who.nose.length + who.mouth.drop), face)
    _lay(share, cover, HAIR, _hair(canvas, who, rho, fringe=fringe))
    for lens in _lenses(canvas, who, glasses):
        _lay(share, cover, LENS, lens)
    breath = BREATH * bump(canvas, 0, who.nose.length + 0.15, 0.22, 0.14)
    if mask:
        _lay(share, cover, MASK, _mask(canvas, rho))
        breath = 3 * BREATH * bump(canvas, 0, who.nose.length + 0.2, 0.45, 0.35)
    if hat:
        _lay(share, cover, HAT, _hat(canvas, rho))
    return np.dstack([share, cover, breath * face])


@lru_cache(maxsize=16)
def sunlight(
    identity: int, *, hat: bool, mask: bool, glasses: bool | None, fringe: bool = False
) -> NDArray[np.float32]:
    """Share 0..1 of the sun's warming in each place of bare skin, on the grid of `shares`: float32[h, w]."""
    who = Identity.of(identity)
    canvas = Canvas.blank(SCALE, *EXTENT)
    rho = outline(canvas, who.skull)
    x, y = np.abs(canvas.x), canvas.y
    share = SUN["cheek"] + (SUN["forehead"] - SUN["cheek"]) * canvas.soft(-0.12 - y, 0.3)
    warm = canvas.soft(np.minimum(0.54 - x, 0.27 - np.abs(y + 0.02)), 0.16)
    share = (share + (SUN["canthi"] - share) * warm) * canvas.soft(1 - rho, 0.06)
    return _uncovered(share, canvas, who, rho, hat=hat, mask=mask, glasses=glasses, fringe=fringe)


@lru_cache(maxsize=16)
def gape(identity: int, *, hat: bool, mask: bool, glasses: bool | None, fringe: bool = False) -> NDArray[np.float32]:
    """Coverage 0..1 of the inside of an open mouth, on the grid of `shares`: float32[h, w]."""
    who = Identity.of(identity)
    canvas = Canvas.blank(SCALE, *EXTENT)
    line = who.nose.length + who.mouth.drop
    reach = np.hypot(canvas.x / GAPE[0], (canvas.y - line) / GAPE[1])
    open_part = canvas.soft((1 - reach) * GAPE[1], 0.04)
    rho = outline(canvas, who.skull)
    return _uncovered(open_part, canvas, who, rho, hat=hat, mask=mask, glasses=glasses, fringe=fringe)


def _uncovered(
    share: NDArray[np.float32],
    canvas: Canvas,
    who: Identity,
    rho: NDArray[np.float32],
    *,
    hat: bool,
    mask: bool,
    glasses: bool | None,
    fringe: bool,
) -> NDArray[np.float32]:
    """`share` where neither hair nor anything worn is before it."""
    over = [_hair(canvas, who, rho, fringe=fringe), *_lenses(canvas, who, glasses)]
    over += [_mask(canvas, rho)] if mask else []
    over += [_hat(canvas, rho)] if hat else []
    for cover in over:
        share = share * (1 - cover)
    return np.asarray(share, dtype=np.float32)


def _hair(canvas: Canvas, who: Identity, rho: NDArray[np.float32], *, fringe: bool) -> NDArray[np.float32]:
    hair = who.style.hair != "bald"
    hairline = (FRINGE if fringe else who.style.hairline) if hair else -9.0
    thick = 1.0 + (0.6 * who.style.hair_volume if hair else 0.0)
    return canvas.soft(np.minimum(hairline - canvas.y + 0.1 * canvas.x**2, thick - rho), 0.1)


def _lenses(canvas: Canvas, who: Identity, glasses: bool | None) -> list[NDArray[np.float32]]:  # noqa: FBT001
    if not (who.style.glasses if glasses is None else glasses):
        return []
    reach = [np.hypot(canvas.x - side * 0.47, (canvas.y - 0.04) * 1.4) for side in (-1.0, 1.0)]
    return [canvas.soft(0.26 - far, 0.08) for far in reach]


def _mask(canvas: Canvas, rho: NDArray[np.float32]) -> NDArray[np.float32]:
    return canvas.soft(np.minimum(canvas.y - 0.28, 1 - rho), 0.1)


def _hat(canvas: Canvas, rho: NDArray[np.float32]) -> NDArray[np.float32]:
    return canvas.soft(np.minimum(1.16 - rho, -0.52 - canvas.y), 0.06)


def _body(canvas: Canvas, hair_end: float | None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Neck, clothed shoulders and hair that hangs down to `hair_end`."""
    x = np.abs(canvas.x)
    cover = canvas.soft(np.minimum(0.55 - x, canvas.y - 0.5), 0.08)
    share = np.full_like(cover, NECK) - 0.25 * x.astype(np.float32) ** 2
    top = 1.62 + 0.13 * np.clip(x - 0.5, 0, 3) + 0.32 * np.clip(x - 1.6, 0, 2) ** 2
    warm = CLOTH + 0.10 * np.exp(-((x / 0.9) ** 2)) * np.exp(-(((canvas.y - 1.7) / 0.5) ** 2))
    _lay(share, cover, warm, canvas.soft(np.minimum(canvas.y - top, 2.6 - x), 0.06))
    if hair_end is not None:
        fall = np.minimum.reduce([1.15 - x, x - 0.85, hair_end - canvas.y, canvas.y])
        _lay(share, cover, HAIR, canvas.soft(fall, 0.1))
    return share, cover


def _face(canvas: Canvas, tip: float, line: float) -> NDArray[np.float32]:
    """Share of the bare face with the nose's tip at `tip` and the mouth at `line`: warmest between the eyes."""
    x, y = np.abs(canvas.x), canvas.y
    share = np.full_like(canvas.x, CHEEK)
    brow = canvas.soft(-0.12 - y, 0.3)
    temples = FOREHEAD_TOP + (FOREHEAD - FOREHEAD_TOP) * np.exp(-0.5 * ((x - 0.45) / 0.25) ** 2)
    share += (temples - share) * brow
    share += (NOSE - CHEEK) * bump(canvas, 0, tip - 0.02, 0.17, 0.15)
    share += 0.02 * bump(canvas, 0, line, 0.3, 0.14)
    orbit = canvas.soft(np.minimum(0.54 - x, 0.27 - np.abs(y + 0.02)), 0.16)
    share += (ORBIT - share) * orbit
    for side in (-1.0, 1.0):
        share += CANTHUS * bump(canvas, side * 0.16, 0.02, CANTHUS_SIZE, CANTHUS_SIZE)
    return share


def _lay(
    share: NDArray[np.float32],
    cover: NDArray[np.float32],
    value: float | NDArray[np.float32],
    coverage: NDArray[np.float32],
) -> None:
    """Lay a part over those below it, in place."""
    share += (value - share) * coverage
    np.maximum(cover, coverage, out=cover)


def plain_head() -> NDArray[np.float32]:
    """Warmth of a head of usual proportions with short hair, for photographs: as `shares`."""
    canvas = Canvas.blank(SCALE, *EXTENT)
    share, cover = _body(canvas, None)
    rho = np.hypot(canvas.x, (canvas.y - 0.12) / np.where(canvas.y < 0.12, 1.32, 1.25)).astype(np.float32)
    face = canvas.soft(1 - rho, 0.06)
    _lay(share, cover, _face(canvas, 0.52, 0.84), face)
    _lay(share, cover, HAIR, canvas.soft(np.minimum(-0.78 - canvas.y, 1.06 - rho), 0.1))
    return np.dstack([share, cover, BREATH * bump(canvas, 0, 0.67, 0.22, 0.14) * face])


def room(seed: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Deviation of the empty entrance (floor, door, wall) from room temperature, °C, float32[rows, columns]."""
    rng = np.random.default_rng((0x4EA7, seed))
    y = np.linspace(0.5, -0.5, rows, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None, :]
    tilt = rng.uniform(0.2, 0.6) * y + rng.uniform(-0.3, 0.3) * x
    door = -rng.uniform(0.4, 1.0) * np.exp(-0.5 * ((x + 0.32) / 0.12) ** 2) * (y > -0.3)
    patches = blur(rng.standard_normal((rows, columns)).astype(np.float32), columns / 10) * columns / 10
    return cast("NDArray[np.float32]", (tilt + door + 0.15 * patches).astype(np.float32))
