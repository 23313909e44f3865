"""The shipped RTSP source against a real server, GStreamer's, on loopback; and against streams that a test makes up."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from controller.sight.capture import Capture
from hw.clock import SystemClock
from hw.drivers.camera import CameraDriver
from hw.errors import DeviceClosed, DeviceDenied, DeviceError, DeviceMissing, DeviceTimeout
from hw.linux.rtsp import RtspSource
from hw.settings import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "p@ss:/w %25ord"
PATIENCE = 30.0


def shown(pixels: Any) -> float:
    """The moment that a picture of the server shows, seconds."""
    bits = "".join("1" if pixels[20, 20 * place + 10, 1] > 128 else "0" for place in range(32))
    return int(bits, 2) / 1000


def opened(url: str, **settings: Any) -> RtspSource:
    source = RtspSource(url, CameraSettings(source=url, **settings), SystemClock())
    source.open()
    return source


@pytest.mark.service
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pictures_and_their_moments(network_camera: Any, transport: Any) -> None:
    camera = network_camera()
    camera.ask("rate", rate=25, uneven=0.6)
    source = opened(camera.url(), transport=transport)
    assert source.name == f"{camera.url()} (640x480 by {transport.upper()})"
    late = []
    for _ in range(40):
        pixels, taken = source.grab(PATIENCE)
        assert pixels.shape == (480, 640, 3)
        assert taken <= SystemClock().monotonic()
        late.append(taken - shown(pixels))
    source.close()
    assert min(late) > -0.005
    # Uneven pictures keep their distances whatever their ways took: the envelope of lateness only ever falls.
    assert max(after - before for before, after in itertools.pairwise(late)) < 0.005


@pytest.mark.service
def test_a_slow_reader_gets_the_newest(network_camera: Any) -> None:
    camera = network_camera()
    source = opened(camera.url())
    first = shown(source.grab(PATIENCE)[0])
    pause = threading.Event()
    while source.lost < 3:
        pause.wait(0.01)
    assert shown(source.grab(PATIENCE)[0]) - first > 3 * 0.06
    source.close()


@pytest.mark.service
def test_a_stalled_stream_times_out_and_is_had_again(network_camera: Any) -> None:
    camera = network_camera()
    source = opened(camera.url())
    source.grab(PATIENCE)
    camera.ask("stall")
    for _ in range(20):  # on their way still
        try:
            source.grab(PATIENCE)
        except DeviceTimeout:
            break
    else:
        pytest.fail("a stalled stream goes on")
    source.close()
    camera.ask("resume")
    source.open()
    source.grab(PATIENCE)
    source.close()


@pytest.mark.service
@pytest.mark.asyncio
async def test_a_camera_that_goes_and_comes_back(network_camera: Any) -> None:
    camera = network_camera()
    settings = CameraSettings(source=camera.url())
    clock = SystemClock()
    frames, downs = asyncio.Event(), asyncio.Queue[Exception]()
    capture: Capture[Any] = Capture(
        "camera",
        lambda: CameraDriver(RtspSource(settings.source, settings, clock), settings, clock),
        clock=clock,
        loop=asyncio.get_running_loop(),
        on_frame=lambda _: frames.set(),
        on_up=lambda _: None,
        on_down=downs.put_nowait,
    )
    capture.start()
    await asyncio.wait_for(frames.wait(), PATIENCE)
    camera.kill()
    assert isinstance(await asyncio.wait_for(downs.get(), PATIENCE), DeviceError)
    while not isinstance(await asyncio.wait_for(downs.get(), PATIENCE), DeviceMissing):
        pass
    frames.clear()
    camera.start()
    await asyncio.wait_for(frames.wait(), PATIENCE)
    capture.stop()


@pytest.mark.service
@pytest.mark.parametrize("scheme", ["digest", "basic"])
def test_passwords(network_camera: Any, tmp_path: Path, capfd: Any, scheme: str) -> None:
    camera = network_camera("gate", PASSWORD, scheme)
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    source = opened(camera.url("gate@"), password_file=file)
    source.grab(PATIENCE)
    told = [source.name]
    source.close()
    file.write_text("wrong-one\n")
    for user, text in (("gate@", "refuses user 'gate'"), ("", "asks for a password"), ("nobody@", "refuses user")):
        with pytest.raises(DeviceDenied, match=text) as caught:
            opened(camera.url(user), password_file=file)
        told.append(str(caught.value))
    written = capfd.readouterr()
    for secret in (PASSWORD, "p%40ss", "wrong-one"):
        assert secret not in " ".join([*told, written.out, written.err])


@pytest.mark.service
def test_a_stream_that_is_not_there(network_camera: Any) -> None:
    camera = network_camera()
    with pytest.raises(DeviceMissing, match="but not this stream"):
        opened(camera.url(path="other"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_nobody_there(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(DeviceMissing, match=f"no RTSP camera on 127.0.0.1 port {port}: .*refused"):
        opened(f"rtsp://127.0.0.1:{port}/live")
    with pytest.raises(DeviceMissing, match=r"the name camera\.invalid is not known"):
        opened("rtsp://camera.invalid/live")


def test_one_that_never_answers(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(DeviceTimeout, match=f"does not answer on port {port}"):
        opened(f"rtsp://127.0.0.1:{port}/live")


def test_one_that_speaks_something_else(listener: socket.socket) -> None:
    def answer() -> None:
        for _ in range(2):
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    with pytest.raises(DeviceMissing, match="does not speak RTSP"):
        opened(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/live")


class Script:
    """`cv2.VideoCapture` that gives what stands in its script: (position in ms, shade), False, or an error."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.position = 0.0
        self.released = threading.Event()
        self.played = threading.Event()
        self.go_on = threading.Event()

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, prop: int, /) -> float:
        return self.position if prop == cv2.CAP_PROP_POS_MSEC else 480.0

    def read(self) -> tuple[bool, Any]:
        if not self.steps:
            self.played.set()
            self.go_on.wait(PATIENCE)
            return False, None
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if step is False:
            return False, None
        self.position, shade = step
        return True, np.full((4, 4, 3), shade, np.uint8)

    def release(self) -> None:
        self.released.set()


