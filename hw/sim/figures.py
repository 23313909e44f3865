"""What may stand before the simulated gate: people, photographs of people, tablets. `scene` draws them.

Places are metres from the camera (`mount`), times are seconds of the world's clock. A figure comes from 1.2 m further
away during `approach` seconds, is on its mark at `arrival` and is gone after `leaves`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EYE_HEIGHT = -0.03
"""Ordinate of the eyes that puts the face in the middle of both pictures, metres below the axis."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """Anything with a place and a time."""

    distance: float = 0.5
    x: float = 0.0
    y: float = EYE_HEIGHT
    arrival: float = 0.0
    leaves: float = math.inf
    approach: float = 0.0

    def __post_init__(self) -> None:
        """Raises ValueError for a figure behind the camera or one that leaves before it arrives."""
        if not self.distance > 0.1:
            raise ValueError(f"a figure stands at least 0.1 m away, not {self.distance} m")
        if self.leaves < self.arrival or self.approach < 0:
            raise ValueError(f"a figure leaves after it arrives: arrival {self.arrival}, leaves {self.leaves}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person(Figure):
    """A drawn person.

    Attributes:
        identity: number of the drawn identity (`faces_identity.Identity.of`).
        core: oral temperature, °C.
        scatter: this person's own deviation of the face's surface, °C (`skin.SCATTER` is the deviation in people).
        minutes_indoors: at arrival, for someone from the cold; None: acclimatised.
        moment: number of the occasion: pose, expression, light.
        hat: a knitted hat over the forehead.
        mask: a mask over nose and mouth.
        glasses: None: as the identity usually does.
        sway: how far the head moves, metres.
    """

    identity: int
    core: float = 36.8
    scatter: float = 0.0
    minutes_indoors: float | None = None
    moment: int = 0
    hat: bool = False
    mask: bool = False
    glasses: bool | None = None
    sway: float = 0.003


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Card(Figure):
    """A printed photograph of a drawn person, life-size, held to the camera.

    Attributes:
        identity: who is on it.
        temperature: of the paper, °C; None: the room's.
        held_by: who holds it: stands behind, and has warm fingers at its edge.
        moment: number of the occasion on which it was taken.
    """

    identity: int
    temperature: float | None = None
    held_by: Person | None = None
    moment: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Screen(Card):
    """A tablet that shows a drawn person: brighter, glossy, and warm all over."""

    temperature: float | None = 31.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhotoPerson(Figure):
    """A person whose camera picture is a given photograph, filling the frame.

    `distance` only sets the parallax between camera and array; the size comes from the photograph's face box.

    Attributes:
        image: BGR uint8[h, w, 3].
        box: face in the photograph, (x, y, width, height) in its pixels, hairline to chin.
        core: oral temperature, °C.
        scatter: the person's own deviation, °C.
        minutes_indoors: as in `Person`.
    """

    image: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    core: float = 36.8
    scatter: float = 0.0
    minutes_indoors: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhotoCard(Figure):
    """The same photograph held to the camera as a print at `temperature` (None: the room's), filling the frame."""

    image: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    temperature: float | None = None


AnyFigure = Person | Card | PhotoPerson | PhotoCard
