"""The hub's connection to the broker: TLS, credentials, and a socket that is closed whatever happened."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import aiomqtt

from campus.errors import HubConfigError
from controller.link.brokers import Address, Turn
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
    """How to reach the broker, or several in turn. The password is in a file: an argument others can read."""

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
    subscribe_qos: Literal[0, 1] = 1
    keepalive: int = 15
    """Seconds without traffic after which each side asks for a sign of life; a dead link shows within twice that."""
    others: tuple[Address, ...] = ()
    """Brokers that are tried after the first."""
    turn: Turn = field(init=False, repr=False, compare=False)
    """Which is in use. Every connection of a program shares it: what one finds dead the others need not try."""

    def __post_init__(self) -> None:
        """Begin with the first."""
        object.__setattr__(self, "turn", Turn((Address(self.host, self.port), *self.others)))


@contextlib.asynccontextmanager
async def connect(broker: Broker, identifier: str, address: Address | None = None) -> AsyncIterator[aiomqtt.Client]:
    """A client connected to `address`; None: where it is in turn. Where that fails, or is lost, it is the next one's.

    Raises `aiomqtt.MqttError`, or `HubConfigError` naming a file that cannot be used.

    Clean start: what a broker would keep for a hub that is away is bounded, and the gates send it again anyway.
    """
    address = address or broker.turn.current
    password, tls = await asyncio.to_thread(_read_files, broker)
    client = aiomqtt.Client(
        address.host,  # TLS checks the certificate against this name
        address.port,
        identifier=identifier,
        **without_session(broker.protocol),
        username=broker.username,
        password=password,
        tls_context=tls,
        keepalive=broker.keepalive,
        socket_options=NO_DELAY,
        max_queued_incoming_messages=INCOMING_LIMIT,
    )
    client.pending_calls_threshold = PENDING_LIMIT
    try:
        async with client:
            end_if_cancelled()
            yield client
    except BaseException as error:
        if _is_of_broker(error):
            broker.turn.failed(address)
        raise
    finally:
        close_socket(client)


def _is_of_broker(error: BaseException) -> bool:
    """Whether a connection, or what a group of tasks did with it, ended for the broker's sake."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(aiomqtt.MqttError) is not None
    return isinstance(error, aiomqtt.MqttError)


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
