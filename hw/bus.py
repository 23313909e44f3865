"""The seams between drivers and the wires: what a driver may ask of I2C or SPI, and nothing more.

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


class SpiBus(Protocol):
    """A device on an SPI bus that only talks. Calls block for the transfer and raise `hw.errors.BusError` kinds."""

    name: str
    """How people name it, e.g. `/dev/spidev0.0`."""

    clock_hz: int
    """SCLK frequency in hertz."""

    longest: int
    """Bytes of the longest transfer."""

    def read(self, count: int) -> bytes:
        """Clock `count` bytes in. Chip select is low for these alone, and high before and after."""
        ...

    def close(self) -> None:
        """Release the device; harmless when closed. The next `read` opens it again."""
        ...


class ResetLine(Protocol):
    """A line that restarts a device while it is held low."""

    name: str

    def pulse(self, seconds: float) -> None:
        """Hold it low for `seconds`, then let it go. Raises `hw.errors.DeviceError` kinds naming the line."""
        ...


class FrameSource(Protocol):
    """Where pictures come from: a V4L2 node, a stream, a folder, the simulated world."""

    name: str

    @property
    def lost(self) -> int:
        """Pictures since it was opened that came between two given ones and were not given."""
        ...

    def open(self) -> None:
        """Open the source. Raises `hw.errors.DeviceMissing` or `DeviceError`."""
        ...

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """Wait for the next picture: (BGR uint8[height, width, 3], monotonic seconds at exposure).

        Raises `hw.errors.DeviceTimeout` after `timeout` seconds without one, `FrameError` for one that is not whole,
        `DeviceClosed` at the end of a recording.
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


class Playing(Protocol):
    """A sound that was begun."""

    def ended(self) -> bool:
        """Whether it is over. Raises `hw.errors.DeviceError` where it ended because the device would not play it."""
        ...

    def stop(self) -> None:
        """Silence, at once or nearly; the device is free afterwards. Harmless when it is over."""
        ...


class SoundPlayer(Protocol):
    """A sound card. Calls come from one thread."""

    name: str

    def start(self, sound: bytes) -> Playing:
        """Begin a WAV file. Raises `hw.errors.DeviceError` kinds."""
        ...


class PixelLayout(NamedTuple):
    """How a panel's memory holds its picture, from its upper left corner on."""

    width: int
    height: int
    stride: int
    """Bytes from one row to the next."""
    bits: int
    """Of a pixel, little-endian: 16, 24 or 32."""
    red: tuple[int, int]
    """Place and number of bits of a colour: (offset from the lowest bit, length)."""
    green: tuple[int, int]
    blue: tuple[int, int]


class PixelMemory(Protocol):
    """A panel's memory: what is written is seen."""

    name: str

    def open(self) -> tuple[PixelLayout, memoryview]:
        """Map it: its layout, and writable bytes from its first visible pixel on, at least stride * height.

        Raises `hw.errors.DeviceError` kinds.
        """
        ...

    def close(self) -> None:
        """Let it go, with what it shows; harmless when closed."""
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
