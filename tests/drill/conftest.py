"""A gate that answers by a script, for the director."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from controller.drill.diary import Arm, Sign
from controller.drill.director import Director, SignReader
from controller.lane.effects import Prompt
from hw.sim.clock import VirtualClock
from hw.sim.loop import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.drill.diary import VisitLog
    from controller.drill.scenario import Visit
    from hw.clock import Clock

Answer = tuple[Prompt, str | None]
PASS: Answer = (Prompt.PASS, None)


@dataclass
class ScriptedGate:
    """A stage and its sign: who steps up is answered from `script`, one answer a look."""

    clock: Clock
    sign: SignReader
    script: list[Answer | None]
    think: float = 1.0
    show: float = 2.0
    locked: bool = False
    egress: list[Arm] = field(default_factory=list)
    log: list[tuple[float, str]] = field(default_factory=list)
    looking: asyncio.Task[None] | None = None

    def _say(self, prompt: Prompt, reason: str | None = None) -> None:
        self.sign.show(Sign(prompt, reason, self.clock.monotonic()))

    @property
    def acts(self) -> list[str]:
        """What was done, without preparations."""
        return [text for _, text in self.log if not text.startswith("prepare")]

    def _note(self, text: str) -> None:
        self.log.append((round(self.clock.monotonic(), 3), text))

    async def _look(self) -> None:
        while self.script:
            self._say(Prompt.LOOK_HERE)
            await asyncio.sleep(self.think)
            answer = self.script.pop(0)
            if answer is None:
                return
            self._say(*answer)
            if answer == PASS:
                await asyncio.sleep(5.0)
                self._say(Prompt.IDLE)
                return
            await asyncio.sleep(self.show)

    async def prepare(self, visit: Visit) -> None:
        self._note(f"prepare {visit.number}")

    def step_up(self, visit: Visit, *, warm_minutes: float | None, bare: bool) -> None:
        after = "" if warm_minutes is None else f" after {warm_minutes:g} min"
        self._note(f"up {visit.number}" + after + ("" if bare else " in glasses"))
        self.looking = asyncio.get_running_loop().create_task(self._look())

    def step_off(self) -> None:
        if self.looking is not None:
            self._note("off")
            self.looking.cancel()
            self.looking = None
            if not self.sign.current.admits:
                self._say(Prompt.IDLE)

    def present(self, visit: Visit) -> None:
        self._note(f"card {visit.number}")

    async def key_in(self, text: str) -> None:
        self._note(f"key {text}")
        self._say(Prompt.DENIED, "unknown_credential")

    def push(self, *, outward: bool) -> Arm:
        self._note("push out" if outward else "push in")
        if outward:
            return self.egress.pop(0) if self.egress else Arm.GIVES_WAY
        if self.locked:
            return Arm.LOCKED
        asyncio.get_running_loop().call_later(1.0, self._say, Prompt.IDLE)
        return Arm.GIVES_WAY

    def follow(self) -> Arm:
        self._note("follow")
        return Arm.GIVES_WAY

    def unplug_sensor(self, *, on: bool) -> None:
        self._note("unplugged" if on else "plugged in")


@dataclass
class Played:
    gate: ScriptedGate
    diary: list[VisitLog]
    seconds: float


@pytest.fixture
def play() -> Callable[..., Played]:
    """Play visits against a scripted gate in virtual time."""

    def played(
        visits: list[Visit], script: list[Answer | None], clock: Clock | None = None, **options: object
    ) -> Played:
        clock = clock or VirtualClock()
        found: list[Played] = []

        async def main() -> None:
            sign = SignReader()
            gate = ScriptedGate(clock, sign, list(script))
            for name, value in options.items():
                setattr(gate, name, value)
            sign.show(Sign(Prompt.IDLE, None, 0.0))
            director = Director(gate, sign, clock)
            await director.play(visits)
            found.append(Played(gate, director.diary, clock.monotonic()))

        run(main(), clock)
        return found[0]

    return played
