"""One connection to a broker: TLS, credentials, and a socket that is closed whatever happened."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controller.errors import LinkError
from controller.link.connection import NO_DELAY, close_socket, end_if_cancelled, without_session
from controller.link.publisher import IN_FLIGHT, Publisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from controller.link.brokers import Address
    from controller.link.settings import LinkSettings, TlsSettings

INCOMING_LIMIT = 1000
"""Messages that may wait to be read; aiomqtt drops the newest beyond it. A lost acknowledgement is repeated."""


@contextlib.asynccontextmanager
async def connect(
    settings: LinkSettings, broker: Address, identifier: str, will: aiomqtt.Will
) -> AsyncIterator[tuple[aiomqtt.Client, Publisher]]:
    """A client that is connected to `broker`, and what publishes over it.

    Raises `aiomqtt.MqttError`, or `LinkError` naming a file that cannot be used.

    Clean start and no session kept: the journal is the session. What the broker would keep for a gate that is away are
    only old acknowledgements.
    """
    password, tls = await asyncio.to_thread(_read_files, settings)
    properties = None
    if settings.protocol == "5":
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own
        properties.SessionExpiryInterval = 0
    client = aiomqtt.Client(
        broker.host,  # TLS checks the certificate against this name
        broker.port,
        identifier=identifier,
        **without_session(settings.protocol),
        properties=properties,
        username=settings.username,
        password=password,
        tls_context=tls,
        keepalive=settings.keepalive,
        timeout=settings.timeout,
        will=will,
        socket_options=NO_DELAY,
        max_queued_incoming_messages=INCOMING_LIMIT,
        max_inflight_messages=IN_FLIGHT,
    )
    client.pending_calls_threshold = IN_FLIGHT + 10  # that many are nothing to warn of
    receive_maximum = _listen_for_limit(client)
    try:
        async with client:
            end_if_cancelled()
            yield client, Publisher(client, receive_maximum())
    finally:
        close_socket(client)


def _listen_for_limit(client: aiomqtt.Client) -> Callable[[], int]:
    """What tells, once connected, how many messages the broker takes at once; neither aiomqtt nor paho asks."""
    paho = client._client  # noqa: SLF001 - aiomqtt offers no way to the properties of a CONNACK
    passed_on, found = paho.on_connect, [65_535]

    def on_connect(*arguments: Any) -> None:
        found.append(getattr(arguments[4], "ReceiveMaximum", found[0]))
        passed_on(*arguments)  # type: ignore[misc] # aiomqtt has set it

    paho.on_connect = on_connect
    return lambda: int(found[-1])


def _read_files(settings: LinkSettings) -> tuple[str | None, ssl.SSLContext | None]:
    password = None
    if settings.password_file is not None:
        try:
            password = settings.password_file.read_text(encoding="utf-8").splitlines()[0]
        except (OSError, UnicodeDecodeError, IndexError) as error:
            raise LinkError(f"[link] password_file: {settings.password_file}: cannot be read ({error})") from error
    return password, None if settings.tls is None else _tls_context(settings.tls)


def _tls_context(tls: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise LinkError(f"[link.tls] ca: {tls.ca}: cannot be used ({error})") from error
    if tls.cert is not None:
        try:
            context.load_cert_chain(tls.cert, tls.key)
        except (OSError, ssl.SSLError) as error:
            raise LinkError(f"[link.tls] cert, key: {tls.cert}, {tls.key}: cannot be used ({error})") from error
    return context
