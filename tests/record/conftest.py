"""Journals on a real disk, a thread for them, and entries to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.record.boot import Stamp
from controller.record.entry import Entry
from controller.record.journal import Journal
from controller.record.settings import JournalSettings
from hw.clock import SystemClock
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BOOT_ID = "11111111-2222-3333-4444-555555555555"
WALL = 1_790_000_000.0


@pytest.fixture
def disk() -> Iterator[ClockExecutor]:
    """The journal's one thread."""
    executor = ClockExecutor(SystemClock(), 1, "journal")
    yield executor
    executor.shutdown()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def make(path: Path, disk: ClockExecutor) -> Callable[..., Journal]:
    """Make a journal on the same file each time."""

    def journal(**changes: object) -> Journal:
        settings = JournalSettings(**changes.pop("settings", {"idle": 0.01}))  # type: ignore[arg-type]
        defaults: dict[str, object] = {
            "boot_id": BOOT_ID,
            "settings": settings,
            "stamp": lambda: Stamp(5.0, WALL, "synchronised"),
        }
        return Journal(path, disk, **(defaults | changes))  # type: ignore[arg-type]

    return journal


@pytest.fixture
def entry() -> Callable[..., Entry]:
    """Make the n-th entry."""

    def make_entry(number: int = 1, **changes: object) -> Entry:
        values: dict[str, object] = {
            "kind": "grant",
            "monotonic": float(number),
            "wall": WALL + number,
            "clock": "synchronised",
            "grant_id": f"g-{number}",
            "person": "p-7",
            "detail": {"score": 0.5, "attempt": number, "live": True, "note": None, "lane": "a"},
        }
        return Entry(**(values | changes))  # type: ignore[arg-type]

    return make_entry
