"""Whole subpages from an MLX90640: waits that end, and reads that did not overlap a renewal of RAM.

The new-data flag is cleared before RAM is read; found set again afterwards, RAM was renewed during the read, however
many subpages passed. (Cleared after the read, as the data sheet's figure 7 has it, an even number of them is missed.)
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.drivers.mlx90640_link import (
    CONTROL,
    NEW_DATA,
    OVERWRITE_ENABLED,
    RAM,
    STATUS,
    SUBPAGE_BITS,
    WORDS,
    Mlx90640Link,
    refresh_hz,
)
from hw.errors import BusError, BusStuck, DeviceClosed, DeviceTimeout, FrameError

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from hw.clock import Clock

READ_ATTEMPTS: Final = 3
PERIODS_TO_WAIT: Final = 2.5
EARLY: Final = 0.8
"""Share of a period in which no new data can be there (data sheet 10.5: the refresh time less 20 %)."""
POLLS_PER_PERIOD: Final = 40
SHORTEST_POLL: Final = 0.0005
LONGEST_POLL: Final = 0.02


@dataclass(slots=True)
class Mlx90640Counters:
    """What went wrong since the driver was made."""

    torn: int = 0
    """Reads that RAM was renewed under."""
    glitches: int = 0
    """Words that cannot be what the sensor sent: pixels repaired and readings refused."""
    missed: int = 0
    """Subpages that were renewed again before they were read."""
    timeouts: int = 0
    """Waits for new data that ended without."""
    resets: int = 0
    """Times the sensor was found with other settings than it was given: it lost its supply."""
    reinits: int = 0
    """Times it was opened again."""


@dataclass(frozen=True, slots=True, eq=False)
class Subpage:
    """One consistent read of RAM."""

    frame: NDArray[np.uint16]
    """uint16[834]: RAM, control register 1, subpage; as the kernels take it."""
    number: int
    """0 or 1."""
    ready_at: float
    """Monotonic seconds when it was seen to be there."""


class SubpageStream:
    """Subpages of a started sensor.

    Args:
        link: the sensor.
        control: the control register's word as the sensor repeated it.
        clock: waits run on it.
        stop: ends every wait with `DeviceClosed`.
        counters: counts for the operator.
        settle: seconds that the measurement under way may still take at the settings before.
    """

    def __init__(
        self,
        link: Mlx90640Link,
        control: int,
        clock: Clock,
        stop: threading.Event,
        counters: Mlx90640Counters,
        *,
        settle: float,
    ) -> None:
        self.control = control
        self.period = 1.0 / refresh_hz(control)
        self._link = link
        self._clock = clock
        self._stop = stop
        self._counters = counters
        self._poll = min(LONGEST_POLL, max(SHORTEST_POLL, self.period / POLLS_PER_PERIOD))
        self._earliest = clock.monotonic()
        self._patience = settle + PERIODS_TO_WAIT * self.period

    def next(self, deadline: float) -> Subpage:
        """Wait for the next subpage and read it.

        Raises:
            DeviceTimeout: none came by `deadline` or within 2.5 subpage periods.
            FrameError: RAM was renewed during each of three reads, or a status word was no status.
            BusStuck: words that a held or floating line reads.
            BusError: a transfer failed, or the sensor lost its settings; open it again.
            DeviceClosed: closed meanwhile.
        """
        for _ in range(READ_ATTEMPTS):
            subpage = self._read(self._wait(deadline))
            if subpage is not None:
                return subpage
            self._counters.torn += 1
        raise FrameError(
            f"{self._link.name}: torn {READ_ATTEMPTS} times in a row: the bus is too slow for "
            f"{refresh_hz(self.control):g} subpages a second"
        )

    def _wait(self, deadline: float) -> float:
        bound = min(deadline, self._clock.monotonic() + self._patience)
        self._pause(min(self._earliest, bound) - self._clock.monotonic())
        while True:
            status = self._link.word(STATUS)
            # Seen twice, or a flipped bit would pass for data.
            if status & NEW_DATA and self._link.word(STATUS) & NEW_DATA:
                now = self._clock.monotonic()
                self._earliest = now + EARLY * self.period
                self._patience = PERIODS_TO_WAIT * self.period
                return now
            left = bound - self._clock.monotonic()
            if left <= 0:
                raise self._silence()
            self._pause(min(self._poll, left))

    def _pause(self, seconds: float) -> None:
        if self._stop.is_set() or (seconds > 0 and self._clock.wait(self._stop, seconds)):
            raise DeviceClosed(f"{self._link.name} was closed")

    def _silence(self) -> Exception:
        """Why no data came."""
        self._counters.timeouts += 1
        control = self._link.agreed_word(CONTROL)
        if control in {0x0000, 0xFFFF}:
            return BusStuck(errno.EIO, f"{self._link.name}: registers read 0x{control:04X}: SDA is held or floating")
        if control != self.control:
            return self._was_reset(control)
        return DeviceTimeout(errno.ETIMEDOUT, f"{self._link.name}: no new data; it may have stopped measuring")

    def _read(self, ready_at: float) -> Subpage | None:
        link = self._link
        link.store(STATUS, OVERWRITE_ENABLED)
        ram = link.words(RAM, WORDS)
        link.raise_if_stuck(ram, "RAM")
        status = link.agreed_word(STATUS)
        if status & NEW_DATA:
            # It is there already, so the next wait must not sleep.
            self._earliest = ready_at
            return None
        number = status & SUBPAGE_BITS
        if number > 1:
            self._counters.glitches += 1
            raise FrameError(f"{link.name}: status 0x{status:04X} names no subpage")
        if link.word(CONTROL) != self.control:
            control = link.agreed_word(CONTROL)
            if control != self.control:
                raise self._was_reset(control)
            self._counters.glitches += 1
        frame = np.empty(WORDS + 2, dtype=np.uint16)
        frame[:WORDS] = ram
        frame[WORDS:] = self.control, number
        return Subpage(frame, number, ready_at)

    def _was_reset(self, control: int) -> BusError:
        self._counters.resets += 1
        return BusError(
            errno.EIO,
            f"{self._link.name}: control register is 0x{control:04X} instead of 0x{self.control:04X}: "
            "the sensor was reset (supply dip?); open it again",
        )
