"""The cameras of this machine: which source `[camera] source` means, and whether one gives pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw.errors import DeviceMissing, FrameError
from hw.settings import PICAMERA, RTSP

if TYPE_CHECKING:
    from hw.bus import FrameSource
    from hw.clock import Clock
    from hw.ports import Camera
    from hw.settings import CameraSettings

PROBE_TIMEOUT: Final = 3.0
"""Seconds a camera may take for its first picture."""
PROBE_PICTURES: Final = 5
"""Pictures of which one must be whole."""


def camera_source(settings: CameraSettings, clock: Clock) -> FrameSource:
    """The live camera that is set, unopened. Raises `DeviceMissing` for what only a rehearsal can play."""
    if settings.source.startswith(RTSP):
        from hw.linux.rtsp import RtspSource  # noqa: PLC0415 - each loads what only it needs

        return RtspSource(settings.source, settings, clock)
    if settings.source.startswith(PICAMERA):
        from hw.linux.picamera import PicameraSource  # noqa: PLC0415

        return PicameraSource(int(settings.source.removeprefix(PICAMERA)), settings, clock)
    from hw.linux.v4l2 import V4l2Source  # noqa: PLC0415

    path = Path(settings.source)
    if path.is_dir() or (path.is_file() and not path.is_char_device()):
        raise DeviceMissing(f"{settings.source} holds recorded pictures; before a real lock stands a live camera")
    return V4l2Source(settings.source, settings, clock)


def first_picture(device: Camera) -> None:
    """Wait for a whole picture: a camera may open and give nothing. Raises the `DeviceError` of the last attempt."""
    for attempt in range(PROBE_PICTURES):
        try:
            device.read(PROBE_TIMEOUT)
        except FrameError:  # many cameras' first picture is half of one
            if attempt == PROBE_PICTURES - 1:
                raise
        else:
            return
