"""Settings of log and metrics, as they stand in gate.toml under [observe]."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class ObserveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the program tells about itself."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, else JSON lines."""
    metrics_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """TCP port on the loopback address where Prometheus may read; None: not served."""
    lateness_warning: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    """Seconds of lateness of the event loop that are worth a warning."""
