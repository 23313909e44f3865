"""Where the hub connects to on the word of others: HTTPS to public addresses, and to networks that hub.toml names.

Who may enter an address here could otherwise have the hub ask the school's own machines (server-side request forgery).
The check is of the address that is connected to, after the name was resolved: a name cannot change in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

from campus.errors import HubConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from httpcore import SOCKET_OPTION

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_COMPATIBLE = ipaddress.ip_network("::/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class EgressError(HubConfigError, OSError):
    """An address that is not to be reached."""


class Egress:
    """What may be reached.

    Args:
        networks: private networks that may be. Raises `HubConfigError` for what is none.
        tls: whom to trust; None: the system's authorities.
    """

    def __init__(self, networks: Iterable[str], tls: ssl.SSLContext | None = None) -> None:
        try:
            self._networks = [ipaddress.ip_network(one) for one in networks]
        except ValueError as error:
            raise HubConfigError(f"webhooks.allow: {error}") from error
        self._tls = tls or ssl.create_default_context()

    def pool(self, *, plain: bool = False) -> httpcore.AsyncConnectionPool:
        """Connections that go nowhere else; a receiver is asked one thing at a time. `plain`: for http."""
        return httpcore.AsyncConnectionPool(
            ssl_context=self._tls, max_connections=1, keepalive_expiry=60.0, network_backend=_Guarded(self, plain=plain)
        )

    async def check(self, url: str) -> None:
        """Raises `EgressError` for a URL that is none of ours to ask, as far as its name resolves now."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise EgressError(f"{error}") from error
        if parts.scheme not in ("https", "http") or not host or parts.username or parts.password or parts.fragment:
            raise EgressError("https://host[:port]/path, without a user")
        await self.addresses(host, port, plain=parts.scheme == "http")

    async def addresses(self, host: str, port: int, *, plain: bool) -> Sequence[Address]:
        """The host's addresses. Raises `EgressError` where one of them is not to be reached, or not by plain HTTP."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise EgressError(f"{host}: cannot be resolved: {error}") from error
        addresses = [_plain(ipaddress.ip_address(str(place[4][0]).partition("%")[0])) for place in found]
        for address in addresses:
            if not _is_public(address) and not self._is_named(address):
                raise EgressError(f"{host}: {address} is no public address, and in no network of [webhooks] allow")
        if plain and not all(self._is_named(address) for address in addresses):
            raise EgressError("https only: no network of [webhooks] allow has this host")
        return addresses

    def _is_named(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked; TLS still verifies the host's name."""

    def __init__(self, egress: Egress, *, plain: bool) -> None:
        self._egress = egress
        self._plain = plain
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises `EgressError`, or httpcore's of the last one."""
        addresses = await self._egress.addresses(host, port, plain=self._plain)
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                if number == len(addresses):
                    raise
        raise EgressError(f"{host}: has no address")

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's own attempts, of which there are none."""
        await self._inner.sleep(seconds)


def _is_public(address: Address) -> bool:
    """`is_global` counts the site-local addresses that RFC 3879 took back, and those of RFC 4291 with an IPv4 one."""
    old = isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _COMPATIBLE)
    return address.is_global and not address.is_multicast and not old


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to: mapped (RFC 4291), 6to4 (RFC 3056) or NAT64 (RFC 6052)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
