"""A Pi's camera with an object in picamera2's place that does as its manual and source say."""

from __future__ import annotations

import importlib.util
import threading
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from hw.clock import SystemClock
from hw.drivers.camera import CameraDriver
from hw.errors import DeviceClosed, DeviceError, DeviceMissing, DeviceTimeout
from hw.linux.picamera import PicameraSource, suspended
from hw.settings import CameraSettings

PATIENCE = 30.0


class Request:
    """A completed request: valid until it is released, once."""

    def __init__(self, camera: FakePicamera2, sequence: int, metadata: dict[str, Any], memory: Any) -> None:
        self.request: Any = SimpleNamespace(sequence=sequence)
        self._camera, self._metadata, self._memory = camera, metadata, memory
        camera.held += 1

    def get_metadata(self) -> dict[str, Any]:
        assert self.request is not None
        return dict(self._metadata)

    def make_array(self, name: str) -> Any:
        assert self.request is not None
        assert name == "main"
        width, height = self._camera.camera_config["main"]["size"]
        return np.array(self._memory[:, : 3 * width]).reshape(height, width, 3)

    def release(self) -> None:
        assert self.request is not None, "released twice"
        self.request = None
        self._camera.held -= 1


class FakePicamera2:
    """Picamera2 0.3: the newest finished request is at hand, and jobs take finished requests in their order."""

    models: ClassVar[list[str]] = ["imx708"]
    controls: ClassVar[set[str]] = {"FrameDurationLimits", "AfMode", "AeFlickerMode", "AeFlickerPeriod"}
    opened: ClassVar[list[FakePicamera2]] = []
    busy: ClassVar[bool] = False

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return [{"Model": model, "Location": 2, "Rotation": 0, "Id": f"/base/{model}"} for model in cls.models]

    def __init__(self, camera_num: int = 0) -> None:
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        assert camera_num < len(self.models)
        self.opened.append(self)
        self.held = 0
        self.started = self.closed = False
        self.set: dict[str, Any] = {}
        self.camera_config: dict[str, Any] = {}
        self.waiting = threading.Event()
        self._changed = threading.Condition()
        self._jobs: list[dict[str, Any]] = []
        self._completed: list[Request] = []
        self._sequence = 0

    @property
    def camera_controls(self) -> dict[str, Any]:
        return dict.fromkeys(self.controls, (0, 1, 0))

    def create_video_configuration(
        self, main: dict[str, Any], buffer_count: int = 6, *, queue: bool = True
    ) -> dict[str, Any]:
        return {"main": dict(main), "buffer_count": buffer_count, "queue": queue}

    def configure(self, config: dict[str, Any]) -> None:
        width, height = config["main"]["size"]
        if width > 4608:
            raise RuntimeError(f"Configuration failed: {config}")
        config["main"]["size"] = (width // 2 * 2, height // 2 * 2)
        config["main"]["stride"] = -(-3 * config["main"]["size"][0] // 64) * 64
        self.camera_config = config

    def camera_configuration(self) -> dict[str, Any]:
        return self.camera_config

    def set_controls(self, controls: dict[str, Any]) -> None:
        for name in controls:
            if name not in self.controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.set |= controls

    def start(self) -> None:
        self.started = True

    def complete(self, colour: tuple[int, int, int], **metadata: Any) -> None:
        """The camera finishes a picture."""
        main = self.camera_config["main"]
        line = np.zeros(main["stride"], np.uint8)
        line[: 3 * main["size"][0]] = np.tile(np.array(colour, np.uint8), main["size"][0])
        with self._changed:
            self._completed.append(Request(self, self._sequence, metadata, np.tile(line, (main["size"][1], 1))))
            self._sequence += 1
            self._serve()
            while len(self._completed) > (1 if self.camera_config["queue"] else 0):
                self._completed.pop(0).release()

    def _serve(self) -> None:
        while self._jobs and self._completed:
            self._jobs.pop(0)["result"] = self._completed.pop(0)
        self._changed.notify_all()

    def capture_request(self, wait: Any = None) -> Any:
        assert self.started
        assert wait, "0 and False return a job, None and True wait for ever"
        job: dict[str, Any] = {}
        with self._changed:
            self._jobs.append(job)
            self._serve()
            self.waiting.set()
            if not self._changed.wait_for(lambda: job, timeout=wait):
                raise TimeoutError
        if isinstance(job["result"], Exception):
            raise job["result"]
        return job["result"]

    def cancel_all_and_flush(self) -> None:
        with self._changed:
            for job in self._jobs:
                job["result"] = CancelledError()
            self._jobs = []
            self._changed.notify_all()

    def stop(self) -> None:
        assert not self._jobs, "stopping waits for the jobs before it"
        self.started = False
        while self._completed:
            self._completed.pop(0).release()

    def close(self) -> None:
        assert not self.held, "a request was never given back"
        self.closed = True


def camera_class(**changes: Any) -> Any:
    return type("Picamera2", (FakePicamera2,), {"opened": [], **changes})


def opened(kind: Any, ahead: float = 0.0, **settings: Any) -> tuple[PicameraSource, Any]:
    wish = CameraSettings(source="picamera2:0", **settings)
    source = PicameraSource(0, wish, SystemClock(), module=SimpleNamespace(Picamera2=kind), ahead=lambda: ahead)
    source.open()
    return source, kind.opened[-1]


def test_what_is_asked_for() -> None:
    source, camera = opened(camera_class(), fps=20, mains=50)
    assert source.name == "picamera2:0 (imx708, 640x480, 20/s, rate kept in the dark, autofocus, 50 Hz mains)"
    assert camera.camera_config["main"]["format"] == "RGB888"
    assert camera.set == {
        "FrameDurationLimits": (50_000, 50_000), "AfMode": 2, "AeFlickerMode": 1, "AeFlickerPeriod": 10_000
    }  # fmt: skip
    source.close()
    assert camera.closed


def test_a_sensor_without_focus_or_flicker_control() -> None:
    source, camera = opened(camera_class(controls={"FrameDurationLimits"}), mains=60, width=641)
    assert source.name == (
        "picamera2:0 (imx708, 640x480, asked for 641x480, 15/s, rate kept in the dark, no control for 60 Hz mains)"
    )
    assert camera.set == {"FrameDurationLimits": (66_667, 66_667)}
    source.close()


@pytest.mark.parametrize("width", [640, 500])
def test_pictures_are_blue_green_red_and_their_own(width: int) -> None:
    source, camera = opened(camera_class(), width=width)
    camera.complete((1, 2, 3))
    pixels, _ = source.grab(PATIENCE)
    assert pixels.shape == (480, width, 3)
    assert pixels[0, 0].tolist() == pixels[-1, -1].tolist() == [1, 2, 3]
    assert camera.held == 0
    source.close()


def test_only_the_newest_and_the_others_are_counted() -> None:
    source, camera = opened(camera_class())
    driver = CameraDriver(source, CameraSettings(), SystemClock())
    driver.open()
    camera = type(camera).opened[-1]
    for shade in (1, 2, 3):
        camera.complete((shade, 0, 0))
    assert driver.read(PATIENCE).pixels[0, 0, 0] == 3
    camera.complete((4, 0, 0))
    camera.complete((5, 0, 0))
    frame = driver.read(PATIENCE)
    assert (frame.pixels[0, 0, 0], frame.sequence) == (5, 2)
    driver.close()


def test_the_moment_is_the_sensors() -> None:
    clock = SystemClock()
    source, camera = opened(camera_class(), ahead=1000.0)
    taken = clock.monotonic() - 0.1
    camera.complete((0, 0, 0), SensorTimestamp=round((taken + 1000.0) * 1e9), ExposureTime=8000)
    assert source.grab(PATIENCE)[1] == pytest.approx(taken, abs=1e-6)
    for stamp in (None, 0, round((taken + 2000.0) * 1e9)):
        before = clock.monotonic()
        camera.complete((0, 0, 0), **({} if stamp is None else {"SensorTimestamp": stamp}))
        assert before <= source.grab(PATIENCE)[1] <= clock.monotonic()
    source.close()


def test_how_far_the_clocks_are_apart() -> None:
    assert -0.001 < suspended() < 1e9


def test_a_stalled_camera_times_out_and_the_next_picture_is_not_lost() -> None:
    source, camera = opened(camera_class())
    with pytest.raises(DeviceTimeout, match="ribbon cable"):
        source.grab(0.0)
    camera.complete((7, 0, 0))
    assert source.grab(PATIENCE)[0][0, 0, 0] == 7
    source.close()


def test_closing_ends_a_wait() -> None:
    source, camera = opened(camera_class())
    ended: list[Exception] = []

    def wait() -> None:
        try:
            source.grab(PATIENCE)
        except DeviceError as error:
            ended.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert camera.waiting.wait(PATIENCE)
    source.close()
    waiter.join(PATIENCE)
    assert [type(error) for error in ended] == [DeviceClosed]
    source.close()
    with pytest.raises(DeviceClosed):
        source.grab(0.1)


def test_what_cannot_be_used_says_why() -> None:
    with pytest.raises(DeviceMissing, match=r"there is: none.*camera_auto_detect"):
        opened(camera_class(models=[]))
    second = SimpleNamespace(Picamera2=camera_class())
    with pytest.raises(DeviceMissing, match=r"there is: picamera2:0 \(imx708\)"):
        PicameraSource(1, CameraSettings(), SystemClock(), module=second).open()
    with pytest.raises(DeviceError, match="another program may have it"):
        opened(camera_class(busy=True))
    kind = camera_class()
    wide: Any = SimpleNamespace(width=9000, height=480, fps=15, mains=None)
    with pytest.raises(DeviceError, match="refuses 9000x480"):
        PicameraSource(0, wide, SystemClock(), module=SimpleNamespace(Picamera2=kind)).open()
    assert kind.opened[-1].closed


def test_without_picamera2() -> None:
    if importlib.util.find_spec("picamera2") is not None:
        pytest.skip("picamera2 is installed")
    with pytest.raises(DeviceMissing, match=r"apt install python3-picamera2.*--system-site-packages"):
        PicameraSource(0, CameraSettings(), SystemClock()).open()
