"""What runs on top of the mocked devices: the shipped drivers over unmodified smbus2 and spidev.

`client.py SETTINGS FRAMES` opens the sensor that SETTINGS (JSON of [thermal]) name, reads frames, and prints what came
as one line of JSON: the sensor's description and its pictures, or the error's classes and text. With FRAMES 0 it prints
what `hw.board.missing` finds, as `thermogate selftest` asks it.
"""

from __future__ import annotations

import json
import os
import sys

import msgspec
import smbus2  # noqa: F401 - before the user is changed
import spidev  # noqa: F401

from hw.board import linux_sensors, missing
from hw.errors import DeviceError, FrameError, NotReady
from hw.settings import CameraSettings, GateSettings
from hw.thermal_settings import ThermalSettings


def main(settings: ThermalSettings, count: int) -> dict[str, object]:
    if not count:
        return {"missing": missing(settings, CameraSettings(), GateSettings())}
    sensor = linux_sensors(settings, CameraSettings()).make_thermal()
    try:
        info = sensor.open()
        frames: list[object] = []
        while len(frames) < count:
            try:
                frame = sensor.read(20.0)
            except (FrameError, NotReady):
                continue
            frames.append({"picture": frame.temperatures.tolist(), "ambient": frame.ambient})
    except DeviceError as error:
        return {"error": [kind.__name__ for kind in type(error).__mro__], "text": str(error)}
    finally:
        sensor.close()
    return {"model": info.model, "serial": info.serial, "warnings": info.warnings, "frames": frames}


if __name__ == "__main__":
    if os.environ.get("RELAY_FORBIDDEN") and os.getuid() == 0:
        os.setuid(65534)
    told = msgspec.json.decode(sys.argv[1], type=ThermalSettings)
    sys.stdout.write(json.dumps(main(told, int(sys.argv[2]))) + "\n")
