"""One rehearsal of a door or a barrier: the simulated board, the program on it, the scenes, and what they leave."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from controller.app import App
from controller.config import parse
from controller.drill.director import READY_WAIT, SignReader
from controller.drill.kinds.barrier_scenes import BarrierScenes
from controller.drill.kinds.door_scenes import DoorScenes
from controller.drill.kinds.stagehand import Stagehand
from controller.drill.lens import Lens
from controller.drill.readback import DiskWitness, read_journal
from controller.drill.rehearsal import SETTLED, registration_of
from controller.drill.witness import WitnessedGate
from controller.record.boot import read_boot_id
from controller.record.journal import Journal
from hw.board import simulated_kind
from hw.executor import ClockExecutor
from hw.sim.barrier import ArmCommand, SimulatedBarrier
from hw.sim.clock import ScaledClock, VirtualClock
from hw.sim.door import LockMove, SimulatedDoor
from hw.sim.figures import EYE_HEIGHT
from hw.sim.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from controller.drill.kinds.cast import Act, Play
    from controller.drill.scoreboard import Scoreboard
    from controller.drill.witness import Sighting
    from controller.gallery.index import GalleryIndex
    from controller.perception.types import FaceEngine
    from controller.record.entry import Stored
    from hw.clock import Clock

SEATED_LOWER: Final = 0.05
"""Metres by which a seated driver's face is below a standing one's, before a pillar made for cars."""
SETTINGS: Final = {
    "door": """
[lane]
kind = "door"
[lane.door]
open_warning = 4.0
open_alarm = 8.0
rex_stuck = 6.0
[door]
rex = 6
secure = 13
fire = 26
""",
    "barrier": """
[lane]
kind = "barrier"
passage_wait = 9.0
[lane.barrier]
open_within = 5.0
[barrier]
loop_front = 12
loop_exit = 16
loop_fault = 20
photocell_fault = 21
power_fail = 24
fire = 26
""",
}
"""gate.toml of the lane that is rehearsed: what takes half a minute at a door takes seconds here."""


@dataclass(frozen=True, slots=True)
class SceneLog:
    """One scene as it went."""

    act: Act
    begin: float
    """Monotonic seconds of the board's clock; scenes follow each other without overlap."""
    end: float
    trouble: str
    """What went wrong for the people in it, as they saw it; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What a rehearsal left behind. Those of the mechanics and those of the program are independent of each other."""

    scenes: tuple[SceneLog, ...]
    opened: tuple[float, ...]
    """When the lock was released, or the arm sent up, as the mechanics saw it."""
    orders: tuple[Sighting, ...]
    """Orders to do so, with the grants that were on disk when each came."""
    asked: tuple[float, ...]
    """When somebody inside asked to leave, at a door."""
    closed_on: tuple[float, ...]
    """When the arm was sent down on something."""
    hits: tuple[float, ...]
    """When it came down on it."""
    reversals: int
    """Times that the arm's driver sent it up by itself."""
    journal: tuple[Stored, ...]
    reported: tuple[Stored, ...]
    unwritten: int
    complete: bool


class KindRehearsal:
    """A simulated board with a door or a barrier, the program on it, and the scenes before it.

    Args:
        play: what is played.
        speed: gate seconds in a real second; None: as fast as the work allows.
        engine: finds and tells faces apart.
        gallery: those of `play` who are registered.
        folder: takes the journal.
        scores: told of each scene.
    """

    def __init__(
        self,
        play: Play,
        *,
        speed: float | None,
        engine: FaceEngine,
        gallery: GalleryIndex,
        folder: Path,
        scores: Scoreboard,
    ) -> None:
        self.real_seconds = 0.0
        """How long `run` took."""
        self._play = play
        self._engine = engine
        self._gallery = gallery
        self._scores = scores
        self._clock: Clock = VirtualClock(SETTLED) if speed is None else ScaledClock(speed, SETTLED)
        world = World(self._clock, seed=play.seed)
        config = parse(SETTINGS[play.kind], where="the rehearsal's settings")
        perception = msgspec.structs.replace(config.perception, registration=registration_of(world.mount))
        store = msgspec.structs.replace(config.store, folder=folder)
        self._config = msgspec.structs.replace(config, perception=perception, store=store)
        self._path = folder / "journal.sqlite3"
        wiring = self._config.door if play.kind == "door" else self._config.barrier
        board, self._simulation = simulated_kind(
            self._config.thermal, self._config.camera, wiring, clock=self._clock, world=world, seed=play.seed
        )
        self._gate = WitnessedGate(board.gate, self._clock)
        self._driver = board.gate
        self._board = replace(board, gate=self._gate)
        sign = SignReader()
        self.lens = Lens(sign, scores)
        height = EYE_HEIGHT + (SEATED_LOWER if play.kind == "barrier" else 0.0)
        self._hands = Stagehand(self._simulation, sign, self._clock, height=height)
        self._sign = sign
        self._logs: list[SceneLog] = []

    def run(self) -> bool:
        """Play; False when Ctrl-C ended it."""
        started = time.perf_counter()
        try:
            self._board.run(self._main())
        except KeyboardInterrupt:
            return False
        finally:
            self.real_seconds = time.perf_counter() - started
            self._simulation.mechanics.close()
        return True

    async def _main(self) -> None:
        executor = ClockExecutor(self._clock, 1, "journal")
        journal = Journal(self._path, executor, boot_id=read_boot_id())
        await journal.open()
        witness = DiskWitness(self._path)
        self._gate.watch(witness.grants)
        app = App(
            self._config, self._board, engine=self._engine, gallery=self._gallery, journal=journal, watches=(self.lens,)
        )
        self._hands.post = app.post
        try:
            await app.run(self._scenes)
        finally:
            witness.close()
            await journal.close()
            executor.shutdown(wait=False)

    async def _scenes(self) -> None:
        mechanics = self._simulation.mechanics
        scenes: DoorScenes | BarrierScenes
        if isinstance(mechanics, SimulatedDoor):
            scenes = DoorScenes(self._hands, mechanics)
        else:
            scenes = BarrierScenes(self._hands, mechanics)
        await self._sign.now_or_within(lambda sign: sign.invites, READY_WAIT)
        for act in self._play.acts:
            begin = self._clock.monotonic()
            await self._hands.prepare(act)
            trouble = await scenes.play(act)
            self._logs.append(SceneLog(act, begin, self._clock.monotonic(), trouble))
            mark = "! " if trouble else "  "
            self._scores.tell(f"{mark}{act.number:>3} {act.scene.value:<22} {trouble}".rstrip())

    def traces(self, *, complete: bool) -> Traces:
        """What it left behind, once it is over."""
        mechanics = self._simulation.mechanics
        barrier = mechanics if isinstance(mechanics, SimulatedBarrier) else None
        if isinstance(mechanics, SimulatedDoor):
            opened = [move.timestamp for move in mechanics.moves if isinstance(move, LockMove) and move.released]
        else:
            opened = [
                m.timestamp for m in mechanics.moves if isinstance(m, ArmCommand) and m.line == "open" and m.active
            ]
        return Traces(
            scenes=tuple(self._logs),
            opened=tuple(opened),
            orders=tuple(self._gate.sightings),
            asked=tuple(mechanics.asked) if isinstance(mechanics, SimulatedDoor) else (),
            closed_on=tuple(barrier.closed_on) if barrier else (),
            hits=tuple(barrier.hits) if barrier else (),
            reversals=getattr(self._driver, "reversals", 0),
            journal=read_journal(self._path),
            reported=self.lens.stored,
            unwritten=self.lens.unwritten,
            complete=complete,
        )
