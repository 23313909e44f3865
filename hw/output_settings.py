"""Settings of loudspeaker and screen, the device's part of [sound] and [screen] in gate.toml."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class SpeakerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loudspeaker."""

    device: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_:,=.\-]{0,127}$")] = "default"
    """An ALSA device, as `aplay -L` lists them."""


class PanelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The screen's panel."""

    driver: Literal["framebuffer", "none"] = "framebuffer"
    """framebuffer: a panel of this board; none: only the page of `port`, if that is set."""
    device: str = "/dev/fb0"
    rotate: Literal[0, 90, 180, 270] = 0
    """Degrees clockwise by which the picture is turned for a panel that hangs turned the other way."""
