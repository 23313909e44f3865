"""Pulses on two wires of this machine: GPIO lines timed by the processor, or two serial ports timed by their hardware.

GPIO lines go through gpiod, the kernel's own library, whose request tells its descriptor: lgpio plays waves too, but
tells nothing of when its writes happened.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from _fastcore import pulses as core
from hw.bus import Pulse
from hw.errors import DeviceDenied, DeviceError, DeviceMissing
from hw.linux.serial import SerialLine
from hw.sender_settings import BAUD

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE: Final = 0.02
"""Seconds in which the edges of a card that has ended must have arrived."""


class GpioPulses:
    """`hw.bus.PulseTrain` on two GPIO lines.

    Args:
        chip: e.g. `/dev/gpiochip0`.
        lines: of D0 and D1.
        sense: inputs on which what came out is seen again, if any.
        inverted: the lines rest low.
        priority: SCHED_FIFO priority while pulses are played; 0: none.
    """

    remedy = "two serial ports time their pulses by hardware ([wiegand_out] port0, port1)"

    def __init__(
        self, chip: str, lines: tuple[int, int], *, sense: tuple[int, int] | None, inverted: bool, priority: int
    ) -> None:
        self.name = f"GPIO {lines[0]} and {lines[1]}"
        self._chip = chip
        self._lines = lines
        self._sense = sense
        self._inverted = inverted
        self._priority = priority
        self._out: Any = None
        self._in: Any = None
        self._lock = threading.Lock()
        """Held while pulses are played: a descriptor that is closed under them may soon be another file's."""

    def open(self) -> str:
        """Claim the lines at rest. Raises `DeviceMissing`, `DeviceDenied`, or `DeviceError` (held by another)."""
        gpiod = _gpiod()
        line = gpiod.line
        output = gpiod.LineSettings(direction=line.Direction.OUTPUT, active_low=not self._inverted)
        sensed = gpiod.LineSettings(
            direction=line.Direction.INPUT,
            edge_detection=line.Edge.RISING,  # of the active level, which is low
            bias=line.Bias.PULL_UP,
            active_low=True,
        )
        try:
            self._out = self._request(gpiod, self._lines, output)
            if self._sense is not None:
                self._in = self._request(gpiod, self._sense, sensed)
        except BaseException:
            self.close()
            raise
        locked = not self._priority or _permitted(core.lock_memory)
        with realtime(self._priority) as granted:
            how = "real-time" if granted else "without real-time priority"
        measured = "measured by its writes" + ("" if self._in is None else " and sensed")
        return f"timed by the processor, {how}{'' if locked else ', memory not locked'}, {measured}"

    def _request(self, gpiod: Any, lines: tuple[int, int], settings: Any) -> Any:
        try:
            return gpiod.request_lines(
                self._chip, consumer="thermogate", config={lines: settings}, event_buffer_size=1024
            )
        except FileNotFoundError as error:
            raise DeviceMissing(f"[wiegand_out] {self._chip} is not there: {error}") from error
        except PermissionError as error:
            raise DeviceDenied(f"[wiegand_out] {self._chip} may not be opened: group gpio") from error
        except (OSError, ValueError) as error:
            raise DeviceError(f"[wiegand_out] lines {lines[0]} and {lines[1]} can't be had: {error}") from error

    def play(self, wires: bytes, width: float, spacing: float, longest: float) -> list[Pulse]:
        """Play pulses; see `PulseTrain`."""
        with self._lock:
            return self._play(wires, width, spacing, longest)

    def _play(self, wires: bytes, width: float, spacing: float, longest: float) -> list[Pulse]:
        if self._out is None:
            raise DeviceError(f"[wiegand_out] {self.name} is closed")
        self._drain()
        offsets = list(self._out.offsets)
        places = (offsets.index(self._lines[0]), offsets.index(self._lines[1]))
        times = {"width": _ns(width), "spacing": _ns(spacing), "longest": _ns(longest)}
        try:
            with realtime(self._priority):
                seen = core.play_lines(self._out.fd, places, wires, **times)
        except OSError as error:
            raise DeviceError(f"[wiegand_out] {self.name}: {error.strerror}") from error
        written = _pulses(wires, seen)
        return written if self._in is None else as_sensed(written, self._falls())

    def close(self) -> None:
        """Let the lines go, at rest."""
        with self._lock:
            for request in (self._out, self._in):
                if request is not None:
                    request.release()
            self._out = self._in = None

    def _drain(self) -> None:
        """Edges from before are none of this card's."""
        while self._in is not None and self._in.wait_edge_events(0):
            self._in.read_edge_events()

    def _falls(self) -> list[tuple[int, int]]:
        """What was seen to fall on the inputs: (nanoseconds, wire) by the kernel's timestamps."""
        found: list[tuple[int, int]] = []
        while self._in.wait_edge_events(SETTLE):
            events = self._in.read_edge_events()
            found += [(event.timestamp_ns, (self._sense or ()).index(event.line_offset)) for event in events]
        return sorted(found)


