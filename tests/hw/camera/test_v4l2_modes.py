"""Which mode is asked for, and what is said of nodes and of who holds them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hw.linux import videodev2
from hw.linux.v4l2_modes import Mode, nearest, ranked
from hw.linux.video_nodes import holders, list_nodes
from hw.settings import CameraSettings

if TYPE_CHECKING:
    from pathlib import Path

RAW, JPEG, OTHER = videodev2.PIX_FMT_YUYV, videodev2.PIX_FMT_MJPEG, int.from_bytes(b"NV12", "little")


def test_uncompressed_where_it_is_fast_enough() -> None:
    modes = [Mode(JPEG, 640, 480, 60), Mode(RAW, 640, 480, 30), Mode(RAW, 640, 360, 30), Mode(OTHER, 640, 480, 90)]
    assert ranked(modes, CameraSettings(fps=15))[0] == modes[1]
    assert ranked(modes, CameraSettings(fps=30))[0] == modes[1]
    assert ranked(modes, CameraSettings(fps=60))[0] == modes[0]
    assert [mode.pixelformat for mode in ranked(modes, CameraSettings(fps=15))] == [RAW, JPEG, RAW]


def test_a_rate_within_a_hundredth_is_the_rate() -> None:
    modes = [Mode(JPEG, 640, 480, 60), Mode(RAW, 640, 480, 29.97)]
    assert ranked(modes, CameraSettings(fps=30))[0] == modes[1]


def test_the_nearest_size_comes_before_the_rate() -> None:
    modes = [Mode(RAW, 1920, 1080, 30), Mode(RAW, 1280, 720, 10), Mode(JPEG, 320, 240, 30)]
    assert ranked(modes, CameraSettings(width=1280, height=800, fps=30))[0] == modes[1]


def test_a_format_that_is_asked_for() -> None:
    modes = [Mode(JPEG, 640, 480, None), Mode(RAW, 640, 480, None)]
    assert ranked(modes, CameraSettings(format="mjpeg")) == modes[:1]
    assert ranked(modes, CameraSettings(format="yuyv")) == modes[1:]
    assert ranked(modes[:1], CameraSettings(format="yuyv")) == []


@pytest.mark.parametrize(
    ("wanted", "got"), [(10, 48), (48, 48), (49, 48), (57, 56), (640, 640), (900, 720), (719, 720), (715, 712)]
)
def test_the_nearest_step(wanted: int, got: int) -> None:
    assert nearest(wanted, 48, 720, 8) == got
    assert nearest(wanted, 480, 480, 0) == 480


def test_nodes_with_names_and_lasting_paths(tmp_path: Path) -> None:
    dev, sysfs = tmp_path / "dev", tmp_path / "sys"
    (dev / "v4l/by-id").mkdir(parents=True)
    for number in (0, 2, 10):
        (dev / f"video{number}").touch()
        (sysfs / f"video{number}").mkdir(parents=True)
    (sysfs / "video2/name").write_text("HD Camera: HD Camera\n")
    (dev / "v4l/by-id/usb-HD-index0").symlink_to("../../video2")
    assert list_nodes(dev, sysfs) == (
        f"{dev}/video0, {dev}/video2 (HD Camera: HD Camera, {dev}/v4l/by-id/usb-HD-index0), {dev}/video10"
    )
    assert list_nodes(tmp_path / "nowhere", sysfs) == "none"


def test_who_holds_a_node(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.touch()
    link = tmp_path / "by-id"
    link.symlink_to(node)
    assert holders(str(link)) == ""
    with node.open():
        assert holders(str(link)).endswith(f" (pid {os.getpid()})")
    (tmp_path / "proc/12").mkdir(parents=True)
    assert holders(str(node), tmp_path / "proc") == ""
