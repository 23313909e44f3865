"""How old pictures are when the program has them: `python -m benchmarks.camera_latency`.

A network camera on loopback (GStreamer, H.264) draws the moment of each picture into it; what is measured is the time
from there to the return of `RtspSource.grab`, and how far the moment that the source tells is from the drawn one.
Beside it OpenCV's own way, for a reader that is as busy. Then what it costs to make BGR of a V4L2 buffer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np
import simplejpeg

from benchmarks.timing import median_interval
from hw.clock import SystemClock
from hw.linux import videodev2 as v4l2
from hw.linux.rtsp import RtspSource
from hw.linux.v4l2 import decode
from hw.linux.v4l2_node import Filled, Layout
from hw.settings import CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SYSTEM_PYTHON: Final = "/usr/bin/python3"
"""Debian's, which has Debian's python3-gi."""
UNEVEN: Final = 0.3
BUSY: Final = 0.1
"""Seconds that perception takes for a picture on a slow board."""
CONVERSIONS: Final = 200


class LoopbackCamera:
    """The network camera in a process of its own. A context manager."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self.url = ""

    def __enter__(self) -> Self:
        server = Path(__file__).with_name("rtsp_camera.py")
        self._process = subprocess.Popen(  # noqa: S603 - our own server
            [SYSTEM_PYTHON, server, "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        command = json.dumps({"do": "rate", "rate": self._rate, "uneven": UNEVEN})
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a server has pipes")
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self.url = f"rtsp://127.0.0.1:{json.loads(self._process.stdout.readline())}/live"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def main(argv: list[str] | None = None) -> int:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description="How old pictures are when the program has them.")
    parser.add_argument("--seconds", type=float, default=30.0, help="per row (default: 30)")
    parser.add_argument("--rate", type=float, default=15.0, help="pictures a second (default: 15)")
    arguments = parser.parse_args(argv)
    print("| RTSP, 640x480 | n | open, s | age, ms: median [95 %] | p95 | told - true, ms: median | p5 to p95 |")
    print("|---|---|---|---|---|---|---|")
    rows: list[tuple[str, str, float, bool]] = [
        ("TCP", "tcp", 0.0, True),
        ("UDP", "udp", 0.0, True),
        (f"TCP, reader busy for {1000 * BUSY:.0f} ms a picture", "tcp", BUSY, True),
        ("OpenCV alone", "tcp", 0.0, False),
        (f"OpenCV alone, reader busy for {1000 * BUSY:.0f} ms a picture", "tcp", BUSY, False),
    ]
    for name, transport, busy, ours in rows:
        with LoopbackCamera(arguments.rate) as camera:
            look = _ours(camera.url, transport) if ours else _plain(camera.url)
            _show(name, look, arguments.seconds, busy)
    print()
    print("| V4L2 buffer to BGR | n | processor time, ms: median [95 %] |")
    print("|---|---|---|")
    for width, height in ((640, 480), (1280, 720)):
        for filled, layout in _buffers(width, height):
            _convert(filled, layout)
    return 0


def _ours(url: str, transport: Any) -> Iterator[tuple[NDArray[np.uint8], float]]:
    settings = CameraSettings(source=url, transport=transport)
    source = RtspSource(url, settings, SystemClock())
    source.open()
    try:
        while True:
            yield source.grab(5.0)
    finally:
        source.close()


def _plain(url: str) -> Iterator[tuple[NDArray[np.uint8], float]]:
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
    try:
        while True:
            _, picture = capture.read()
            yield np.asarray(picture, dtype=np.uint8), time.monotonic()
    finally:
        capture.release()


def _show(name: str, look: Iterator[tuple[NDArray[np.uint8], float]], seconds: float, busy: float) -> None:
    started = time.monotonic()
    next(look)
    opened = time.monotonic() - started
    ages: list[float] = []
    errors: list[float] = []
    pause = threading.Event()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pixels, taken = next(look)
        now = time.monotonic()
        true = _drawn(pixels)
        ages.append(now - true)
        errors.append(taken - true)
        pause.wait(busy)
    look.close()  # type: ignore[attr-defined] # a generator
    middle = median_interval(1e3 * np.array(ages))
    told = np.quantile(1e3 * np.array(errors), (0.5, 0.05, 0.95))
    print(
        f"| {name} | {len(ages)} | {opened:.1f} | {middle.median:.0f} [{middle.low:.0f}, {middle.high:.0f}] "
        f"| {1e3 * np.quantile(ages, 0.95):.0f} | {told[0]:.0f} | {told[1]:.0f} to {told[2]:.0f} |",
        flush=True,
    )


def _drawn(pixels: NDArray[np.uint8]) -> float:
    """The moment that a picture shows, seconds of CLOCK_MONOTONIC (`rtsp_camera.picture`)."""
    bits = "".join("1" if pixels[20, 20 * place + 10, 1] > 128 else "0" for place in range(32))
    return int(bits, 2) / 1000


def _buffers(width: int, height: int) -> Iterator[tuple[Filled, Layout]]:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    scene = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), dtype=np.uint8)
    raw = rng.integers(0, 256, 2 * width * height, dtype=np.uint8).tobytes()
    packed = simplejpeg.encode_jpeg(scene, 85, "BGR", "422")
    for data, pixelformat, stride in ((raw, v4l2.PIX_FMT_YUYV, 2 * width), (packed, v4l2.PIX_FMT_MJPEG, 0)):
        layout = Layout(pixelformat, width, height, stride, len(data))
        yield Filled(0, memoryview(data), 0.0, 0, 0), layout


def _convert(filled: Filled, layout: Layout) -> None:
    times = np.empty(CONVERSIONS)
    for turn in range(CONVERSIONS):
        started = time.thread_time()
        decode(filled, layout, "benchmark")
        times[turn] = 1e3 * (time.thread_time() - started)
    middle = median_interval(times)
    size = f"{v4l2.fourcc(layout.pixelformat)} {layout.width}x{layout.height}"
    print(f"| {size} | {CONVERSIONS} | {middle.median:.2f} [{middle.low:.2f}, {middle.high:.2f}] |", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
