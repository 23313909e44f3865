"""The kinds of lane there are, by their name in [lane] kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.barrier import BARRIER
from controller.lane.door import DOOR
from controller.lane.mechanics import TURNSTILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.lane.mechanics import Mechanics

MECHANICS: Mapping[str, Mechanics] = {"turnstile": TURNSTILE, "door": DOOR, "barrier": BARRIER}
