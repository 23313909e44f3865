"""Where frames wait for the loop: the newest picture, a short run of thermal frames; what is lost is counted."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Holds the newest value only. One reader; all calls on the loop's thread."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._fresh = asyncio.Event()
        self.received = 0
        self.dropped = 0

    @property
    def fresh(self) -> bool:
        """Whether a value waits to be taken."""
        return self._fresh.is_set()

    def put(self, value: T) -> None:
        """Replace what is there; a value nobody took counts as dropped."""
        self.received += 1
        if self._fresh.is_set():
            self.dropped += 1
        self._value = value
        self._fresh.set()

    async def take(self) -> T:
        """Wait for a value that was not taken before."""
        await self._fresh.wait()
        self._fresh.clear()
        return cast("T", self._value)


class RecentFrames(Generic[T]):
    """Holds the newest `limit` values until they are taken all at once: averaging wants every frame."""

    def __init__(self, limit: int) -> None:
        self._values: deque[T] = deque(maxlen=limit)
        self.received = 0
        self.dropped = 0

    def put(self, value: T) -> None:
        """Append; the oldest falls out, counted, when nobody took it."""
        self.received += 1
        if len(self._values) == self._values.maxlen:
            self.dropped += 1
        self._values.append(value)

    def take_all(self) -> list[T]:
        """All that came since the last call, oldest first."""
        values = list(self._values)
        self._values.clear()
        return values
