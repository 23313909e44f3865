"""The whole program on a simulated board, with a link, as a process of its own.

    python whole_gate.py FOLDER PORT killed|served

A registered person steps up and is let through. `killed` ends the process by SIGKILL in the step of the grant, when it
is on disk and nothing of it has been published; `served` goes on until SIGTERM, and then says `ended`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from controller.config import Config, SiteSettings, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person as Registered
from controller.lane.effects import RecordKind
from controller.link.settings import LinkSettings
from controller.perception.engines import open_engine
from controller.perception.registration import RegistrationSettings
from controller.perception.settings import PerceptionSettings
from controller.service import serve
from controller.watch import Step, Watch
from hw.board import simulated_board
from hw.ports import Side
from hw.sim.clock import ScaledClock
from hw.sim.figures import Person
from hw.sim.scene import enrolment_photo
from hw.sim.turnstile import PushResult
from hw.sim.world import World

if TYPE_CHECKING:
    from controller.app import App

IDENTITY = 7
STUDENT = "s-7"


class Grants(Watch):
    """Hears grants; may be the last thing this process does."""

    def __init__(self, *, deadly: bool) -> None:
        self._deadly = deadly
        self.granted = asyncio.Event()

    def on_step(self, step: Step) -> None:
        if any(stored.entry.kind == RecordKind.GRANT.value for stored in step.stored):
            if self._deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            self.granted.set()


def main(folder: Path, port: int, *, deadly: bool) -> None:
    clock = ScaledClock(1.0, 300.0)
    world = World(clock, seed=1)
    mount = world.mount
    registration = RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
    config = Config(
        site=SiteSettings(name="north"),
        perception=PerceptionSettings(registration=registration),
        store=StoreSettings(folder=folder),
        link=LinkSettings(
            campus="school",
            host="127.0.0.1",
            port=port,
            reconnect_min=0.05,
            reconnect_max=0.2,
            ack_timeout=0.5,
            home_assistant="homeassistant",
        ),
    )
    engine = open_engine("demo")
    index = GalleryIndex.for_engine(engine)
    photos = [enrolment_photo(IDENTITY, moment) for moment in range(2)]
    index.add(Registered(STUDENT), [engine.embed(photo, engine.detect(photo)[0]) for photo in photos])
    world.place(Person(identity=IDENTITY, core=36.5, glasses=False))
    board, simulation = simulated_board(config.thermal, config.camera, config.gate, clock=clock, world=world, seed=1)
    watch = Grants(deadly=deadly)

    async def people(app: App) -> None:
        await watch.granted.wait()
        world.clear()
        while simulation.turnstile.push(Side(app.config.site.entry)) is not PushResult.ROTATES:  # noqa: ASYNC110 - an arm that gives way tells nobody
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()

    try:
        board.run(serve(config, board, engine, index, watches=(watch,), beside=people))
    except asyncio.CancelledError:
        print("ended", flush=True)
    finally:
        simulation.turnstile.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), deadly=sys.argv[3] == "killed")
