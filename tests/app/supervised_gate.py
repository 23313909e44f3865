"""The whole program on a simulated board, as a process of its own that a service manager watches.

    python supervised_gate.py FOLDER

SIGUSR1 makes the event loop hang in a blocking call, SIGUSR2 the thread that perceives. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config import Config, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.health.notify import Notifier
from controller.service import serve
from hw.board import simulated_board
from hw.settings import CameraSettings
from hw.sim.clock import ScaledClock
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from controller.app import App
    from controller.perception.types import Face


class Engine:
    """Sees nobody; hangs when it is told to."""

    name = "blind"
    template_model = "blind:1"
    dim = 4
    threshold = 0.5
    margin = 0.0
    rehearsal_only = False

    def __init__(self) -> None:
        self.hangs = False

    def detect(self, pixels: NDArray[np.uint8]) -> list[Face]:
        del pixels
        if self.hangs:
            threading.Event().wait()
        return []

    def embed(self, pixels: NDArray[np.uint8], face: Face) -> NDArray[np.float32]:
        raise AssertionError(f"no face was found, so none at {face.box} of {pixels.shape}")


def never_returns() -> None:
    """A call that blocks the loop."""
    threading.Event().wait()


def main(folder: Path) -> None:
    faulthandler.enable()
    clock = ScaledClock(1.0, 300.0)
    config = Config(
        store=StoreSettings(folder=folder), thermal=Mlx90640Settings(refresh_hz=2), camera=CameraSettings(fps=2)
    )
    engine = Engine()
    board, simulation = simulated_board(
        config.thermal, config.camera, config.gate, clock=clock, world=World(clock, seed=1), seed=1
    )

    async def wait(app: App) -> None:
        del app
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, never_returns)
        loop.add_signal_handler(signal.SIGUSR2, setattr, engine, "hangs", True)
        await asyncio.Event().wait()

    index = GalleryIndex.for_engine(engine)
    try:
        board.run(serve(config, board, engine, index, beside=wait, notifier=Notifier.from_environment()))
    except asyncio.CancelledError:
        print("ended", flush=True)
    finally:
        simulation.turnstile.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
