"""The gate's own sensors, opened for a calibration: frames and pictures of a scene that stands still."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from controller.calibrate.refusal import CalibrationError, Refusal
from hw.errors import BusError, DeviceTimeout, FrameError, NotReady

if TYPE_CHECKING:
    from types import TracebackType

    from hw.board import Sensors
    from hw.ports import Camera, ImageFrame, ThermalFrame, ThermalInfo, ThermalSensor

READ_TIMEOUT: Final = 3.0
"""Seconds; a picture or frame is due within one, and an SD card's pause must not end a calibration."""
BAD_FRAMES: Final = 0.5
"""Share of torn or glitched frames from which the sensor is no basis for anything."""


BAD_PICTURES: Final = 10
"""Pictures of one look that may not be whole."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a scene."""

    frames: list[ThermalFrame]
    before: list[ImageFrame]
    """Pictures from just before the frames; empty where none were asked for."""
    after: list[ImageFrame]
    """And from just after them: what is elsewhere on these has moved."""


class Eyes:
    """Sensor and camera of one gate. A context manager; opens what it is asked for, and never the gate's lines."""

    def __init__(self, sensors: Sensors) -> None:
        self.sensors = sensors
        self.info: ThermalInfo | None = None
        """What the thermal sensor is, once it was read."""
        self._thermal: ThermalSensor | None = None
        self._camera: Camera | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release both; harmless when closed."""
        self._close_thermal()
        self._close_camera()

    def look(self, seconds: float, pictures: int = 0) -> Sight:
        """Thermal frames of `seconds`, with so many pictures before and after them. Raises `DeviceError` kinds."""
        before = self.pictures(pictures) if pictures else []
        frames = self.frames(seconds)
        return Sight(frames, before, self.pictures(pictures) if pictures else [])

    def frames(self, seconds: float) -> list[ThermalFrame]:
        """Good thermal frames of the next `seconds`, all measured from now on.

        Opens the sensor if needed, once more if it drops off. Raises `CalibrationError` (SENSOR) when most frames are
        torn, `DeviceError` kinds when it does not come back.
        """
        with self.sensors.taking_part():
            try:
                return self._frames(seconds)
            except (BusError, DeviceTimeout):
                self._close_thermal()
                return self._frames(seconds)

    def _frames(self, seconds: float) -> list[ThermalFrame]:
        if self._thermal is None:
            self._thermal = self.sensors.make_thermal()
            self.info = self._thermal.open()
        clock = self.sensors.clock
        begun = clock.monotonic()
        period = 1 / self.info.frame_rate if self.info else 1.0
        # A frame holds the subpage before it too: only the third from now on is wholly of the scene as it is now.
        fresh, end = begun + 2.5 * period, begun + 2.5 * period + seconds
        good: list[ThermalFrame] = []
        bad = 0
        while clock.monotonic() < end:
            try:
                frame = self._thermal.read(READ_TIMEOUT)
            except NotReady:
                continue
            except FrameError:
                bad += 1
                continue
            if frame.timestamp >= fresh:
                good.append(frame)
        if bad > BAD_FRAMES * (bad + len(good)):
            raise CalibrationError(
                Refusal.SENSOR, f"{bad} of {bad + len(good)} thermal frames were torn: see to the bus and its cable"
            )
        return good

    def pictures(self, count: int) -> list[ImageFrame]:
        """The next `count` pictures exposed from now on. Raises `DeviceError` kinds."""
        with self.sensors.taking_part():
            try:
                return self._pictures(count)
            except (BusError, DeviceTimeout):
                self._close_camera()
                return self._pictures(count)

    def _pictures(self, count: int) -> list[ImageFrame]:
        if self._camera is None:
            self._camera = self.sensors.make_camera()
            self._camera.open()
        clock = self.sensors.clock
        begun, limit = clock.monotonic(), time.monotonic() + 10 * READ_TIMEOUT
        found: list[ImageFrame] = []
        bad = 0
        while len(found) < count:
            try:
                picture = self._camera.read(READ_TIMEOUT)
            except FrameError:
                bad += 1
                if bad > BAD_PICTURES:
                    raise
                continue
            # A driver's buffer may still hold pictures of the scene as it was.
            if picture.timestamp >= begun:
                found.append(picture)
            elif time.monotonic() > limit:
                raise CalibrationError(Refusal.SENSOR, "the camera gives old pictures only; start anew")
        return found

    def _close_thermal(self) -> None:
        if self._thermal is not None:
            self._thermal.close()
            self._thermal = None

    def _close_camera(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None
