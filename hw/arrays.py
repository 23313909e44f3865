"""What the data sheets say of each thermal array that [thermal] can name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.thermal_settings import Amg8833Settings, LeptonSettings

if TYPE_CHECKING:
    from hw.thermal_settings import ThermalSettings


@dataclass(frozen=True, slots=True)
class Array:
    """An array as it is sold; what one sensor is, it tells itself (`hw.ports.ThermalInfo`)."""

    shape: tuple[int, int]
    """Rows and columns."""
    fov: tuple[float, float]
    """Horizontal and vertical field of view, degrees."""
    frame_rate: float
    """Frames a second."""
    noise: float
    """NETD of one pixel of one frame, K (1 sigma)."""
    renewed: float
    """Share of the pixels that a frame measures anew."""


def array_of(settings: ThermalSettings) -> Array:
    """The array that `settings` are for: an MLX90640 BAB (Table 14), a Lepton 3.5, or an AMG8833."""
    if isinstance(settings, LeptonSettings):
        return Array((120, 160), (57.0, 44.3), 8.8, 0.05, 1.0)
    if isinstance(settings, Amg8833Settings):
        return Array((8, 8), (60.0, 60.0), settings.frame_hz, {1: 0.05, 10: 0.16}[settings.frame_hz], 1.0)
    return Array((24, 32), (55.0, 35.0), settings.refresh_hz, 0.25 * settings.refresh_hz**0.5, 0.5)
