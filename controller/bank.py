"""Two lanes on one board: one process and one event loop, each with devices, stores and a configuration of its own.

What they share is here: the engine and its thread, who is where by their last passage, and, where it is wanted, the
interlock. A crash of one ends both, through the shutdown that each of them has.
"""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import structlog

from controller.config import LINES_ELSEWHERE, load
from controller.errors import ConfigError
from controller.health.notify import Notifier, together
from controller.health.watchdog import guarding_all
from controller.lane.access.whereabouts import Whereabouts
from controller.lane.interlock import Interlock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from controller.app import App
    from controller.config import Config
    from controller.gallery.index import GalleryIndex
    from controller.lane.machine import Lane
    from controller.perception.types import FaceEngine
    from hw.board import Board

MOST_LANES = 2
"""More would share one small board's processor, and one crash would shut them all."""

P = ParamSpec("P")
T = TypeVar("T")


class _Ended(Exception):  # noqa: N818 - not an error: ends the task group
    """What ran beside the lanes has ended."""


class LentExecutor(Executor):
    """An executor of somebody else's: whoever it is lent to may use it, and not shut it down."""

    def __init__(self, owner: ClockExecutor) -> None:
        self._owner = owner

    @property
    def busy_for(self) -> float:
        """Seconds of the longest job under way, whoever's it is."""
        return self._owner.busy_for

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As the owner's."""
        return self._owner.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as Executor's
        """Leave that to the owner."""


@dataclass(frozen=True, slots=True)
class Bank:
    """What the lanes of a board share."""

    whereabouts: Whereabouts
    perception: LentExecutor
    """One thread for all: an engine is never asked twice at a time."""
    interlock: Interlock | None = None
    lanes: list[Lane] = field(default_factory=list)
    """Those that there are so far."""


@dataclass(frozen=True, slots=True)
class Place:
    """A lane of the bank, ready to run."""

    config: Config
    board: Board
    gallery: GalleryIndex


def load_all(paths: Sequence[Path]) -> dict[str, Config]:
    """Read the gate.toml of each lane, and check them together. Raises `ConfigError`."""
    configs: dict[str, Config] = {}
    for path in paths:
        if str(path) in configs:
            raise ConfigError(f"{path} is given twice")
        configs[str(path)] = load(path)
    check(configs)
    return configs


def check(configs: Mapping[str, Config]) -> None:
    """Refuse lanes that can't run beside each other. `configs`: each by the file it stands in.

    Raises `ConfigError` that names both files and what they share.
    """
    if len(configs) > MOST_LANES:
        raise ConfigError(f"{len(configs)} lanes: a board runs {MOST_LANES} at most")
    for (one, first), (other, second) in itertools.combinations(configs.items(), 2):
        taken = dict(_claims(first))
        for what, key in _claims(second):
            if what in taken:
                raise ConfigError(f"{one} and {other}: both have {what}, as {taken[what]} and as {key}")
        for what, mine, theirs in _alike(first, second):
            if mine != theirs:
                raise ConfigError(f"{one} and {other}: {what} must be the same in both, not {mine} and {theirs}")
    if len(configs) == 1:
        ((file, only),) = configs.items()
        if only.site.interlock:
            raise ConfigError(f"{file}: [site] interlock is about two lanes: thermogate run {file} SECOND.TOML")


async def serve_bank(
    places: Sequence[Place],
    engine: FaceEngine,
    *,
    beside: Callable[[list[App]], Awaitable[None]] | None = None,
    notifier: Notifier | None = None,
) -> None:
    """Run the lanes until cancelled, until SIGTERM, until one crashes, or until `beside` returns.

    `notifier`: the service manager; it hears of a lane only together with the others.

    Raises what `controller.service.serve` does.
    """
    from controller.service import terminable  # noqa: PLC0415 - which needs App, which needs Bank

    first = places[0]
    thread = ClockExecutor(first.board.clock, 1, "perception")
    bank = Bank(
        Whereabouts(),
        LentExecutor(thread),
        Interlock() if first.config.site.interlock else None,
    )
    gathered = _Gathered(len(places), beside)
    places = _guarded(places)
    try:
        with terminable():
            async with asyncio.TaskGroup() as tasks:
                for place, member in zip(places, together(notifier or Notifier(), len(places)), strict=True):
                    one = _serve_one(place, engine, bank, gathered, member)
                    tasks.create_task(one, name=place.config.site.name)
    except* _Ended:
        pass
    finally:
        thread.shutdown(wait=False)


def _guarded(places: Sequence[Place]) -> list[Place]:
    """Whichever of them names a hardware watchdog: it watches over all."""
    dogs = [place.board.watchdog for place in places if place.board.watchdog is not None]
    if not dogs:
        return list(places)
    shares = guarding_all(dogs, len(places))
    boards = [replace(place.board, watchdog=share) for place, share in zip(places, shares, strict=True)]
    return [replace(place, board=board) for place, board in zip(places, boards, strict=True)]


async def _serve_one(place: Place, engine: FaceEngine, bank: Bank, gathered: _Gathered, notifier: Notifier) -> None:
    from controller.service import serve  # noqa: PLC0415 - as above

    structlog.contextvars.bind_contextvars(gate=place.config.site.name)
    await serve(place.config, place.board, engine, place.gallery, bank=bank, beside=gathered.join, notifier=notifier)
    raise _Ended


class _Gathered:
    """Waits beside each lane until all are there; then what runs beside them runs beside the last, and ends all."""

    def __init__(self, lanes: int, beside: Callable[[list[App]], Awaitable[None]] | None) -> None:
        self._lanes = lanes
        self._beside = beside
        self._apps: list[App] = []

    async def join(self, app: App) -> None:
        """Stay as long as the lane does."""
        self._apps.append(app)
        if self._beside is not None and len(self._apps) == self._lanes:
            await self._beside(self._apps)
            return
        await asyncio.Event().wait()


def _claims(config: Config) -> Iterator[tuple[str, str]]:
    """What a lane needs for itself, and the key that says so."""
    yield f"the name {config.site.name!r}", "[site] name"
    yield f"the folder {config.store.folder}", "[store] folder"
    yield f"the sensor {config.thermal.bus} {config.thermal.address:#x}", "[thermal] bus, address"
    yield f"the camera {config.camera.source}", "[camera] source"
    wiring = config.wiring
    for section, names in ((wiring.SECTION, wiring.line_names), *LINES_ELSEWHERE):
        for name in names:
            if (line := getattr(getattr(config, section), name, None)) is not None:
                yield f"GPIO line {line} of chip {config.wiring.chip}", f"[{section}] {name}"
    for section, name in (("reader", "device"), ("reader", "port"), ("thermal", "spi"), ("watchdog", "device")):
        if (device := getattr(getattr(config, section), name, None)) is not None:
            yield f"the device {device}", f"[{section}] {name}"
    if config.screen is not None and config.screen.driver != "none":
        yield f"the device {config.screen.device}", "[screen] device"
    for section, name in (("observe", "metrics_port"), ("screen", "port")):
        if (port := getattr(getattr(config, section), name, None)) is not None:
            yield f"the port {port}", f"[{section}] {name}"


def _alike(first: Config, second: Config) -> Iterator[tuple[str, object, object]]:
    """What is one for all, though it stands in each file."""
    yield "[site] interlock", first.site.interlock, second.site.interlock
    yield "[lane] anti_passback", first.lane.anti_passback, second.lane.anti_passback
    yield "[access] policy", first.access.policy, second.access.policy
    yield "[perception] engine", first.perception.engine, second.perception.engine
    yield "[perception] models", first.perception.models, second.perception.models
