"""The video end of a simulated Lepton: frames cut into packets, sent at the module's own pace.

Engineering data sheet of the Lepton, "VoSPI channel". A frame is sent three times in a row: by a Lepton 2 as it is, by
a Lepton 3 the second and third time with segment number 0. A host falls out of step by a segment begun and not ended
before the next one, and by a packet not clocked out whole; a segment that was never begun may be left out, as is seen
in the field. Out of step the module sends discard packets until chip select was high for five frame periods.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKET: Final = 164
SENT: Final = 26.4
"""Frames sent a second."""
TIMES: Final = 3
"""How often each is sent."""
IDLE: Final = 0.185
"""Seconds of chip select high that bring the host into step."""
DISCARD: Final = bytes((0x0F, 0xFF, 0xFF, 0xFF)) + bytes(PACKET - 4)


class Imager(Protocol):
    """Where frames come from."""

    def words(self, number: int) -> NDArray[np.uint16]:
        """uint16[packets of a frame, 80]: payload of the number-th frame that differs."""
        ...


class VospiSender:
    """Sends frames from `start` on. Satisfies `hw.sim.spi.SpiTalker`.

    Args:
        imager: makes the frames.
        segments: of a frame: 1 or 4.
        start: monotonic seconds of the first frame; infinity until the module has booted.
    """

    def __init__(self, imager: Imager, *, segments: int, start: float) -> None:
        self.wedged = False
        """Only a reset brings it into step again."""
        self.lost = 0
        """Times that the host fell out of step."""
        self._imager = imager
        self._segments = segments
        self._lock = threading.Lock()
        self.restart(start)

    def restart(self, start: float) -> None:
        """Begin anew at monotonic `start`."""
        with self._lock:
            self._start = start
            self.wedged = False
            self._in_step = False
            self._idle_since = -math.inf
            self._segment = 0
            self._packet = 0
            self._made: tuple[int, list[list[bytes]]] = (-1, [])

    @property
    def period(self) -> float:
        """Seconds of a segment."""
        return 1 / (SENT * self._segments)

    def talk(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        """Send packets while chip select is low; one not clocked out whole puts the host out of step."""
        with self._lock:
            if start - self._idle_since >= IDLE and not self.wedged:
                self._in_step, self._packet = True, 0
                # In step from the next segment's start on.
                self._segment = math.floor((start - self._start) / self.period) + 1 if math.isfinite(self._start) else 0
            whole = -(-count // PACKET)
            sent = b"".join(self._next(start + k * PACKET * seconds_per_byte) for k in range(whole))
            if count % PACKET:
                self._fall_out()
            self._idle_since = start + count * seconds_per_byte
            return sent[:count]

    def _next(self, at: float) -> bytes:
        if not math.isfinite(self._start) or not self._in_step:
            return DISCARD
        ready = math.floor((at - self._start) / self.period)
        if self._segment > ready:
            return DISCARD
        if self._segment < ready:
            if self._packet:
                self._fall_out()
                return DISCARD
            self._segment = ready
        packets = self._packets(self._segment)
        packet = packets[self._packet]
        self._packet += 1
        if self._packet == len(packets):
            self._segment, self._packet = self._segment + 1, 0
        return packet

    def _fall_out(self) -> None:
        self.lost += 1
        self._in_step, self._packet = False, 0

    def _packets(self, segment: int) -> list[bytes]:
        """A segment's packets: of the frame that it is part of, with the number that tells which and whether again."""
        sent, part = divmod(segment, self._segments)
        frame, again = divmod(sent, TIMES)
        if self._made[0] != frame:
            self._made = frame, self._cut(self._imager.words(frame))
        packets = list(self._made[1][part])
        if self._segments > 1:
            number = 0 if again else part + 1
            packets[20] = bytes((packets[20][0] | number << 4,)) + packets[20][1:]
        return packets

    def _cut(self, words: NDArray[np.uint16]) -> list[list[bytes]]:
        each = len(words) // self._segments
        return [numbered(words[part * each : (part + 1) * each]) for part in range(self._segments)]


def numbered(words: NDArray[np.uint16]) -> list[bytes]:
    """Packets of 164 bytes around uint16[n, 80], numbered from 0, each with its CRC."""
    packets = np.zeros((len(words), PACKET), dtype=np.uint8)
    packets[:, 1] = np.arange(len(words))
    packets[:, 4:] = words.astype(">u2").view(np.uint8).reshape(len(words), PACKET - 4)
    rest = remainder(packets)
    packets[:, 2], packets[:, 3] = rest >> 8, rest & 0xFF
    return [row.tobytes() for row in packets]


def remainder(packets: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Remainders of uint8[n, bytes] divided by x^16 + x^12 + x^5 + 1, highest bit first: a shift register, bit by bit.

    The register takes a byte at a time; the table holds what eight of its steps do to its upper byte.
    """
    register = np.zeros(len(packets), dtype=np.uint16)
    for column in packets.T:
        register = (register << np.uint16(8)) ^ _STEPS[(register >> np.uint16(8)) ^ column]
    return register


def _eight_steps() -> NDArray[np.uint16]:
    table = np.zeros(256, dtype=np.uint16)
    for byte in range(256):
        register = byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x11021 if register & 0x8000 else 0)
        table[byte] = register
    return table


_STEPS: Final = _eight_steps()
