"""A process in which the shipped V4L2 source runs, told what to do a line (JSON) at a time; its libc is umockdev's."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from controller.sight.capture import Capture
from hw.board import missing
from hw.clock import SystemClock
from hw.drivers.camera import CameraDriver
from hw.errors import DeviceError
from hw.linux.v4l2 import V4l2Source
from hw.settings import CameraSettings, GateSettings
from hw.thermal_settings import Mlx90640Settings


def run(settings: CameraSettings, clock: SystemClock, told: list[str]) -> str:
    """Keep the camera delivering, as the lane does, until the process ends; `told` grows by what the lane is told."""
    loop = asyncio.new_event_loop()
    capture: Capture[Any] = Capture(
        "camera",
        lambda: CameraDriver(V4l2Source(settings.source, settings, clock), settings, clock),
        clock=clock,
        loop=loop,
        on_frame=lambda frame: told.append(f"frame {frame.sequence}"),
        on_up=lambda info: told.append(f"up {info}"),
        on_down=lambda error: told.append(f"down {type(error).__name__}: {error}"),
    )
    threading.Thread(target=loop.run_forever, daemon=True).start()
    capture.start()
    return "runs"


def main() -> None:
    """Obey until the input ends."""
    clock = SystemClock()
    driver: Any = None
    told: list[str] = []
    for line in sys.stdin:
        command = json.loads(line)
        try:
            match command["do"]:
                case "open":
                    if driver is not None:
                        driver.close()
                    settings = CameraSettings(**command["settings"])
                    driver = CameraDriver(V4l2Source(settings.source, settings, clock), settings, clock)
                    answer: Any = driver.open()
                case "read":
                    frame = driver.read(command["timeout"])
                    answer = {
                        "shape": frame.pixels.shape,
                        "corner": frame.pixels[0, 0].tolist(),
                        "end": frame.pixels[-1, -1].tolist(),
                        "timestamp": frame.timestamp,
                        "sequence": frame.sequence,
                        "now": clock.monotonic(),
                    }
                case "run":
                    answer = run(CameraSettings(**command["settings"]), clock, told)
                case "told":
                    answer = told
                case "missing":
                    answer = missing(Mlx90640Settings(), CameraSettings(**command["settings"]), GateSettings())
                case "close while reading":
                    closing = threading.Timer(0.1, driver.close)
                    closing.start()
                    driver.read(command["timeout"])
                    answer = "read"
                case _:
                    driver.close()
                    answer = "closed"
        except DeviceError as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
