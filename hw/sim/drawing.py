"""Any figure made visible: attacks by `attack_views`, everything else by `scene`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.sim import scene
from hw.sim.attack_views import DrawnSheet, DrawnWorn
from hw.sim.attacks import Sheet, Worn
from hw.sim.figures import AnyFigure

if TYPE_CHECKING:
    from hw.sim.mount import Mount
    from hw.sim.placing import Drawn

Seeable = AnyFigure | Sheet | Worn
"""Whatever may be placed before a gate."""


def draw(figure: Seeable, mount: Mount, seed: int) -> Drawn:
    """Prepare a figure: draws its pictures (tens of milliseconds) unless they are already known."""
    match figure:
        case Sheet():
            return DrawnSheet(figure, mount, seed)
        case Worn():
            return DrawnWorn(figure, mount, seed)
        case _:
            return scene.draw(figure, mount, seed)
