"""The shipped stack, from driver to journal, on a simulated turnstile with every signal wired, in simulated time."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from controller.app import App
from controller.config import Config, StoreSettings
from controller.gallery.index import GalleryIndex
from controller.gallery.model import Person
from controller.lane import events as ev
from controller.lane.effects import RecordKind
from controller.lane.model import Assessment, Direction, LaneSettings, Liveness, Match, Screening, Verdict
from controller.record.journal import Journal
from controller.watch import Step, Watch
from hw.board import simulated_board
from hw.executor import ClockExecutor
from hw.settings import GateSettings
from hw.sim.clock import VirtualClock
from hw.sim.turnstile import RelayMove
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from pathlib import Path

    from controller.lane.states import State
    from controller.perception.types import FaceEngine
    from controller.record.entry import Stored
    from controller.runner import JournalPort
    from hw.ports import Side
    from hw.sim.turnstile import SimulatedTurnstile

    Scene = Callable[["Site"], Coroutine[Any, Any, None]]

WIRING: dict[str, Any] = {
    "stop": 24,
    "buzzer": 25,
    "ready": 12,
    "intrusion": 18,
    "fire": 13,
    "tamper": 16,
    "mains": 21,
    "key": 20,
    "readback_a": 19,
    "readback_b": 26,
}


class Records(Watch):
    """What reached the disk, and where the lane went."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self.states: list[State] = []

    def on_step(self, step: Step) -> None:
        self.stored += step.stored
        if step.before is not step.after:
            self.states.append(step.after)


class Site:
    """One turnstile, and one life of the program after the other on it."""

    def __init__(self, folder: Path, engine: FaceEngine, gate: Mapping[str, Any], lane: Mapping[str, Any]) -> None:
        self.engine = engine
        self.clock = VirtualClock()
        gate_settings = GateSettings(**(WIRING | dict(gate)))
        store = StoreSettings(folder=folder)
        self.config = Config(gate=gate_settings, lane=LaneSettings(**lane), store=store)
        world = World(self.clock, seed=3)
        thermal, camera = self.config.thermal, self.config.camera
        self.board, simulation = simulated_board(thermal, camera, gate_settings, clock=self.clock, world=world, seed=3)
        self.turnstile: SimulatedTurnstile = simulation.turnstile
        self.records = Records()
        self.gallery = GalleryIndex.for_engine(engine)
        self.app: App
        self._people = 0

    def play(self, scene: Scene, journal: JournalPort | None = None) -> None:
        """Run the program from its start until `scene` ends, with the journal on disk unless another is given."""

        async def main() -> None:
            executor = ClockExecutor(self.clock, 1, "journal")
            disk = Journal(self.config.store.folder / "journal.sqlite3", executor, boot_id="boot")
            await disk.open()
            self.app = App(
                self.config,
                self.board,
                engine=self.engine,
                gallery=self.gallery,
                journal=journal or disk,
                watches=(self.records,),
            )
            try:
                await self.app.run(lambda: scene(self))
            finally:
                await disk.close()
                executor.shutdown(wait=False)

        self.board.run(main())

    # What happens at the gate

    async def grant(self, person: str = "p1") -> str:
        """Somebody registered and well comes, and is let in; returns when the turnstile has noticed."""
        self._people += 1
        self.gallery.add(Person(person), [])
        grant_id, now = f"g{self._people}", self.clock.monotonic()
        self.app.post(ev.Approached(now=now, presence=self._people))
        found = Assessment(
            match=Match(person, 0.8, 0.5),
            ambiguous=False,
            liveness=Liveness.LIVE,
            screening=Screening(Verdict.NORMAL, 36.6, 0.2, 35.4, 12),
            quality=0.9,
            faces=1,
            attempt=1,
        )
        self.app.post(ev.Assessed(now=now, assessment=found, grant_id=grant_id, presence=self._people))
        await asyncio.sleep(0.2)
        return grant_id

    async def leave(self) -> None:
        """Whoever stood there is gone."""
        self.app.post(ev.Left(now=self.clock.monotonic()))
        await asyncio.sleep(0.1)

    def order(self, kind: type[ev.LaneEvent], **values: Any) -> None:
        """An order of the guard, or another event."""
        self.app.post(kind(now=self.clock.monotonic(), **values))

    def hang(self, seconds: float = math.inf) -> None:
        """The event loop does nothing for so long; time and all other threads go on."""
        self.clock.wait(threading.Event(), seconds)

    # What can be asked

    def of(self, kind: RecordKind) -> list[dict[str, Any]]:
        """The detail of every record of a kind."""
        return [dict(stored.entry.detail) for stored in self.records.stored if stored.entry.kind == kind.value]

    def outcome(self, grant_id: str) -> list[Any]:
        passages = [stored.entry for stored in self.records.stored if stored.entry.kind == RecordKind.PASSAGE.value]
        return [entry.detail["outcome"] for entry in passages if entry.grant_id == grant_id]

    def relay(self, side: Side) -> list[tuple[float, bool]]:
        moves = [move for move in self.turnstile.moves if isinstance(move, RelayMove) and move.side is side]
        return [(move.timestamp, move.active) for move in moves]

    def active(self) -> set[str]:
        """Outputs that move the turnstile and are active."""
        return {name for name in ("unlock_a", "unlock_b", "stop") if self.turnstile.active(name)}

    def state(self) -> State:
        return self.app.lane.state


if TYPE_CHECKING:
    MakeSite = Callable[..., Site]

__all__ = ["Direction", "Site"]


@pytest.fixture
def make_site(tmp_path: Path, blind: Callable[[], FaceEngine]) -> Iterator[MakeSite]:
    """Make a site; keyword arguments go to [gate], `lane` to [lane]."""
    sites: list[Site] = []

    def make(*, lane: Mapping[str, Any] | None = None, **gate: Any) -> Site:
        folder = tmp_path / f"site-{len(sites)}"
        folder.mkdir()
        sites.append(Site(folder, blind(), gate, lane or {}))
        return sites[-1]

    yield make
    for site in sites:
        site.turnstile.close()


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()
