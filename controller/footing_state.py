"""What the crowd taught about the thermal sensor, kept over a restart in a small file beside the journal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Final

import msgspec

from controller.observe.log import get_logger
from controller.perception.crowd import CrowdBaseline, CrowdState
from controller.perception.footing import FootingKeeper
from controller.perception.reference import LocalTime, Optics
from controller.record.boot import clock_state
from controller.record.files import sync_folder
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.config import Config
    from hw.board import Board

SAVE_EVERY: Final = 60.0
"""Seconds between two looks at whether there is something new: a minute of people is soon learned again."""
LAST_SAVE: Final = 5.0
"""Seconds that the save at the end may take."""
NAME: Final = "crowd.json"

log = get_logger("footing")


class CrowdFile:
    """The crowd's state on disk. It holds no person: only what the lane's sensor is off by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved: CrowdState | None = None

    def load(self) -> CrowdState | None:
        """What was saved; None where nothing was, or where it is damaged (the file is moved aside then)."""
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=CrowdState)
            fault = None if state.plausible else "no baseline has such values"
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # also what is no UTF-8, which is no DecodeError
            state, fault = None, str(error)
        if fault is not None:
            log.warning("crowd baseline not usable, beginning anew", file=str(self._path), error=fault)
            self._move_aside()
            return None
        self._saved = state
        return state

    def save(self, state: CrowdState) -> None:
        """Replace what was saved, whole or not at all. A disk that fails is logged: the gate works without."""
        if state is self._saved:
            return
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(state))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            log.warning("crowd baseline not saved", file=str(self._path), error=str(error))
            return
        self._saved = state

    def _move_aside(self) -> None:
        try:
            self._path.replace(self._path.with_name(self._path.name + ".damaged"))
        except OSError as error:
            log.warning("damaged crowd baseline not moved aside", file=str(self._path), error=str(error))


class FootingState:
    """Makes a lane's `FootingKeeper` and keeps what its crowd teaches; a service of the app."""

    def __init__(self, config: Config, board: Board) -> None:
        self._file = CrowdFile(config.store.folder / NAME)
        self._executor = ClockExecutor(board.clock, 1, "footing")
        self.keeper = FootingKeeper(
            config.perception.screening,
            config.perception.reference,
            optics=Optics(config.thermal.emissivity, config.thermal.reflected),
            crowd=CrowdBaseline(self._file.load()),
            local=_local_time(board),
            unix=board.wall,
        )

    async def run(self) -> None:
        """Save for ever, and once more at the end; off the loop, as a card's fsync can take seconds."""
        try:
            while True:
                await asyncio.sleep(SAVE_EVERY)
                await self._save()
        finally:
            # A dead disk must not hold up the end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_SAVE):
                    await self._save()
            self._executor.shutdown(wait=False)

    async def _save(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._file.save, self.keeper.crowd.state)


def _local_time(board: Board) -> Callable[[], LocalTime | None]:
    """The wall clock here, from when it is known to be right.

    Once set it stays right enough without a network: the kernel calls it unsynchronised after half a night, when it is
    a second off. A simulated wall clock is right.
    """
    wall, state = board.wall, clock_state if board.real else (lambda: "synchronised")
    if wall is None:
        return lambda: None
    was_set = False

    def local() -> LocalTime | None:
        nonlocal was_set
        was_set = was_set or state() == "synchronised"
        return local_time(wall()) if was_set else None

    return local


def local_time(unix: float) -> LocalTime:
    """Day and time of day here at `unix` seconds."""
    then = time.localtime(unix)
    return LocalTime(then.tm_year * 366 + then.tm_yday, 3600.0 * then.tm_hour + 60.0 * then.tm_min + then.tm_sec)
