"""What somebody may hold or wear before the gate to pass for another: sheets, screens, masks.

`attack_views` draws them. All of them show a drawn person's face. Lengths are metres, temperatures °C. A thin sheet's
temperature follows from what it takes and gives: paper of 80 g/m² to card of 250 g/m² (specific heat 1.4 kJ/kg/K)
stores 110 to 350 J/m²/K, and gives 8 to 11 W/m²/K from each side by radiation and still air (Incropera, Fundamentals of
Heat and Mass Transfer, chapter 1). So a time constant is 5 to 20 seconds, and a sheet that does not touch the skin
behind it is never nearly as warm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.sim.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from hw.sim.figures import Person, Temperature

TO_ROOM = (8.0, 11.0)
"""What a surface near 30 °C gives to a room, W/m²/K: 5.5 to 6 by radiation, the rest by still air."""
AIR = 0.026
"""Thermal conductivity of air, W/m/K."""
RADIATION = 5.9
"""What two surfaces near 30 °C exchange by radiation, W/m²/K."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hand:
    """A hand pressed flat against the back of a sheet, fingers up.

    Attributes:
        temperature: of its skin.
        take: share of its warmth above the room that the sheet's front takes in contact.
        x: to the right of the printed face's eyes.
        y: below them.
    """

    temperature: float = 32.0
    take: float = 0.85
    x: float = 0.0
    y: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet(Figure):
    """A print or screen with a face, life-size or not.

    Attributes:
        identity: who is on it.
        moment: number of the occasion on which it was taken.
        scale: size of the face, of life.
        width: of the sheet; the face is in its middle.
        above: from the face's eyes up to the sheet's edge.
        below: from its eyes down to the edge.
        screen: bright and glossy.
        cut: cut along the face's outline; what is outside is gone.
        temperature: of its front, or a function of the world's time; None: the room's.
        spot: K by which its warmest spot (a processor, a heater's wire) is above that; 50 mm wide.
        spot_x: of that spot, to the right of the eyes.
        spot_y: below them.
        bend: half of the angle, radians, of the upright cylinder that it is bent to; its sides are warmed the less, by
            the cosine, as what comes from a lamp or a dryer in front is.
        hand: a hand behind it.
        held_by: who stands behind it.
        behind: metres between the sheet and who holds it.
    """

    identity: int
    moment: int = 0
    scale: float = 0.92
    width: float = 0.26
    above: float = 0.13
    below: float = 0.19
    screen: bool = False
    cut: bool = False
    temperature: Temperature | None = None
    spot: float = 0.0
    spot_x: float = 0.0
    spot_y: float = 0.0
    bend: float = 0.0
    hand: Hand | None = None
    held_by: Person | None = None
    behind: float = 0.12

    def celsius(self, time: float, ambient: float) -> float:
        """Temperature of its front at `time`."""
        if self.temperature is None:
            return ambient
        return self.temperature(time) if callable(self.temperature) else self.temperature


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Worn(Figure):
    """A printed face before or on a living one.

    Attributes:
        identity: who is printed.
        moment: number of the occasion on which it was taken.
        wearer: whose face is behind; stands where the print is.
        take: share of the skin's warmth above the room that the print takes (`share_taken`).
        ahead: metres between print and face.
        cut: cut along the face's outline, as a mask; else a sheet of 26 by 32 cm.
        holes: eyes are cut out, 34 by 20 mm each, and what is behind shows.
    """

    identity: int
    moment: int = 0
    wearer: Person
    take: float = 0.55
    ahead: float = 0.008
    cut: bool = True
    holes: bool = False


def cooling(start: float, ambient: float, constant: float, since: float) -> Callable[[float], float]:
    """A sheet warmed to `start` °C at the world's time `since` that gives its heat to the room, e-fold in `constant` s.

    Raises ValueError for a constant that is not positive.
    """
    if not constant > 0:
        raise ValueError(f"a time constant is positive, not {constant} s")
    return lambda time: ambient + (start - ambient) * math.exp(-max(0.0, time - since) / constant)


def share_taken(gap: float, to_room: float) -> float:
    """Share of the skin's warmth above the room that a still sheet `gap` metres before it has, once settled.

    What it gets by radiation and conduction through the air between, it gives to the room by `to_room` W/m²/K.
    """
    gets = RADIATION + AIR / max(gap, 1e-4)
    return gets / (gets + to_room)
