"""Interlock: of the lanes that share one, only one lets people in at a time, as between the two doors of an airlock.

It bars entries alone. Nobody who leaves is asked, nor is a fire or the guard's key; but a lane that these have opened
is open, and the others wait for it.
"""

from __future__ import annotations


class Interlock:
    """Knows which of its lanes are open. A lane is known by itself, whatever it is."""

    def __init__(self) -> None:
        self._open: dict[int, object] = {}

    def bars(self, lane: object) -> bool:
        """Whether `lane` may not open now, as another one is open."""
        return any(other is not lane for other in self._open.values())

    def note(self, lane: object, *, is_open: bool) -> None:
        """Note whether `lane` is open, after everything that happens to it."""
        if is_open:
            self._open[id(lane)] = lane
        else:
            self._open.pop(id(lane), None)
