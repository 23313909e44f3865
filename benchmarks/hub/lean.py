"""A gate as the wire sees it, as cheap as can be: MQTT 5 over TLS, events encoded and chained beforehand.

It keeps the gate's rules: a client certificate, at most `window` events that the campus has not acknowledged, no more
unacknowledged by the broker than its CONNACK allows, forgetting on `/ack` alone, starting over when none comes. What it
leaves out is the journal on disk and the cost of the board's program, so that many fit beside a hub on one machine.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import struct
import time
from typing import TYPE_CHECKING

from benchmarks.journal import DETAIL
from controller.link import messages
from controller.link.messages import Ack, encode
from controller.link.wire import event_message
from controller.record import rows
from controller.record.entry import Entry

if TYPE_CHECKING:
    from pathlib import Path

QUIET = 30.0
"""Seconds without an acknowledgement after which everything is sent again; as [link] ack_timeout."""
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ = 1, 2, 3, 4, 8, 9, 12
RECEIVE_MAXIMUM = 0x21
_PROPERTY_SIZES = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
"""Bytes of CONNACK's properties of fixed size (MQTT 5, 3.2.2.3)."""


Packet = tuple[bytes, bytes]
"""A PUBLISH packet's bytes before and behind its packet id."""


def prepare(gate: str, count: int, campus: str) -> list[Packet]:
    """A new journal's first `count` events, chained as a journal chains."""
    epoch = secrets.randbits(63)
    chain = rows.anchor(epoch)
    topic = _text(messages.topic(campus, gate, "evt"))
    made: list[Packet] = []
    now = time.time()
    for seq in range(1, count + 1):
        entry = Entry("grant", seq / 8, now + seq / 8, "synchronised", f"g-{seq}", f"p-{seq % 997:06}", DETAIL)
        row = rows.to_row(entry, "boot-1")
        chain = rows.link(chain, seq, row)
        payload = encode(event_message(gate, rows.to_stored(epoch, seq, row, chain)))
        packet = _packet(PUBLISH << 4 | 2, topic + b"\0\0" + b"\0" + payload)
        end = len(packet) - len(payload) - 1
        made.append((packet[: end - 2], packet[end:]))
    return made


