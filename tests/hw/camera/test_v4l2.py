"""V4L2 with an object in OpenCV's place, and the kernel's real answers where there are any."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from hw.clock import SystemClock
from hw.errors import DeviceClosed, DeviceDenied, DeviceError, DeviceMissing, DeviceTimeout
from hw.linux.v4l2 import CAPABILITY, V4l2Source, capture_card, parse_capability
from hw.settings import CameraSettings

if TYPE_CHECKING:
    from pathlib import Path

END = object()


class FakeCapture:
    """`cv2.VideoCapture` whose pictures a test hands in; each read is answered in turn."""

    def __init__(self, *, opens: bool = True, stamp: float = 0.0) -> None:
        self.opens = opens
        self.stamp = stamp
        self.properties: dict[int, float] = {}
        self.pictures: queue.Queue[Any] = queue.Queue()
        self.taken: queue.Queue[Any] = queue.Queue()
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.opens

    def set(self, prop: int, value: float, /) -> bool:
        self.properties[prop] = value
        return True

    def get(self, prop: int, /) -> float:
        return self.stamp * 1000 if prop == cv2.CAP_PROP_POS_MSEC else self.properties.get(prop, 0.0)

    def read(self) -> tuple[bool, Any]:
        self.taken.put(None)
        picture = self.pictures.get(timeout=30)
        if isinstance(picture, Exception):
            raise picture
        return picture is not END, picture

    def release(self) -> None:
        self.released = True
        self.opens = False

    def show(self, *values: int) -> None:
        """Hand pictures in and wait until the last has been stored."""
        for value in values:
            self.pictures.put(np.full((4, 4, 3), value, dtype=np.uint8))
        for _ in values:
            self.taken.get(timeout=30)


def opened(capture: FakeCapture) -> V4l2Source:
    source = V4l2Source(
        "/dev/video9",
        CameraSettings(width=800, height=600, fps=30),
        SystemClock(),
        make=lambda _: capture,
        card=lambda _: "Test Cam",
    )
    source.open()
    capture.taken.get(timeout=30)
    return source


def end(source: V4l2Source, capture: FakeCapture) -> None:
    capture.pictures.put(END)
    source.close()
    assert capture.released


def test_it_asks_for_what_is_set_and_says_what_it_got() -> None:
    capture = FakeCapture()
    source = opened(capture)
    assert capture.properties[cv2.CAP_PROP_FRAME_WIDTH] == 800
    assert capture.properties[cv2.CAP_PROP_FPS] == 30
    assert capture.properties[cv2.CAP_PROP_BUFFERSIZE] == 1
    assert capture.properties[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert source.name == "/dev/video9 (Test Cam, 800x600, 30/s)"
    end(source, capture)


def test_only_the_newest_picture_is_given_once() -> None:
    capture = FakeCapture()
    source = opened(capture)
    capture.show(1, 2, 3)
    assert int(source.grab(1.0)[0][0, 0, 0]) == 3
    with pytest.raises(DeviceTimeout, match="/dev/video9: no picture"):
        source.grab(0.01)
    capture.show(4)
    assert int(source.grab(1.0)[0][0, 0, 0]) == 4
    end(source, capture)


def test_the_kernels_timestamp_counts_where_it_fits() -> None:
    now = SystemClock().monotonic()
    for stamp, fits in ((now - 0.02, True), (now - 60, False), (now + 1000, False), (0.0, False)):
        capture = FakeCapture(stamp=stamp)
        source = opened(capture)
        capture.show(1)
        given = source.grab(1.0)[1]
        assert (given == pytest.approx(stamp, abs=1e-6)) == fits
        assert now - 0.1 < given <= SystemClock().monotonic()
        end(source, capture)


def test_a_camera_that_fails() -> None:
    capture = FakeCapture()
    source = opened(capture)
    for _ in range(10):
        capture.pictures.put(END)
    with pytest.raises(DeviceError, match="stopped giving pictures"):
        source.grab(30.0)
    source.close()
    assert capture.released


def test_opencv_raising() -> None:
    capture = FakeCapture()
    source = opened(capture)
    capture.pictures.put(cv2.error("boom"))
    with pytest.raises(DeviceError, match="OpenCV failed: boom"):
        source.grab(30.0)
    source.close()


def test_closing_and_busy() -> None:
    capture = FakeCapture()
    source = opened(capture)
    end(source, capture)
    with pytest.raises(DeviceClosed):
        source.grab(1.0)
    with pytest.raises(DeviceError, match="another program"):
        opened(FakeCapture(opens=False))


def capability(all_caps: int, node_caps: int) -> bytes:
    return CAPABILITY.pack(b"uvcvideo", b"HD Camera", b"usb-1", 0, all_caps, node_caps)


def test_the_capability_word() -> None:
    assert CAPABILITY.size == 104
    assert parse_capability("/dev/video0", capability(0x84A00001, 0x04200001)) == "HD Camera"
    assert parse_capability("/dev/video0", capability(0x00000001, 0)) == "HD Camera"
    with pytest.raises(DeviceError, match="'HD Camera' is not a camera"):
        parse_capability("/dev/video1", capability(0x84A00001, 0x04A00000))


def test_nodes_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "video3").write_bytes(b"")
    with pytest.raises(DeviceMissing, match=r"there is: .*video3"):
        capture_card(str(tmp_path / "video0"))
    with pytest.raises(DeviceError, match="not a camera but a file"):
        capture_card(str(tmp_path / "video3"))
    with pytest.raises(DeviceError, match="not a V4L2 device"):
        capture_card("/dev/null")


def test_denied_is_a_permission_error() -> None:
    assert issubclass(DeviceDenied, PermissionError)
