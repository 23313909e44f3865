"""A clock that only sleeping moves, pictures, V4L2 cameras behind the ioctls of a process, network cameras."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class SteppingClock:
    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        if not event.is_set():
            self.sleep(timeout)
        return event.is_set()

    def spawn(self, target: Callable[[], object], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Three pictures whose grey says their place, and a text."""
    for place, name in enumerate(["b.png", "a.jpg", "c.PNG"]):
        picture: Any = np.full((24, 32, 3), 60 * (place + 1), dtype=np.uint8)
        good, data = cv2.imencode(".png", picture)
        assert good
        (tmp_path / name).write_bytes(data.tobytes())
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


class Process:
    """A program that answers a line (JSON) with a line."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )

    def ask(self, do: str, **details: Any) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"{process.args!r} ended with {process.wait()}"
        return json.loads(line)

    def end(self) -> None:
        self._process.communicate(timeout=30)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=30)


class Bench:
    """Cameras behind the ioctls of one process, and the shipped V4L2 source in another."""

    def __init__(self) -> None:
        here = Path(__file__).parent
        self._machine = Process(["umockdev-wrapper", SYSTEM_PYTHON, str(here / "umock_camera.py")], {})
        environment = {
            "UMOCKDEV_DIR": self._machine.ask("root"),
            "LD_PRELOAD": "libumockdev-preload.so.0",
            "PYTHONPATH": str(here.parents[2]),
        }
        self._client = Process([sys.executable, str(here / "umock_client.py")], environment)

    def plug(self, node: str = "video0", **spec: Any) -> None:
        """A camera comes; by default one that offers YUYV and MJPEG."""
        formats = {"YUYV": {"640x480": [30, 15], "1280x720": [10]}, "MJPG": {"640x480": [30], "1280x720": [30]}}
        self._machine.ask("plug", node=node, spec={"formats": formats, **spec})

    def unplug(self, node: str = "video0") -> None:
        self._machine.ask("unplug", node=node)

    def asked(self, node: str = "video0") -> Any:
        """What the driver was asked for, and what it holds."""
        return self._machine.ask("asked", node=node)

    def frame(self, data: bytes, **details: Any) -> bool:
        """The camera takes a picture; False where it had no buffer for it."""
        return bool(self._machine.ask("frame", data=base64.b64encode(data).decode(), **details))

    def open(self, **settings: Any) -> Any:
        return self._client.ask("open", settings={"source": "/dev/video0", **settings})

    def read(self, timeout: float = 5.0) -> Any:
        return self._client.ask("read", timeout=timeout)

    def close(self) -> Any:
        return self._client.ask("close")

    def close_while_reading(self) -> Any:
        return self._client.ask("close while reading", timeout=20.0)

    def run(self, **settings: Any) -> None:
        """Let a capture thread keep the camera delivering."""
        self._client.ask("run", settings={"source": "/dev/video0", **settings})

    def until_told(self, *wanted: str) -> list[str]:
        """What the lane was told, once it was told of all that is wanted, in this order."""
        pause = threading.Event()
        told: list[str] = []
        for _ in range(3000):
            told = self._client.ask("told")
            left = iter(told)
            if all(any(line.startswith(start) for line in left) for start in wanted):
                return told
            pause.wait(0.01)
        raise AssertionError(f"told was {told}, wanted {wanted}")

    def missing(self, **settings: Any) -> list[str]:
        """What the board's self-test says of the camera."""
        found = self._client.ask("missing", settings={"source": "/dev/video0", **settings})
        return [line for line in found if line.startswith("camera: ")]

    def end(self) -> None:
        self._client.end()
        self._machine.end()


class NetworkCamera:
    """An RTSP server in a process of its own, which can be killed and come back on its port."""

    def __init__(self, *access: str) -> None:
        self._access = access
        self.port = 0
        self.start()

    def start(self) -> None:
        server = str(Path(__file__).parents[3] / "benchmarks" / "rtsp_camera.py")
        self._process = Process([SYSTEM_PYTHON, server, str(self.port), *self._access], {})
        self.port = self._process.ask("where")

    def ask(self, do: str, **details: Any) -> None:
        self._process.ask(do, **details)

    def kill(self) -> None:
        self._process.kill()

    def url(self, user: str = "", path: str = "live") -> str:
        return f"rtsp://{user}127.0.0.1:{self.port}/{path}"


SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, which has Debian's python3-gi."""


@pytest.fixture
def network_camera() -> Iterator[Callable[..., NetworkCamera]]:
    """Makes network cameras, open to all or to USER, PASSWORD, `basic` or `digest`."""
    imports = (
        "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0')\n"
        "from gi.repository import Gst, GstRtspServer\n"
        "Gst.init(None); exit(Gst.ElementFactory.find('openh264enc') is None)"
    )
    python = Path(SYSTEM_PYTHON)
    if not python.exists() or subprocess.run([python, "-c", imports], check=False, capture_output=True).returncode:
        pytest.skip("no RTSP server (gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-bad)")
    made: list[NetworkCamera] = []

    def make(*access: str) -> NetworkCamera:
        made.append(NetworkCamera(*access))
        return made[-1]

    yield make
    for camera in made:
        camera.kill()


@pytest.fixture
def bench() -> Iterator[Bench]:
    imports = "import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"
    wrapper = shutil.which("umockdev-wrapper")
    if wrapper is None or subprocess.run([SYSTEM_PYTHON, "-c", imports], check=False, capture_output=True).returncode:
        pytest.skip("umockdev is not installed (umockdev gir1.2-umockdev-1.0 python3-gi)")
    built = Bench()
    yield built
    built.end()
