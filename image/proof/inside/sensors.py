"""Checks of sensor and camera: shipped bus ends and drivers over the kernel's devices, and what a pulled cable does."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.board import linux_sensors
from hw.errors import DeviceError
from hw.settings import CameraSettings
from hw.thermal_settings import LeptonSettings, Mlx90640Settings
from image.proof.claims import duration, spread
from image.proof.inside import chip
from image.proof.inside.check import Check, need
from image.proof.inside.pins import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hw.ports import Camera, ThermalFrame, ThermalSensor

FRAMES: Final = 16
PICTURES: Final = 20
HERTZ: Final = 2.0
"""Subpages a second that an emulated processor keeps up with."""
THERMAL: Final = Mlx90640Settings(refresh_hz=HERTZ)
LEPTON: Final = LeptonSettings()
CAMERA: Final = CameraSettings(width=320, height=180, fps=15)
VIVID: Final = Path("/sys/bus/platform/drivers/vivid")
PATIENCE: Final = 20.0


class SensorChip:
    """The process behind a sensor's `nodes`: a copy of this one, so that the world is made once."""

    def __init__(self, make: Callable[[], object], serve: Callable[[], None], nodes: tuple[str, ...]) -> None:
        make()
        self._process = multiprocessing.get_context("fork").Process(target=serve)
        self._process.start()
        for node in nodes:
            _until(Path(node).exists, f"{node} did not appear")

    def unplug(self) -> None:
        """Pull the sensor's cable, or plug it in again."""
        assert self._process.pid is not None  # noqa: S101 - it runs
        os.kill(self._process.pid, signal.SIGUSR1)

    def kill(self) -> None:
        """Take the whole bus away."""
        self._process.kill()
        self._process.join()


@contextlib.contextmanager
def sensor_chip() -> Iterator[SensorChip]:
    """/dev/i2c-1 with its sensor, for as long as this lasts."""
    served = SensorChip(chip.bus, chip.serve_bus, (THERMAL.bus,))
    try:
        yield served
    finally:
        served.kill()


def camera_node() -> None:
    """/dev/video0 of the kernel's test driver."""
    if not Path("/dev/video0").exists():
        load("vivid", "n_devs=1", "node_types=0x1", "num_inputs=1", "input_types=0")
        _until(Path("/dev/video0").exists, "vivid made no /dev/video0")


