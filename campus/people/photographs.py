"""[people.photographs] of hub.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from controller.gallery.settings import Score


class PhotographSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Photographs are turned into templates at the hub, and not kept."""

    engine: Literal["opencv", "tflite", "demo"] = "opencv"
    """`opencv` and `tflite` make templates that compare with each other; `demo` is for drawn people."""
    models: Path | None = None
    """Folder of model files; None: THERMOGATE_MODELS, else the user's data folder."""
    max_bytes: Annotated[int, msgspec.Meta(ge=10_000, le=30_000_000)] = 10_000_000
    """Of a photograph."""
    max_pixels: Annotated[int, msgspec.Meta(ge=10_000, le=60_000_000)] = 30_000_000
    """Of a photograph; told by its header, before it is decoded. Only a JPEG may have more than 30 million."""
    waiting: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8
    """Photographs under way at once, each in memory; more are answered 503, to come again."""
    patience: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    """Seconds within which a photograph must have come whole."""
    duplicate: Score | None = None
    """Score from which the faces of two ids are one person's; None: the engine's (docs/enrolment.md)."""
    resemblance: Score | None = None
    """Score from which, below `duplicate`, two people need a second factor; None: the engine's."""

    def __post_init__(self) -> None:
        """Refuse a band that is upside down."""
        if self.duplicate is not None and self.resemblance is not None and self.resemblance > self.duplicate:
            raise ValueError(f"resemblance ({self.resemblance}) must not be above duplicate ({self.duplicate})")
