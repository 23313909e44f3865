"""One rehearsal: the simulated board, the program on it, the people before it, and the evidence they leave."""

from __future__ import annotations

import platform
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import _fastcore
from controller.app import App
from controller.config import AccessSettings, Config, SiteSettings, StoreSettings
from controller.drill.access import has_access, morning, write_policy
from controller.drill.cards import READER, has_cards
from controller.drill.director import Director, SignReader
from controller.drill.evidence import ArmTurn, Evidence
from controller.drill.lens import Lens
from controller.drill.measure import first_readings, latencies, witnessed
from controller.drill.readback import DiskWitness, read_journal
from controller.drill.report import Setup, versions
from controller.drill.stage import SimulatedStage
from controller.drill.truth import Truth
from controller.drill.witness import WitnessedGate
from controller.follow.access import wall_clock
from controller.indicators.assembly import Indicators, add_screen
from controller.indicators.settings import ScreenSettings
from controller.lane.model import Direction
from controller.perception.registration import RegistrationSettings
from controller.perception.screening_settings import ScreeningSettings
from controller.perception.settings import PerceptionSettings
from controller.record.boot import read_boot_id
from controller.record.journal import Journal
from controller.service import book_of
from hw.arrays import array_of
from hw.board import file_screen, simulated_board
from hw.executor import ClockExecutor
from hw.ports import Side
from hw.settings import GateSettings
from hw.sim.clock import ScaledClock, VirtualClock
from hw.sim.mount import Mount
from hw.sim.turnstile import ArmPassage, RelayMove
from hw.sim.world import World
from hw.thermal_settings import Mlx90640Settings

if TYPE_CHECKING:
    from controller.drill.scenario import Scenario
    from controller.drill.scoreboard import Scoreboard
    from controller.gallery.index import GalleryIndex
    from controller.indicators.assembly import Sign
    from controller.perception.types import FaceEngine
    from controller.watch import Watch
    from hw.clock import Clock
    from hw.thermal_settings import ThermalSettings

PACE_STEP: Final = 0.05
"""Gate seconds between two looks at the pace."""
SETTLED: Final = 300.0
"""Seconds that the board has been on when the rehearsal begins: its sensor is warm."""
GATE: Final = GateSettings(stop=24, buzzer=25, ready=16, fire=26)
"""The default wiring and four lines more, so that they are rehearsed too."""


DRAWN: Final = 0.36
"""What the corner of a drawn eye, whose map has cells of 4 mm, lacks for pixels of 3 mm, K: the mean reading less the
core of eight people at 0.4, 0.5 and 0.6 m is -0.38, -0.35 and -0.31. It is what `thermogate calibrate offset` finds."""
DRAWN_COLUMNS: Final = 80
"""From here on an array is so fine."""


