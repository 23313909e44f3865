"""What may be before the simulated gate: people, photographs of people, tablets, warm things. `scene` draws them.

Places are metres from the camera (`mount`), times are seconds of the world's clock. A figure comes from 1.2 m further
away during `approach` seconds, is on its mark at `arrival` and is gone after `leaves`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

Temperature = float | Callable[[float], float]
"""°C, or a function of the world's time in seconds."""

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
        mouth_open: the mouth is wide open; its inside is warmer than any part of the face (`skin.open_mouth`).
        sunlit: K by which the sun has warmed the forehead; the corners of the eyes take half (`heat.SUN`).
        fringe: hair combed over the forehead, where there is hair.
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
    mouth_open: bool = False
    sunlit: float = 0.0
    fringe: bool = False


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing(Figure):
    """Anything warm that is no person and shows none: a disc of `radius` unless said otherwise.

    Attributes:
        radius: metres.
        temperature: of its surface, °C, or a function of the world's time.
    """

    radius: float = 0.03
    temperature: Temperature = 40.0

    def __post_init__(self) -> None:
        """Raises ValueError as `Figure` does, and for a thing without extent."""
        super(Thing, self).__post_init__()
        if not self.radius > 0:
            raise ValueError(f"a thing's radius is positive, not {self.radius} m")

    def celsius(self, time: float) -> float:
        """Temperature of the surface at `time`, °C."""
        return self.temperature(time) if callable(self.temperature) else self.temperature


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlackBody(Thing):
    """A reference source in view: a heated matt disc in a metal rim, whose temperature is known.

    A pixel reads it only when the pixel's spot and the lens' blur lie on it: a radius of three pixels gives the
    middle nine. `programme` gives the set points of a linearity test.

    Attributes:
        emissivity: of its surface, (0, 1]; the rest is the room's reflection (`apparent`).
    """

    emissivity: float = 0.97

    def __post_init__(self) -> None:
        """Raises ValueError as `Thing` does, and for an emissivity that no surface has."""
        super(BlackBody, self).__post_init__()
        if not 0 < self.emissivity <= 1:
            raise ValueError(f"an emissivity lies in (0, 1], not at {self.emissivity}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lamp(Thing):
    """A lamp or heater in the background: small, bright and far too hot for skin."""

    distance: float = 2.0
    temperature: Temperature = 90.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mug(Thing):
    """A hot drink in a mug, held near the face: `radius` wide each way, 1.2 times that in height."""

    distance: float = 0.42
    x: float = 0.05
    y: float = 0.07
    radius: float = 0.04
    temperature: Temperature = 55.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WarmTarget(Thing):
    """A target that camera and array both see: a heated black mark on a white board at room temperature.

    Attributes:
        shape: what is black and warm: a disc, a ring (its hole is half as wide) or a cross (its arms a third).
        board: half the side of the white board, metres.
    """

    temperature: Temperature = 45.0
    shape: Literal["disc", "ring", "cross"] = "disc"
    board: float = 0.08


def programme(set_points: Sequence[float], hold: float, *, start: float = 0.0) -> Callable[[float], float]:
    """The temperature of a source that holds each set point, °C, for `hold` seconds from `start` on, then the last.

    Raises ValueError without a set point, or for a hold that is not positive.
    """
    if not set_points or not hold > 0:
        raise ValueError("a programme has set points, and holds each for a while")
    points = tuple(set_points)
    return lambda time: points[min(len(points) - 1, max(0, math.floor((time - start) / hold)))]


AnyFigure = Person | Card | PhotoPerson | PhotoCard | Thing
