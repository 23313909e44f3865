"""Personal history at a running lane: opened beside it, told the wall clock, closed after it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from controller.gallery.personal import PersonalHistory
from controller.observe.log import get_logger
from controller.record.boot import clock_state
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from controller.config import Config
    from controller.gallery.index import GalleryIndex
    from controller.perception.history import PersonalNote
    from hw.board import Board

CLOSING: Final = 5.0
"""Seconds that the last readings may take to reach the disk."""

log = get_logger("history")


class LaneHistory:
    """`controller.perception.pipeline.History` on this machine's clock."""

    def __init__(self, personal: PersonalHistory) -> None:
        self._personal = personal

    def assess(self, person: str, value: float, noise: float, *, expected: float) -> PersonalNote:
        """What earlier readings say about this one."""
        return self._personal.assess(person, value, noise, unix_time(), expected=expected)

    def forget(self, person: str) -> None:
        """Erase somebody who was removed while the gate runs."""
        self._personal.forget(person)

    def record(self, person: str, value: float, noise: float, *, expected: float, flagged: bool) -> None:
        """Keep one reading."""
        self._personal.record(person, value, noise, unix_time(), expected=expected, flagged=flagged)


def unix_time() -> float | None:
    """Unix seconds; None while the wall clock is not known to be right."""
    return time.time() if clock_state() == "synchronised" else None


@contextlib.asynccontextmanager
async def lane_history(config: Config, board: Board, gallery: GalleryIndex) -> AsyncIterator[LaneHistory]:
    """Open without waiting; whatever happens to the file, the lane goes on without it."""
    executor = ClockExecutor(board.clock, 1, "history")
    personal = PersonalHistory(
        config.store.folder,
        config.store.key,
        config.perception.history,
        gallery.people(),
        executor=executor,
        report=lambda text: log.warning("personal history", text=text),
    )
    personal.start(unix_time())
    try:
        yield LaneHistory(personal)
    finally:
        await asyncio.wait({asyncio.wrap_future(personal.close())}, timeout=CLOSING)
        executor.shutdown(wait=False)
