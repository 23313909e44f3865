"""Settings of the devices, as they stand in gate.toml under [thermal], [camera] and [gate]."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Gpio = Annotated[int, msgspec.Meta(ge=0, le=53, description="BCM number of a GPIO line")]

REFRESH_RATES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Subpage renewals a second that an MLX90640 can be set to, hertz."""


POTENTIAL_CAP = 15.0
"""Longest unlock in potential mode, seconds: the passage wait of an accessible lane."""


class ThermalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The thermal sensor."""

    driver: Literal["mlx90640"] = "mlx90640"
    bus: str = "/dev/i2c-1"
    """An I2C character device."""
    address: Annotated[int, msgspec.Meta(ge=0x08, le=0x77)] = 0x33
    refresh_hz: float = 16
    """Subpage renewals a second: one of REFRESH_RATES."""
    pattern: Literal["chess", "interleaved"] = "chess"
    emissivity: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.98
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


class CameraSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The camera."""

    source: str = "/dev/video0"
    """A V4L2 node, a video file, or a folder of pictures."""
    width: Annotated[int, msgspec.Meta(ge=160, le=3840)] = 640
    height: Annotated[int, msgspec.Meta(ge=120, le=2160)] = 480
    fps: Annotated[float, msgspec.Meta(gt=0, le=120)] = 15
    rotate: Literal[0, 90, 180, 270] = 0


class GateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The turnstile's wiring. A line that is None is not wired."""

    chip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Number N of /dev/gpiochipN."""
    unlock_a: Gpio | None = 17
    unlock_b: Gpio | None = 27
    stop: Gpio | None = None
    lamp_go: Gpio | None = 22
    lamp_stop: Gpio | None = 23
    buzzer: Gpio | None = None
    pass_a: Gpio | None = 5
    pass_b: Gpio | None = 6
    ready: Gpio | None = None
    fire: Gpio | None = None
    tamper: Gpio | None = None
    key: Gpio | None = None
    outputs_active_low: bool = False
    inputs_active_low: bool = True
    """Passage contacts are usually dry contacts to ground with a pull-up."""
    normally_closed: tuple[Literal["pass_a", "pass_b", "ready", "fire", "tamper", "key"], ...] = ()
    """Inputs whose contact opens when they become active, as fire and tamper loops do: a cut wire reads as active."""
    mode: Literal["pulse", "potential"] = "pulse"
    """pulse: the turnstile latches the unlock itself; potential: the line is held until passage or expiry."""
    pulse_cap: Annotated[float, msgspec.Meta(gt=0, le=1.5)] = 1.5
    """Hard cap of an unlock pulse, seconds: over 3 s some turnstiles read HOLD OPEN (FREE)."""
    debounce: Annotated[float, msgspec.Meta(ge=0, le=0.2)] = 0.03
    """Seconds an input must keep its level before it counts."""

    def __post_init__(self) -> None:
        """Refuse a GPIO line that is given twice."""
        lines: dict[int, str] = {}
        for key in GATE_LINES:
            line = getattr(self, key)
            if line is not None and line in lines:
                raise ValueError(f"GPIO line {line} is given twice: as {lines[line]} and as {key}")
            lines[line] = key


GATE_OUTPUTS = ("unlock_a", "unlock_b", "stop", "lamp_go", "lamp_stop", "buzzer")
GATE_INPUTS = ("pass_a", "pass_b", "ready", "fire", "tamper", "key")
GATE_LINES = (*GATE_OUTPUTS, *GATE_INPUTS)
"""Fields of `GateSettings` that name a GPIO line."""
