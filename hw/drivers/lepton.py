"""Driver of the FLIR Lepton 2.5 (80 x 60) and 3.5 (160 x 120): commands over I2C, video over SPI.

`docs/thermal-sensor.md` lists what it guards against.
"""

from __future__ import annotations

import errno
import re
import struct
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from hw.drivers import lepton_cci as cci
from hw.drivers.lepton_cci import CommandRefused, LeptonCci
from hw.drivers.lepton_picture import UNIQUE_RATE, ZERO_CELSIUS, FrameAssembler, LeptonPictures
from hw.drivers.lepton_vospi import LEPTON_2, LEPTON_3, PACKET, Layout, LeptonCounters, SegmentReader
from hw.errors import BusError, BusStuck, DeviceClosed, DeviceError, DeviceTimeout, NotReady
from hw.ports import ThermalInfo

if TYPE_CHECKING:
    from hw.bus import I2cBus, ResetLine, SpiBus
    from hw.clock import Clock
    from hw.ports import ThermalFrame
    from hw.thermal_settings import LeptonSettings


class Model(NamedTuple):
    """What a part number stands for."""

    name: str
    layout: Layout
    fov: tuple[float, float]
    """Degrees (data sheets: horizontal 51 and 57; the vertical one by the pixels' equal size)."""
    radiometric: bool


MODELS: Final = {
    "500-0659-01": Model("Lepton 2.0", LEPTON_2, (51.0, 39.4), radiometric=False),
    "500-0763-01": Model("Lepton 2.5", LEPTON_2, (51.0, 39.4), radiometric=True),
    "500-0726-01": Model("Lepton 3.0", LEPTON_3, (57.0, 44.3), radiometric=False),
    "500-0771-01": Model("Lepton 3.5", LEPTON_3, (57.0, 44.3), radiometric=True),
}
NETD: Final = 0.05
"""K of one pixel of one frame (data sheets: below 0.05)."""
BOOT: Final = 2.0
"""Seconds that it may take to boot; the data sheet says 0.95. Opening one that has to be restarted takes 3 s in all: a
thread that is silent for 5 s counts as hanging."""
RESET_PULSE: Final = 0.01
OFF_THE_BUS: Final = 0.95
"""Seconds after a reset before it is spoken to (data sheet, power-on sequence)."""
FIRST_SEGMENT: Final = 0.5
BUSY_SHARE: Final = 0.9
"""Share of a segment's period that clocking it out may take."""
FLUX_ONE: Final = 8192
"""1.0 in the module's flux parameters."""
RAW14: Final = 7