class LeanGate(asyncio.Protocol):
    """One gate's connection.

    Args:
        name: of the gate.
        packets: from `prepare`.
        window: events that the campus may not have acknowledged yet.
        campus: its name in topics.
    """

    def __init__(self, name: str, packets: list[Packet], window: int, campus: str) -> None:
        self.ready = asyncio.Event()
        self.done = asyncio.Event()
        """Everything that was offered is acknowledged by the campus."""
        self.latencies: list[float] = []
        """Seconds from offering an event to the acknowledgement that covers it."""
        self.resent = 0
        self._name = name
        self._packets = packets
        self._ack_topic = messages.topic(campus, name, "ack")
        self._window = window
        self._offered: list[float] = []
        self._sent = self._acked = self._on_way = 0
        self._receive_maximum = 65_535
        self._progress = 0.0
        self._buffer = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def offer(self, count: int) -> None:
        """Let the next `count` events happen now."""
        now = time.perf_counter()
        self._offered += [now] * count
        self.done.clear()
        self._push()

    def check(self) -> None:
        """Start over if nothing was heard for too long; call it now and then."""
        if self._sent > self._acked and time.perf_counter() - self._progress > QUIET:
            self.resent += self._sent - self._acked
            self._sent, self._on_way, self._progress = self._acked, 0, time.perf_counter()
            self._push()

    def ping(self) -> None:
        """Keep the connection alive."""
        self._write(bytes((PINGREQ << 4, 0)))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the broker: MQTT 5, clean start, keep-alive 60 s."""
        if not isinstance(transport, asyncio.WriteTransport):
            raise TypeError(type(transport).__name__)
        self._transport = transport
        body = _text("MQTT") + b"\x05\x02" + struct.pack(">H", 60) + b"\0" + _text(f"lean-{self._name}")
        self._write(_packet(CONNECT << 4, body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody expects that."""
        if not self.done.is_set():
            raise ConnectionError(f"{self._name}: the broker closed the connection") from exc

    def data_received(self, data: bytes) -> None:
        """Take whole packets out of what has come."""
        buffer = self._buffer
        buffer += data
        start = 0
        while True:
            length, body = _length(buffer, start + 1)
            if body < 0 or len(buffer) < body + length:
                break
            self._take(buffer[start], memoryview(bytes(buffer[body : body + length])))
            start = body + length
        del buffer[:start]
        self._push()

    def _take(self, head: int, body: memoryview) -> None:
        kind = head >> 4
        if kind == PUBACK:
            self._on_way = max(0, self._on_way - 1)
        elif kind == PUBLISH:
            size = int.from_bytes(body[:2], "big") + 2
            self._write(bytes((PUBACK << 4, 2)) + body[size : size + 2])
            length, payload = _length(body, size + 2)
            ack = messages.decode(self._ack_topic, bytes(body[payload + length :]), Ack)
            self._acknowledge(ack.seq)
        elif kind == CONNACK:
            if body[1]:
                raise ConnectionError(f"{self._name}: the broker refuses the connection: {body[1]:#x}")
            self._receive_maximum = _receive_maximum(body[2:])
            self._write(_packet(SUBSCRIBE << 4 | 2, b"\0\x01\0" + _text(self._ack_topic) + b"\x01"))
        elif kind == SUBACK:
            if body[-1] > 2:
                raise ConnectionError(f"{self._name}: the broker refuses the subscription: {body[-1]:#x}")
            self.ready.set()

    def _acknowledge(self, seq: int) -> None:
        now = time.perf_counter()
        if seq > self._acked:
            self.latencies += [now - offered for offered in self._offered[self._acked : seq]]
            self._acked = seq
            self._sent = max(self._sent, seq)
            self._progress = now
        if self._acked == len(self._offered):
            self.done.set()

    def _push(self) -> None:
        """Send what the window and the broker allow, in one write."""
        room = min(self._window - (self._sent - self._acked), self._receive_maximum - self._on_way)
        until = min(len(self._offered), self._sent + max(0, room))
        if until <= self._sent:
            return
        if self._sent == self._acked:
            self._progress = time.perf_counter()
        chosen = []
        for index in range(self._sent, until):
            before, behind = self._packets[index]
            chosen += [before, struct.pack(">H", index % 65_535 + 1), behind]
        self._on_way += until - self._sent
        self._sent = until
        self._write(b"".join(chosen))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def tls(folder: Path, gate: str) -> ssl.SSLContext:
    """What a gate shows, and whom it trusts."""
    context = ssl.create_default_context(cafile=folder / "school.pem")
    context.load_cert_chain(folder / f"{gate}.crt", folder / f"{gate}.key")
    return context


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _packet(head: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128) if left >= 128 else (0, left)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((head,)) + bytes(length) + body


def _length(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """A variable byte integer, and where it ends; -1: it is not all there."""
    value = shift = 0
    while at < len(data):
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    return 0, -1


def _receive_maximum(properties: memoryview) -> int:
    length, at = _length(properties, 0)
    end = at + length
    while at < end:
        kind = properties[at]
        if kind == RECEIVE_MAXIMUM:
            return int.from_bytes(properties[at + 1 : at + 3], "big")
        if kind in _PROPERTY_SIZES:
            at += 1 + _PROPERTY_SIZES[kind]
        elif kind == 0x26:  # a user property: two texts
            at += 1
            at += 2 + int.from_bytes(properties[at : at + 2], "big")
            at += 2 + int.from_bytes(properties[at : at + 2], "big")
        else:  # the other ones are one text each
            at += 3 + int.from_bytes(properties[at + 1 : at + 3], "big")
    return 65_535
