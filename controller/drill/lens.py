"""The rehearsal's window on the program: keeps its steps for the audit, passes on what a person would see."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from controller.drill.diary import Sign
from controller.lane.effects import Append, Indicate
from controller.lane.events import Assessed
from controller.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.drill.director import SignReader
    from controller.drill.scoreboard import Scoreboard
    from controller.lane.effects import Effect
    from controller.record.entry import Stored
    from controller.watch import Step
    from hw.ports import ThermalFrame


class Lens(Watch):
    """Collects on the loop's thread; nothing here takes longer than an append to a list."""

    def __init__(self, sign: SignReader, scores: Scoreboard) -> None:
        self.steps: list[Step] = []
        self.stages: defaultdict[str, list[float]] = defaultdict(list)
        """Real seconds of each stage of the work."""
        self.sensor = "none"
        """The thermal sensor as it introduced itself."""
        self._up: set[str] = set()
        self._sign = sign
        self._scores = scores

    @property
    def stored(self) -> tuple[Stored, ...]:
        """Records that the steps said were on disk, in their order."""
        return tuple(row for step in self.steps for row in step.stored)

    @property
    def unwritten(self) -> int:
        """Records that were asked for and not reported as on disk."""
        return sum(_appends(step) - len(step.stored) for step in self.steps)

    def on_step(self, step: Step) -> None:
        """Keep the step; show what the sign shows now."""
        self.steps.append(step)
        self._scores.lane = step.after.value
        if isinstance(step.event, Assessed):
            self._scores.assessment = step.event.assessment
        for effect in performed(step):
            if isinstance(effect, Indicate):
                sign = Sign(effect.prompt, effect.reason, step.ended)
                self._scores.sign = sign
                self._sign.show(sign)

    def on_thermal(self, frame: ThermalFrame) -> None:
        """Keep the newest heat picture."""
        self._scores.temperatures = frame.temperatures

    def on_device(self, name: str, *, up: bool, text: str) -> None:
        """Tell of a device that came or went; a lost sensor leaves no old picture standing."""
        if up or name in self._up:
            self._scores.tell(f"  {name} {'up' if up else 'lost'}: {text}")
        (self._up.add if up else self._up.discard)(name)
        if name == "thermal" and up:
            self.sensor = text
        elif name == "thermal":
            self._scores.temperatures = None

    def on_stage(self, stage: str, seconds: float) -> None:
        """Count a stage's real seconds."""
        self.stages[stage].append(seconds)


def performed(step: Step) -> Iterator[Effect]:
    """The step's effects up to the record that failed, if one did."""
    written = 0
    for effect in step.effects:
        if isinstance(effect, Append):
            written += 1
            if written > len(step.stored):
                return
        yield effect


def _appends(step: Step) -> int:
    return sum(isinstance(effect, Append) for effect in step.effects)
