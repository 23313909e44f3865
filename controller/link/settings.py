"""Settings of the link to the campus, as they stand in gate.toml under [link]."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from controller.link.brokers import Address, read_addresses
from controller.link.certificates import WARN_DAYS
from controller.link.messages import Protocol

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files for TLS. The broker's name is always checked."""

    ca: Path | None = None
    """PEM file of the campus' own authority; None: the system's authorities."""
    cert: Path | None = None
    """This gate's certificate, where the broker asks for one."""
    key: Path | None = None
    """Its private key; None: it is in `cert`."""
    warn_days: Annotated[float, msgspec.Meta(ge=1, le=365)] = WARN_DAYS
    """Days before a certificate ends from which on gate and campus say so."""


class RosterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hub's people, in place of an enrolment at this gate (docs/roster.md)."""

    hub_key: str
    """Base64 of the hub's public key (Ed25519): what it has not signed is not taken."""
    url: str
    """Where documents are fetched from: `https://host[:port]` of the hub."""
    ca: Path | None = None
    """PEM file of the authority of the hub's certificate; None: the system's authorities."""


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The link to the campus."""

    campus: Name
    """The campus' name in topics: lower-case letters, digits, `-` and `_`."""
    host: str | tuple[str, ...]
    """The broker's name or address; or several, `["a.example", "b.example:8884"]`, tried in this order."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """Of brokers that name none. None: 8883 with TLS, 1883 without."""
    protocol: Protocol = "5"
    """3.1.1 for a broker that knows no MQTT 5; docs/clusters.md says what is lost."""
    subscribe_qos: Literal[0, 1] = 1
    """What is asked for: 0 for a broker to which each subscription of 1 is dear (docs/clusters.md)."""
    tls: TlsSettings | None = None
    """None: not encrypted. Only for a broker on the same machine or inside a tunnel."""
    username: str | None = None
    password_file: Path | None = None
    """A file whose first line is the password; it is never in this configuration and never in a log."""
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=600)] = 15
    """Seconds without traffic after which each side asks for a sign of life; a dead link shows after 1.5 times that."""
    timeout: Seconds = 10.0
    """Seconds the broker may take to answer."""
    window: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """Events on their way that the campus has not acknowledged yet."""
    ack_timeout: Seconds = 30.0
    """Seconds without an acknowledgement after which events are sent again; doubles up to `ack_timeout_max`."""
    ack_timeout_max: Seconds = 600.0
    reconnect_min: Seconds = 1.0
    reconnect_max: Seconds = 60.0
    """Bounds of the random pause between attempts to connect."""
    commanders: Path | None = None
    """Who may give this gate orders, and which (docs/commands.md); None: nobody, by this way."""
    home_assistant: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]+$", max_length=64)] | None = None
    """Home Assistant's discovery prefix, `homeassistant` as a rule: it is told what this gate's topics mean
    (docs/home-assistant.md). None: it is not."""
    state_every: Seconds = 60.0
    """Seconds after which the state is published again though nothing changed."""

    def __post_init__(self) -> None:
        """Refuse combinations that cannot work."""
        if self.password_file is not None and self.username is None:
            raise ValueError("`password_file` needs `username`")
        if self.reconnect_min > self.reconnect_max:
            raise ValueError("`reconnect_min` must not be above `reconnect_max`")
        _ = self.brokers

    @property
    def brokers(self) -> tuple[Address, ...]:
        """Where to connect to, in the order of trying. Raises `ValueError` naming the key."""
        return read_addresses("host", self.host, self.port or (8883 if self.tls is not None else 1883))
