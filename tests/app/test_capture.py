"""Capture threads: what a device can do wrong, and that the lane learns of it and the device comes back."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from controller.health.device import HealthLimits
from controller.sight.capture import Capture, CaptureLimits
from hw.errors import BusError, DeviceClosed, DeviceError, DeviceTimeout, FrameError, NotReady
from hw.sim.clock import VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable


class ScriptedDevice:
    """Delivers what its script says, one item every 0.1 s: a frame, or an error to raise."""

    def __init__(self, clock: VirtualClock, script: list[object]) -> None:
        self.clock = clock
        self.script = script
        self.closed = False

    def open(self) -> object:
        return "scripted"

    def read(self, timeout: float) -> object:
        self.clock.sleep(0.1)
        if not self.script:
            self.clock.sleep(timeout)
            raise DeviceTimeout("nothing more")
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        if callable(item):
            return item()
        return item

    def close(self) -> None:
        self.closed = True


class Log:
    """What the loop was told, with times."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.seen: list[tuple[float, str, object]] = []

    def note(self, what: str) -> Callable[[object], None]:
        return lambda value: self.seen.append((round(self.clock.monotonic(), 3), what, value))

    def kinds(self) -> list[str]:
        return [what for _, what, _ in self.seen]


def play(
    scripts: list[list[object]],
    seconds: float,
    limits: CaptureLimits | None = None,
    number: Callable[[Any], int] | None = None,
) -> tuple[Log, Capture[object]]:
    clock = VirtualClock()
    log = Log(clock)
    devices: list[ScriptedDevice] = []

    def make() -> ScriptedDevice:
        devices.append(ScriptedDevice(clock, scripts[min(len(devices), len(scripts) - 1)]))
        return devices[-1]

    async def main() -> Capture[object]:
        capture: Capture[object] = Capture(
            "device",
            make,
            clock=clock,
            loop=asyncio.get_running_loop(),
            on_frame=log.note("frame"),
            on_up=log.note("up"),
            on_down=log.note("down"),
            on_end=lambda: log.note("end")(None),
            number=number,
            limits=limits,
        )
        capture.start()
        await asyncio.sleep(seconds)
        capture.stop()
        return capture

    capture = run(main(), clock)
    assert all(device.closed for device in devices[:-1])
    return log, capture


def test_frames_arrive_in_order() -> None:
    log, capture = play([[1, 2, 3]], 0.5)
    assert [value for _, what, value in log.seen if what == "frame"] == [1, 2, 3]
    assert capture.counters.frames == 3


def test_gaps_in_the_numbers_are_counted_and_each_device_counts_anew() -> None:
    _, capture = play([[0, 1, 4, 5, BusError("no acknowledge")], [1, 2]], 1.0, number=int)
    assert capture.counters.frames == 6
    assert capture.counters.lost == 3


def test_a_bad_frame_is_counted_and_the_device_kept() -> None:
    log, capture = play([[1, FrameError("torn"), 2]], 0.5)
    assert log.kinds() == ["up", "frame", "frame"]
    assert (capture.counters.bad_frames, capture.counters.reopened) == (1, 0)


def test_a_device_off_the_bus_is_reported_and_opened_again() -> None:
    limits = CaptureLimits(health=HealthLimits(jitter=0.0))
    log, capture = play([[1, BusError("no acknowledge")], [2, 3]], 1.0, limits)
    assert log.kinds() == ["up", "frame", "down", "up", "frame", "frame"]
    down = next(at for at, what, _ in log.seen if what == "down")
    up_again = [at for at, what, _ in log.seen if what == "up"][1]
    assert up_again - down == pytest.approx(limits.health.first_pause)
    assert capture.counters.reopened == 1


def test_nothing_but_bad_frames_is_a_lost_device() -> None:
    script: list[object] = [FrameError("glitch") for _ in range(50)]
    log, _ = play([script, [1]], 2.5, CaptureLimits(health=HealthLimits(lost_after=1.0)))
    assert log.kinds()[:4] == ["up", "down", "up", "frame"]
    assert "no good frame" in str(log.seen[1][2])


