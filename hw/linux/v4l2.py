"""A camera by V4L2: the newest picture with the moment that its driver says, and a count of those that got lost."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from hw.errors import DeviceClosed, DeviceError, DeviceTimeout, FrameError
from hw.linux import videodev2 as v4l2
from hw.linux.v4l2_modes import MJPEG, USABLE, WANTED, ranked
from hw.linux.v4l2_node import NoBandwidth, VideoNode, wait

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.clock import Clock
    from hw.linux.v4l2_modes import Mode
    from hw.linux.v4l2_node import Filled, Layout
    from hw.settings import CameraSettings

OLDEST_STAMP: Final = 5.0
"""Seconds that a driver's stamp may lie back and still be taken for one of this clock."""
RELEASE_PATIENCE: Final = 1.0
"""Seconds that closing waits for a read in another thread."""
SEQUENCES: Final = 1 << 32
POWER_LINE: Final = {50: 1, 60: 2}


class V4l2Source:
    """`hw.bus.FrameSource` of a camera.

    Args:
        path: the node: `/dev/v4l/by-id/…`, which names the camera wherever it is plugged in, or `/dev/videoN`.
        settings: format, size and rate asked for; the camera may choose others.
        clock: the machine's: drivers stamp pictures with its seconds.
    """

    def __init__(self, path: str, settings: CameraSettings, clock: Clock) -> None:
        self.name = path
        self.lost = 0
        self._path = path
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = -1
        self._node: VideoNode | None = None
        self._closed = True
        self._layout: Layout | None = None
        self._sequence: int | None = None

    def open(self) -> None:
        """Open the camera. Raises `DeviceMissing`, `DeviceDenied` or `DeviceError`."""
        self.close()
        node = VideoNode(self._path)
        try:
            told = self._start(node)
        except BaseException:
            node.close()
            raise
        place = self._path if node.node == self._path else f"{self._path} = {node.node}"
        self.name = f"{place} ({node.card}, {told})"
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._sequence, self.lost = None, 0
        self._node, self._closed = node, False

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """The newest picture not given before; waits for one.

        Raises:
            DeviceTimeout: none within `timeout` seconds.
            FrameError: one that is not whole; the next call goes on.
            DeviceMissing: the camera was unplugged.
            DeviceError: the camera failed; open again.
            DeviceClosed: not open.
        """
        with self._lock:
            node, layout = self._node, self._layout
            self._require_open()
            if node is None or layout is None:
                raise DeviceClosed(f"{self._path} is not open")
            deadline = self._clock.monotonic() + timeout
            try:
                while (newest := self._newest(node)) is None:
                    left = deadline - self._clock.monotonic()
                    if left <= 0 or not wait(node, self._wake, left):
                        raise DeviceTimeout(f"{self._path}: no picture within {timeout:.3g} s")
                    self._require_open()
                try:
                    self._count(newest)
                    return decode(newest, layout, self._path), self._exposed_at(newest)
                finally:
                    _give_back(node, newest)
            finally:
                if self._closed:
                    self._release()

    def close(self) -> None:
        """End a wait in another thread and release the camera; harmless when closed.

        A read that hangs in the driver keeps the node until it comes back.
        """
        if self._closed:
            return
        self._closed = True
        os.eventfd_write(self._wake, 1)
        if self._lock.acquire(timeout=RELEASE_PATIENCE):
            try:
                self._release()
            finally:
                self._lock.release()

    def _require_open(self) -> None:
        if self._closed:
            raise DeviceClosed(f"{self._path} is not open")

    def _release(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            node.close()
            os.close(self._wake)

    def _start(self, node: VideoNode) -> str:
        """Negotiate and start; returns what came of it."""
        wish = self._settings
        offered = list(node.modes(wish.width, wish.height))
        refusal: DeviceError | None = None
        for mode in ranked(offered, wish):
            try:
                told = self._try_mode(node, mode)
            except NoBandwidth as error:
                refusal = error
                node.stop()
                continue
            if told is not None:
                return told
        raise refusal or DeviceError(f"{self._path}: {_unusable(node.card, offered, wish)}")

    def _try_mode(self, node: VideoNode, mode: Mode) -> str | None:
        """Start in a mode; None where the driver settled on another format."""
        wish = self._settings
        layout = node.set_mode(mode)
        if layout.pixelformat != mode.pixelformat:
            return None
        if mode.pixelformat in MJPEG:
            require_decoder(self._path)
        told = [f"{v4l2.fourcc(layout.pixelformat)} {layout.width}x{layout.height}"]
        rate = node.set_rate(wish.fps)
        told.append("at a rate of its own" if rate is None else f"{rate:.3g}/s")
        if (layout.width, layout.height) != (wish.width, wish.height) or (rate and abs(rate - wish.fps) > 0.01 * rate):
            told.append(f"asked for {wish.width}x{wish.height} at {wish.fps:g}/s")
        told += self._set_controls(node)
        flags = node.start()
        told.append(_stamps(flags))
        self._layout = layout
        return ", ".join(told)

    def _set_controls(self, node: VideoNode) -> list[str]:
        """In the dark the rate holds and gain rises: the lane's times count on the rate."""
        told = []
        if node.set_control(v4l2.CID_EXPOSURE_AUTO_PRIORITY, 0):
            told.append("rate kept in the dark")
        mains = self._settings.mains
        if mains is not None:
            known = node.set_control(v4l2.CID_POWER_LINE_FREQUENCY, POWER_LINE[mains])
            told.append(f"{mains} Hz mains" if known else f"no control for {mains} Hz mains")
        return told

    def _newest(self, node: VideoNode) -> Filled | None:
        """The newest filled buffer; the older ones go back."""
        newest = None
        for _ in range(node.buffers):
            found = node.take()
            if found is None:
                return newest
            if newest is not None:
                _give_back(node, newest)
            newest = found
        # Every buffer had been filled: nobody read for a while, and the driver dropped what came since.
        if newest is not None:
            _give_back(node, newest)
        return None

    def _count(self, found: Filled) -> None:
        """Count what the driver took and nobody got; a driver that does not count says 0 for ever."""
        if self._sequence is not None:
            step = (found.sequence - self._sequence) % SEQUENCES
            self.lost += step - 1 if 1 < step < SEQUENCES // 2 else 0
        self._sequence = found.sequence

    def _exposed_at(self, found: Filled) -> float:
        """The driver's stamp where it is one of this clock, else now."""
        now = self._clock.monotonic()
        ours = found.flags & v4l2.BUF_FLAG_TIMESTAMP_MASK == v4l2.BUF_FLAG_TIMESTAMP_MONOTONIC
        return found.timestamp if ours and now - OLDEST_STAMP < found.timestamp <= now else now


def _give_back(node: VideoNode, found: Filled) -> None:
    # A traceback may still hold an array over it; nobody reads that.
    with contextlib.suppress(BufferError):
        found.data.release()
    node.give_back(found.index)


def decode(found: Filled, layout: Layout, name: str) -> NDArray[np.uint8]:
    """BGR uint8[height, width, 3] of a buffer, a copy of its own. Raises `FrameError` for what is not whole."""
    if found.flags & v4l2.BUF_FLAG_ERROR:
        raise FrameError(f"{name}: the driver says the picture is damaged")
    if layout.pixelformat in MJPEG:
        return _decode_mjpeg(found.data, layout, name)
    if len(found.data) < layout.stride * layout.height:
        raise FrameError(f"{name}: {len(found.data)} bytes of a picture of {layout.stride * layout.height}")
    lines = np.frombuffer(found.data, np.uint8, layout.stride * layout.height).reshape(layout.height, layout.stride)
    pairs = np.ascontiguousarray(lines[:, : 2 * layout.width]).reshape(layout.height, layout.width, 2)
    return np.asarray(cv2.cvtColor(pairs, cv2.COLOR_YUV2BGR_YUYV), dtype=np.uint8)


def _decode_mjpeg(data: memoryview, layout: Layout, name: str) -> NDArray[np.uint8]:
    """Strictly: where anything is missing OpenCV would fill with grey and say nothing; here it is an error."""
    import simplejpeg  # noqa: PLC0415 - only a board with such a camera has it

    try:
        picture = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=True)
    except ValueError as error:
        raise FrameError(f"{name}: a picture that is not whole: {error}") from error
    if picture.shape != (layout.height, layout.width, 3):
        raise FrameError(f"{name}: a picture of {picture.shape[1]}x{picture.shape[0]}")
    return np.asarray(picture, dtype=np.uint8)


