"""Settings of the REST interface, as they stand in hub.toml under [http]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the hub answers. Loopback unless said otherwise; beyond it, only encrypted or behind a proxy that is."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8480
    """0: a free one, which the log names."""
    cert: Path | None = None
    """PEM file of the certificate (and chain) to answer with; None: not encrypted."""
    key: Path | None = None
    """Its private key; None: it is in `cert`."""
    body_limit: Annotated[int, msgspec.Meta(ge=1000)] = 4_000_000
    """Bytes of a request at most."""
    failures_per_minute: Annotated[int, msgspec.Meta(ge=1)] = 30
    """Tokens that do not count, by address; then it is answered 429 until the minute is over."""
    grace: Annotated[int, msgspec.Meta(ge=0)] = 25
    """Seconds that requests under way are given when the hub is told to end; an order may take 20."""
