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
