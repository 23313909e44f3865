"""hub.toml: read once, checked whole, frozen. An unknown or wrong key is refused with the file and the key's path."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from campus.alerts.mail import AlertSettings
from campus.api.settings import HttpSettings
from campus.broker import Broker
from campus.errors import HubConfigError
from campus.gates.distribution import RosterSettings
from campus.gates.orders import OrderSettings
from campus.intake.gaps import GapSettings
from campus.metrics import MetricsSettings
from campus.outward.webhooks import WebhookSettings
from campus.people.records import PeopleSettings
from campus.retention import RetentionSettings
from controller.link.brokers import Address, read_addresses
from controller.link.messages import Protocol

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[broker]`: where gates and hub meet."""

    host: str | tuple[str, ...] = "127.0.0.1"
    """Name or address; or several, `["a.example", "b.example:8884"]`, tried in this order."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    """Of brokers that name none. None: 8883 with TLS, 1883 without."""
    protocol: Protocol = "5"
    """3.1.1 for a broker that knows no MQTT 5; docs/clusters.md says what is lost."""
    subscribe_qos: Literal[0, 1] = 1
    """0 for a broker to which each subscription of 1 is dear (docs/clusters.md)."""
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=600)] = 15
    """Seconds without traffic after which each side asks for a sign of life; a dead link shows within twice that."""
    username: str | None = None
    password_file: Path | None = None
    """A file whose first line is the password."""
    tls: bool = False
    """Encrypt, and trust the system's authorities; `ca` and `cert` encrypt too."""
    ca: Path | None = None
    """PEM file of an authority of one's own."""
    cert: Path | None = None
    key: Path | None = None
    """The certificate's private key; None: it is in `cert`."""

    def __post_init__(self) -> None:
        """Refuse addresses that cannot be any."""
        _ = self.addresses

    @property
    def is_encrypted(self) -> bool:
        """Whether anything asks for TLS."""
        return self.tls or self.ca is not None or self.cert is not None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where to connect to, in the order of trying. Raises `ValueError` naming the key."""
        return read_addresses("host", self.host, self.port or (8883 if self.is_encrypted else 1883))

    def broker(self) -> Broker:
        """As the connection wants it."""
        first, *others = self.addresses
        return Broker(
            host=first.host,
            port=first.port,
            others=tuple(others),
            username=self.username,
            password_file=self.password_file,
            tls=self.is_encrypted,
            ca=self.ca,
            cert=self.cert,
            key=self.key,
            protocol=self.protocol,
            subscribe_qos=self.subscribe_qos,
            keepalive=self.keepalive,
        )


class HubConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `thermogate-hub serve` needs."""

    campus: Name
    """The campus' name in topics: lower-case letters, digits, `-` and `_`."""
    database: str
    """A file (SQLite, to try it) or `postgresql://[user@]host[:port]/name`."""
    broker: BrokerSettings | None = BrokerSettings()
    http: HttpSettings = HttpSettings()
    gaps: GapSettings = GapSettings()
    orders: OrderSettings | None = None
    metrics: MetricsSettings = MetricsSettings()
    retention: RetentionSettings = RetentionSettings()
    people: PeopleSettings = PeopleSettings()
    roster: RosterSettings | None = None
    """None: gates are given no people."""
    webhooks: WebhookSettings = WebhookSettings()
    alerts: AlertSettings = AlertSettings()


def load(path: Path) -> HubConfig:
    """Read and check a hub.toml. Raises `HubConfigError` naming the file and the line (syntax) or the key's path."""
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        return msgspec.convert(raw, HubConfig, strict=True, dec_hook=_decode)
    except OSError as error:
        raise HubConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # tomllib's, msgspec's and the wrong encoding's are of its kind
        raise HubConfigError(f"{path}: {_with_path(str(error))}") from error


def _decode(kind: type, value: object) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"expected a text, got {value!r}")


def _with_path(text: str) -> str:
    """`Object contains unknown field `x` - at `$.http`` as `http: unknown key `x``."""
    found = re.fullmatch(r"(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?", text, re.DOTALL)
    if found is None:
        return text
    what = re.sub(r"^Object contains unknown field", "unknown key", found["what"])
    what = re.sub(r"^Object missing required field", "missing key", what)
    return f"{found['where']}: {what}" if found["where"] else what
