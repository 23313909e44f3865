"""The seams between drivers and the wires: what a driver may ask of I2C, and nothing more.

GPIO's seam is gpiozero's pin factory, except where the moment of an edge counts (`Wires`); a camera's is
`FrameSource`, a keyboard's `KeySource`; what goes out as pulses is a `PulseTrain`. Real ends are in `hw.linux`,
simulated ones in `hw.sim`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


class I2cBus(Protocol):
    """One I2C bus. Every call blocks its thread for the length of the transfer and raises `hw.errors.BusError`."""

    name: str
    """How people name it, e.g. `/dev/i2c-1`."""

    clock_hz: int | None
    """SCL frequency in hertz; None where the kernel does not tell."""

    def write(self, address: int, data: bytes) -> None:
        """Write `data` to the 7-bit `address`."""
        ...

    def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write `data`, then, after a repeated start, read `count` bytes."""
        ...

    def recover(self) -> None:
        """Do what this bus can to free a held line (reopen, nine clocks); never raises."""
        ...

    def close(self) -> None:
        """Release the bus; harmless when closed."""
        ...


class FrameSource(Protocol):
    """Where pictures come from: a V4L2 node, a folder, a video, the simulated world."""

    name: str

    def open(self) -> None:
        """Open the source. Raises `hw.errors.DeviceMissing` or `DeviceError`."""
        ...

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """Wait for the next picture: (BGR uint8[height, width, 3], monotonic seconds at exposure).

        Raises `hw.errors.DeviceTimeout` after `timeout` seconds without one, `DeviceClosed` at the end of a recording.
        """
        ...

    def close(self) -> None:
        """Release the source; harmless when closed."""
        ...


class Wires(Protocol):
    """Two data wires that rest high."""

    name: str

    def open(self, on_fall: Callable[[int, float], None]) -> None:
        """Report each falling edge as (wire 0 or 1, seconds), in order, from a thread of the wires.

        The seconds are as exact as the end can tell, on a clock of its own: only their differences count. Raises
        `hw.errors.DeviceError` naming the line.
        """
        ...

    def close(self) -> None:
        """Let the lines go; harmless when closed."""
        ...


class LineState(NamedTuple):
    """What the kernel says of one GPIO line."""

    used: bool
    consumer: str
    """Who has it, as they named themselves; empty where nobody has, or did."""
    output: bool


class GpioLines(Protocol):
    """The lines of one GPIO chip, looked at one at a time. All raise `hw.errors.DeviceError` kinds."""

    name: str
    """How people name it, e.g. `/dev/gpiochip0`."""
    count: int

    def state(self, line: int) -> LineState:
        """Who has the line, and what it is."""
        ...

    def read(self, line: int, pull: str) -> bool:
        """Claim the line as an input with this `pull` (up, down, none), read its level, and let it go."""
        ...

    def stays_driven(self, line: int) -> bool:
        """Drive the line low and let it go: whether the kernel leaves it an output, as after a process' death."""
        ...


class Pulse(NamedTuple):
    """One pulse as it was seen."""

    wire: int
    fell_after: float
    fell_before: float
    """Monotonic seconds between which the wire fell."""
    narrowest: float
    widest: float
    """Seconds between which its width lies."""


class PulseTrain(Protocol):
    """Two wires that rest, and on which short pulses can be played."""

    name: str
    remedy: str
    """What helps where its pulses come out wrong."""

    def open(self) -> str:
        """Claim the wires at rest; returns how their pulses are timed and measured. Raises `DeviceError` kinds."""
        ...

    def play(self, wires: bytes, width: float, spacing: float, longest: float) -> list[Pulse]:
        """Play pulses of `width` s on those wires (0 or 1), `spacing` s from start to start; blocks its thread.

        Returns what came out, in order. Stops early after a pulse that was longer than `longest` s. Raises
        `hw.errors.DeviceError` where the wires are gone.
        """
        ...

    def close(self) -> None:
        """Let the wires go, at rest; harmless when closed."""
        ...


class ByteLine(Protocol):
    """A serial line. Nothing waits: its user polls. Both ways raise `hw.errors.DeviceError` when it is gone."""

    name: str

    def open(self) -> None:
        """Open it. Raises `DeviceError` kinds."""
        ...

    def read(self, most: int) -> bytes:
        """What has arrived, at most so many bytes."""
        ...

    def write(self, data: bytes) -> int:
        """Send; returns how many bytes were taken."""
        ...

    def close(self) -> None:
        """Let it go; harmless when closed."""
        ...


class KeyEvent(NamedTuple):
    """A key went down."""

    code: int
    """Linux's key code (linux/input-event-codes.h); `LOST` where events were lost before this one."""
    down: bool


LOST = -1


class KeySource(Protocol):
    """A keyboard that nobody else hears."""

    name: str

    def open(self) -> str:
        """Open and grab it; returns what it calls itself. Raises `hw.errors.DeviceError` kinds."""
        ...

    def read(self, timeout: float) -> list[KeyEvent]:
        """Wait for events; empty after `timeout` seconds. Raises `hw.errors.DeviceError` when it is gone."""
        ...

    def close(self) -> None:
        """Let it go; harmless when closed, and may be called from another thread."""
        ...