class Rehearsal:
    """A simulated board, the program on it, and the people before it.

    Args:
        scenario: who comes.
        speed: gate seconds in a real second; None: as fast as the work allows.
        engine: finds and tells faces apart.
        gallery: those of `scenario` who are registered.
        folder: takes the journal.
        scores: kept up to date for whoever shows them.
        screen: draw what passers-by read, on a page of this loopback port or into this PNG file.
        pace: with `speed` None, the most gate seconds in a real second, for the eye; None: no limit.
        watches: look on beside the rehearsal's own lens.
        thermal: the sensor; None: the default one.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        speed: float | None,
        engine: FaceEngine,
        gallery: GalleryIndex,
        folder: Path,
        scores: Scoreboard,
        pace: float | None = None,
        watches: tuple[Watch, ...] = (),
        thermal: ThermalSettings | None = None,
        screen: int | Path | None = None,
    ) -> None:
        self.real_seconds = 0.0
        """How long `run` took."""
        self._scenario = scenario
        self._speed = speed
        self._pace = pace
        self._watches = watches
        self._screen = screen
        self._engine = engine
        self._gallery = gallery
        self._scores = scores
        self._clock: Clock = VirtualClock(SETTLED) if speed is None else ScaledClock(speed, SETTLED)
        thermal = thermal or Mlx90640Settings()
        self._array = array_of(thermal)
        mount = Mount(array_fov=self._array.fov)
        world = World(self._clock, seed=scenario.seed, mount=mount, array=self._array.shape)
        screening = ScreeningSettings(offset=DRAWN if self._array.shape[1] > DRAWN_COLUMNS else 0.0)
        perception = PerceptionSettings(registration=registration_of(world.mount), screening=screening)
        reader = READER if has_cards(scenario.visits) else None
        store = StoreSettings(folder=folder)
        access, self._moment = AccessSettings(), wall_clock
        if has_access(scenario.visits):
            access = AccessSettings(policy=write_policy(scenario, SiteSettings().name, folder))
            self._moment = morning(self._clock)
        self._config = Config(
            access=access, gate=GATE, thermal=thermal, reader=reader, perception=perception, store=store
        )
        self._path = folder / "journal.sqlite3"
        board, self._simulation = simulated_board(
            self._config.thermal, self._config.camera, GATE, clock=self._clock, world=world, seed=scenario.seed,
            reader=reader,
        )  # fmt: skip
        self._gate = WitnessedGate(board.gate, self._clock)
        self._board = replace(board, gate=self._gate)
        self._entry = Side(self._config.site.entry)
        self._sign = SignReader()
        self.lens = Lens(self._sign, scores)
        stage = SimulatedStage(self._simulation, self._clock, entry=self._entry)
        self._director = Director(stage, self._sign, self._clock, on_begin=scores.begin, on_end=scores.end)

    def run(self) -> bool:
        """Play the morning; False when Ctrl-C ended it."""
        started = time.perf_counter()
        over = threading.Event()
        if self._pace is not None and self._speed is None:
            pace = self._pace
            self._clock.spawn(lambda: hold_back(self._clock, pace, over), "pace")
        try:
            self._board.run(self._main())
        except KeyboardInterrupt:
            return False
        finally:
            over.set()
            self.real_seconds = time.perf_counter() - started
            self._simulation.turnstile.close()
        return True

    async def _main(self) -> None:
        executor = ClockExecutor(self._clock, 1, "journal")
        journal = Journal(self._path, executor, boot_id=read_boot_id())
        await journal.open()
        witness = DiskWitness(self._path)
        self._gate.watch(witness.grants)
        signs = self._drawn(lambda: (app.runner.prompt, app.runner.reason))
        app = App(
            self._config,
            self._board,
            engine=self._engine,
            gallery=self._gallery,
            journal=journal,
            watches=(self.lens, *signs.watches, *self._watches),
            services=tuple(signs.services),
            credentials=None if self._board.reader is None else book_of(self._config),
            moment=self._moment,
        )
        try:
            await app.run(lambda: self._director.play(self._scenario.visits))
        finally:
            await signs.close()
            witness.close()
            await journal.close()
            executor.shutdown(wait=False)

    def _drawn(self, sign: Sign) -> Indicators:
        """The screen that was asked for."""
        signs, screen = Indicators(), self._screen
        if screen is None:
            return signs
        port = screen if isinstance(screen, int) else None
        settings = ScreenSettings(port=port)
        panel = file_screen(screen, settings.size) if isinstance(screen, Path) else None
        add_screen(signs, settings, self._config.perception.registration, self._clock, panel=panel, sign=sign)
        return signs

    def evidence(self, *, complete: bool) -> Evidence:
        """What the rehearsal left behind, once it is over."""
        visits = tuple(self._director.diary)
        journal = read_journal(self._path)
        directions = {side: Direction.ENTRY if side is self._entry else Direction.EXIT for side in Side}
        moves = list(self._simulation.turnstile.moves)
        levels = [(move.timestamp, move.side, move.active) for move in moves if isinstance(move, RelayMove)]
        turns = [move for move in moves if isinstance(move, ArmPassage)]
        relay = witnessed(levels, self._gate.sightings, directions)
        steps = self.lens.steps
        screening = self._config.perception.screening
        # The data sheet's noise at this rate: neither the driver's word nor what was seen.
        truth = Truth(screening, self._clock, self._scenario.seed, self._array)
        return Evidence(
            visits=visits,
            relay=relay,
            arm=tuple(ArmTurn(turn.timestamp, directions[turn.side]) for turn in turns),
            journal=journal,
            reported=self.lens.stored,
            unwritten=self.lens.unwritten,
            readings=tuple(first_readings(visits, steps, truth.first_look)),
            refused_twice={
                log.visit.number: truth.refused_twice(log.visit, screening.frames)
                for log in visits
                if log.visit.kind.may_enter
            },
            latencies=latencies(visits, steps, journal, relay),
            complete=complete,
        )

    def setup(self) -> Setup:
        """What was rehearsed."""
        return Setup(
            people=len(self._scenario.visits),
            seed=self._scenario.seed,
            speed=self._speed,
            engine=self._engine.name,
            template_model=self._engine.template_model,
            rehearsal_only=self._engine.rehearsal_only,
            sensor=self.lens.sensor,
            kernels=_fastcore.backend(),
            versions=versions(),
            machine=f"{platform.system()} {platform.machine()}",
        )


def hold_back(clock: Clock, pace: float, over: threading.Event) -> None:
    """Keep a virtual clock from running more than `pace` times as fast as real time, until `over`.

    A thread of the clock that really sleeps is busy to it, so time stands still meanwhile.
    """
    real, gate = time.perf_counter(), clock.monotonic()
    while not over.is_set():
        clock.sleep(PACE_STEP)
        ahead = (clock.monotonic() - gate) / pace - (time.perf_counter() - real)
        if ahead > 0:
            time.sleep(ahead)
        else:
            real, gate = time.perf_counter(), clock.monotonic()  # what computing took is not made up for


def registration_of(mount: Mount) -> RegistrationSettings:
    """What an installer would measure at this mount."""
    return RegistrationSettings(
        camera_fov=mount.camera_fov, thermal_fov=mount.array_fov, offset_x=mount.array_x, offset_y=mount.array_y
    )
