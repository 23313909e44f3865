"""The latency budget on this board: the program runs for a while, each of its stages is a finding. No lock moves."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from controller.app import App
from controller.errors import GateError
from controller.gallery.index import GalleryIndex
from controller.latency import MARK, LatencyWatch, cells, rows
from controller.record.boot import read_boot_id
from controller.record.journal import Journal
from controller.selftest.finding import Finding
from controller.service import engine_of, gallery_of
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from controller.config import Config
    from controller.latency import Row
    from controller.perception.types import FaceEngine
    from hw.board import Board

SLOW: Final = (
    "look at the supply and the heat first; a lower [camera] width and height make finding faces faster, the tflite "
    "engine as well; nothing else should run on the board"
)


def measure(config: Config, board: Board, seconds: float) -> dict[str, list[float]]:
    """Run the lane for so long; seconds of each stage. `board` is one without a real lock.

    Raises `GateError` and `DeviceError` kinds for an engine or a gate that cannot be had.
    """
    engine = engine_of(config)
    with tempfile.TemporaryDirectory(prefix="thermogate-selftest-", dir=_disk(config)) as name:
        return _run(config, board, engine, Path(name), seconds)


def _disk(config: Config) -> Path | None:
    """Where the lane's own disk is, if it has been made."""
    return config.store.folder if config.store.folder.is_dir() else None


def _gallery(config: Config, engine: FaceEngine) -> GalleryIndex:
    try:
        return gallery_of(config, engine)
    except GateError:
        return GalleryIndex.for_engine(engine)  # nobody is enrolled yet: all but the decision can be timed


def _run(config: Config, board: Board, engine: FaceEngine, folder: Path, seconds: float) -> dict[str, list[float]]:
    watch, gallery = LatencyWatch(), _gallery(config, engine)
    # On the lane's own disk, and not in its journal.
    config = msgspec.structs.replace(config, store=msgspec.structs.replace(config.store, folder=folder))

    async def main() -> None:
        executor = ClockExecutor(board.clock, 1, "journal")
        journal = Journal(folder / "journal.sqlite3", executor, boot_id=read_boot_id())
        await journal.open()
        app = App(config, board, engine=engine, gallery=gallery, journal=journal, watches=(watch,))

        async def while_it_runs() -> None:
            await app.ready.wait()
            await asyncio.sleep(seconds)

        try:
            await app.run(while_it_runs)
        finally:
            await journal.close()
            executor.shutdown(wait=False)

    board.run(main())
    return dict(watch.samples)


def findings(samples: Mapping[str, Sequence[float]]) -> list[Finding]:
    """A finding for each stage, kept or over its budget."""
    # The turnstile is simulated here: what driving its line takes says nothing.
    return [_finding(row) for row in rows(samples) if row.stage.name not in ("relay", MARK)]


def _finding(row: Row) -> Finding:
    name = f"latency {row.stage.name}"
    if row.p50 is None or row.p99 is None:
        return Finding(name, ok=False, text="not measured: nobody was decided upon meanwhile", severity="absent")
    _, n, p50, p99, budget, *_ = cells(row)
    text = f"p50 {p50} ms, p99 {p99} ms of {budget} ms, n = {n}: {row.stage.what}"
    figures = {"n": float(row.n), "p50_ms": 1e3 * row.p50.value, "p99_ms": 1e3 * row.p99.value}
    figures["budget_ms"] = 1e3 * row.stage.budget
    kept = bool(row.held)
    return Finding(name, ok=kept, text=text, fix="" if kept else SLOW, figures=figures)
