"""Panels whose memory is written: every layout shows the picture, and nothing beyond its rows is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.bus import PixelLayout
from hw.drivers.screen import ScreenDriver
from hw.errors import DeviceClosed, DeviceError, DeviceMissing
from hw.sim.screen import BGR888, RGB565, XRGB8888, PictureFile, SimulatedPanelMemory

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LAYOUTS: dict[str, dict[str, Any]] = {
    "XRGB8888": {"bits": 32, "colours": XRGB8888},
    "XBGR8888": {"bits": 32, "colours": ((0, 8), (8, 8), (16, 8))},
    "RGBX8888": {"bits": 32, "colours": ((24, 8), (16, 8), (8, 8))},
    "RGB565": {"bits": 16, "colours": RGB565},
    "XRGB1555": {"bits": 16, "colours": ((10, 5), (5, 5), (0, 5))},
    "RGB888": {"bits": 24, "colours": ((16, 8), (8, 8), (0, 8))},
    "BGR888": {"bits": 24, "colours": BGR888},
}


def picture(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_shows_the_picture(name: str) -> None:
    layout = LAYOUTS[name]
    memory = SimulatedPanelMemory(50, 31, padding=12, **layout)
    panel = ScreenDriver(memory)
    assert panel.open() == (50, 31)
    wanted = picture(50, 31)
    panel.show(wanted)
    for channel, (_offset, length) in enumerate(layout["colours"]):
        shade = 255 / (2**length - 1)
        difference = np.abs(memory.seen()[:, :, channel].astype(float) - wanted[:, :, channel])
        assert difference.max() <= shade, name
    if layout["bits"] >= 24:
        np.testing.assert_array_equal(memory.seen(), wanted)
    assert memory.beyond == {0xA5}


@pytest.mark.parametrize(("degrees", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_turned_panel(degrees: Any, corner: tuple[int, int]) -> None:
    """Degrees are clockwise: the picture's upper left corner comes to the panel's upper right one by 90."""
    memory = SimulatedPanelMemory(40, 30)
    panel = ScreenDriver(memory, degrees)
    width, height = panel.open()
    assert (width, height) == ((30, 40) if degrees in (90, 270) else (40, 30))
    wanted = np.zeros((height, width, 3), np.uint8)
    wanted[0, 0] = (255, 128, 1)
    panel.show(wanted)
    assert tuple(memory.seen()[corner]) == (255, 128, 1)
    assert memory.seen().any(axis=2).sum() == 1


@given(st.integers(1, 40), st.integers(1, 30), st.sampled_from(sorted(LAYOUTS)), st.integers(0, 9))
@settings(max_examples=60)
def test_any_size(width: int, height: int, name: str, padding: int) -> None:
    memory = SimulatedPanelMemory(width, height, padding=padding, **LAYOUTS[name])
    panel = ScreenDriver(memory)
    panel.open()
    panel.show(np.full((height, width, 3), 255, np.uint8))
    assert (memory.seen() == 255).all()
    assert memory.beyond <= {0xA5}


def test_a_picture_of_another_size_is_refused_and_nothing_is_drawn() -> None:
    memory = SimulatedPanelMemory(40, 30)
    panel = ScreenDriver(memory)
    panel.open()
    before = memory.seen()
    with pytest.raises(ValueError, match="40 x 30 pixels"):
        panel.show(picture(30, 40))
    np.testing.assert_array_equal(memory.seen(), before)


def test_closed_and_missing_panels_are_told() -> None:
    memory = SimulatedPanelMemory(40, 30)
    panel = ScreenDriver(memory)
    with pytest.raises(DeviceClosed, match="simulated panel"):
        panel.show(picture(40, 30))
    memory.unplugged = True
    with pytest.raises(DeviceMissing):
        panel.open()
    memory.unplugged = False
    panel.open()
    panel.close()
    with pytest.raises(DeviceClosed):
        panel.show(picture(40, 30))


class Memory:
    """A memory with any layout."""

    name = "/dev/fb9"

    def __init__(self, layout: PixelLayout, size: int) -> None:
        self.closed = False
        self._layout = layout
        self._size = size

    def open(self) -> tuple[PixelLayout, memoryview]:
        return self._layout, memoryview(bytearray(self._size))

    def close(self) -> None:
        self.closed = True


GOOD = PixelLayout(10, 4, 40, 32, (16, 8), (8, 8), (0, 8))


@pytest.mark.parametrize(
    ("layout", "size", "told"),
    [
        (GOOD._replace(bits=8, stride=10), 160, "8 bits"),
        (GOOD._replace(bits=30), 160, "30 bits"),
        (GOOD._replace(red=(20, 10)), 160, r"red \(20, 10\)"),
        (GOOD._replace(red=(28, 8)), 160, r"red \(28, 8\)"),
        (GOOD._replace(blue=(0, 0)), 160, r"blue \(0, 0\)"),
        (GOOD._replace(bits=24, stride=30, green=(9, 8)), 160, "24 bits"),
        (GOOD._replace(stride=39), 160, "too few"),
        (GOOD, 159, "159 bytes are too few"),
    ],
)
def test_a_layout_that_cannot_be_written_is_refused(layout: PixelLayout, size: int, told: str) -> None:
    memory = Memory(layout, size)
    with pytest.raises(DeviceError, match=rf"/dev/fb9: .*{told}"):
        ScreenDriver(memory).open()
    assert memory.closed


def test_a_picture_file_is_whole(tmp_path: Path) -> None:
    panel = PictureFile(tmp_path / "screen.png", (40, 30))
    assert panel.open() == (40, 30)
    for seed in (40, 41):
        wanted = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        panel.show(wanted)
        read = cv2.imread(str(tmp_path / "screen.png"))
        assert read is not None
        np.testing.assert_array_equal(read[:, :, ::-1], wanted)
    panel.close()
    assert [path.name for path in tmp_path.iterdir()] == ["screen.png"]


def test_a_picture_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="nowhere"):
        PictureFile(tmp_path / "nowhere" / "screen.png", (40, 30)).show(picture(40, 30))