def scripted(script: Script) -> RtspSource:
    url = "rtsp://gate@camera/live"
    source = RtspSource(url, CameraSettings(source=url), SystemClock(), make=lambda _address, _options: script)
    source.open()
    return source


def test_a_stream_that_ends() -> None:
    script = Script(False)
    source = scripted(script)
    with pytest.raises(DeviceError, match=r"rtsp://camera/live: the stream ended"):
        source.grab(PATIENCE)
    source.close()
    assert script.released.is_set()
    with pytest.raises(DeviceClosed):
        source.grab(0.0)


def test_an_error_of_opencv_does_not_show_the_address() -> None:
    source = scripted(Script(cv2.error("rtsp://gate:hunter2@camera/live")))
    with pytest.raises(DeviceError, match="OpenCV cannot go on") as caught:
        source.grab(PATIENCE)
    assert "hunter2" not in str(caught.value)
    source.close()


def test_a_stream_without_stamps_is_stamped_on_arrival() -> None:
    before = SystemClock().monotonic()
    script = Script((0.0, 1))
    source = scripted(script)
    _, taken = source.grab(PATIENCE)
    assert before <= taken <= SystemClock().monotonic()
    with pytest.raises(DeviceTimeout, match=r"no picture within 0\.01 s"):
        source.grab(0.01)
    script.go_on.set()
    source.close()


def test_a_picture_without_a_stamp_among_stamped_ones_is_left_out() -> None:
    script = Script((0.0, 1), (100.0, 2), (0.0, 3))
    source = scripted(script)
    assert script.played.wait(PATIENCE)
    assert source.grab(PATIENCE)[0][0, 0, 0] == 2
    assert source.lost == 2
    script.go_on.set()
    source.close()
