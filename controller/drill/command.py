"""`thermogate drill` from options to exit status: enrols, shows the rehearsal, prints and writes the report."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from controller.drill.access import with_access
from controller.drill.cards import with_cards
from controller.drill.enrolment import enrol
from controller.drill.kinds.command import rehearse_kind
from controller.drill.live import live_view
from controller.drill.rehearsal import Rehearsal
from controller.drill.report import encode, make_report
from controller.drill.report_text import render
from controller.drill.scenario import draw
from controller.drill.scoreboard import Scoreboard
from controller.drill.workspace import workspace
from controller.errors import ConfigError
from controller.indicators.assembly import EXTRA
from controller.observe.log import configure
from controller.observe.settings import ObserveSettings
from controller.perception.engines import open_engine
from hw.thermal_settings import LeptonSettings, Mlx90640Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.drill.scenario import Scenario
    from controller.gallery.index import GalleryIndex
    from controller.perception.types import FaceEngine
    from hw.thermal_settings import ThermalSettings

PASSED, FAILED, INTERRUPTED = 0, 1, 130
LOG_NAME = "drill.log"
LIVE_PACE = 4.0
"""At most so many gate seconds in a real one where somebody watches at --speed max."""


SENSORS: Final[dict[str, ThermalSettings]] = {"mlx90640": Mlx90640Settings(), "lepton": LeptonSettings()}


@dataclass(frozen=True, slots=True)
class Options:
    """What `thermogate drill` was asked for."""

    people: int
    seed: int
    speed: float | None
    """Gate seconds in a real second; None: as fast as the work allows."""
    engine: str
    models: Path | None
    report: Path | None
    keep: Path | None
    plain: bool
    cards: bool = False
    """Whether a reader is rehearsed as well."""
    access: bool = False
    """Whether an access policy is rehearsed as well."""
    sensor: str = "mlx90640"
    """A key of SENSORS."""
    screen: int | Path | None = None
    """Draw what passers-by read: as a page on this loopback port, or into this PNG file."""
    kind: str = "turnstile"
    """What closes the lane."""


def rehearse(options: Options, console: Console | None = None) -> int:
    """Run one rehearsal and print its report; returns the exit status. Raises `GateError` when it cannot run."""
    console = console or Console()
    if options.kind != "turnstile":
        return _rehearse_kind(options, console)
    plain = options.plain or not console.is_terminal
    if options.sensor == "lepton" and options.speed is not None:
        raise ConfigError("a Lepton's video must be read within milliseconds of its time: rehearse it at --speed max")
    scenario = draw(options.people, options.seed)
    if options.cards:
        scenario = with_cards(scenario)
    if options.access:
        scenario = with_access(scenario)
    if options.report is not None:
        _check_writable(options.report, "report")
    if options.screen is not None:
        _check_screen(options.screen)
    engine = open_engine(options.engine, options.models)
    speed = "max" if options.speed is None else f"{options.speed:g}"
    title = f"Thermogate rehearsal: {engine.name} engine, seed {options.seed}, speed {speed}"
    say = (lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True)) if plain else None
    scores = Scoreboard(title, len(scenario.visits), say)
    with workspace(options.keep) as folder, _log_to(folder / LOG_NAME):
        if plain:
            scores.tell(title)
        gallery = _enrol(scenario, engine, folder, console, plain=plain)
        rehearsal = Rehearsal(
            scenario,
            speed=options.speed,
            engine=engine,
            gallery=gallery,
            folder=folder,
            scores=scores,
            pace=None if plain and options.screen is None else LIVE_PACE,
            thermal=SENSORS[options.sensor],
            screen=options.screen,
        )
        with contextlib.nullcontext() if plain else live_view(scores, console):
            complete = rehearsal.run()
        evidence = rehearsal.evidence(complete=complete)
    report = make_report(evidence, rehearsal.setup(), rehearsal.lens.stages, rehearsal.real_seconds)
    console.print(render(report), markup=False, highlight=False, soft_wrap=True)
    if options.report is not None:
        options.report.write_bytes(encode(report))
    if not complete:
        return INTERRUPTED
    return PASSED if report.passed else FAILED


def _rehearse_kind(options: Options, console: Console) -> int:
    """The same of a door or a barrier."""
    if options.report is not None:
        _check_writable(options.report, "report")
    with workspace(options.keep) as folder, _log_to(folder / LOG_NAME):
        report = rehearse_kind(options, console, folder)
    if options.report is not None:
        options.report.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if not report.complete:
        return INTERRUPTED
    return PASSED if report.passed else FAILED


def _enrol(scenario: Scenario, engine: FaceEngine, folder: Path, console: Console, *, plain: bool) -> GalleryIndex:
    """Enrol, with a bar where somebody watches."""
    columns = (TextColumn("enrolling"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=plain) as progress:
        task = progress.add_task("", total=len(scenario.registered))
        return enrol(scenario, engine, folder, lambda done: progress.update(task, completed=done))


@contextlib.contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """The program's log goes to a file: the terminal shows the rehearsal."""
    with path.open("w", encoding="utf-8") as stream:
        handle = configure(ObserveSettings(format="json"), stream)
        try:
            yield
        finally:
            handle.close()


def _check_screen(screen: int | Path) -> None:
    """Refuse now a screen that can't be. Raises `ConfigError`."""
    try:
        from controller.indicators.typeface import find  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(f"--screen: {EXTRA} brings what draws it ({error})") from error
    find(None)
    if isinstance(screen, Path):
        _check_writable(screen, "screen's picture")


def _check_writable(path: Path, what: str) -> None:
    """Refuse now what would fail after the rehearsal. Raises `ConfigError`."""
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise ConfigError(f"{path}: the {what} cannot be written there: {error.strerror}") from error
