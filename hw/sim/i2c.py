"""A simulated I2C bus: transfers take the time their bits need, and what goes wrong on a real bus can be had.

A slave is told when its bytes were on the wire, so a chip that renews its memory during a slow read is torn honestly.
"""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from hw.errors import BusError, BusTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw.clock import Clock

BITS_PER_BYTE = 9
"""Eight bits and the acknowledge."""
STRETCH_TIMEOUT = 0.035
"""Seconds after which the host gives up on a stretched clock (SMBus 3.2: TIMEOUT is 25-35 ms)."""


class I2cSlave(Protocol):
    """A chip on the simulated bus. Times are the bus clock's monotonic seconds and never lie in the future."""

    @property
    def powered(self) -> bool:
        """Whether it acknowledges its address."""
        ...

    def write(self, data: bytes, at: float) -> None:
        """Take `data`, whose last bit was on the wire at `at`."""
        ...

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        """Return `count` bytes; byte k left the chip at `start + k * seconds_per_byte`."""
        ...


@dataclass(slots=True, kw_only=True)
class BusFaults:
    """What is wrong with the bus at present; change the fields at any time."""

    absent: set[int] = field(default_factory=set)
    """Addresses that do not acknowledge: the cable is off."""
    sda_low: bool = False
    """SDA is held low: every address seems to acknowledge and every byte reads 0x00."""
    recoverable: bool = True
    """Nine clocks (`recover`) free SDA again."""
    glitch_rate: float = 0.0
    """Probability that a byte read is wrong: one bit flipped, or 0xFF."""
    stretched: int = 0
    """The next so many transfers time out on a clock that is held low."""


class SimulatedI2cBus:
    """`hw.bus.I2cBus` over simulated slaves.

    Args:
        devices: the slave at each 7-bit address.
        clock: transfers sleep on it.
        clock_hz: SCL frequency; may be changed at any time.
        name: what errors call the bus.
        seed: of the glitches.
    """

    def __init__(
        self,
        devices: Mapping[int, I2cSlave],
        clock: Clock,
        clock_hz: int = 400_000,
        *,
        name: str = "simulated-i2c",
        seed: int = 0,
    ) -> None:
        self.name = name
        self.clock_hz: int | None = clock_hz
        self.faults = BusFaults()
        self.transfers = 0
        self.recoveries = 0
        self._speed = clock_hz
        self._devices = dict(devices)
        self._clock = clock
        self._random = random.Random(seed)

    def set_speed(self, clock_hz: int, *, told: bool = True) -> None:
        """Run SCL at `clock_hz` from now on; `told=False`: as on a board whose kernel does not tell the frequency."""
        self._speed = clock_hz
        self.clock_hz = clock_hz if told else None

    def write(self, address: int, data: bytes) -> None:
        """Write `data` to `address`. Raises `BusError` without an acknowledge, `BusTimeout` on a held clock."""
        slave = self._slave(address)
        at = self._clock.monotonic() + self._seconds(len(data))
        self._clock.sleep(self._seconds(len(data)))
        if slave is not None:
            slave.write(data, at)

    def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write `data`, then read `count` bytes; raises as `write`."""
        slave = self._slave(address)
        start = self._clock.monotonic() + self._seconds(len(data))
        self._clock.sleep(self._seconds(len(data)) + self._seconds(count))
        if slave is None:
            return bytes(count)
        slave.write(data, start)
        return self._glitched(slave.read(count, start, BITS_PER_BYTE / self._speed))

    def recover(self) -> None:
        """Clock SDA free, when the fault allows it."""
        self.recoveries += 1
        if self.faults.recoverable:
            self.faults.sda_low = False

    def close(self) -> None:
        """Nothing is held."""

    def _seconds(self, count: int) -> float:
        # A start, the address byte, the bytes, and half a bit of stop.
        return (BITS_PER_BYTE * (count + 1) + 1.5) / self._speed

    def _slave(self, address: int) -> I2cSlave | None:
        """The addressed slave; None while SDA is held low, when no slave hears anything."""
        self.transfers += 1
        if self.faults.stretched > 0:
            self.faults.stretched -= 1
            self._clock.sleep(STRETCH_TIMEOUT)
            raise BusTimeout(errno.ETIMEDOUT, f"{self.name}: 0x{address:02x} held the clock low")
        if self.faults.sda_low:
            return None
        slave = self._devices.get(address)
        if slave is None or address in self.faults.absent or not slave.powered:
            self._clock.sleep(self._seconds(0))
            raise BusError(errno.EREMOTEIO, f"{self.name}: 0x{address:02x} did not acknowledge")
        return slave

    def _glitched(self, data: bytes) -> bytes:
        rate = self.faults.glitch_rate
        if rate <= 0:
            return data
        dice = self._random
        return bytes(
            (byte ^ (1 << dice.randrange(8)) if dice.random() < 0.5 else 0xFF) if dice.random() < rate else byte
            for byte in data
        )
