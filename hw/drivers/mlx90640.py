"""Driver of the Melexis MLX90640 thermal array (24 x 32 pixels, I2C), data sheet rev 12.

`docs/thermal-sensor.md` lists what it guards against.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np

from _fastcore.thermal import CalibrationError, Mlx90640
from hw.drivers.mlx90640_link import (
    COLUMNS,
    CONTROL,
    LAYOUT_BITS,
    OVERWRITE_ENABLED,
    ROWS,
    STATUS,
    WORDS,
    EepromReading,
    Mlx90640Link,
    control_word,
    refresh_hz,
)
from hw.drivers.mlx90640_picture import PictureBuilder
from hw.drivers.mlx90640_stream import Mlx90640Counters, SubpageStream
from hw.errors import BusError, CalibrationDataError, DeviceClosed, DeviceTimeout
from hw.ports import ThermalInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.bus import I2cBus
    from hw.clock import Clock
    from hw.ports import ThermalFrame
    from hw.thermal_settings import Mlx90640Settings

EEPROM_CLOCK_LIMIT: Final = 400_000
"""Hertz (Table 5, note 5)."""
REFRESH_RATES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
BUSY_SHARE: Final = 0.75
"""Share of a subpage period that reading it may take, so that polling and a busy processor do not tear it."""
CONTROL_ATTEMPTS: Final = 3
POWER_ON_PERIOD: Final = 0.5
"""Seconds of a subpage at the factory's 2 Hz: after power-on one such may be under way, whatever was set since."""
NETD_1HZ: Final = {"BAA": 0.14, "BAB": 0.25}
"""Average noise of a pixel at 1 Hz, K (Table 14)."""
LENSES: Final = {"BAA": (110.0, 75.0), "BAB": (55.0, 35.0)}
"""Fields of view, degrees (data sheet, ordering information)."""


