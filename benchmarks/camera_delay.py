"""What a camera's own stamps cannot tell, measured: `python -m benchmarks.camera_delay /etc/thermogate/gate.toml`.

The terminal flashes black and white; the camera looks at its screen, which fills a tenth of the picture or more. From
each flash to the moment that the program has for the picture on which it shows is what `[camera] delay` takes off. The
screen's own lag, 10 to 40 ms, is in it.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from benchmarks.timing import median_interval
from hw.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.timing import Interval
    from hw.clock import Clock
    from hw.ports import Camera

BLACK, WHITE, PLAIN = "\x1b[48;5;16m\x1b[2J", "\x1b[48;5;231m\x1b[2J", "\x1b[0m\x1b[2J\x1b[H"
"""Of a terminal with 256 colours."""
HOLD: Final = 0.8
"""Seconds that a shade stays at least: longer than any camera is late."""
SPREAD: Final = 0.4
GRID: Final = (16, 12)
PART: Final = 0.1
"""Part of the picture that is looked at: where the flashes show most."""
CONTRAST: Final = 20.0
"""Grey levels between black and white, of 255, under which it is not the screen that is seen."""
READ_TIMEOUT: Final = 3.0


class Look(NamedTuple):
    """What was seen of the flashes."""

    flashes: list[float]
    """Seconds when the screen was told to change, black to white first and then in turn."""
    moments: list[float]
    """Seconds of the pictures."""
    shades: list[np.ndarray]
    """float32[GRID] mean grey of each picture's parts."""


class UnseenError(Exception):
    """The camera does not see the screen."""


def main(argv: list[str] | None = None) -> int:
    """Flash, look, and print what to set."""
    from controller.config import load
    from hw.board import linux_sensors

    parser = argparse.ArgumentParser(
        description="Measure what [camera] delay should be, with the screen of this terminal."
    )
    parser.add_argument("config", type=Path, metavar="GATE.TOML")
    parser.add_argument("--flashes", type=int, default=40, metavar="N", help="one a second (default: 40)")
    arguments = parser.parse_args(argv)
    config = load(arguments.config)
    sensors = linux_sensors(config.thermal, config.camera)
    camera = sensors.make_camera()
    camera.open()
    try:
        look = watch(camera, show, sensors.clock, arguments.flashes, random.Random())
    finally:
        show(PLAIN)
        camera.close()
    try:
        found = delay_of(look)
    except UnseenError as error:
        print(error, file=sys.stderr)
        return 1
    told = config.camera.delay + found.median
    print(
        f"{len(look.flashes)} flashes: {1000 * found.median:.0f} ms [{1000 * found.low:.0f}, {1000 * found.high:.0f}]"
    )
    print(f"[camera]\ndelay = {max(0.0, told):.3f}")
    return 0


def show(codes: str) -> None:
    """Change the screen."""
    sys.stdout.write(codes)
    sys.stdout.flush()


def watch(camera: Camera, screen: Callable[[str], None], clock: Clock, flashes: int, dice: random.Random) -> Look:
    """Flash so many times and look on. Raises `DeviceError` kinds."""
    look = Look([], [], [])
    screen(BLACK)
    due = clock.monotonic() + HOLD + SPREAD
    while True:
        try:
            frame = camera.read(READ_TIMEOUT)
        except FrameError:
            continue
        look.moments.append(frame.timestamp)
        grey = cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2GRAY)
        look.shades.append(np.asarray(cv2.resize(grey, GRID, interpolation=cv2.INTER_AREA), dtype=np.float32))
        if clock.monotonic() < due:
            continue
        if len(look.flashes) == flashes:
            return look
        # At any moment of the camera's period, not always just after a picture.
        clock.sleep(dice.uniform(0, SPREAD / 2))
        look.flashes.append(clock.monotonic())
        screen(WHITE if len(look.flashes) % 2 else BLACK)
        due = clock.monotonic() + HOLD + dice.uniform(0, SPREAD / 2)


def delay_of(look: Look) -> Interval:
    """Seconds from the flashes to the moments told of them. Raises `UnseenError`."""
    moments, shades = np.array(look.moments), np.array(look.shades)
    # The last picture before each flash shows the shade before it, settled.
    settled = [shades[np.searchsorted(moments, flash) - 1] for flash in look.flashes]
    rise = np.mean(settled[1::2], axis=0) - np.mean(settled[0::2], axis=0)
    seen = rise >= np.quantile(rise, 1 - PART)
    light = shades[:, seen].mean(axis=1)
    dark, bright = (
        light[_before(moments, look.flashes[0::2])].mean(),
        light[_before(moments, look.flashes[1::2])].mean(),
    )
    if not bright - dark >= CONTRAST:
        raise UnseenError(
            f"the camera does not see the screen flash: {bright - dark:.0f} grey levels, {CONTRAST:.0f} are needed; "
            "hold it closer, darken the room"
        )
    level = (light - dark) / (bright - dark)
    return median_interval(np.array([_crossing(moments, level, flash) - flash for flash in look.flashes]))


def _before(moments: np.ndarray, flashes: list[float]) -> np.ndarray:
    return np.searchsorted(moments, flashes) - 1


def _crossing(moments: np.ndarray, level: np.ndarray, flash: float) -> float:
    """When half of the change shows, between two pictures: the mean over many flashes is right, whatever the phase."""
    first = int(np.searchsorted(moments, flash))
    period = float(np.median(np.diff(moments)))
    rising = level[first - 1] < 0.5
    for at in range(first, len(moments)):
        if (level[at] >= 0.5) == rising:
            before, after = level[at - 1], level[at]
            # Pictures just before the flash may have been left out; one was taken a period before all the same.
            since = max(moments[at - 1], moments[at] - period)
            return float(since + (moments[at] - since) * (0.5 - before) / (after - before))
    raise UnseenError("the last flash was not seen")


if __name__ == "__main__":
    raise SystemExit(main())
