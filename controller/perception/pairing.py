"""Which face belongs to which thermal frame: pictures and heat travel apart; time says what is of one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controller.perception.head import face_levels
from controller.perception.registration import thermal_box
from controller.perception.types import Box

if TYPE_CHECKING:
    from controller.perception.heat import Levels
    from controller.perception.registration import RegistrationSettings
    from controller.perception.types import Face

FACE_VALID: Final = 0.4
"""Seconds for which a face's place in a picture is taken for its place in a thermal frame."""
KEEP: Final = 8
"""Newest pictures with a face that are remembered."""


@dataclass(frozen=True, slots=True)
class Place:
    """A face's place on the thermal array at the time of one frame."""

    box: Box
    """Thermal pixels."""
    levels: Levels | None
    """Where eyes and nose are in it; None: not known."""
    lag: float
    """Seconds to the nearest picture that shows the face; infinite where the heat alone said where a head is."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    at: float
    face: Face
    size: tuple[int, int]


class Sightings:
    """The largest face of the newest pictures."""

    def __init__(self, registration: RegistrationSettings) -> None:
        """Nobody was seen yet."""
        self._registration = registration
        self._seen: list[_Sighting] = []

    def add(self, timestamp: float, face: Face, size: tuple[int, int]) -> None:
        """A picture of `size` (height, width), taken at monotonic `timestamp`, showed `face`."""
        self._seen = [*self._seen[1 - KEEP :], _Sighting(timestamp, face, size)]

    def clear(self) -> None:
        """Forget all of them."""
        self._seen = []

    def place(self, timestamp: float, array: tuple[int, int]) -> Place | None:
        """Where the face was on an array of `array` (rows, columns) at `timestamp`; None without a picture near enough.

        Between two pictures of one face it is between the two places, in proportion: somebody who walks up covers
        several thermal pixels from one picture to the next.
        """
        if not self._seen:
            return None
        nearest = min(self._seen, key=lambda each: abs(each.at - timestamp))
        lag = abs(nearest.at - timestamp)
        if lag > FACE_VALID:
            return None
        box = self._between(nearest, timestamp)
        return Place(thermal_box(self._registration, box, nearest.size, array), face_levels(nearest.face), lag)

    def _between(self, nearest: _Sighting, timestamp: float) -> Box:
        """The face's box in the picture at `timestamp`, camera pixels."""
        others = [each for each in self._seen if (each.at - timestamp) * (nearest.at - timestamp) < 0]
        if not others:
            return nearest.face.box
        other = min(others, key=lambda each: abs(each.at - timestamp))
        if abs(other.at - nearest.at) > FACE_VALID or not one_face(other.face.box, nearest.face.box):
            return nearest.face.box
        share = (timestamp - nearest.at) / (other.at - nearest.at)
        pairs = [
            (getattr(nearest.face.box, key), getattr(other.face.box, key)) for key in ("x", "y", "width", "height")
        ]
        return Box(*(here + share * (there - here) for here, there in pairs))


def one_face(a: Box, b: Box) -> bool:
    """Whether two boxes of neighbouring pictures may be the same face's: each middle within the other, sizes alike."""
    (ax, ay), (bx, by) = a.centre, b.centre
    reach = 0.75 * min(a.width, b.width)
    return math.hypot(ax - bx, ay - by) <= reach and 0.5 <= a.width / max(b.width, 1e-6) <= 2.0
