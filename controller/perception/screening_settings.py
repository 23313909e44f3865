"""[perception.screening] of gate.toml."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ScreeningSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a reading counts, and what it means. Temperatures are oral-equivalent °C unless said otherwise."""

    alarm: Annotated[float, msgspec.Meta(ge=36.5, le=39.5)] = 37.6
    """From here on a temperature is elevated. 37.6 sends 5 % of the healthy to the doctor by a sensor with pixels of
    12 mm on the face; what it finds, and what others would cost and find: `thermogate screening plan`."""
    guard: Annotated[float, msgspec.Meta(ge=0, le=3)] = 1.645
    """Half-width of the band below `alarm` that asks for another look, in standard deviations of the noise."""
    looks: Annotated[int, msgspec.Meta(ge=1, le=5)] = 2
    """The look that decides. Whoever is not clearly below the alarm is measured again, so many times in all; the value
    is the mean of the looks."""
    coldest: Annotated[float, msgspec.Meta(ge=30, le=37)] = 35.3
    """Below, whatever the uncertainty, the face is still cold from outside, or it is no face. With pixels of 12 mm on
    the face 1 of 100 afebrile people indoors reads lower. Above it, what 27 of 28 healthy people exceed by the
    reading's own uncertainty is the limit."""
    warm_up_minutes: Annotated[float, msgspec.Meta(ge=1, le=60)] = 5.0
    """How long a face takes to be warm after the frost: 5 for adults, 10 for children of 3 to 10 years."""
    hottest: Annotated[float, msgspec.Meta(ge=40, le=46)] = 43.0
    """Above, it is no fever: heat from outside."""
    hottest_surface: Annotated[float, msgspec.Meta(ge=38, le=60)] = 41.0
    """A surface above, °C, is no skin: a lamp, a cup, a heater."""
    hot_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    """Share of the face's upper part that may be left out beside something hot."""
    warm_surface: Annotated[float, msgspec.Meta(ge=20, le=35)] = 29.5
    """Skin indoors is at least so warm, °C of the surface."""
    warm_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.55
    """Least share of the face's pixels that must be `warm_surface`; less is covered, or no face."""
    contrast: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
    """Kelvin by which the face must be warmer than what is beside it."""
    pixels: Annotated[int, msgspec.Meta(ge=4, le=768)] = 32
    """Least pixels on the face: an adult at about 0.85 m from an MLX90640 BAB."""
    frames: Annotated[int, msgspec.Meta(ge=2, le=512)] = 12
    """Least frames that agree: 0.75 s at 16 renewals a second."""
    noise: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.3
    """Largest standard uncertainty by noise of a usable surface value, K."""
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=5)] = 1.0
    """Half-width of the sensor's calibration error where no black body is in view, K, taken as uniform: ±1 is the
    MLX90640's data sheet in its centre."""
    pattern: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.33
    """How differently the array's pixels err, K (1 sigma): what a black body in one place of the picture cannot tell of
    the pixels on a face. Measured with simulated chips that are as uneven as the data sheet allows
    (docs/sensor-truth.md)."""
    settled: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 240.0
    """Seconds after power-on that the sensor takes to be as accurate as that; a black body in view makes up for it."""
    offset: Annotated[float, msgspec.Meta(ge=-5, le=5)] = 0.0
    """Added to every surface value, K: the site's own calibration (`thermogate calibrate offset`)."""
    offset_uncertainty: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    """Standard uncertainty of `offset`, K, once it was measured; None: it never was, and `accuracy` stands."""
    room: Annotated[float, msgspec.Meta(ge=0, le=45)] | None = None
    """Air temperature, °C, where it is known; None: the coolest fifth of the picture, where walls are."""
    drift: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.5
    """How far the crowd may seem to be from normal, K, before the sensor counts as unfit."""
