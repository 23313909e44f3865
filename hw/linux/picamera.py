"""A Pi's own camera (CSI) by picamera2 and libcamera, as Raspberry Pi OS and Debian bring them.

The API is that of the Picamera2 manual: a request carries a picture and its metadata and must be given back.
"""

from __future__ import annotations

import importlib
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw.errors import DeviceClosed, DeviceError, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hw.clock import Clock
    from hw.settings import CameraSettings

FORMAT: Final = "RGB888"
"""libcamera names it from the highest byte down: in memory it is B, G, R."""
BUFFERS: Final = 4
AF_CONTINUOUS: Final = 2
FLICKER_MANUAL: Final = 1
"""libcamera's AfModeEnum.Continuous and AeFlickerModeEnum.Manual."""
FLICKER_PERIOD: Final = {50: 10_000, 60: 8_333}
"""Microseconds between a lamp's flashes, two in each period of the mains."""
OLDEST_STAMP: Final = 5.0
SHORTEST_WAIT: Final = 0.001
"""picamera2 takes 0 as `do not wait`."""


def suspended() -> float:
    """Seconds this machine has slept: CLOCK_BOOTTIME counts them, CLOCK_MONOTONIC does not."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class PicameraSource:
    """`hw.bus.FrameSource` of a Pi's camera.

    Args:
        number: as `rpicam-hello --list-cameras` counts them.
        settings: size, rate, mains.
        clock: the machine's.
        module: picamera2; None: the one that is installed.
        ahead: seconds by which libcamera's clock is ahead of `clock`.
    """

    def __init__(
        self,
        number: int,
        settings: CameraSettings,
        clock: Clock,
        *,
        module: Any = None,
        ahead: Callable[[], float] = suspended,
    ) -> None:
        self.name = f"picamera2:{number}"
        self.lost = 0
        self._place = self.name
        self._number = number
        self._settings = settings
        self._clock = clock
        self._module = module
        self._ahead = ahead
        self._camera: Any = None
        self._sequence: int | None = None

    def open(self) -> None:
        """Open and start the camera.

        Raises:
            DeviceMissing: picamera2 is not installed, or there is no such camera.
            DeviceError: another program has it, or it refuses the size.
        """
        self.close()
        module = self._module or _installed(self._place)
        there = module.Picamera2.global_camera_info()
        if self._number >= len(there):
            names = ", ".join(f"picamera2:{index} ({one.get('Model')})" for index, one in enumerate(there)) or "none"
            raise DeviceMissing(
                f"{self._place}: no such camera; there is: {names}. Check the ribbon cable, and camera_auto_detect=1 "
                "or the sensor's dtoverlay in /boot/firmware/config.txt (docs/cameras.md)"
            )
        try:
            camera = module.Picamera2(self._number)
        except (RuntimeError, IndexError) as error:
            raise DeviceError(f"{self._place}: does not open; another program may have it: {error}") from error
        try:
            told = self._start(camera)
        except Exception as error:
            camera.close()
            raise DeviceError(
                f"{self._place}: refuses {self._settings.width}x{self._settings.height}: {error}"
            ) from error
        self.name = f"{self._place} ({there[self._number].get('Model')}, {told})"
        self.lost, self._sequence, self._camera = 0, None, camera

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """The newest picture not given before; waits for one.

        Raises:
            DeviceTimeout: none within `timeout` seconds: mostly the cable.
            DeviceClosed: not open, or closed meanwhile.
            DeviceError: the camera failed; open again.
        """
        camera = self._camera
        if camera is None:
            raise DeviceClosed(f"{self._place} is not open")
        try:
            request = camera.capture_request(wait=max(timeout, SHORTEST_WAIT))
        except TimeoutError as error:
            # Else what was asked for just now would take the next picture, and nobody would give it back.
            camera.cancel_all_and_flush()
            raise DeviceTimeout(f"{self._place}: no picture within {timeout:.3g} s; check the ribbon cable") from error
        except CancelledError as error:
            raise DeviceClosed(f"{self._place} was closed") from error
        except RuntimeError as error:
            raise DeviceError(f"{self._place}: {error}") from error
        now = self._clock.monotonic()
        try:
            self._count(getattr(request.request, "sequence", None))
            stamp = request.get_metadata().get("SensorTimestamp")
            # A copy out of the camera's memory, the only one: the picture outlives its request.
            pixels = np.asarray(request.make_array("main"), dtype=np.uint8)
        finally:
            request.release()
        return pixels, self._exposed_at(stamp, now)

    def close(self) -> None:
        """End a wait in another thread and release the camera; harmless when closed."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.cancel_all_and_flush()
            camera.stop()
            camera.close()

    def _start(self, camera: Any) -> str:
        wish = self._settings
        # `queue`: the newest finished picture is at hand, and each newer one takes its place.
        configuration = camera.create_video_configuration(
            main={"size": (wish.width, wish.height), "format": FORMAT}, buffer_count=BUFFERS, queue=True
        )
        camera.configure(configuration)
        controls, told = self._controls(camera.camera_controls)
        camera.set_controls(controls)
        camera.start()
        width, height = camera.camera_configuration()["main"]["size"]
        asked = "" if (width, height) == (wish.width, wish.height) else f", asked for {wish.width}x{wish.height}"
        return ", ".join((f"{width}x{height}{asked}", f"{wish.fps:g}/s", *told))

    def _controls(self, known: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """What to set of what this sensor knows, and how to tell it."""
        period = round(1e6 / self._settings.fps)
        controls: dict[str, Any] = {"FrameDurationLimits": (period, period)}
        told = ["rate kept in the dark"]
        if "AfMode" in known:
            controls["AfMode"] = AF_CONTINUOUS
            told.append("autofocus")
        mains = self._settings.mains
        if mains is not None and {"AeFlickerMode", "AeFlickerPeriod"} <= known.keys():
            controls |= {"AeFlickerMode": FLICKER_MANUAL, "AeFlickerPeriod": FLICKER_PERIOD[mains]}
            told.append(f"{mains} Hz mains")
        elif mains is not None:
            told.append(f"no control for {mains} Hz mains")
        return controls, told

    def _count(self, sequence: int | None) -> None:
        if sequence is not None and self._sequence is not None:
            self.lost += max(0, sequence - self._sequence - 1)
        self._sequence = sequence

    def _exposed_at(self, stamp: int | None, now: float) -> float:
        """SensorTimestamp, nanoseconds of CLOCK_BOOTTIME when the first line was read, as seconds of our clock."""
        if stamp is None:
            return now
        taken = stamp * 1e-9 - self._ahead()
        return taken if now - OLDEST_STAMP < taken <= now else now


def _installed(place: str) -> Any:
    try:
        return importlib.import_module("picamera2")
    except (ImportError, ValueError) as error:  # ValueError: built for another numpy
        raise DeviceMissing(
            f"{place}: picamera2 cannot be loaded ({error}): `apt install python3-picamera2`, and make the program's "
            "venv with --system-site-packages (docs/cameras.md)"
        ) from error