def _until(done: Callable[[], bool], failure: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        need(time.monotonic() < deadline, failure)
        time.sleep(0.02)


def _sensor() -> ThermalSensor:
    return linux_sensors(THERMAL, CAMERA).make_thermal()


def _camera() -> Camera:
    return linux_sensors(THERMAL, CAMERA).make_camera()


def _frames(sensor: ThermalSensor, count: int) -> list[ThermalFrame]:
    frames: list[ThermalFrame] = []
    failures = 0
    while len(frames) < count:
        try:
            frames.append(sensor.read(5.0))
        except DeviceError:
            failures += 1
            need(failures < 10 * count, "ten times as many failed reads as frames")
    return frames


def _measured() -> str:
    with sensor_chip():
        sensor = _sensor()
        began = time.monotonic()
        info = sensor.open()
        opened = time.monotonic() - began
        frames = _frames(sensor, FRAMES)
        sensor.close()
    last = frames[-1].temperatures
    face, room = float(np.nanmax(last)), float(np.nanquantile(last, 0.1))
    need(last.shape == (24, 32) and np.isfinite(last).all(), f"a frame {last.shape} with gaps")
    need(32.0 < face < 37.5 and 20.0 < room < 24.0, f"the face is {face:.1f} °C, the room {room:.1f} °C")
    rate = (frames[-1].timestamp - frames[0].timestamp) / (frames[-1].sequence - frames[0].sequence)
    lost = frames[-1].sequence - frames[0].sequence + 1 - len(frames)
    return (
        f"{info.model}: open in {duration(opened)}, {len(frames)} frames, {1 / rate:.2f} of {HERTZ:g} Hz, "
        f"{lost} lost; face {face:.1f} °C before a room of {room:.1f} °C"
    )


def _lepton() -> str:
    served = SensorChip(chip.lepton, chip.serve_lepton, (LEPTON.bus, LEPTON.spi))
    try:
        sensor = linux_sensors(LEPTON, CAMERA).make_thermal()
        began = time.monotonic()
        info = sensor.open()
        opened = time.monotonic() - began
        frames = _frames(sensor, FRAMES)
        sensor.close()
    finally:
        served.kill()
    last = frames[-1].temperatures
    face, room = float(np.nanmax(last)), float(np.nanquantile(last, 0.1))
    need(last.shape == (60, 80) and np.isfinite(last).all(), f"a frame {last.shape} with gaps")
    need(32.0 < face < 37.5 and 20.0 < room < 24.0, f"the face is {face:.1f} °C, the room {room:.1f} °C")
    rate = (len(frames) - 1) / (frames[-1].timestamp - frames[0].timestamp)
    return (
        f"{info.model}: open in {duration(opened)}, {len(frames)} frames at {rate:.1f} Hz; "
        f"face {face:.1f} °C before a room of {room:.1f} °C"
    )


def _pulled() -> str:
    with sensor_chip() as served:
        sensor = _sensor()
        sensor.open()
        _frames(sensor, 2)
        served.unplug()
        said = _failure(lambda: sensor.read(5.0))
        need("did not acknowledge" in said, said)
        served.unplug()
        plugged = time.monotonic()
        sensor.open()
        _frames(sensor, 1)
        back = time.monotonic() - plugged
        sensor.close()
    return f"“{said}”; the first frame {duration(back)} after it was plugged in"


def _adapter_gone() -> str:
    with sensor_chip() as served:
        sensor = _sensor()
        sensor.open()
        _frames(sensor, 2)
        served.kill()
        said = _failure(lambda: sensor.read(5.0))
        sensor.close()
    _until(lambda: not Path("/dev/i2c-1").exists(), "/dev/i2c-1 stayed")
    missing = _failure(lambda: _sensor().open())
    need("no such I2C bus" in missing, missing)
    with sensor_chip():
        sensor.open()
        _frames(sensor, 1)
        sensor.close()
    return f"“{said}”; then “{missing}”; opened again when it was back"


def _failure(action: Callable[[], object]) -> str:
    """What the device says when it fails, soon."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            action()
        except DeviceError as error:
            return str(error)
    need(False, f"no error within {PATIENCE:g} s")
    return ""


def _pictures() -> str:
    camera_node()
    camera = _camera()
    name = camera.open()
    taken = [camera.read(10.0) for _ in range(PICTURES)]
    now = time.monotonic()
    camera.close()
    gaps = [after.timestamp - before.timestamp for before, after in itertools.pairwise(taken)]
    need(min(gaps) > 0, "a picture's time went back")
    need(taken[-1].pixels.std() > 10, "the picture is empty")
    need(0 <= now - taken[-1].timestamp < 2, "its time is not this clock's")
    return f"{name}: {PICTURES} pictures, apart by {spread(gaps)}"


def _unplugged() -> str:
    camera_node()
    camera = _camera()
    camera.open()
    camera.read(10.0)
    (VIVID / "unbind").write_text("vivid.0")
    began = time.monotonic()
    said = _failure(lambda: camera.read(2.0))
    noticed = time.monotonic() - began
    camera.close()
    _until(lambda: not Path("/dev/video0").exists(), "/dev/video0 stayed")
    missing = _failure(camera.open)
    (VIVID / "bind").write_text("vivid.0")
    _until(Path("/dev/video0").exists, "/dev/video0 did not come back")
    plugged = time.monotonic()
    camera.open()
    camera.read(10.0)
    back = time.monotonic() - plugged
    camera.close()
    return f"“{said}” after {duration(noticed)}, then “{missing}”; a picture {duration(back)} after it was back"


CHECKS: Final = (
    Check(
        "MLX90640 over the kernel's I2C device",
        "simulated chip behind CUSE as /dev/i2c-1; unmodified smbus2, shipped driver",
        _measured,
        120,
    ),
    Check(
        "The sensor's cable is pulled", "the chip no longer acknowledges; the driver's error, and its return", _pulled
    ),
    Check(
        "Lepton over the kernel's I2C and SPI devices",
        "simulated module behind CUSE as /dev/i2c-1 and /dev/spidev0.0; unmodified smbus2 and spidev, shipped driver",
        _lepton,
        120,
    ),
    Check("The I2C adapter is gone", "the server of /dev/i2c-1 is killed, and started again", _adapter_gone),
    Check("V4L2 pictures", "vivid as /dev/video0, through the shipped source and driver", _pictures),
    Check("The camera is unplugged", "vivid unbound from its driver while it streams, and bound again", _unplugged),
)
