"""The shipped V4L2 source in a process whose ioctls on /dev/video* a driver of another process answers (umockdev)."""

from __future__ import annotations

import base64
import os
import time
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg

from hw.linux.v4l2_node import wait

BY_ID = "usb-Maker_HD_Camera-video-index0"
NO_CLOCK, AT_END = 0x00000, 0x02000
"""Timestamp flags of linux/videodev2.h: unknown clock; monotonic, taken at the frame's end."""
ERROR = 0x40
PRIORITY, MAINS = "10094851", "9963800"
"""V4L2_CID_EXPOSURE_AUTO_PRIORITY and V4L2_CID_POWER_LINE_FREQUENCY."""

pytestmark = pytest.mark.service


def yuyv(luma: int, width: int = 640, height: int = 480) -> bytes:
    return bytes([luma, 128]) * (width * height)


def jpeg(luma: int, width: int = 640, height: int = 480) -> bytes:
    scene = np.full((height, width, 3), luma, np.uint8)
    scene[::7, ::5] ^= 40
    return bytes(simplejpeg.encode_jpeg(scene, 80, "BGR", "422"))


def without_tables(data: bytes) -> bytes:
    """A JPEG without its Huffman tables, as many cameras send it (AVI1 MJPEG)."""
    kept, at = bytearray(data[:2]), 2
    while data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != 0xC4:
            kept += data[at : at + length]
        at += length
    return bytes(kept + data[at:])


def test_the_whole_conversation(bench: Any) -> None:
    bench.plug(controls={PRIORITY: 1, MAINS: 3}, rates=[15, 30])
    told = bench.open(mains=50)
    assert told == (
        "/dev/video0 (HD Camera, YUYV 640x480, 15/s, rate kept in the dark, 50 Hz mains, "
        "stamped at the start of exposure)"
    )
    asked = bench.asked()
    assert asked["form"] == ["YUYV", 640, 480]
    assert asked["rate"] == 15
    assert asked["controls"] == {PRIORITY: 0, MAINS: 1}
    assert asked["ioctls"][0] == "querycap"
    assert asked["ioctls"][-10:] == ["reqbufs", *["querybuf", "qbuf"] * 4, "streamon"]
    assert bench.frame(yuyv(100)[:-4] + bytes([235, 128, 235, 128]))
    seen = bench.read()
    assert seen["shape"] == [480, 640, 3]
    assert seen["corner"] == pytest.approx([98] * 3, abs=1)  # (100 - 16) * 255 / 219, limited range
    assert seen["end"] == [255, 255, 255]
    bench.close()
    assert bench.asked()["ioctls"][-2:] == ["streamoff", "reqbufs"]


def test_the_moment_is_the_drivers(bench: Any) -> None:
    bench.plug()
    bench.open()
    stamp = time.monotonic() - 0.075
    bench.frame(yuyv(50), stamp=stamp)
    seen = bench.read()
    assert seen["timestamp"] == pytest.approx(stamp, abs=2e-6)
    assert seen["now"] > seen["timestamp"] + 0.07


@pytest.mark.parametrize("stamp", [0.0, 10.0, 1e6])
def test_a_stamp_that_cannot_be_is_not_believed(bench: Any, stamp: float) -> None:
    bench.plug()
    bench.open()
    before = time.monotonic()
    bench.frame(yuyv(50), stamp=time.monotonic() + stamp if stamp else 0.0)
    assert before <= bench.read()["timestamp"] <= time.monotonic()


def test_a_driver_without_a_clock_is_stamped_on_arrival(bench: Any) -> None:
    bench.plug(stamps=NO_CLOCK)
    assert "stamped on arrival" in bench.open()
    before = time.monotonic()
    bench.frame(yuyv(50), stamp=before - 0.05)
    assert bench.read()["timestamp"] >= before
    bench.plug("video1", stamps=AT_END)
    assert "stamped at the end of the frame" in bench.open(source="/dev/video1")


