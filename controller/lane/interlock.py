"""Interlock: of the lanes that share one, only one lets people in at a time, as between the two doors of an airlock.

It bars entries alone. Nobody who leaves is asked, nor is a fire or the guard's key; but a lane that these have opened
is open, and the others wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Interlock:
    """Knows which of its lanes are open. A lane is known by itself, whatever it is."""

    def __init__(self) -> None:
        self._open: dict[int, object] = {}
        self._waiting: dict[int, tuple[object, Callable[[], object]]] = {}

    def listen(self, lane: object, on_free: Callable[[], object]) -> None:
        """Have `on_free` called each time that nothing bars `lane` any more; it must return at once."""
        self._waiting[id(lane)] = lane, on_free

    def bars(self, lane: object) -> bool:
        """Whether `lane` may not open now, as another one is open."""
        return any(other is not lane for other in self._open.values())

    def note(self, lane: object, *, is_open: bool) -> None:
        """Note whether `lane` is open, after everything that happens to it."""
        if is_open:
            self._open[id(lane)] = lane
            return
        if self._open.pop(id(lane), None) is None:
            return
        for other, on_free in self._waiting.values():
            if other is not lane and not self.bars(other):
                on_free()
