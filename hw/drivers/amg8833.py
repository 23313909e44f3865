"""Driver of the Panasonic AMG8833 (Grid-EYE) thermal array: 8 x 8 pixels, I2C.

The chip has neither an identity nor a data-ready flag nor a checksum. So frames are read by time, each twice until two
readings agree, and a word in a register that nothing else uses tells whether it lost its supply meanwhile.
`docs/thermal-sensor.md` lists what the driver guards against.
"""

from __future__ import annotations

import errno
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.errors import BusError, BusStuck, DeviceClosed, DeviceError, DeviceTimeout, FrameError
from hw.ports import ThermalFrame, ThermalInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.bus import I2cBus
    from hw.clock import Clock
    from hw.thermal_settings import Amg8833Settings

POWER: Final = 0x00
RESET: Final = 0x01
FRAME_RATE: Final = 0x02
INTERRUPT: Final = 0x03
AVERAGE: Final = 0x07
HYSTERESIS: Final = 0x0C
"""Low byte of the interrupt's hysteresis, which is of no use while the interrupt is off: it takes the mark."""
THERMISTOR: Final = 0x0E
UNLOCK_AVERAGE: Final = 0x1F
PIXELS: Final = 0x80

NORMAL: Final = 0x00
INITIAL_RESET: Final = 0x3F
UNLOCK: Final = (0x50, 0x45, 0x57)
"""Written to 0x1F before the moving average can be switched; 0x00 afterwards locks it again."""
MARK: Final = 0xA5
"""After power-on the register reads 0."""

ROWS: Final = 8
COLUMNS: Final = 8
PIXEL_STEP: Final = 0.25
"""°C; 12 bits, two's complement."""
THERMISTOR_STEP: Final = 0.0625
"""°C; 12 bits, sign and magnitude."""
FOV: Final = (60.0, 60.0)
"""Degrees (data sheet: viewing angle, typical)."""
NETD: Final = {1: 0.05, 10: 0.16}
"""K of one pixel by frames a second (data sheet: typical)."""
DIE_RANGE: Final = (-20.0, 100.0)
"""°C; it works from 0 to 80."""
PIXEL_RANGE: Final = (-55.0, 130.0)
"""°C; specified from 0 to 80 (high gain), readings beyond were seen."""
WAKE: Final = 0.05
"""Seconds from power-on or sleep to the first command (data sheet: set-up time 50 ms)."""
STABLE: Final = 2
"""Frame periods after a reset before the output holds (data sheet: two frames)."""
READINGS: Final = 4
ZERO_CELSIUS: Final = 273.15


@dataclass(slots=True)
class Amg8833Counters:
    """What went wrong since the driver was made."""

    unsure: int = 0
    """Frames that needed more than two readings."""
    glitches: int = 0
    """Readings refused."""
    missed: int = 0
    """Frames that were renewed again before they were read."""
    resets: int = 0
    """Times the sensor was found without its mark: it lost its supply."""
    reinits: int = 0
    """Times it was opened again."""


def pixel_temperature(words: NDArray[np.uint16]) -> NDArray[np.float32]:
    """°C of 12-bit two's complement words, of any shape (Adafruit_CircuitPython_AMG88xx, issue 11)."""
    signed = (words & 0x0FFF).astype(np.int32)
    return ((signed ^ 0x800) - 0x800).astype(np.float32) * np.float32(PIXEL_STEP)


def thermistor_temperature(word: int) -> float:
    """°C of a 12-bit word of sign and magnitude (the same, issue 15)."""
    magnitude = (word & 0x07FF) * THERMISTOR_STEP
    return -magnitude if word & 0x0800 else magnitude