def test_only_the_newest_and_what_was_lost_is_counted(bench: Any) -> None:
    bench.plug()
    bench.open()
    bench.frame(yuyv(40))
    assert bench.read()["sequence"] == 0
    for luma in (50, 60, 70):
        assert bench.frame(yuyv(luma))
    seen = bench.read()
    assert seen["corner"][0] == pytest.approx((70 - 16) * 255 / 219, abs=1)
    assert seen["sequence"] == 3
    assert bench.read(0.05)["error"] == "DeviceTimeout"
    assert bench.frame(yuyv(80))
    assert bench.read()["sequence"] == 4


def test_pictures_that_waited_for_a_reader_are_too_old(bench: Any) -> None:
    bench.plug()
    bench.open()
    assert [bench.frame(yuyv(luma)) for luma in (20, 30, 40, 50, 60, 70)] == [True] * 4 + [False] * 2
    assert bench.read(0.05)["error"] == "DeviceTimeout"
    assert bench.frame(yuyv(90))
    seen = bench.read()
    assert seen["corner"][0] == pytest.approx((90 - 16) * 255 / 219, abs=1)


def test_mjpeg_where_it_is_faster(bench: Any) -> None:
    bench.plug()
    assert "MJPG 1280x720" in bench.open(width=1280, height=720, fps=25)
    picture = jpeg(120, 1280, 720)
    bench.frame(picture + bytes(1000))
    seen = bench.read()
    assert seen["shape"] == [720, 1280, 3]
    expected = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert expected is not None
    assert seen["corner"] == pytest.approx(expected[0, 0].tolist(), abs=3)
    bench.frame(without_tables(jpeg(80, 1280, 720)))
    assert bench.read()["shape"] == [720, 1280, 3]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[: len(data) // 2] + b"\xff\xd9",
        lambda data: data[:-2],
        lambda data: data[:3000] + data[3064:],
        lambda _: b"",
        lambda data: bytes(len(data)),
        lambda _: jpeg(90, 320, 240),
    ],
    ids=["half", "half with an end", "no end", "a packet lost inside", "nothing", "zeros", "another size"],
)
def test_a_jpeg_that_is_not_whole_is_no_picture(bench: Any, spoil: Any) -> None:
    bench.plug()
    bench.open(format="mjpeg")
    bench.frame(spoil(jpeg(90)))
    assert bench.read()["error"] == "FrameError"
    assert bench.frame(jpeg(90))
    assert bench.read()["sequence"] == 0


def test_a_short_or_damaged_raw_picture_is_none(bench: Any) -> None:
    bench.plug()
    bench.open()
    bench.frame(yuyv(90), used=640 * 480)
    assert "307200 bytes of a picture of 614400" in bench.read()["text"]
    bench.frame(yuyv(90), flags=ERROR)
    assert "damaged" in bench.read()["text"]
    bench.frame(yuyv(90))
    assert bench.read()["sequence"] == 0


def test_padded_lines(bench: Any) -> None:
    bench.plug(padding=64)
    bench.open()
    line = bytes([235, 128]) * 640 + bytes([16, 128]) * 32
    bench.frame(line * 480)
    seen = bench.read()
    assert seen["corner"] == seen["end"] == [255, 255, 255]


def test_what_the_camera_settles_on_is_told(bench: Any) -> None:
    bench.plug(formats={"YUYV": {"steps": [48, 720, 2, 32, 576, 2], "rates": [25]}}, settles=[720, 576], rates=[25])
    assert "YUYV 720x576, 25/s, asked for 1280x720 at 30/s" in bench.open(width=1280, height=720, fps=30)


def test_a_bus_without_room_takes_the_next_mode(bench: Any) -> None:
    bench.plug(no_room_for=["YUYV"])
    assert "MJPG 640x480" in bench.open()
    assert "set [camera] format" in bench.open(format="yuyv")["text"]


def test_unplugged_and_back_under_another_number(bench: Any) -> None:
    bench.plug(id=BY_ID)
    source = f"/dev/v4l/by-id/{BY_ID}"
    assert bench.open(source=source).startswith(f"{source} = /dev/video0 (")
    bench.frame(yuyv(30))
    bench.read()
    bench.unplug()
    gone = bench.read()
    assert gone["error"] == "DeviceMissing"
    assert "HD Camera was unplugged" in gone["text"]
    bench.close()
    bench.plug("video5", card="Other")
    missing = bench.open(source=source)
    assert missing["error"] == "DeviceMissing"
    assert "no such camera; there is: /dev/video5 (Other)" in missing["text"]
    bench.plug("video2", id=BY_ID)
    assert f"{source} = /dev/video2" in bench.open(source=source)
    bench.frame(yuyv(30), node="video2")
    assert bench.read()["sequence"] == 0
    other = bench.open(source="/dev/video0")
    assert f"/dev/video2 (HD Camera, /dev/v4l/by-id/{BY_ID}), /dev/video5 (Other)" in other["text"]


