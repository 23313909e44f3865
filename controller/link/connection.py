"""What aiomqtt leaves to its users, gate and hub alike: sockets without delay, cancellations that count, clean ends."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import aiomqtt

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from controller.link.messages import Protocol

NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""Small messages that wait for each other's TCP acknowledgement cost 40 ms a turn."""


def without_session(protocol: Protocol) -> dict[str, Any]:
    """Arguments for aiomqtt's client: this protocol, and a session that ends with the connection, as each calls it."""
    if protocol == "3.1.1":
        return {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": True}
    return {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": True}


def refusals(codes: Iterable[Any]) -> list[str]:
    """What of a SUBACK says no; 3.1.1 gives numbers and no reasons."""
    return [str(code) for code in codes if (code >= 0x80 if isinstance(code, int) else code.is_failure)]


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


def arrived(client: aiomqtt.Client) -> list[aiomqtt.Message]:
    """Take the messages that have arrived beside the one just read: aiomqtt makes a task for each that it hands out."""
    queue = client._queue  # noqa: SLF001 - aiomqtt offers one at a time
    return [queue.get_nowait() for _ in range(queue.qsize())]


def close_socket(client: aiomqtt.Client) -> None:
    """Close what aiomqtt leaves open when an attempt to connect fails half-way."""
    paho = client._client  # noqa: SLF001 - aiomqtt offers no way to it
    if paho.socket() is not None:
        paho._sock_close()  # noqa: SLF001 - nor paho to close without a handshake