class LeptonDriver:
    """A Lepton as `hw.ports.ThermalSensor`.

    Args:
        bus: of the commands; owned by the driver, and closed with it.
        spi: of the video; likewise.
        settings: address, emissivity, reflected temperature, settling time, mirroring.
        clock: waits and timestamps.
        reset: the module's reset line; None: it is restarted by command.
    """

    def __init__(
        self, bus: I2cBus, spi: SpiBus, settings: LeptonSettings, clock: Clock, *, reset: ResetLine | None = None
    ) -> None:
        self.counters = LeptonCounters()
        self._settings = settings
        self._clock = clock
        self._bus = bus
        self._spi = spi
        self._reset = reset
        self._cci = LeptonCci(bus, settings.address, clock)
        self._session: _Session | None = None
        self._opened = False

    def open(self) -> ThermalInfo:
        """Find the module, have it give temperatures, and come into step with its video.

        Video that does not come into step has the module restarted, once: by the reset line, or by command.

        Raises:
            BusError: it does not answer, or its video is stuck (`BusStuck`) even after a restart.
            DeviceError: it is a Lepton without radiometry or none that is known, or refuses a setting.
        """
        self._end_session()
        if self._opened:
            self.counters.reinits += 1
            self._bus.recover()
        self._opened = True
        stop = threading.Event()
        self._first_contact(stop)
        part, model = self._identify()
        self._check_speed(model)
        self._configure(part)
        serial = self._cci.agreed(cci.SERIAL, 4)
        session = self._start(model, stop)
        try:
            session.wait_for_video(self._clock.monotonic() + FIRST_SEGMENT)
        except (BusStuck, DeviceTimeout):
            self._restart(stop)
            self._configure(part)
            session = self._start(model, stop)
            session.wait_for_video(self._clock.monotonic() + 2 * FIRST_SEGMENT)
        self._session = session
        return self._info(model, part, serial)

    def read(self, timeout: float) -> ThermalFrame:
        """Wait for the next frame that has not been given yet.

        Raises:
            DeviceTimeout: none within `timeout` seconds.
            NotReady: none, because the shutter is closed or has just opened; try again.
            FrameError: one that cannot be; try again.
            BusError: off the bus, out of step for good, or restarted; open again.
            DeviceClosed: not open, or closed meanwhile.
        """
        session = self._session
        if session is None:
            raise DeviceClosed(f"{self._cci.name} is not open")
        deadline = self._clock.monotonic() + timeout
        while True:
            try:
                frame = session.read(deadline)
            except DeviceTimeout as error:
                raise self._why_late(session, timeout) or error from error
            if frame is not None:
                return frame
            late = self._clock.monotonic() >= deadline and self._why_late(session, timeout)
            if late:
                raise late

    def _why_late(self, session: _Session, timeout: float) -> Exception | None:
        """What the newest whole frame says of why no new one came; None where it says nothing."""
        if session.pictures.shuttered:
            return NotReady(f"{self._cci.name}: flat-field correction under way")
        if session.pictures.repeating:
            return DeviceTimeout(
                errno.ETIMEDOUT, f"{self._cci.name}: no new frame within {timeout:g} s: its picture stands still"
            )
        return None

    def close(self) -> None:
        """End a wait in another thread and release both buses; harmless when closed."""
        self._end_session()
        self._bus.close()
        self._spi.close()

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.stop.set()

    def _first_contact(self, stop: threading.Event) -> None:
        try:
            # From power-on it is off the bus for about a second.
            self._cci.wait_until_booted(BOOT, stop, absent=OFF_THE_BUS + 0.25)
        except BusError:
            self._bus.recover()
            self._cci.wait_until_booted(BOOT, stop, absent=0.0)

    def _identify(self) -> tuple[str, Model]:
        words = self._cci.agreed(cci.PART_NUMBER, cci.MOST_WORDS)
        # Firmwares differ in which of a word's bytes comes first.
        texts = [struct.pack(f"{order}{len(words)}H", *words) for order in "<>"]
        found = [match[0].decode() for text in texts if (match := re.match(rb"500-\d{4}-\d\d", text))]
        model = MODELS.get(found[0]) if found else None
        if model is None:
            shown = found[0] if found else texts[0].rstrip(b"\0").decode("ascii", "replace")
            raise DeviceError(f"{self._cci.name}: part number {shown!r} is no Lepton known here ({', '.join(MODELS)})")
        if not model.radiometric:
            raise DeviceError(
                f"{self._cci.name}: {model.name} ({found[0]}) has no radiometry: its counts (raw14) depend on its own "
                "temperature and give no degrees; a Lepton 2.5 or 3.5 is needed"
            )
        return found[0], model

    def _check_speed(self, model: Model) -> None:
        needs = model.layout.packets * PACKET * 8 / (BUSY_SHARE * model.layout.period)
        if self._spi.clock_hz < needs:
            raise DeviceError(
                f"{self._cci.name}: {self._spi.name} runs at {self._spi.clock_hz / 1e6:g} MHz, and a "
                f"{model.name} needs {needs / 1e6:.1f} MHz to be read in time: raise [thermal] spi_hz"
            )

    def _configure(self, part: str) -> None:
        """Temperatures in steps of 0.01 K, for this emissivity, with telemetry after the picture."""
        scene = round(FLUX_ONE * self._settings.emissivity)
        around = round(100 * (self._settings.reflected + ZERO_CELSIUS))
        try:
            for command, words in (
                (cci.AGC_ENABLE, [0, 0]),
                (cci.VIDEO_FORMAT, [RAW14, 0]),
                (cci.TELEMETRY_ENABLE, [1, 0]),
                (cci.TELEMETRY_LOCATION, [1, 0]),
                (cci.GAIN_MODE, [0, 0]),
                (cci.RAD_ENABLE, [1, 0]),
                # Emissivity, background, window (none) and air between (none).
                (cci.FLUX_LINEAR, [scene, around, FLUX_ONE, around, FLUX_ONE, around, 0, around]),
                (cci.TLINEAR_AUTO, [0, 0]),
                (cci.TLINEAR_RESOLUTION, [1, 0]),
                (cci.TLINEAR_ENABLE, [1, 0]),
            ):
                self._cci.settle_on(command, words)
        except CommandRefused as error:
            if error.code not in cci.NOT_SUPPORTED:
                raise
            raise DeviceError(f"{self._cci.name}: {part} gives no temperatures: {error}") from error

    def _start(self, model: Model, stop: threading.Event) -> _Session:
        reader = SegmentReader(self._spi, model.layout, self._clock, stop, self.counters, name=self._cci.name)
        pictures = LeptonPictures(model.layout, self._settings, self.counters, self._cci.name)
        return _Session(stop, reader, FrameAssembler(model.layout), pictures)

    def _restart(self, stop: threading.Event) -> None:
        self.counters.resets += 1
        if self._reset is not None:
            self._reset.pulse(RESET_PULSE)
        else:
            self._cci.reboot()
        if self._clock.wait(stop, OFF_THE_BUS):
            raise DeviceClosed(f"{self._cci.name} was closed")
        self._cci.wait_until_booted(BOOT, stop, absent=BOOT)

    def _info(self, model: Model, part: str, serial: list[int]) -> ThermalInfo:
        return ThermalInfo(
            model=f"{model.name} ({model.fov[0]:g} x {model.fov[1]:g} degrees, {part})",
            serial="".join(f"{word:04x}" for word in reversed(serial)),
            rows=model.layout.rows,
            columns=model.layout.columns,
            frame_rate=UNIQUE_RATE,
            noise=NETD,
            fov=model.fov,
        )


class _Session:
    """One opening of the module. A thread that hung in an earlier one finds its own `stop` set."""

    def __init__(
        self, stop: threading.Event, reader: SegmentReader, assembler: FrameAssembler, pictures: LeptonPictures
    ) -> None:
        self.stop = stop
        self.pictures = pictures
        self._reader = reader
        self._assembler = assembler

    def wait_for_video(self, deadline: float) -> None:
        """Come into step."""
        self._reader.resync()
        self._reader.next(deadline)

    def read(self, deadline: float) -> ThermalFrame | None:
        """Read one segment; None until a frame is whole and new."""
        whole = self._assembler.add(self._reader.next(deadline))
        return None if whole is None else self.pictures.add(*whole)
