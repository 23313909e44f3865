"""[thermal] of gate.toml: one struct for each sensor, told apart by `driver`. A key of another sensor is unknown."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

REFRESH_RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Subpage renewals a second that an MLX90640 can be set to, hertz."""

ROOM = 22.0
"""Reflected temperature in °C of sensors that see a room from its own temperature (also a Lepton's factory setting)."""

Address = Annotated[int, msgspec.Meta(ge=0x08, le=0x77)]
Emissivity = Annotated[float, msgspec.Meta(gt=0, le=1)]
Reflected = Annotated[float, msgspec.Meta(ge=-40, le=100)]


class Switched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every sensor may have: a switch for its supply."""

    power: Annotated[int, msgspec.Meta(ge=0, le=53)] | None = None
    """GPIO line (BCM number, on [gate] chip) of the switch; the supply is cut for 2 s when only that may help."""
    power_active_low: bool = False
    """True: a low level switches the supply on, as a P-channel switch without a driver does."""


class Mlx90640Settings(
    Switched, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="driver", tag="mlx90640"
):
    """A Melexis MLX90640: 32 × 24 pixels, I2C."""

    driver: ClassVar[str] = "mlx90640"
    bus: str = "/dev/i2c-1"
    """An I2C character device."""
    address: Address = 0x33
    refresh_hz: float = 16
    """Subpage renewals a second: one of REFRESH_RATES."""
    pattern: Literal["chess", "interleaved"] = "chess"
    emissivity: Emissivity = 0.98
    """0.98 is human skin (ISO/TR 13154)."""
    reflected: float | None = None
    """Reflected temperature Tr in °C; None: Ta - 8, right for a sensor in open air."""
    flip: bool = False
    """Mirror left to right, where the sensor looks from behind a mirror or is mounted upside down."""

    def __post_init__(self) -> None:
        """Refuse a rate the sensor does not have."""
        if self.refresh_hz not in REFRESH_RATES:
            rates = ", ".join(f"{rate:g}" for rate in REFRESH_RATES)
            raise ValueError(f"`refresh_hz` must be one of {rates}, not {self.refresh_hz:g}")


class LeptonSettings(Switched, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="driver", tag="lepton"):
    """A FLIR Lepton 2.5 (80 × 60) or 3.5 (160 × 120): commands over I2C, video over SPI. It says itself which it is."""

    driver: ClassVar[str] = "lepton"
    bus: str = "/dev/i2c-1"
    """An I2C character device."""
    address: Annotated[int, msgspec.Meta(ge=0x2A, le=0x2A)] = 0x2A
    """It has no other."""
    spi: Annotated[str, msgspec.Meta(pattern=r"^/.+[0-9]+\.[0-9]+$")] = "/dev/spidev0.0"
    """An SPI character device; the module's chip select is its own."""
    spi_hz: Annotated[int, msgspec.Meta(ge=2_200_000, le=20_000_000)] = 16_000_000
    """SPI clock, hertz. A Lepton 3.5 needs 10 MHz or more to be read in time, a 2.5 3 MHz."""
    reset: Annotated[int, msgspec.Meta(ge=0, le=53)] | None = None
    """GPIO line (BCM number) at the module's RESET_L; None: it is rebooted by command only."""
    emissivity: Annotated[float, msgspec.Meta(ge=0.1, le=1)] = 0.98
    """0.98 is human skin (ISO/TR 13154). The module itself calculates with it."""
    reflected: Reflected = ROOM
    """Temperature in °C that the scene reflects."""
    settle: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.5
    """Seconds after a flat-field correction whose frames are left out."""
    flip: bool = False
    """Mirror left to right, where the sensor looks from behind a mirror or is mounted upside down."""


class Amg8833Settings(
    Switched, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="driver", tag="amg8833"
):
    """A Panasonic AMG8833 (Grid-EYE): 8 × 8 pixels, I2C. Too coarse to screen a face."""

    driver: ClassVar[str] = "amg8833"
    bus: str = "/dev/i2c-1"
    """An I2C character device."""
    address: Literal[0x68, 0x69] = 0x69
    """0x69 with AD_SELECT at supply, 0x68 at ground."""
    frame_hz: Literal[1, 10] = 10
    """Frames a second."""
    emissivity: Emissivity = 0.98
    """0.98 is human skin (ISO/TR 13154)."""
    reflected: Reflected = ROOM
    """Temperature in °C that the scene reflects."""
    flip: bool = False
    """Mirror left to right, where the sensor looks from behind a mirror or is mounted upside down."""


ThermalSettings = Mlx90640Settings | LeptonSettings | Amg8833Settings
