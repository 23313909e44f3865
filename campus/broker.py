"""The hub's connection to the broker: TLS, credentials, and a socket that is closed whatever happened."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiomqtt

from campus.errors import HubConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

INCOMING_LIMIT = 5000
"""Messages that may wait; aiomqtt drops the newest beyond it, which shows as a gap and is sent again."""
PENDING_LIMIT = 1000
"""Acknowledgements on their way before aiomqtt warns of them."""


NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Small messages that wait for each other's TCP acknowledgement cost 40 ms a turn."""


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


def end_if_cancelled() -> None:
    """Raise CancelledError if this task was told to end but something in its way kept that to itself.

    Python 3.11's `asyncio.wait_for`, on which aiomqtt is built, swallows a cancellation that comes together with its
    result (python/cpython#86296). Not for a task that had a TaskGroup fail: before 3.13 that leaves its count wrong.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def run_apart(work: Coroutine[None, None, None]) -> None:
    """Run `work` as a task of its own, and raise what it raises.

    A cancellation ends it and is raised when it has ended, whatever error it ended with: inside one task, an error on
    the way out takes the cancellation's place.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
    task.result()


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
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=True,
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
        paho = client._client  # noqa: SLF001 - aiomqtt leaves the socket of an attempt that failed half-way open
        if paho.socket() is not None:
            paho._sock_close()  # noqa: SLF001 - paho offers no close without a handshake


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
