"""The hub's connection to the broker: TLS, credentials, and a socket that is closed whatever happened."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiomqtt

from campus.errors import HubConfigError
from controller.link.connection import NO_DELAY, close_socket, end_if_cancelled, without_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from controller.link.messages import Protocol

INCOMING_LIMIT = 5000
"""Messages that may wait; aiomqtt drops the newest beyond it, which shows as a gap and is sent again."""
PENDING_LIMIT = 1000
"""Acknowledgements on their way before aiomqtt warns of them."""


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach the broker. The password is in a file, never in an argument: others can read those."""

    host: str
    port: int
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca: Path | None = None
    """PEM file of an authority; None: the system's."""
    cert: Path | None = None
    key: Path | None = None
    protocol: Protocol = "5"


@contextlib.asynccontextmanager
async def connect(broker: Broker, identifier: str) -> AsyncIterator[aiomqtt.Client]:
    """A connected client. Raises `aiomqtt.MqttError`, or `HubConfigError` naming a file that cannot be used.

    Clean start: what a broker would keep for a hub that is away is bounded, and the gates send it again anyway.
    """
    password, tls = await asyncio.to_thread(_read_files, broker)
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=identifier,
        **without_session(broker.protocol),
        username=broker.username,
        password=password,
        tls_context=tls,
        keepalive=15,
        socket_options=NO_DELAY,
        max_queued_incoming_messages=INCOMING_LIMIT,
    )
    client.pending_calls_threshold = PENDING_LIMIT
    try:
        async with client:
            end_if_cancelled()
            yield client
    finally:
        close_socket(client)


def _read_files(broker: Broker) -> tuple[str | None, ssl.SSLContext | None]:
    password, context = None, None
    file = broker.password_file
    try:
        if file is not None:
            password = file.read_text(encoding="utf-8").splitlines()[0]
        if broker.tls or broker.ca is not None:
            file = broker.ca
            context = ssl.create_default_context(cafile=file)
            if broker.cert is not None:
                file = broker.cert
                context.load_cert_chain(file, broker.key)
    except (OSError, UnicodeDecodeError, IndexError) as error:  # ssl.SSLError is an OSError
        raise HubConfigError(f"{file}: cannot be used: {error}") from error
    return password, context
