"""Video of a FLIR Lepton over SPI (VoSPI): packets to segments, and coming into step again.

Engineering data sheet of the Lepton, "VoSPI channel": a packet is 164 bytes, of which 2 are its number, 2 a CRC-16
(x^16 + x^12 + x^5 + 1, from 0) over the packet with the number's upper four bits and the CRC taken as 0. Where nothing
is ready it sends discard packets (xFxx). A Lepton 3's frame comes in four segments, whose number is in the upper bits
of packet 20; 0 marks a segment that is no part of a frame. Who reads too slowly falls out of step, and comes into it
again after chip select was high for 185 ms.
"""

from __future__ import annotations

import binascii
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.errors import BusError, BusStuck, DeviceClosed, DeviceTimeout

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from hw.bus import SpiBus
    from hw.clock import Clock

PACKET: Final = 164
HEADER: Final = 4
PIXELS: Final = 80
"""Words of a packet's payload."""
NUMBERED: Final = 20
"""The packet whose upper bits number the segment."""
RESYNC: Final = 0.2
"""Seconds of chip select high that bring it into step: five frames, 185 ms, and some margin."""
ATTEMPTS: Final = 3
"""Resyncs without a segment after which only a reset helps."""
EARLY: Final = 0.8
"""Share of a segment's period in which the next one cannot be there yet."""
POLL: Final = 0.0005
MARGIN: Final = 1.2
"""Times as long as clocking a segment out takes must be left of its period to begin with it."""
PATIENCE: Final = 0.15
"""Seconds without a whole segment after which it is out of step: four frames' time at 26.4 a second."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How frames are cut into packets."""

    rows: int
    columns: int
    segments: int
    packets: int
    """Of a segment, telemetry included."""
    telemetry: int
    """Telemetry packets at the frame's end."""
    period: float
    """Seconds of a segment: a frame is sent 26.4 times a second, three times each."""


FRAME_RATE: Final = 26.4
LEPTON_2: Final = Layout(rows=60, columns=80, segments=1, packets=63, telemetry=3, period=1 / FRAME_RATE)
LEPTON_3: Final = Layout(rows=120, columns=160, segments=4, packets=61, telemetry=4, period=1 / FRAME_RATE / 4)


@dataclass(slots=True)
class LeptonCounters:
    """What went wrong since the driver was made."""

    damaged: int = 0
    """Packets whose CRC or number was wrong."""
    torn: int = 0
    """Segments of which a packet was missed."""
    repeated: int = 0
    """Frames that came again."""
    resyncs: int = 0
    resets: int = 0
    """Times the module was restarted because resyncs did not help, or found restarted."""
    shuttered: int = 0
    """Frames left out because of a flat-field correction."""
    reinits: int = 0
    """Times it was opened again."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A whole segment."""

    number: int
    """1 to 4; 0: no part of a frame. Always 1 where a frame is one segment."""
    words: NDArray[np.uint16]
    """uint16[packets, 80]."""
    at: float
    """Monotonic seconds when its first packet was read."""


def intact(packet: bytes) -> bool:
    """Whether a packet's CRC is right."""
    blank = bytes((packet[0] & 0x0F, packet[1], 0, 0)) + packet[HEADER:]
    return binascii.crc_hqx(blank, 0) == int.from_bytes(packet[2:HEADER], "big")


def is_discard(packet: bytes) -> bool:
    """Whether a packet says that nothing is ready."""
    return packet[0] & 0x8F == 0x0F