def require_decoder(name: str) -> None:
    """Raise `DeviceError` where MJPEG cannot be decoded."""
    try:
        import simplejpeg  # noqa: F401, PLC0415
    except ImportError as error:
        raise DeviceError(f"{name}: MJPEG needs simplejpeg: `pip install '.[board]'`") from error


def _unusable(card: str, offered: list[Mode], wish: CameraSettings) -> str:
    formats = sorted({v4l2.fourcc(mode.pixelformat) for mode in offered})
    told = f"{card} offers {', '.join(formats) or 'no format'}"
    usable = {mode.pixelformat for mode in offered} & USABLE
    if usable - WANTED[wish.format]:
        return f'{told}, but [camera] format = "{wish.format}" allows none of them; set "auto"'
    if usable:
        return f"{told}, and takes none of them"
    return (
        f"{told}; needed is YUYV or MJPG. A Pi's own camera gives raw pictures here: "
        'set [camera] source = "picamera2:0" for it'
    )


def _stamps(flags: int) -> str:
    if flags & v4l2.BUF_FLAG_TIMESTAMP_MASK != v4l2.BUF_FLAG_TIMESTAMP_MONOTONIC:
        return "stamped on arrival"
    exposure = flags & v4l2.BUF_FLAG_TSTAMP_SRC_MASK == v4l2.BUF_FLAG_TSTAMP_SRC_SOE
    return f"stamped at the {'start of exposure' if exposure else 'end of the frame'}"
