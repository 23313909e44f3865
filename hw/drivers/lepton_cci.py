"""Commands of a FLIR Lepton over I2C: the Command and Control Interface (CCI).

Software Interface Description Document 110-0144-04: 2.1 (registers: 16-bit addresses and words, big endian), 2.2 (one
command at a time: wait until not busy, write data and length, write the command, wait, read the result's code, read the
data), 3 (command words). Values of 32 bits go low word first.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Final

from hw.errors import BusError, BusStuck, DeviceClosed, DeviceError, DeviceTimeout

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from hw.bus import I2cBus
    from hw.clock import Clock

STATUS: Final = 0x0002
COMMAND: Final = 0x0004
LENGTH: Final = 0x0006
DATA: Final = 0x0008
MOST_WORDS: Final = 16
"""Words of the data registers."""

BUSY: Final = 1 << 0
BOOT_MODE: Final = 1 << 1
BOOTED: Final = 1 << 2

AGC_ENABLE: Final = 0x0100
SERIAL: Final = 0x0208
TELEMETRY_ENABLE: Final = 0x0218
TELEMETRY_LOCATION: Final = 0x021C
GAIN_MODE: Final = 0x0248
PART_NUMBER: Final = 0x481C
VIDEO_FORMAT: Final = 0x4828
REBOOT: Final = 0x4840
RAD_ENABLE: Final = 0x4E10
FLUX_LINEAR: Final = 0x4EBC
TLINEAR_ENABLE: Final = 0x4EC0
TLINEAR_RESOLUTION: Final = 0x4EC4
TLINEAR_AUTO: Final = 0x4EC8
"""Command words of `get`; `set` is 1 more, `run` 2 more. Those of OEM and RAD carry the protection bit 0x4000."""

SET: Final = 1
RUN: Final = 2

NOT_SUPPORTED: Final = frozenset({-7, -8})
CODES: Final = {
    -1: "camera error",
    -2: "not ready",
    -3: "range error",
    -4: "checksum error",
    -5: "bad argument",
    -6: "wrong data length",
    -7: "undefined function",
    -8: "function not supported",
    -9: "data out of range",
    -11: "command not allowed",
    -15: "OTP write error",
    -16: "OTP read error",
    -18: "OTP not programmed",
    -20: "I2C bus not ready",
    -22: "I2C buffer overflow",
    -23: "I2C arbitration lost",
    -24: "I2C bus error",
    -25: "I2C not acknowledged",
    -26: "I2C failed",
    -80: "division by zero",
}
"""Result codes (table 2-3)."""

POLL: Final = 0.002
COMMAND_TIMEOUT: Final = 1.0
"""Seconds that a command may take: the slowest that is used takes some 20 ms."""


class CommandRefused(DeviceError):  # noqa: N818
    """The module answered a command with an error code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class LeptonCci:
    """The commands of one module. Every call blocks and raises `BusError` kinds beside those it names.

    Args:
        bus: the I2C bus.
        address: of the module.
        clock: waits run on it.
    """

    def __init__(self, bus: I2cBus, address: int, clock: Clock) -> None:
        self.bus = bus
        self.name = f"Lepton at 0x{address:02x} on {bus.name}"
        self._address = address
        self._clock = clock

    def status(self) -> int:
        """The status register. Raises `BusStuck` where a floating line answers."""
        word = self._read(STATUS, 1)[0]
        if word == 0xFFFF:
            raise BusStuck(errno.EIO, f"{self.name}: status reads 0xFFFF: SDA is held or floating; check the cable")
        return word

    def wait_until_booted(self, timeout: float, stop: threading.Event, *, absent: float) -> None:
        """Wait for the boot bit and for the last command's end; for `absent` seconds it need not even acknowledge.

        Raises `DeviceTimeout` saying how far it came, `DeviceClosed` when `stop` is set meanwhile.
        """
        begun = self._clock.monotonic()
        deadline = begun + timeout
        while True:
            try:
                status = self.status()
            except BusStuck:
                raise
            except BusError:
                if self._clock.monotonic() - begun >= absent:
                    raise
            else:
                if status & BOOTED and status & BOOT_MODE and not status & BUSY:
                    return
                if self._clock.monotonic() >= deadline:
                    raise DeviceTimeout(
                        errno.ETIMEDOUT,
                        f"{self.name}: does not boot: status 0x{status:04X}; switch its supply off and on",
                    )
            if self._clock.wait(stop, 5 * POLL):
                raise DeviceClosed(f"{self.name} was closed")

    def get(self, command: int, count: int) -> list[int]:
        """The `count` words of an attribute. Raises `CommandRefused`, `DeviceTimeout`."""
        self._issue(command, count)
        return self._read(DATA, count)

    def agreed(self, command: int, count: int) -> list[int]:
        """The same, asked for until two answers in a row agree: I2C has no checksum."""
        before = self.get(command, count)
        for _ in range(4):
            now = self.get(command, count)
            if now == before:
                return now
            before = now
        raise BusError(errno.EIO, f"{self.name}: command 0x{command:04X} answers differently each time: noisy bus")

    def set(self, command: int, words: Sequence[int]) -> None:
        """Set an attribute to `words`. Raises `CommandRefused`, `DeviceTimeout`."""
        self._finish(command)
        self._write(DATA, words)
        self._issue(command | SET, len(words))

    def settle_on(self, command: int, words: Sequence[int]) -> None:
        """Set an attribute and see that it is so. Raises `DeviceError` where it is not after three attempts."""
        shown: list[int] = []
        for _ in range(3):
            self.set(command, words)
            shown = self.get(command, len(words))
            if shown == list(words):
                return
        raise DeviceError(f"{self.name}: attribute 0x{command:04X} shows {shown} after it was set to {list(words)}")

    def reboot(self) -> None:
        """Have the module start anew; it is off the bus for about a second."""
        self._finish(REBOOT)
        self._write(LENGTH, [0])
        self._write(COMMAND, [REBOOT | RUN])

    def _issue(self, command: int, count: int) -> None:
        self._finish(command)
        self._write(LENGTH, [count])
        self._write(COMMAND, [command])
        status = self._finish(command)
        code = struct.unpack("b", bytes((status >> 8,)))[0]
        if code:
            meaning = CODES.get(code, "unknown error")
            raise CommandRefused(f"{self.name}: command 0x{command:04X} refused: {meaning} ({code})", code)

    def _finish(self, command: int) -> int:
        """Wait until not busy; returns the status."""
        deadline = self._clock.monotonic() + COMMAND_TIMEOUT
        while (status := self.status()) & BUSY:
            if self._clock.monotonic() >= deadline:
                raise DeviceTimeout(errno.ETIMEDOUT, f"{self.name}: busy for {COMMAND_TIMEOUT:g} s (0x{command:04X})")
            self._clock.sleep(POLL)
        return status

    def _read(self, register: int, count: int) -> list[int]:
        data = self.bus.write_read(self._address, struct.pack(">H", register), 2 * count)
        if len(data) != 2 * count:
            raise BusError(errno.EIO, f"{self.name}: {len(data)} bytes instead of {2 * count} from 0x{register:04X}")
        return list(struct.unpack(f">{count}H", data))

    def _write(self, register: int, words: Sequence[int]) -> None:
        self.bus.write(self._address, struct.pack(f">{1 + len(words)}H", register, *words))
