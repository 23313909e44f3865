"""A network camera by RTSP, decoded by OpenCV's FFmpeg. A thread keeps only the newest picture, so none is old."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, unquote, urlsplit

import cv2

from hw.errors import DeviceClosed, DeviceError, DeviceTimeout
from hw.linux.password import read_password
from hw.linux.rtsp_diagnosis import address_of, diagnose
from hw.linux.stream_clock import StreamClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hw.clock import Clock
    from hw.settings import CameraSettings

CREDENTIAL: Final = "camera.password"
OPEN_TIMEOUT: Final = 3.0
"""Seconds; with `diagnose` after it, less than a capture thread may be silent."""
READ_TIMEOUT: Final = 1.5
"""Seconds without a byte after which a stream is over."""
RELEASE_PATIENCE: Final = 2.0
"""Seconds that closing waits for the thread: a camera serves few sessions, so one ends before the next begins."""
OPTIONS: Final = "rtsp_transport;{transport}|fflags;nobuffer|flags;low_delay|analyzeduration;500000"
"""Nothing kept back, and at most half a second of looking at the stream before its first picture."""
OPTIONS_VARIABLE: Final = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
LOG_VARIABLE: Final = "OPENCV_FFMPEG_LOGLEVEL"
SILENT: Final = "-8"
"""FFmpeg writes to standard error past our log, which keeps passwords out."""
_environment = threading.Lock()


class Stream(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Whether the stream is open."""
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


class RtspSource:
    """`hw.bus.FrameSource` of a network camera. Its size and rate are the camera's own.

    Args:
        source: `rtsp://user@host:port/path`.
        settings: transport, and where the password is.
        clock: arrivals are its seconds.
        make: opens a stream: address with user and password, options of FFmpeg; None: OpenCV's.
    """

    def __init__(
        self,
        source: str,
        settings: CameraSettings,
        clock: Clock,
        *,
        make: Callable[[str, str], Stream] | None = None,
    ) -> None:
        self._source = source
        self._where = address_of(source)
        self.name = self._where.url
        self._settings = settings
        self._clock = clock
        self._make = make or open_stream
        self._pump: _Pump | None = None

    @property
    def lost(self) -> int:
        """Pictures that were overtaken by newer ones."""
        return 0 if self._pump is None else self._pump.overtaken

    def open(self) -> None:
        """Open the stream.

        Raises:
            DeviceMissing: no such host, camera or stream.
            DeviceDenied: the camera wants another password, or ours cannot be read.
            DeviceTimeout: no answer.
            DeviceError: what comes cannot be decoded.
        """
        self.close()
        user = urlsplit(self._source).username
        user = None if user is None else unquote(user)
        password = read_password(self._settings.password_file, CREDENTIAL)
        stream = self._make(self._address(user, password), OPTIONS.format(transport=self._settings.transport))
        if not stream.isOpened():
            stream.release()
            raise diagnose(self._source, user, password)
        size = f"{stream.get(cv2.CAP_PROP_FRAME_WIDTH):.0f}x{stream.get(cv2.CAP_PROP_FRAME_HEIGHT):.0f}"
        self.name = f"{self._where.url} ({size} by {self._settings.transport.upper()})"
        self._pump = _Pump(stream, self._clock, self._where.url)

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """The newest picture not given before; waits for one.

        Raises:
            DeviceTimeout: none within `timeout` seconds.
            DeviceError: the stream ended.
            DeviceClosed: not open.
        """
        pump = self._pump
        if pump is None:
            raise DeviceClosed(f"{self._where.url} is not open")
        return pump.take(timeout)

    def close(self) -> None:
        """Stop the thread; harmless when closed."""
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.stop()

    def _address(self, user: str | None, password: str | None) -> str:
        if user is None:
            return self._where.url
        known = quote(user, safe="") + ("" if password is None else f":{quote(password, safe='')}")
        return self._where.url.replace("://", f"://{known}@", 1)


class _Pump:
    """Reads a stream on a thread of its own. A read that hangs holds only this thread."""

    def __init__(self, stream: Stream, clock: Clock, name: str) -> None:
        self.overtaken = 0
        self._stream = stream
        self._clock = clock
        self._name = name
        self._stamps = StreamClock()
        self._stamped = False
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._newest: tuple[NDArray[np.uint8], float] | None = None
        self._error: DeviceError | None = None
        self._stopped = False
        self._thread = clock.spawn(self._run, f"camera {name}")

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
                raise DeviceTimeout(f"{self._name}: no picture within {timeout:.3g} s")

    def stop(self) -> None:
        self._stopped = True
        self._fail(DeviceClosed(f"{self._name} was closed"))
        self._thread.join(RELEASE_PATIENCE)

    def _fail(self, error: DeviceError) -> None:
        with self._lock:
            self._error = self._error or error
            self._changed.set()

    def _run(self) -> None:
        last = self._clock.monotonic()
        try:
            while not self._stopped:
                good, picture = self._stream.read()
                now = self._clock.monotonic()
                if not good:
                    silent = now - last
                    if silent >= READ_TIMEOUT:
                        self._fail(DeviceTimeout(f"{self._name}: nothing came for {silent:.1f} s"))
                    else:
                        self._fail(DeviceError(f"{self._name}: the stream ended; the camera restarts, or it is gone"))
                    return
                last = now
                self._keep(picture, now)
        except cv2.error:  # whose text may hold the address with the password
            self._fail(DeviceError(f"{self._name}: OpenCV cannot go on with the stream"))
        finally:
            self._stream.release()

    def _keep(self, picture: NDArray[np.uint8], now: float) -> None:
        stamp = self._stream.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        self._stamped = self._stamped or stamp > 0
        if self._stamped and stamp <= 0:
            # One without a stamp among others that have theirs: its moment would be out of their order.
            self.overtaken += 1
            return
        taken = self._stamps.place(stamp, now) if self._stamped else now
        with self._lock:
            self.overtaken += self._newest is not None
            self._newest = picture, taken
            self._changed.set()


def open_stream(address: str, options: str) -> Stream:
    """OpenCV's capture of a stream; without a picture held back by decoding threads."""
    parameters: Sequence[int] = (
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * OPEN_TIMEOUT)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1000 * READ_TIMEOUT)),
        *(cv2.CAP_PROP_N_THREADS, 1),
    )
    # FFmpeg's options have no other way in; they are read while the stream is opened.
    with _environment:
        before = os.environ.get(OPTIONS_VARIABLE)
        os.environ[OPTIONS_VARIABLE] = options
        os.environ.setdefault(LOG_VARIABLE, SILENT)
        try:
            return cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
        finally:
            if before is None:
                del os.environ[OPTIONS_VARIABLE]
            else:
                os.environ[OPTIONS_VARIABLE] = before
