"""The retention clock of enrolment photographs: at the start and once a day, what is too old is erased."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from controller.errors import GateError
from controller.gallery.personal import local_day
from controller.gallery.pictures import count_pictures, erase_pictures
from controller.gallery.store import DATABASE, GalleryStore
from controller.history import unix_time
from controller.observe.log import get_logger
from hw.executor import ClockExecutor

if TYPE_CHECKING:
    from controller.config import Config, StoreSettings
    from hw.board import Board

EVERY: Final = 86400.0
"""Seconds between two looks."""

log = get_logger("retention")


def erase_old_pictures(store: StoreSettings, today: int | None) -> int:
    """Erase what [store] does not let stay; how many photographs that were.

    `today`: the ordinal of the date; None while the clock is not sure: then nothing is too old. Raises `GateError`.
    """
    if not (store.folder / DATABASE).exists():
        return 0
    with GalleryStore.open(store.folder, store.key) as gallery:
        if not count_pictures(gallery):
            return 0
        if not store.keep_pictures:
            return erase_pictures(gallery)
        return 0 if today is None else erase_pictures(gallery, today - store.picture_days + 1)


class PictureRetention:
    """A service of the app, with a thread of its own for the disk."""

    def __init__(self, config: Config, board: Board) -> None:
        self._store = config.store
        self._board = board

    async def run(self) -> None:
        """Look once a day, for ever; whatever happens to the file, the lane goes on."""
        executor = ClockExecutor(self._board.clock, 1, "retention")
        try:
            while True:
                now = unix_time()
                today = None if now is None else local_day(now)
                try:
                    looked = asyncio.get_running_loop().run_in_executor(
                        executor, erase_old_pictures, self._store, today
                    )
                    erased = await looked
                except GateError as error:
                    log.error("pictures not erased", error=str(error))
                else:
                    if erased:
                        log.info("pictures erased", count=erased)
                await asyncio.sleep(EVERY)
        finally:
            executor.shutdown(wait=False)
