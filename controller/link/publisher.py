"""Publishes with QoS 1: no more on their way than the broker takes, and always room for what is urgent."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from controller.link.connection import end_if_cancelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiomqtt

IN_FLIGHT = 20
"""Messages without their PUBACK at most, as mosquitto has it; a broker may ask for less (MQTT 5, Receive Maximum)."""
URGENT = 4
"""Of those, room that a back-fill leaves to everything else: new events wait for nothing but the wire."""


class Publisher:
    """Publishes over one connection.

    Args:
        client: connected.
        receive_maximum: messages without their PUBACK that the broker takes; one more, and it ends the connection.
    """

    def __init__(self, client: aiomqtt.Client, receive_maximum: int) -> None:
        at_once = min(IN_FLIGHT, receive_maximum)
        self.patient = max(1, at_once - URGENT)
        """Messages of a back-fill that may be on their way at once."""
        self._client = client
        self._all = asyncio.Semaphore(at_once)
        self._back_fill = asyncio.Semaphore(self.patient)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Return when the broker has it. Raises `aiomqtt.MqttError`, also where that takes the client's time-out."""
        async with self._all:
            await self._client.publish(topic, payload, qos=1, retain=retain)
            end_if_cancelled()

    async def publish_all(self, topic: str, payloads: Sequence[bytes], *, back_fill: bool = False) -> None:
        """Publish several in their order, and return when the broker has them all."""
        async with asyncio.TaskGroup() as tasks:
            for payload in payloads:
                tasks.create_task(self._publish_one(topic, payload, back_fill=back_fill))

    async def _publish_one(self, topic: str, payload: bytes, *, back_fill: bool) -> None:
        async with self._back_fill if back_fill else contextlib.nullcontext():
            await self.publish(topic, payload)
