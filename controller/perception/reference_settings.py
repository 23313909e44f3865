"""[perception.reference]: a black body that the thermal array always sees, and its daily self-test."""

from __future__ import annotations

from typing import Annotated

import msgspec

from controller.perception.types import Box

Pixel = Annotated[float, msgspec.Meta(ge=0, le=512)]
Celsius = Annotated[float, msgspec.Meta(ge=20, le=60)]


class LinearitySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The daily self-test: the source steps through known temperatures by a programme of its own."""

    at: Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "05:30"
    """Local time of the first step."""
    points: Annotated[tuple[Celsius, ...], msgspec.Meta(min_length=3, max_length=12)] = (
        35.0,
        36.0,
        37.0,
        38.0,
        39.0,
        40.0,
    )
    """Set points in order, °C."""
    dwell: Annotated[float, msgspec.Meta(ge=10, le=3600)] = 180.0
    """Seconds at each."""
    settle: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 90.0
    """Of these, how many pass before the source holds its temperature and is read."""
    residual: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.2
    """Largest deviation of a point from the true temperature after the standing correction, K: what IEC 80601-2-59
    allows as drift."""
    slope: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.04
    """Largest deviation of the fitted slope from 1: 0.04 is 0.1 K at 2.5 K from the middle."""

    def __post_init__(self) -> None:
        """Refuse a programme that never reads."""
        if self.settle >= self.dwell:
            raise ValueError("`settle` must be shorter than `dwell`")
        if max(self.points) - min(self.points) < 2:
            raise ValueError("`points` must span at least 2 K to tell a slope")
        hours, minutes = self.at.split(":")
        if 3600 * int(hours) + 60 * int(minutes) + self.dwell * len(self.points) + self.settle > 86400:
            raise ValueError("the programme must end, and the source be back, before midnight: `at` is too late")


class ReferenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A black body in view. `thermogate calibrate reference` finds it and writes this section."""

    column: Pixel
    row: Pixel
    """Its middle in thermal pixels; pixel i covers i..i+1."""
    radius: Annotated[float, msgspec.Meta(ge=0.5, le=64)] = 1.5
    """Thermal pixels that it surely fills, around the middle."""
    temperature: Celsius
    """Its set point, °C."""
    emissivity: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.98
    """Of its surface; the sensor is told [thermal] emissivity, and the difference is made up for."""
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.2
    """Half-width of the source's own error, K, taken as uniform: its certificate."""
    furthest: Annotated[float, msgspec.Meta(gt=0, le=20)] = 4.0
    """A reading further than this from the set point, K, is not the source: covered, off, or moved."""
    drift: Annotated[float, msgspec.Meta(gt=0, le=20)] = 2.0
    """A correction beyond this, K, makes the sensor unfit: twice what its data sheet allows."""
    linearity: LinearitySettings | None = None
    """None: the source holds one temperature, and linearity is not tested."""

    @property
    def box(self) -> Box:
        """Where it is, thermal pixels."""
        return Box(self.column - self.radius, self.row - self.radius, 2 * self.radius, 2 * self.radius)
