"""Draws the picture of docs/indicators.md, and times it: `python -m benchmarks.screen_picture docs/screen.png`.

Who is seen is drawn by the simulated world, camera and array are its own, and the demo engine finds the face.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from controller.config import Config
from controller.indicators.mirror import Mirror
from controller.indicators.painter import Painter
from controller.indicators.screen import encoded
from controller.indicators.typeface import find
from controller.lane.effects import Prompt
from controller.perception.engines import open_engine
from controller.perception.registration import RegistrationSettings
from hw.board import simulated_board
from hw.sim.clock import ManualClock
from hw.sim.figures import Person
from hw.sim.world import World

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from controller.perception.types import Box

SHOWN: tuple[tuple[Prompt, str | None, bool], ...] = (
    (Prompt.IDLE, None, False),
    (Prompt.COME_CLOSER, None, True),
    (Prompt.LOOK_HERE, None, True),
    (Prompt.WAIT, None, True),
    (Prompt.PASS, None, True),
    (Prompt.DENIED, "unknown_person", True),
    (Prompt.ASK_GUARD, "liveness_unknown/hot_room", True),
    (Prompt.SEE_DOCTOR, "elevated_temperature", True),
    (Prompt.WARM_UP, None, True),
    (Prompt.OUT_OF_SERVICE, None, False),
    (Prompt.EMERGENCY, None, False),
    (Prompt.ALARM, "tailgate", True),
)
COLUMNS = 3
PANELS = (((800, 480), 5.0), ((1024, 600), 7.0))
TIMES = 300


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Somebody on the mark."""

    picture: NDArray[np.uint8]
    face: Box
    temperatures: NDArray[np.float32]
    registration: RegistrationSettings


def somebody(identity: int) -> Seen:
    """One person of the simulated world, as camera and array see them."""
    clock = ManualClock(300.0)
    world = World(clock, seed=3)
    config = Config()
    board, simulation = simulated_board(config.thermal, config.camera, config.gate, clock=clock, world=world, seed=3)
    try:
        world.place(Person(identity=identity, core=36.9, arrival=290.0, glasses=False))
        sensor, camera = board.make_thermal(), board.make_camera()
        sensor.open()
        camera.open()
        frames = [sensor.read(1.0) for _ in range(4)]
        picture = camera.read(1.0).pixels
        sensor.close()
        camera.close()
    finally:
        simulation.turnstile.close()
    mount = world.mount
    registration = RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
    face = open_engine("demo").detect(picture)[0].box
    return Seen(picture, face, frames[-1].temperatures, registration)


def sheet(seen: Seen, painter: Painter) -> NDArray[np.uint8]:
    """All of `SHOWN`, side by side: uint8[height, width, 3], RGB."""
    tiles = []
    for prompt, reason, pictured in SHOWN:
        mirror = Mirror(seen.registration, heat=True, flip=True)
        size = painter.picture_size(prompt, reason)
        own = mirror.seen(seen.picture, seen.face, seen.temperatures, size) if pictured else None
        tiles.append(np.pad(painter.paint(prompt, reason, own), ((4, 4), (4, 4), (0, 0)), constant_values=255))
    rows = [np.hstack(tiles[begin : begin + COLUMNS]) for begin in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def timed(seen: Seen, painter: Painter) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds of processor time of a painting with a new camera picture, and of its JPEG."""
    mirror = Mirror(seen.registration, heat=True, flip=True)
    size = painter.picture_size(Prompt.LOOK_HERE, None)
    paints, jpegs = np.empty(TIMES), np.empty(TIMES)
    for number in range(TIMES):
        begun = time.process_time()
        own = mirror.seen(seen.picture, seen.face, seen.temperatures, size)
        painted = painter.paint(Prompt.LOOK_HERE, None, own)
        between = time.process_time()
        encoded(painted)
        paints[number], jpegs[number] = between - begun, time.process_time() - between
    return 1000 * paints, 1000 * jpegs


def main(argv: list[str] | None = None) -> int:
    """Draw the picture; print the times."""
    parser = argparse.ArgumentParser(description="Draw what passers-by read, and time its painting.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--identity", type=int, default=21, help="who stands there (default: %(default)s)")
    arguments = parser.parse_args(argv)
    seen, typeface = somebody(arguments.identity), find(None)
    print("| panel | letters needed (px) | painting, median (p99) ms | JPEG, median (p99) ms |\n|---|---|---|---|")
    for size, diagonal in PANELS:
        painter = Painter(size, diagonal, 2.0, typeface)
        columns = [f"{np.median(ms):.1f} ({np.percentile(ms, 99):.1f})" for ms in timed(seen, painter)]
        letters = f"{painter.needed.latin:.0f} Latin, {painter.needed.chinese:.0f} Chinese"
        print(f"| {diagonal:g} inches, {size[0]} × {size[1]} | {letters} | {' | '.join(columns)} |")
    image = Image.fromarray(sheet(seen, Painter(*PANELS[0], 2.0, typeface)))
    small = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    small.quantize(128, dither=Image.Dither.NONE).save(arguments.path, optimize=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
