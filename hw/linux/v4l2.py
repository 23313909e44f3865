"""A V4L2 camera through OpenCV. A thread keeps only the newest picture, so a slow reader never sees an old one."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import cv2

from hw.errors import DeviceClosed, DeviceDenied, DeviceError, DeviceMissing, DeviceTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from hw.clock import Clock
    from hw.settings import CameraSettings

QUERYCAP: Final = 0x80685600
"""VIDIOC_QUERYCAP, _IOR('V', 0, struct v4l2_capability) (linux/videodev2.h)."""
CAPABILITY: Final = struct.Struct("=16s32s32sIII12x")
"""driver, card, bus_info, version, capabilities, device_caps."""
VIDEO_CAPTURE: Final = 0x1 | 0x1000
"""Single- or multi-planar capture."""
DEVICE_CAPS: Final = 0x80000000
OLDEST_STAMP: Final = 5.0
"""Seconds that a kernel timestamp may lie back and still be taken for one of this clock."""
RELEASE_PATIENCE: Final = 1.0
"""Seconds that closing waits for the capture's last picture."""
FAILURES: Final = 10
"""Failed grabs in a row after which the camera counts as gone."""


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Whether the device is open."""
        ...

    def set(self, prop: int, value: float, /) -> bool:
        """Set a property."""
        ...

    def get(self, prop: int, /) -> float:
        """Get a property."""
        ...

    def read(self) -> tuple[bool, Any]:
        """Wait for the next picture."""
        ...

    def release(self) -> None:
        """Close."""
        ...


def capture_card(path: str) -> str:
    """The name of the camera behind a V4L2 node.

    Raises:
        DeviceMissing: no such node.
        DeviceDenied: not permitted.
        DeviceError: the node is no camera, or does not answer.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except FileNotFoundError as error:
        others = ", ".join(sorted(str(node) for node in Path(path).parent.glob("video*"))) or "none"
        raise DeviceMissing(errno.ENOENT, f"{path}: no such camera; there is: {others}") from error
    except PermissionError as error:
        raise DeviceDenied(
            errno.EACCES, f"{path}: permission denied: the service's user must be in group video"
        ) from error
    except OSError as error:
        raise DeviceError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        if not stat.S_ISCHR(os.fstat(descriptor).st_mode):
            raise DeviceError(f"{path}: not a camera but a file")
        answer = fcntl.ioctl(descriptor, QUERYCAP, bytes(CAPABILITY.size))
    except OSError as error:
        raise DeviceError(f"{path}: not a V4L2 device: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return parse_capability(path, answer)


def parse_capability(path: str, answer: bytes) -> str:
    """The card's name from a v4l2_capability; DeviceError where the node cannot capture."""
    _, card, _, _, all_caps, node_caps = CAPABILITY.unpack(answer)
    name = card.split(b"\0", 1)[0].decode(errors="replace")
    if not (node_caps if all_caps & DEVICE_CAPS else all_caps) & VIDEO_CAPTURE:
        raise DeviceError(f"{path}: {name!r} is not a camera (a codec or metadata node); try another /dev/video*")
    return str(name)


class V4l2Source:
    """`hw.bus.FrameSource` of a camera.

    Args:
        path: the node, e.g. `/dev/video0`.
        settings: size and rate asked for; the camera may choose others.
        clock: the machine's: kernel timestamps are taken as its seconds where they fit.
        make: opens a capture on a path; None: OpenCV's.
        card: tells the camera's name or raises; None: asks the kernel.
    """

    def __init__(
        self,
        path: str,
        settings: CameraSettings,
        clock: Clock,
        *,
        make: Callable[[str], Capture] | None = None,
        card: Callable[[str], str] = capture_card,
    ) -> None:
        self.name = path
        self._path = path
        self._settings = settings
        self._clock = clock
        self._make = make or _open_capture
        self._card = card
        self._pump: _Pump | None = None

    def open(self) -> None:
        """Open the camera. Raises `DeviceMissing`, `DeviceDenied` or `DeviceError`."""
        self.close()
        card = self._card(self._path)
        capture = self._make(self._path)
        if not capture.isOpened():
            capture.release()
            raise DeviceError(f"{self._path}: {card} does not open: another program may be using it")
        # MJPG first: the raw formats of USB cameras do not reach full rate at larger sizes.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._settings.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._settings.height)
        capture.set(cv2.CAP_PROP_FPS, self._settings.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        size = f"{capture.get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{capture.get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
        self.name = f"{self._path} ({card}, {size}, {capture.get(cv2.CAP_PROP_FPS):.3g}/s)"
        self._pump = _Pump(capture, self._clock, self._path)

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """The newest picture not given before; waits for one.

        Raises:
            DeviceTimeout: none within `timeout` seconds.
            DeviceError: the camera stopped giving pictures.
            DeviceClosed: not open.
        """
        pump = self._pump
        if pump is None:
            raise DeviceClosed(f"{self._path} is not open")
        return pump.take(timeout)

    def close(self) -> None:
        """Stop the thread; harmless when closed."""
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.stop()


class _Pump:
    """Reads a capture on a thread of its own. A capture that hangs holds only this thread, which nobody joins."""

    def __init__(self, capture: Capture, clock: Clock, path: str) -> None:
        self._capture = capture
        self._clock = clock
        self._path = path
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._newest: tuple[NDArray[np.uint8], float] | None = None
        self._error: DeviceError | None = None
        self._stopped = False
        self._thread = clock.spawn(self._run, f"camera {path}")

    def take(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        deadline = self._clock.monotonic() + timeout
        while True:
            with self._lock:
                if self._newest is not None:
                    newest, self._newest = self._newest, None
                    self._changed.clear()
                    return newest
                if self._error is not None:
                    raise self._error
            left = deadline - self._clock.monotonic()
            if left <= 0 or not self._clock.wait(self._changed, left):
                raise DeviceTimeout(f"{self._path}: no picture within {timeout:g} s")

    def stop(self) -> None:
        self._stopped = True
        self._fail(DeviceClosed(f"{self._path} was closed"))
        # The kernel lets the camera be opened again only when the capture is released; a hung one is left behind.
        self._thread.join(RELEASE_PATIENCE)

    def _fail(self, error: DeviceError) -> None:
        with self._lock:
            self._error = self._error or error
            self._changed.set()

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stopped and failures < FAILURES:
                good, picture = self._capture.read()
                failures = 0 if good else failures + 1
                if good:
                    with self._lock:
                        self._newest = picture, self._exposed_at()
                        self._changed.set()
            self._fail(DeviceError(f"{self._path}: the camera stopped giving pictures; unplugged?"))
        except cv2.error as error:
            self._fail(DeviceError(f"{self._path}: OpenCV failed: {error}"))
        finally:
            self._capture.release()

    def _exposed_at(self) -> float:
        """The kernel's timestamp of the picture where it is one of this clock, else now."""
        now = self._clock.monotonic()
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        return stamp if now - OLDEST_STAMP < stamp <= now else now


def _open_capture(path: str) -> Capture:
    return cv2.VideoCapture(path, cv2.CAP_V4L2)