class Collector:
    """Packets to segments. Pure: it knows no bus and no time but what it is told.

    A segment with a damaged or missing packet is followed to its end all the same: who leaves it falls out of step.
    """

    def __init__(self, layout: Layout, counters: LeptonCounters) -> None:
        self._layout = layout
        self._counters = counters
        self._packets: list[bytes] = []
        self._position = 0
        self._at = 0.0

    @property
    def wanted(self) -> int:
        """Packets that the segment begun still has; 0 between segments."""
        return self._layout.packets - self._position if self._position else 0

    def add(self, packet: bytes, at: float) -> Segment | None:
        """Take 164 bytes read at monotonic `at`; a segment when they end a whole one."""
        if is_discard(packet):
            # Also amid a segment, where the module is not as fast as the bus: what counts are the numbers.
            return None
        number = int.from_bytes(packet[:2], "big") & 0x0FFF
        if packet[0] & 0x80 or number >= self._layout.packets or not intact(packet):
            self._counters.damaged += 1
            number = self._position
        else:
            if number < self._position:
                self._end()
            if not number:
                self._at = at
            if number == len(self._packets):
                self._packets.append(packet)
        self._position = number + 1
        return self._end() if self._position == self._layout.packets else None

    def drop(self) -> None:
        """Forget what was begun."""
        self._packets, self._position = [], 0

    def _end(self) -> Segment | None:
        packets = self._packets
        self.drop()
        if len(packets) < self._layout.packets:
            self._counters.torn += 1
            return None
        data = np.frombuffer(b"".join(packets), dtype=">u2").reshape(len(packets), PACKET // 2)
        number = packets[NUMBERED][0] >> 4 if self._layout.segments > 1 else 1
        return Segment(number, data[:, HEADER // 2 :].astype(np.uint16), self._at)


class SegmentReader:
    """Segments of a module that sends.

    Args:
        spi: the video's bus.
        layout: of the module.
        clock: waits run on it.
        stop: ends every wait with `DeviceClosed`.
        counters: counts for the operator.
        name: what errors call the module.
    """

    def __init__(
        self,
        spi: SpiBus,
        layout: Layout,
        clock: Clock,
        stop: threading.Event,
        counters: LeptonCounters,
        *,
        name: str,
    ) -> None:
        self._spi = spi
        self._layout = layout
        self._clock = clock
        self._stop = stop
        self._counters = counters
        self._name = name
        self._collector = Collector(layout, counters)
        self._burst = max(1, spi.longest // PACKET)
        self._earliest = clock.monotonic()
        self._lost_at = clock.monotonic() + PATIENCE
        self._fruitless = 0
        self._phase: float | None = None
        self._takes = layout.packets * PACKET * 8 / spi.clock_hz
        self._seen: bytes = b""

    def next(self, deadline: float) -> Segment:
        """Wait for the next whole segment, whatever its number.

        Raises:
            DeviceTimeout: none came by `deadline`.
            BusStuck: out of step, and resyncs do not help; the message says what the line reads.
            BusError: a transfer failed.
            DeviceClosed: closed meanwhile.
        """
        while True:
            self._pause(min(self._begin(), deadline) - self._clock.monotonic())
            before = self._collector.wanted
            segment = self._read()
            now = self._clock.monotonic()
            if segment is not None:
                self._fruitless = 0
                self._phase = segment.at
                self._earliest = segment.at + EARLY * self._layout.period
                self._lost_at = now + PATIENCE
                return segment
            if now >= deadline:
                raise DeviceTimeout(errno.ETIMEDOUT, f"{self._name}: no whole segment in time ({self._told()})")
            if now >= self._lost_at:
                self.resync()
            elif self._collector.wanted in {0, before}:
                self._earliest = now + POLL

    def resync(self) -> None:
        """Leave chip select high for so long that the module starts anew with a segment.

        Raises `BusStuck` when that was done three times in a row without a segment, `DeviceClosed`.
        """
        if self._fruitless >= ATTEMPTS:
            raise BusStuck(
                errno.EIO,
                f"{self._name}: {self._spi.name} does not come into step after {ATTEMPTS} resyncs: {self._told()}",
            )
        self._fruitless += 1
        self._phase = None
        self._counters.resyncs += 1
        self._collector.drop()
        self._pause(RESYNC)
        self._lost_at = self._clock.monotonic() + PATIENCE

    def _begin(self) -> float:
        """When to read next: not so late in a segment's time that it could not be ended, which costs the step."""
        now = self._clock.monotonic()
        if self._phase is None or self._collector.wanted or now < self._phase + self._layout.period:
            return self._earliest
        left = self._layout.period - (now - self._phase) % self._layout.period
        return self._earliest if left > MARGIN * self._takes else now + left

    def _read(self) -> Segment | None:
        """One transfer: a packet while looking for a segment's start, else as much of it as a transfer may have."""
        count = min(self._burst, self._collector.wanted or 1)
        at = self._clock.monotonic()
        data = self._spi.read(count * PACKET)
        if len(data) != count * PACKET:
            raise BusError(errno.EIO, f"{self._name}: {len(data)} bytes instead of {count * PACKET}")
        self._seen = data[-PACKET:]
        found = None
        for start in range(0, len(data), PACKET):
            found = self._collector.add(data[start : start + PACKET], at) or found
        return found

    def _pause(self, seconds: float) -> None:
        if self._stop.is_set() or (seconds > 0 and self._clock.wait(self._stop, seconds)):
            raise DeviceClosed(f"{self._name} was closed")

    def _told(self) -> str:
        """What the line reads, for a diagnosis."""
        if self._seen and len(set(self._seen)) == 1 and self._seen[0] in {0x00, 0xFF}:
            return f"MISO reads 0x{self._seen[0]:02X} throughout: not connected, or another chip select"
        if self._seen and is_discard(self._seen):
            return "it sends discard packets only"
        if self._seen and intact(self._seen):
            return "packets are whole and segments are not: read too slowly, or packets lost"
        return "its packets are damaged: SPI clock too fast for the cable, or bytes lost"
