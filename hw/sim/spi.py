"""A simulated SPI bus: transfers take the time their bits need, and what goes wrong on a real one can be had."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hw.clock import Clock


class SpiTalker(Protocol):
    """A chip that only sends. Times are the bus clock's monotonic seconds and never lie in the future."""

    def talk(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        """Chip select is low from `start` on for `count` bytes; byte k left the chip k bytes' time later."""
        ...


@dataclass(slots=True, kw_only=True)
class SpiFaults:
    """What is wrong with the bus at present; change the fields at any time."""

    unplugged: bool = False
    """The cable is off: MISO reads `floating` throughout."""
    floating: int = 0x00
    glitch_rate: float = 0.0
    """Probability that a byte read has one bit flipped."""
    slip: bool = False
    """The next transfer misses its first byte, and so is shifted by it; chip select was late."""


class SimulatedSpiBus:
    """`hw.bus.SpiBus` over a simulated chip.

    Args:
        device: the chip.
        clock: transfers sleep on it.
        clock_hz: SCLK.
        name: what errors call the bus.
        longest: bytes of the longest transfer.
        seed: of the glitches.
    """

    def __init__(
        self,
        device: SpiTalker,
        clock: Clock,
        clock_hz: int = 16_000_000,
        *,
        name: str = "simulated-spi",
        longest: int = 4096,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.clock_hz = clock_hz
        self.longest = longest
        self.faults = SpiFaults()
        self.transfers = 0
        self._speed = clock_hz
        self._device = device
        self._clock = clock
        self._random = random.Random(seed)

    def set_speed(self, clock_hz: int) -> None:
        """Run SCLK at `clock_hz` from now on without saying so, as a controller's divider may."""
        self._speed = clock_hz

    def read(self, count: int) -> bytes:
        """Clock `count` bytes in. Raises ValueError for more than a transfer may have."""
        if count > self.longest:
            raise ValueError(f"{self.name}: a transfer has at most {self.longest} bytes, not {count}")
        self.transfers += 1
        start = self._clock.monotonic()
        byte = 8 / self._speed
        self._clock.sleep(count * byte)
        if self.faults.unplugged:
            return bytes((self.faults.floating,)) * count
        if self.faults.slip:
            self.faults.slip = False
            return self._glitched(self._device.talk(count, start, byte)[1:] + b"\0")
        return self._glitched(self._device.talk(count, start, byte))

    def close(self) -> None:
        """Nothing is held."""

    def _glitched(self, data: bytes) -> bytes:
        if self.faults.glitch_rate <= 0:
            return data
        dice = self._random
        return bytes(
            byte ^ (1 << dice.randrange(8)) if dice.random() < self.faults.glitch_rate else byte for byte in data
        )
