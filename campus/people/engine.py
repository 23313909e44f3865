"""The face engine at the hub: opened once, on a thread of its own, so that intake and answers go on beside it."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import cv2

from campus.errors import HubBusyError, HubEngineError
from controller.errors import EngineError, ModelError
from controller.gallery.judge import judge_photo
from controller.perception.engines import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from campus.people.photographs import PhotographSettings
    from controller.gallery.judge import Judged
    from controller.perception.types import FaceEngine

T = TypeVar("T")
KEY = "[people.photographs]"


class PhotographEngine:
    """One engine, asked by one photograph at a time.

    Args:
        settings: which, and how many photographs may be under way.
        opened: in place of the engine that the settings name.
    """

    def __init__(self, settings: PhotographSettings, opened: FaceEngine | None = None) -> None:
        self._settings = settings
        self._opened = opened
        self._opening = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "photographs")
        self._under_way = 0

    async def engine(self) -> FaceEngine:
        """The engine, opened when it is first asked for.

        Raises `HubEngineError` naming the key, and the file where one is missing or not the registry's; asked again, it
        tries again.
        """
        async with self._opening:
            if self._opened is None:
                self._opened = await self.run(self._open)
        return self._opened

    def _open(self) -> FaceEngine:
        settings = self._settings
        # One core for photographs, the rest for gates; and no words of OpenCV's own about a damaged picture.
        cv2.setNumThreads(1)
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            return open_engine(settings.engine, settings.models)
        except ModelError as error:
            raise HubEngineError(f"{KEY} models: {error}") from error
        except EngineError as error:
            raise HubEngineError(f"{KEY} engine {settings.engine!r}: {error}") from error

    @contextlib.contextmanager
    def admit(self) -> Iterator[None]:
        """Take on a photograph until the block is left. Raises `HubBusyError` where as many as may be are under way."""
        if self._under_way >= self._settings.waiting:
            raise HubBusyError(f"{self._under_way} photographs are under way, and no more are taken on")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def judge(self, data: bytes, *, kinds: Collection[str] | None = None) -> Judged:
        """A photograph's template. Raises `PhotoRefusedError`, or `HubEngineError` where the engine fails."""
        engine = await self.engine()
        try:
            return await self.run(lambda: judge_photo(engine, data, kinds=kinds, pixels=self._settings.max_pixels))
        except EngineError as error:
            raise HubEngineError(f"{KEY} engine {self._settings.engine!r}: {error}") from error

    async def run(self, job: Callable[[], T]) -> T:
        """What `job` gives, on the engine's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def close(self) -> None:
        """Take no more work; what is under way ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)