def test_a_device_that_is_not_ready_is_no_lost_one() -> None:
    script: list[object] = [1, *(NotReady("shutter closed") for _ in range(25)), 2]
    log, capture = play([script], 3.0, CaptureLimits(health=HealthLimits(lost_after=1.0), pause_at_most=10.0))
    assert log.kinds() == ["up", "frame", "frame"]
    assert (capture.counters.not_ready, capture.counters.reopened) == (25, 0)


def test_a_device_that_is_never_ready_is_lost() -> None:
    script: list[object] = [1, *(NotReady("shutter closed") for _ in range(50))]
    log, _ = play([script, [2]], 5.0, CaptureLimits(pause_at_most=2.0))
    assert log.kinds()[:5] == ["up", "frame", "down", "up", "frame"]
    assert "not ready for 2." in str(log.seen[2][2])
    assert "shutter closed" in str(log.seen[2][2])


def test_pauses_grow_to_a_bound() -> None:
    dead: list[object] = []
    limits = CaptureLimits(read_timeout=0.1, health=HealthLimits(first_pause=1.0, longest_pause=4.0, jitter=0.0))
    log, _ = play([dead], 30.0, limits)
    ups = [at for at, what, _ in log.seen if what == "up"]
    gaps = [round(after - before - 0.2, 2) for before, after in itertools.pairwise(ups)]
    assert gaps[:4] == [1.0, 2.0, 4.0, 4.0]


def test_a_driver_bug_is_reported_and_survived() -> None:
    log, capture = play([[ZeroDivisionError("driver bug")], [1]], 1.0)
    assert log.kinds()[:4] == ["up", "down", "up", "frame"]
    assert capture.counters.failures >= 1
    assert isinstance(log.seen[1][2], ZeroDivisionError)


def test_the_end_of_a_recording_is_told_once() -> None:
    log, _ = play([[1, DeviceClosed("end")]], 3.0)
    assert log.kinds() == ["up", "frame", "end"]


def test_a_hung_thread_is_left_behind() -> None:
    clock = VirtualClock()
    log = Log(clock)
    release = threading.Event()
    made: list[ScriptedDevice] = []

    def hang() -> object:
        clock.wait(release, math.inf)
        return "late frame of the thread that hung"

    def make() -> ScriptedDevice:
        made.append(ScriptedDevice(clock, [hang] if not made else [1, 2, 3]))
        return made[-1]

    async def main() -> Capture[object]:
        capture: Capture[object] = Capture(
            "device",
            make,
            clock=clock,
            loop=asyncio.get_running_loop(),
            on_frame=log.note("frame"),
            on_up=log.note("up"),
            on_down=log.note("down"),
        )
        capture.start()
        await asyncio.sleep(6.0)
        assert capture.silent_for > capture.limits.hang_after
        capture.abandon(DeviceError("hangs"))
        await asyncio.sleep(0.25)
        release.set()
        await asyncio.sleep(0.5)
        capture.stop()
        return capture

    capture = run(main(), clock)
    assert [value for _, what, value in log.seen if what == "frame"] == [1, 2, 3]
    assert capture.counters.abandoned == 1


class SlowDevice(ScriptedDevice):
    """One frame every 1.8 s, as it says itself; a wait that is too short is a time-out."""

    def open(self) -> object:
        return SimpleNamespace(frame_rate=1 / 1.8)

    def read(self, timeout: float) -> object:
        if timeout < 1.8:
            self.clock.sleep(timeout)
            raise DeviceTimeout("no new data")
        self.clock.sleep(1.8)
        item = self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        return item


def test_a_sensor_of_less_than_a_frame_a_second_is_not_lost_for_it() -> None:
    clock = VirtualClock()
    log = Log(clock)
    script: list[object] = ["a", "b", FrameError("torn"), "c", "d", "e"]

    async def main() -> None:
        capture: Capture[object] = Capture(
            "thermal",
            lambda: SlowDevice(clock, script),
            clock=clock,
            loop=asyncio.get_running_loop(),
            on_frame=log.note("frame"),
            on_up=log.note("up"),
            on_down=log.note("down"),
        )
        capture.start()
        await asyncio.sleep(10.0)
        capture.stop()

    run(main(), clock)
    assert "down" not in log.kinds()
    assert log.kinds().count("frame") == 4