class Mlx90640Driver:
    """An MLX90640 as `hw.ports.ThermalSensor`.

    Args:
        bus: owned by the driver, and closed with it.
        settings: address, refresh rate, pattern, emissivity, reflected temperature, mirroring.
        clock: waits and timestamps.
    """

    def __init__(self, bus: I2cBus, settings: Mlx90640Settings, clock: Clock) -> None:
        self.counters = Mlx90640Counters()
        self._settings = settings
        self._clock = clock
        self._link = Mlx90640Link(bus, settings.address)
        self._session: _Session | None = None
        self._opened = False

    def open(self) -> ThermalInfo:
        """Find the sensor, read its calibration, set it up and start it.

        A refresh rate that the bus cannot keep up with is lowered to the fastest it can, with a warning.

        Raises:
            BusError: it does not answer, or the bus is stuck (`BusStuck`).
            CalibrationDataError: its EEPROM is not one of a working sensor, or cannot be read reliably.
        """
        self._end_session()
        if self._opened:
            self.counters.reinits += 1
            self._link.bus.recover()
        self._opened = True
        before = self._first_contact()
        started = self._clock.monotonic()
        eeprom = self._link.read_eeprom()
        transfer = self._transfer_seconds((self._clock.monotonic() - started) / 2)
        calibration = self._calibrate(eeprom)
        rate = self._feasible_rate(transfer)
        control = self._set_up(control_word(rate, chess=self._settings.pattern == "chess"))
        stop = threading.Event()
        info = self._info(eeprom, calibration, control, transfer)
        settle = max(1.0 / refresh_hz(before), POWER_ON_PERIOD)
        self._session = _Session(
            stop=stop,
            stream=SubpageStream(self._link, control, self._clock, stop, self.counters, settle=settle),
            builder=PictureBuilder(
                calibration,
                eeprom.words,
                self._settings,
                self.counters,
                period=1.0 / refresh_hz(control),
                noise=info.noise,
                name=self._link.name,
            ),
            # The measurement under way still has the layout before.
            drop=1 if (before ^ control) & LAYOUT_BITS else 0,
        )
        return info

    def read(self, timeout: float) -> ThermalFrame:
        """Wait for the next renewed frame; the first one comes when both subpages are in.

        Raises:
            DeviceTimeout: none within `timeout` seconds, or for 2.5 subpage periods.
            FrameError: torn or glitched; try again.
            BusError: off the bus, stuck, or reset; open again.
            DeviceClosed: not open, or closed meanwhile.
        """
        session = self._session
        if session is None:
            raise DeviceClosed(f"{self._link.name} is not open")
        deadline = self._clock.monotonic() + timeout
        while True:
            frame = session.read(deadline)
            if frame is not None:
                return frame
            if self._clock.monotonic() >= deadline:
                raise DeviceTimeout(f"{self._link.name}: no whole frame within {timeout:g} s")

    def close(self) -> None:
        """End a wait in another thread and release the bus; harmless when closed."""
        self._end_session()
        self._link.bus.close()

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.stop.set()

    def _first_contact(self) -> int:
        """The control register as found; one recovery of the bus if it does not answer at once."""
        try:
            return self._link.agreed_word(CONTROL)
        except BusError:
            self._link.bus.recover()
            return self._link.agreed_word(CONTROL)

    def _transfer_seconds(self, measured: float) -> float:
        """Seconds of an 832-word read: nine bits a byte at the told clock, else as measured."""
        told = self._link.bus.clock_hz
        return measured if told is None else 2 * 9 * WORDS / told

    def _feasible_rate(self, transfer: float) -> float:
        asked = float(self._settings.refresh_hz)
        feasible = [rate for rate in REFRESH_RATES if rate <= asked and transfer <= BUSY_SHARE / rate]
        return max(feasible, default=REFRESH_RATES[0])

    def _calibrate(self, eeprom: EepromReading) -> Mlx90640:
        try:
            return Mlx90640(eeprom.words)
        except CalibrationError as error:
            raise CalibrationDataError(f"{self._link.name}: {error}") from error

    def _set_up(self, wanted: int) -> int:
        """Write the control register and clear the new-data flag. Returns the word that the sensor then shows.

        What it shows counts from then on, be it what was asked for or not: the words are converted by it.
        """
        shown = wanted
        for _ in range(CONTROL_ATTEMPTS):
            self._link.store(CONTROL, wanted)
            shown = self._link.agreed_word(CONTROL)
            if shown == wanted:
                break
        self._link.raise_if_stuck(np.array([shown], dtype=np.uint16), "control register")
        self._link.store(STATUS, OVERWRITE_ENABLED)
        return shown

    def _info(self, eeprom: EepromReading, calibration: Mlx90640, control: int, transfer: float) -> ThermalInfo:
        kind = lens(eeprom.words)
        rate = refresh_hz(control)
        return ThermalInfo(
            model=f"MLX90640 {kind} ({LENSES[kind][0]:g} x {LENSES[kind][1]:g} degrees)",
            serial="".join(f"{word:04x}" for word in eeprom.words[7:10]),
            rows=ROWS,
            columns=COLUMNS,
            frame_rate=rate,
            noise=NETD_1HZ[kind] * rate**0.5,
            warnings=(
                *self._bus_warnings(eeprom, transfer),
                *self._setting_warnings(eeprom, control, transfer),
                *_defect_warnings(calibration),
            ),
            fov=LENSES[kind],
        )

    def _bus_warnings(self, eeprom: EepromReading, transfer: float) -> list[str]:
        told = self._link.bus.clock_hz
        found = []
        if told is None:
            found.append(
                f"{self._link.bus.name} does not tell its clock (a frame took {transfer * 1e3:.0f} ms); EEPROM needs "
                "400 kHz or less: set dtparam=i2c_arm_baudrate=400000"
            )
        elif told > EEPROM_CLOCK_LIMIT:
            found.append(
                f"{self._link.bus.name} runs at {told / 1e3:g} kHz; the sensor's EEPROM is specified to 400 kHz: set "
                "dtparam=i2c_arm_baudrate=400000 unless repeated starts show the same calibration"
            )
        if eeprom.unsure:
            found.append(f"{eeprom.unsure} EEPROM words read differently at first: noisy bus, check cable and pull-ups")
        return found

    def _setting_warnings(self, eeprom: EepromReading, control: int, transfer: float) -> list[str]:
        asked = float(self._settings.refresh_hz)
        possible = self._feasible_rate(transfer)
        wanted = control_word(possible, chess=self._settings.pattern == "chess")
        found = []
        if possible != asked:
            found.append(
                f"a frame takes {transfer * 1e3:.0f} ms on {self._link.bus.name}, too long for {asked:g} Hz: "
                f"running at {possible:g} Hz"
            )
        if control != wanted:
            found.append(f"control register shows 0x{control:04X} instead of 0x{wanted:04X}, and is believed")
        chess_calibrated = not int(eeprom.words[0x0A]) & 0x0800
        if (self._settings.pattern == "chess") != chess_calibrated:
            found.append(f"pattern {self._settings.pattern}: the sensor was calibrated in the other one, less exact")
        return found


class _Session:
    """One opening of the sensor. A thread that hung in an earlier one finds its own `stop` set."""

    def __init__(self, stop: threading.Event, stream: SubpageStream, builder: PictureBuilder, drop: int) -> None:
        self.stop = stop
        self._stream = stream
        self._builder = builder
        self._drop = drop

    def read(self, deadline: float) -> ThermalFrame | None:
        """Read one subpage; None until both have been seen."""
        subpage = self._stream.next(deadline)
        if self._drop:
            self._drop -= 1
            return None
        return self._builder.add(subpage)


def lens(eeprom: NDArray[np.uint16]) -> str:
    """BAA (110 degrees) or BAB (55): bits 3:2 of word 0x240A (melexis/mlx90640-library, issue 30)."""
    return "BAA" if (int(eeprom[0x0A]) >> 2) & 3 == 3 else "BAB"


def _defect_warnings(calibration: Mlx90640) -> list[str]:
    defects = calibration.defects
    found = []
    for what, pixels in (("failed", defects.broken), ("out-of-specification", defects.outliers)):
        if pixels:
            places = ", ".join(f"({pixel // COLUMNS}, {pixel % COLUMNS})" for pixel in pixels[:5])
            found.append(f"{len(pixels)} {what} pixels are filled in from their neighbours: {places}")
    if defects.code:
        found.append(f"more defect pixels than the data sheet allows (code {defects.code}); have the sensor replaced")
    return found