class Amg8833Driver:
    """An AMG8833 as `hw.ports.ThermalSensor`.

    Args:
        bus: owned by the driver, and closed with it.
        settings: address, frame rate, emissivity, reflected temperature, mirroring.
        clock: waits and timestamps.
    """

    def __init__(self, bus: I2cBus, settings: Amg8833Settings, clock: Clock) -> None:
        self.counters = Amg8833Counters()
        self.name = f"AMG8833 at 0x{settings.address:02x} on {bus.name}"
        self._bus = bus
        self._settings = settings
        self._clock = clock
        self._stop: threading.Event | None = None
        self._opened = False
        self._began = 0.0
        self._index = -1

    def open(self) -> ThermalInfo:
        """Find the sensor, reset it and set it up: no moving average, no interrupt.

        Raises:
            BusError: it does not answer, or the bus is stuck (`BusStuck`).
            DeviceError: what answers is no AMG8833, or does not take its settings.
        """
        self._end()
        if self._opened:
            self.counters.reinits += 1
            self._bus.recover()
        self._opened = True
        stop = threading.Event()
        self._first_contact()
        self._store(POWER, NORMAL)
        self._pause(stop, WAKE)
        self._store(RESET, INITIAL_RESET)
        self._pause(stop, WAKE)
        self._set_up()
        self._pause(stop, STABLE / self._settings.frame_hz)
        self._began = self._clock.monotonic()
        self._index = -1
        self._stop = stop
        return ThermalInfo(
            model=f"AMG8833 ({FOV[0]:g} x {FOV[1]:g} degrees)",
            serial="none",
            rows=ROWS,
            columns=COLUMNS,
            frame_rate=float(self._settings.frame_hz),
            noise=NETD[self._settings.frame_hz],
            fov=FOV,
        )

    def read(self, timeout: float) -> ThermalFrame:
        """Wait for the next frame's time, and read it.

        Raises:
            DeviceTimeout: it would be later than `timeout` seconds.
            FrameError: readings that do not agree, or cannot be; try again.
            BusError: off the bus, stuck, or reset; open again.
            DeviceClosed: not open, or closed meanwhile.
        """
        stop = self._stop
        if stop is None:
            raise DeviceClosed(f"{self.name} is not open")
        index = max(self._index + 1, math.floor((self._clock.monotonic() - self._began) * self._settings.frame_hz))
        wait = self._began + index / self._settings.frame_hz - self._clock.monotonic()
        if wait > timeout:
            self._pause(stop, timeout)
            raise DeviceTimeout(errno.ETIMEDOUT, f"{self.name}: no frame within {timeout:g} s")
        self._pause(stop, wait)
        self.counters.missed += index - self._index - 1
        self._index = index
        return self._frame(index)

    def close(self) -> None:
        """End a wait in another thread and release the bus; harmless when closed."""
        self._end()
        self._bus.close()

    def _end(self) -> None:
        stop, self._stop = self._stop, None
        if stop is not None:
            stop.set()

    def _pause(self, stop: threading.Event, seconds: float) -> None:
        if stop.is_set() or (seconds > 0 and self._clock.wait(stop, seconds)):
            raise DeviceClosed(f"{self.name} was closed")

    def _first_contact(self) -> None:
        """See whether it may be one; one recovery of the bus if nothing answers at once."""
        try:
            words = self._words(THERMISTOR, 1)
        except BusError:
            self._bus.recover()
            words = self._words(THERMISTOR, 1)
        block = np.concatenate([words, self._words(PIXELS, ROWS * COLUMNS)])
        if block[0] == 0xFFFF and bool((block == 0xFFFF).all()):
            raise BusStuck(errno.EIO, f"{self.name}: every register reads 0xFF: SDA is floating; check the cable")
        if bool((block & 0xF000).any()):
            raise DeviceError(
                f"{self.name}: what answers is no AMG8833: its words have more than 12 bits (thermistor "
                f"0x{int(block[0]):04X})"
            )

    def _set_up(self) -> None:
        for value in UNLOCK:
            self._store(UNLOCK_AVERAGE, value)
        self._settle(AVERAGE, 0x00)
        self._store(UNLOCK_AVERAGE, 0x00)
        self._settle(INTERRUPT, 0x00)
        self._settle(FRAME_RATE, 0x01 if self._settings.frame_hz == 1 else 0x00)
        self._settle(HYSTERESIS, MARK)

    def _settle(self, register: int, value: int) -> None:
        """Write a register and see that it took."""
        shown = value
        for _ in range(3):
            self._store(register, value)
            shown = self._bytes(register, 1)[0]
            if shown == value:
                return
        if shown in {0x00, 0xFF}:
            raise BusStuck(
                errno.EIO,
                f"{self.name}: register 0x{register:02X} reads 0x{shown:02X} whatever is written: SDA is held",
            )
        raise DeviceError(f"{self.name}: register 0x{register:02X} shows 0x{shown:02X} instead of 0x{value:02X}")

    def _frame(self, index: int) -> ThermalFrame:
        at = self._clock.monotonic()
        words = self._agreed()
        if self._bytes(HYSTERESIS, 1)[0] != MARK and self._bytes(HYSTERESIS, 1)[0] != MARK:
            self.counters.resets += 1
            raise BusError(errno.EIO, f"{self.name}: its settings are gone: it was reset (supply dip?); open it again")
        die = thermistor_temperature(int(words[0]))
        seen = pixel_temperature(words[1:])
        low, high = PIXEL_RANGE
        if (
            bool((words & 0xF000).any())
            or not DIE_RANGE[0] <= die <= DIE_RANGE[1]
            or bool(((seen < low) | (seen > high)).any())
        ):
            self.counters.glitches += 1
            raise FrameError(f"{self.name}: thermistor {die:.1f} °C, pixels {seen.min():.1f} to {seen.max():.1f} °C")
        picture = self._of_surface(seen).reshape(ROWS, COLUMNS)
        return ThermalFrame(
            temperatures=np.ascontiguousarray(picture[:, ::-1]) if self._settings.flip else picture,
            ambient=die,
            supply=float("nan"),
            timestamp=at,
            sequence=index,
            subpage=0,
        )

    def _agreed(self) -> NDArray[np.uint16]:
        """uint16[65], thermistor and pixels, as two readings in a row agree: no byte was wrong, none was renewed."""
        before = self._reading()
        for attempt in range(1, READINGS):
            now = self._reading()
            if np.array_equal(now, before):
                self.counters.unsure += attempt > 1
                return now
            before = now
        self.counters.glitches += 1
        raise FrameError(f"{self.name}: {READINGS} readings differ: noisy bus, check cable and pull-ups")

    def _reading(self) -> NDArray[np.uint16]:
        words = np.concatenate([self._words(THERMISTOR, 1), self._words(PIXELS, ROWS * COLUMNS)])
        if bool((words == 0xFFFF).all()):
            raise BusStuck(errno.EIO, f"{self.name}: every register reads 0xFF: SDA is floating; check the cable")
        return words

    def _of_surface(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """Surface temperature for the emissivity: the chip tells that of a black body which radiates as much."""
        share = self._settings.emissivity
        total = (seen.astype(np.float64) + ZERO_CELSIUS) ** 4
        around = (self._settings.reflected + ZERO_CELSIUS) ** 4
        own = np.maximum((total - (1 - share) * around) / share, 1.0)
        return np.asarray(own**0.25 - ZERO_CELSIUS, dtype=np.float32)

    def _words(self, register: int, count: int) -> NDArray[np.uint16]:
        return np.frombuffer(self._bytes(register, 2 * count), dtype="<u2").astype(np.uint16)

    def _bytes(self, register: int, count: int) -> bytes:
        data = self._bus.write_read(self._settings.address, bytes((register,)), count)
        if len(data) != count:
            raise BusError(errno.EIO, f"{self.name}: {len(data)} bytes instead of {count} from 0x{register:02X}")
        return data

    def _store(self, register: int, value: int) -> None:
        self._bus.write(self._settings.address, bytes((register, value)))
