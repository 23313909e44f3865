"""The world's camera as a source of frames."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hw.clock import SystemClock
from hw.errors import DeviceClosed, DeviceTimeout
from hw.sim.camera import WorldCamera
from hw.sim.world import World

if TYPE_CHECKING:
    from hw.sim.clock import ManualClock


def test_frames_come_at_the_frame_rate_and_are_the_worlds(world: World, clock: ManualClock) -> None:
    camera = WorldCamera(world, clock, fps=10)
    camera.open()
    frames = [camera.grab(1.0) for _ in range(3)]
    assert [stamp for _, stamp in frames] == pytest.approx([0.1, 0.2, 0.3])
    assert clock.monotonic() == pytest.approx(0.3)
    assert np.array_equal(frames[2][0], world.picture(frames[2][1]))


def test_frames_that_nobody_fetched_are_dropped(world: World, clock: ManualClock) -> None:
    camera = WorldCamera(world, clock, fps=10)
    camera.open()
    clock.advance(1.05)
    assert camera.grab(1.0)[1] == pytest.approx(1.0)
    assert camera.grab(1.0)[1] == pytest.approx(1.1)


def test_a_wait_is_bounded(world: World, clock: ManualClock) -> None:
    camera = WorldCamera(world, clock, fps=1)
    camera.open()
    with pytest.raises(DeviceTimeout, match=r"no picture within 0\.25 s"):
        camera.grab(0.25)
    assert clock.monotonic() == pytest.approx(0.25)
    assert camera.grab(1.0)[1] == pytest.approx(1.0)


def test_a_closed_camera_says_so(world: World, clock: ManualClock) -> None:
    camera = WorldCamera(world, clock)
    with pytest.raises(DeviceClosed):
        camera.grab(1.0)
    camera.open()
    camera.grab(1.0)
    camera.close()
    camera.close()
    with pytest.raises(DeviceClosed):
        camera.grab(1.0)
    camera.open()
    assert camera.grab(1.0)[0].shape == (480, 640, 3)


def test_closing_ends_a_wait_in_another_thread() -> None:
    clock = SystemClock()
    camera = WorldCamera(World(clock, seed=0), clock, fps=0.001)
    camera.open()
    told = threading.Event()

    def wait() -> None:
        with pytest.raises(DeviceClosed):
            camera.grab(500.0)
        told.set()

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    camera.close()
    assert told.wait(20)


def test_a_frame_rate_is_positive(world: World, clock: ManualClock) -> None:
    with pytest.raises(ValueError, match="positive, not 0"):
        WorldCamera(world, clock, fps=0)
