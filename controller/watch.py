"""A window on the running lane for the live view, the replay printer and tests. Looking changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from controller.health.device import Report
    from controller.lane.effects import Effect
    from controller.lane.sensed import AnyEvent
    from controller.lane.states import State
    from controller.perception.types import Face
    from controller.record.entry import Stored
    from hw.ports import ImageFrame, ThermalFrame


@dataclass(frozen=True, slots=True)
class Step:
    """One event fed to the lane, and what came of it."""

    event: AnyEvent
    before: State
    after: State
    effects: tuple[Effect, ...]
    """In order; those after a failed `Append` were not performed."""
    stored: tuple[Stored, ...]
    """Records that reached the disk in this step."""
    begun: float
    """Monotonic seconds when the event was taken."""
    ended: float
    """Monotonic seconds when its last effect was done."""


class Watch:
    """Override what you want to see. All calls are on the loop's thread and must return at once."""

    def on_step(self, step: Step) -> None:
        """The lane made a step."""

    def on_thermal(self, frame: ThermalFrame) -> None:
        """A thermal frame arrived."""

    def on_picture(self, frame: ImageFrame, faces: tuple[Face, ...]) -> None:
        """A picture was looked at, and these faces were in the lane's region."""

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        """A device came (`text`: what it is) or went (`text`: why)."""

    def on_health(self, name: str, report: Report) -> None:
        """The health of a device has changed."""

    def on_stage(self, stage: str, seconds: float) -> None:
        """A stage of the work took so many seconds of real computing or waiting time (`time.perf_counter`)."""

    def on_delay(self, stage: str, seconds: float) -> None:
        """Between two moments of the board's clock lay so many seconds: from frame to thread, loop and relay."""