def test_a_lane_has_its_camera_back_after_a_pull_at_the_plug(bench: Any) -> None:
    takes = base64.b64encode(yuyv(90)).decode()
    bench.plug(id=BY_ID, takes=takes)
    bench.run(source=f"/dev/v4l/by-id/{BY_ID}")
    bench.until_told("up", "frame", "frame")
    bench.unplug()
    bench.until_told("frame", "down DeviceMissing: [Errno 19]", "down DeviceMissing: [Errno 2]")
    bench.plug("video3", id=BY_ID, takes=takes)
    told = bench.until_told("up", "down", f"up /dev/v4l/by-id/{BY_ID} = /dev/video3 (", "frame 0", "frame")
    assert not [line for line in told if "was closed" in line]


def test_a_lane_opens_a_stalled_camera_anew(bench: Any) -> None:
    bench.plug()
    bench.run()
    bench.until_told("up")
    bench.frame(yuyv(90))
    bench.until_told("up", "frame 0", "down DeviceTimeout: /dev/video0: no picture within 1 s", "up")
    assert "streamoff" in bench.asked()["ioctls"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"caps": 0x04A00000}, "carries the metadata of its pictures"),
        ({"caps": 0x04001000}, 'set [camera] source = "picamera2:0"'),
        ({"caps": 0x04000002}, "is no camera"),
        ({"caps": 0x00200001}, "cannot stream"),
        ({"formats": {"pRAA": {"640x480": [30]}}}, "offers pRAA; needed is YUYV or MJPG"),
        ({"formats": {}}, "offers no format"),
        ({"busy": True}, "HD Camera is in use by "),
    ],
)
def test_what_cannot_be_used_says_why(bench: Any, spec: Any, text: str) -> None:
    bench.plug(**spec)
    refused = bench.open()
    assert refused["error"] == "DeviceError"
    assert text in refused["text"]
    assert bench.read()["error"] == "DeviceClosed"


def test_a_format_that_the_camera_lacks(bench: Any) -> None:
    bench.plug(formats={"MJPG": {"640x480": [30]}})
    assert 'format = "yuyv" allows none of them; set "auto"' in bench.open(format="yuyv")["text"]
    assert "MJPG 640x480" in bench.open()


def test_closing_ends_a_read(bench: Any) -> None:
    bench.plug()
    bench.open()
    assert bench.close_while_reading()["error"] == "DeviceClosed"
    assert bench.asked()["ioctls"][-2:] == ["streamoff", "reqbufs"]
    assert "YUYV" in bench.open()


def test_what_wakes_a_waiting_reader() -> None:
    class Node:
        def __init__(self, descriptor: int) -> None:
            self.fileno = lambda: descriptor

    (node, driver), wake = os.pipe(), os.eventfd(0)
    waiting: Any = Node(node)
    try:
        assert not wait(waiting, wake, 0.0)
        os.eventfd_write(wake, 1)
        assert wait(waiting, wake, 20.0)
        os.eventfd_read(wake)
        os.write(driver, b"x")
        assert wait(waiting, wake, 20.0)
    finally:
        for descriptor in (node, driver, wake):
            os.close(descriptor)


def test_the_self_test_wants_a_picture(bench: Any) -> None:
    bench.plug(takes=base64.b64encode(yuyv(90)).decode())
    assert bench.missing() == []
    bench.plug("video1")
    assert bench.missing(source="/dev/video1") == ["camera: /dev/video1: no picture within 3 s"]
    bench.plug("video2", takes=base64.b64encode(yuyv(90)[:-9]).decode())
    assert "bytes of a picture of 614400" in bench.missing(source="/dev/video2")[0]
    assert "picamera2 cannot be loaded" in bench.missing(source="picamera2:0")[0]
