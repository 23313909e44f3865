"""Settings of what a passer-by hears and reads, as they stand in gate.toml under [indicators], [sound] and [screen]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from controller.indicators.quiet import parse_span
from controller.lane.effects import Prompt
from hw.output_settings import PanelSettings, SpeakerSettings

Language = Literal["zh", "en"]


class IndicatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Buzzer and voice."""

    buzzer: bool = True
    """False: it sounds for alarms alone."""
    quiet: tuple[str, ...] = ()
    """Spans of the day, as `22:00-06:00`, in which buzzer and voice are silent but for alarms and emergencies. They
    count only while the kernel says that the clock is synchronised: without a clock, everything sounds."""

    def __post_init__(self) -> None:
        """Refuse what is no span of a day."""
        for span in self.quiet:
            parse_span(span)


class SoundSettings(SpeakerSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spoken prompts."""

    folder: Path = Path("/var/lib/thermogate/prompts")
    """Holds zh/NAME.wav and en/NAME.wav; `thermogate prompts make` makes them, or the school records its own."""
    languages: Annotated[tuple[Language, ...], msgspec.Meta(min_length=1, max_length=2)] = ("zh", "en")
    """Which are spoken, in this order."""
    volume: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """Factor of the samples; the sound card's own volume is `alsamixer`'s."""
    repeat: Annotated[float, msgspec.Meta(ge=0, le=600)] = 6.0
    """Seconds in which the same prompt is not spoken again."""
    silent: tuple[Prompt, ...] = (
        Prompt.IDLE,
        Prompt.WAIT,
        Prompt.FREE,
        Prompt.SEE_DOCTOR,
        Prompt.SEE_GUARD,
    )
    """Prompts that are not spoken. Those about a temperature are for one person's eyes, not for the queue's ears."""


class ScreenSettings(PanelSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The screen."""

    diagonal: Annotated[float, msgspec.Meta(ge=2, le=100)] = 7.0
    """Of the panel, inches: how large a letter is in pixels."""
    distance: Annotated[float, msgspec.Meta(gt=0, le=10)] = 2.0
    """Metres from which the large letters are to be read."""
    size: tuple[Annotated[int, msgspec.Meta(ge=320, le=4096)], Annotated[int, msgspec.Meta(ge=240, le=4096)]] = (
        1024,
        600,
    )
    """Width and height of the page's picture; a framebuffer tells its own."""
    fps: Annotated[float, msgspec.Meta(gt=0, le=10)] = 8.0
    """At most so many pictures a second."""
    picture: bool = True
    """Show people their own picture."""
    heat: bool = True
    """Lay warmth over it. Its scale ends below the temperature of faces: nobody's fever can be read from it."""
    mirror: bool = True
    """Show the picture as a mirror does."""
    font: Path | None = None
    """A font file with Chinese; None: fontconfig's choice."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """TCP port of the page with the same picture; None: none."""
    address: str = "127.0.0.1"
    """The page's address. Any other than loopback shows the picture of whoever stands at the gate to that network."""
    hosts: tuple[str, ...] = ()
    """Names by which the page may be asked for, besides its address and localhost."""
