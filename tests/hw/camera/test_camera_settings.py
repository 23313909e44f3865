"""[camera] source: what cannot be meant is refused, and no password shows."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hw.settings import CameraSettings


@pytest.mark.parametrize(
    "source",
    [
        "/dev/video0",
        "/dev/v4l/by-id/usb-Maker_HD_Camera-video-index0",
        "picamera2:0",
        "rtsp://camera.local/stream",
        "rtsp://gate@192.0.2.7:8554/Streaming/Channels/101?profile=1",
        "rtsp://[2001:db8::1]:322/live",
        "pictures/of people",
        "film.avi",
    ],
)
def test_sources(source: str) -> None:
    assert CameraSettings(source=source).source == source


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", "is empty"),
        ("0", "is a path: /dev/video0"),
        ("video2", "is a path: /dev/video2"),
        ("picamera2:", "picamera2:N"),
        ("picamera2:front", "picamera2:N"),
        ("rtsps://camera/live", "rtsps:// is none of them"),
        ("http://camera/mjpg", "http:// is none of them"),
        ("rtsp:///stream", "needs a host"),
        ("rtsp://camera:port/", "host or port"),
        ("rtsp://camera:99999/", "host or port"),
        ("rtsp://gate:hunter2@camera/stream", "holds a password"),
        ("rtsp://gate:hunter2@camera:port/stream", "host or port"),
    ],
)
def test_what_cannot_be_meant(source: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        msgspec.convert({"source": source}, CameraSettings)
    assert "hunter2" not in str(caught.value)


def test_a_password_is_for_a_stream() -> None:
    CameraSettings(source="rtsp://gate@camera/", password_file=Path("/etc/thermogate/camera"))
    with pytest.raises(ValueError, match="rtsp:// source"):
        CameraSettings(password_file=Path("/etc/thermogate/camera"))
