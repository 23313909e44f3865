"""A lane as a service: stores opened, counters carried over, everything closed."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from controller.config import Config, StoreSettings
from controller.errors import StoreError
from controller.gallery.index import GalleryIndex
from controller.gallery.store import GalleryStore
from controller.lane import events as ev
from controller.observe.metrics import Metrics
from controller.perception.engines import open_engine
from controller.service import gallery_of, serve
from hw.board import simulated_board
from hw.sim.clock import VirtualClock
from hw.sim.world import World

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from controller.app import App

SECONDS = 12.0


async def wait(app: App) -> None:
    await app.ready.wait()
    await asyncio.sleep(SECONDS)


def run(folder: Path, metrics: Metrics, beside: Callable[[App], Awaitable[None]] = wait) -> None:
    clock = VirtualClock()
    config = Config(store=StoreSettings(folder=folder))
    board, simulation = simulated_board(
        config.thermal, config.camera, config.gate, clock=clock, world=World(clock, seed=3), seed=3
    )
    engine = open_engine("demo")

    try:
        board.run(serve(config, board, engine, GalleryIndex.for_engine(engine), beside=beside, metrics=metrics))
    finally:
        simulation.turnstile.close()


def test_what_the_lane_counts_is_measured(tmp_path: Path) -> None:
    metrics = Metrics()
    run(tmp_path, metrics)

    def value(name: str, **labels: Any) -> float:
        found = metrics.registry.get_sample_value(f"thermogate_{name}", labels)
        assert found is not None
        return found

    assert value("frames_total", device="thermal") >= 16 * 10 * 0.9
    assert value("frames_total", device="camera") >= 15 * 10 * 0.9
    assert value("frames_torn_total", device="thermal") == 0
    assert value("frames_lost_total", device="camera") == 0
    assert value("device_up", device="camera") == 1
    assert value("journal_entries_total") >= 1
    assert value("journal_failures_total") == 0
    # Nobody is there to acknowledge: all that was journaled waits for a campus.
    connection = sqlite3.connect(tmp_path / "journal.sqlite3")
    (entries,) = connection.execute("SELECT count(*) FROM entry").fetchone()
    connection.close()
    assert value("outbox_depth") == entries


def test_a_journal_in_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").mkdir()
    with pytest.raises(StoreError, match=r"journal\.sqlite3"):
        run(tmp_path, Metrics())


def test_a_full_card_does_not_keep_a_gate_from_starting(small_disk: Path) -> None:
    """Stopped in good order, then filled by somebody else: neither database has a log left, nor room for one."""
    config = Config(store=StoreSettings(folder=small_disk))
    GalleryStore.open(small_disk, create=True).close()
    run(small_disk, Metrics())
    with (small_disk / "log").open("wb", buffering=0) as log, contextlib.suppress(OSError):
        while log.write(b"x" * 4096):
            pass
    assert shutil.disk_usage(small_disk).free == 0
    assert len(gallery_of(config, open_engine("demo"))) == 0
    metrics = Metrics()
    run(small_disk, metrics)
    assert (metrics.registry.get_sample_value("thermogate_frames_total", {"device": "thermal"}) or 0) > 0


def test_an_alarm_that_nobody_acknowledged_outlives_the_program(tmp_path: Path) -> None:
    found: list[tuple[dict[str, bool], str | None]] = []

    async def intruded(app: App) -> None:
        await app.ready.wait()
        app.post(ev.Intrusion(now=app.board.clock.monotonic(), active=True))
        await asyncio.sleep(1.0)

    async def seen(app: App) -> None:
        await app.ready.wait()
        await asyncio.sleep(1.0)
        found.append((dict(app.lane.alarms), app.runner.reason))
        app.post(ev.Acknowledge(now=app.board.clock.monotonic(), actor="guard"))
        await asyncio.sleep(1.0)

    for beside in (intruded, seen, seen):
        run(tmp_path, Metrics(), beside)
    assert found == [({"intrusion": False}, "intrusion"), ({}, None)]