class SerialPulses:
    """`hw.bus.PulseTrain` on the transmit pins of two serial ports, which rest high as Wiegand's wires do.

    The start bit and the zeros that follow it are the pulse: 0xE0 at 115200 baud is low for 6 bits, 52 us.

    Args:
        ports: of D0 and D1, e.g. `/dev/ttyAMA2`.
        priority: SCHED_FIFO priority while pulses are played; 0: none.
    """

    remedy = "check that the ports are UARTs of the processor: one behind USB does not keep the order of two"

    def __init__(self, ports: tuple[str, str], *, priority: int) -> None:
        self.name = f"{ports[0]} and {ports[1]}"
        self._ports = [SerialLine(port, BAUD, "wiegand_out") for port in ports]
        self._priority = priority
        self._lock = threading.Lock()

    def open(self) -> str:
        """Open the ports. Raises `DeviceMissing`, `DeviceDenied`, or `DeviceError`: in use, or no serial port."""
        try:
            for port in self._ports:
                port.open()
        except BaseException:
            self.close()
            raise
        return "timed by the ports"

    def play(self, wires: bytes, width: float, spacing: float, longest: float) -> list[Pulse]:
        """Play pulses; see `PulseTrain`. A width is rounded to whole bits of the port."""
        del longest  # a byte is as long as it is
        mark, real = mark_of(width)
        try:
            with self._lock, realtime(self._priority):
                first, second = (port.fileno() for port in self._ports)
                seen = core.play_ports(first, second, wires, mark=mark, width=_ns(real), spacing=_ns(spacing))
        except OSError as error:
            raise DeviceError(f"[wiegand_out] {self.name}: {error.strerror}") from error
        return [
            Pulse(wire, fell / 1e9, set_ / 1e9, real, real) for wire, (fell, set_, *_) in zip(wires, seen, strict=False)
        ]

    def close(self) -> None:
        """Let the ports go."""
        with self._lock:
            for port in self._ports:
                port.close()


def mark_of(width: float) -> tuple[int, float]:
    """(byte, seconds) of the pulse that is nearest to `width`: the start bit and the low zeros of the byte."""
    bits = min(max(round(width * BAUD), 1), 9)
    return 0xFF << bits - 1 & 0xFF, bits / BAUD


def as_sensed(written: list[Pulse], falls: list[tuple[int, int]]) -> list[Pulse]:
    """What came out: wire and moment of each fall as it was sensed, with the width it was written with.

    Only falls are sensed. Which way an edge of both kinds went, the kernel reads from the line afterwards, and a pulse
    of 50 us may be over by then; its next edge waits for that. A fall without a write has no width.
    """
    widths = [(pulse.narrowest, pulse.widest) for pulse in written]
    widths += [(0.0, 0.0)] * (len(falls) - len(widths))
    return [Pulse(wire, at / 1e9, at / 1e9, *width) for (at, wire), width in zip(falls, widths, strict=False)]


@contextlib.contextmanager
def realtime(priority: int) -> Iterator[bool]:
    """Let this thread run before all others for a moment, where that is permitted; tells whether it is."""
    if not priority:
        yield False
        return
    before, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    granted = _permitted(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority)))
    try:
        yield granted
    finally:
        if granted:
            os.sched_setscheduler(0, before, parameter)


def _permitted(call: Any) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


def _gpiod() -> Any:
    try:
        return importlib.import_module("gpiod")
    except ImportError as error:
        raise DeviceMissing(f"[wiegand_out] needs the extra thermogate[wiegand-out]: {error}") from error


def _pulses(wires: bytes, seen: list[tuple[int, int, int, int]]) -> list[Pulse]:
    return [
        Pulse(
            wire,
            fell_after / 1e9,
            fell_before / 1e9,
            (rose_after - fell_before) / 1e9,
            (rose_before - fell_after) / 1e9,
        )
        for wire, (fell_after, fell_before, rose_after, rose_before) in zip(wires, seen, strict=False)
    ]


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
