"""A reader's own lamp and sounder, where it has them, show what the lane's do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.prompts import LAMPS
from controller.watch import Watch
from hw.ports import ReaderLamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.lane.effects import Prompt
    from controller.watch import Step


def lamps_of(reader: object, shown: Callable[[], Prompt]) -> list[ReaderLampWatch]:
    """The watch of a reader that has a lamp; none for another."""
    return [ReaderLampWatch(reader, shown)] if isinstance(reader, ReaderLamp) else []


class ReaderLampWatch(Watch):
    """Carries what is shown over to a reader.

    Args:
        lamp: the reader's.
        shown: what the lane shows at this moment: performed, not merely decided.
    """

    def __init__(self, lamp: ReaderLamp, shown: Callable[[], Prompt]) -> None:
        self._lamp = lamp
        self._shown = shown

    def on_step(self, step: Step) -> None:
        """Show it."""
        del step
        self._lamp.indicate(LAMPS[self._shown()])
