"""Pictures from files where a camera is wanted: a folder, one picture, or a video, at a frame rate of their own.

A recording waits for its reader: no picture is skipped because the program was busy.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from _fastcore.picture_header import read_header, require_size
from hw.errors import DeviceClosed, DeviceMissing, DeviceTimeout, PictureUnreadable, RecordingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hw.clock import Clock

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
DEFAULT_FPS: Final = 15.0
LARGEST_BYTES: Final = 50_000_000
LARGEST_SIDE: Final = 8192
"""Pixels; what perception takes."""
LARGEST_PIXELS: Final = 40_000_000


class PictureSource:
    """`hw.bus.FrameSource` over files.

    Args:
        path: a folder (its pictures by name), a picture, or a video.
        clock: paces and stamps the pictures.
        fps: pictures a second; None: the video's own, 15 for pictures.
        loop: start again at the end; else `DeviceClosed` then.
    """

    def __init__(self, path: str | Path, clock: Clock, *, fps: float | None = None, loop: bool = False) -> None:
        if fps is not None and fps <= 0:
            raise ValueError(f"fps must be positive, not {fps}")
        self.name = str(path)
        self.lost = 0
        self._path = Path(path)
        self._clock = clock
        self._asked_fps = fps
        self._loop = loop
        self._period = 1.0 / (fps or DEFAULT_FPS)
        self._stop = threading.Event()
        self._stop.set()
        self._pictures: Iterator[NDArray[np.uint8]] = iter(())
        self._due = 0.0

    def open(self) -> None:
        """Start at the first picture.

        Raises:
            DeviceMissing: no such file or folder.
            RecordingError: a folder without pictures, or a file that is neither picture nor video.
        """
        self.close()
        if not self._path.exists():
            raise DeviceMissing(f"{self.name}: no such picture, folder or video")
        self._pictures = self._videos() if self._is_video() else self._stills()
        self._stop = threading.Event()
        self._due = self._clock.monotonic()

    def grab(self, timeout: float) -> tuple[NDArray[np.uint8], float]:
        """The next picture when its time has come.

        Raises:
            DeviceTimeout: its time is later than in `timeout` seconds.
            DeviceClosed: at the end, or not open.
            PictureUnreadable: a picture cannot be read; the next call goes on with the one after.
        """
        stop = self._stop
        wait = self._due - self._clock.monotonic()
        if stop.is_set() or self._clock.wait(stop, max(0.0, min(wait, timeout))):
            raise DeviceClosed(f"{self.name} is not open")
        if wait > timeout:
            raise DeviceTimeout(f"{self.name}: no picture within {timeout:g} s")
        try:
            picture = next(self._pictures)
        except StopIteration:
            raise DeviceClosed(f"{self.name}: at its end") from None
        now = self._clock.monotonic()
        self._due = max(now, self._due) + self._period
        return picture, now

    def close(self) -> None:
        """Stop; ends a wait in another thread."""
        self._stop.set()

    def _is_video(self) -> bool:
        return self._path.is_file() and self._path.suffix.lower() not in PICTURES

    def _stills(self) -> Iterator[NDArray[np.uint8]]:
        files = [self._path]
        if self._path.is_dir():
            files = sorted(file for file in self._path.iterdir() if file.suffix.lower() in PICTURES)
        if not files:
            raise RecordingError(f"{self.name}: no pictures in it ({', '.join(sorted(PICTURES))})")
        return _Stills(files, loop=self._loop)

    def _videos(self) -> Iterator[NDArray[np.uint8]]:
        capture = cv2.VideoCapture(self.name)
        rate = capture.get(cv2.CAP_PROP_FPS)
        opened = capture.isOpened()
        capture.release()
        if not opened:
            raise RecordingError(f"{self.name}: neither a picture nor a video that OpenCV can read")
        if self._asked_fps is None and rate > 0:
            self._period = 1.0 / rate
        return _video(self.name, loop=self._loop)


class _Stills:
    """Pictures of files, one after the other. An iterator that goes on after an unreadable one."""

    def __init__(self, files: list[Path], *, loop: bool) -> None:
        self._files = files
        self._loop = loop
        self._index = 0

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self

    def __next__(self) -> NDArray[np.uint8]:
        if self._index == len(self._files):
            if not self._loop:
                raise StopIteration
            self._index = 0
        file = self._files[self._index]
        self._index += 1
        return read_picture(file)


def read_picture(file: Path) -> NDArray[np.uint8]:
    """BGR uint8[h, w, 3] of a picture file, upright by its EXIF note.

    Raises `PictureUnreadable` naming the file and the reason: unreadable, no picture, a moving, truncated or damaged
    one, or one that its header says is too large, which is not decoded at all.
    """
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise PictureUnreadable(f"{file}: is larger than {LARGEST_BYTES // 1_000_000} MB")
        data = file.read_bytes()
    except OSError as error:
        raise PictureUnreadable(f"{file}: cannot be read: {error.strerror}") from error
    try:
        require_size(read_header(data), side=LARGEST_SIDE, pixels=LARGEST_PIXELS)
        picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except ValueError as error:
        raise PictureUnreadable(f"{file}: {error}") from error
    except cv2.error as error:
        raise PictureUnreadable(f"{file}: is damaged: it cannot be decoded") from error
    if picture is None:
        raise PictureUnreadable(f"{file}: is damaged: it cannot be decoded")
    return np.asarray(picture, dtype=np.uint8)


def _video(name: str, *, loop: bool) -> Iterator[NDArray[np.uint8]]:
    while True:
        capture = cv2.VideoCapture(name)
        frames = 0
        try:
            while True:
                good, picture = capture.read()
                if not good:
                    break
                frames += 1
                yield np.asarray(picture, dtype=np.uint8)
        finally:
            capture.release()
        if not frames:
            raise RecordingError(f"{name}: a video without a readable picture")
        if not loop:
            return
