"""What the scenes of a door and of a barrier have in common: people before the camera, the sign, orders, patience."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from controller.drill.director import ANSWER_WAIT, INVITE_WAIT, REACTION
from hw.executor import ClockExecutor
from hw.sim.figures import EYE_HEIGHT, Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from controller.drill.diary import Sign
    from controller.drill.director import SignReader
    from controller.drill.kinds.cast import Act
    from controller.lane.events import LaneEvent
    from hw.board import KindSimulation
    from hw.clock import Clock

ACTOR: Final = "rehearsal"
LOOK: Final = 0.2
"""Seconds between two looks at something that takes its time."""


class Stagehand:
    """Moves the world. Every wait has a bound: a lane that stops answering ends in a wrong record, not in a hang.

    Args:
        simulation: what `hw.board.simulated_kind` made.
        sign: what people read.
        clock: the board's.
        height: metres below the camera at which faces are: those of seated drivers are lower.
    """

    def __init__(
        self, simulation: KindSimulation, sign: SignReader, clock: Clock, *, height: float = EYE_HEIGHT
    ) -> None:
        self.post: Callable[[LaneEvent], None] = lambda _: None
        """Gives the lane an order."""
        self.clock = clock
        self._world = simulation.world
        self._sign = sign
        self._height = height
        self._wings = ClockExecutor(clock, 1, "wings")

    async def prepare(self, act: Act) -> None:
        """Draw somebody before their turn, off the loop; the world keeps what it has drawn."""

        def draw() -> None:
            figure = self._figure(act, math.inf)
            self._world.place(figure)
            self._world.remove(figure)

        await asyncio.get_running_loop().run_in_executor(self._wings, draw)

    def _figure(self, act: Act, arrival: float) -> Person:
        return Person(
            identity=act.identity,
            core=act.core,
            moment=act.number,
            distance=act.distance,
            y=self._height,
            arrival=arrival,
            glasses=False,
        )

    def step_up(self, act: Act) -> None:
        """Somebody comes before the camera."""
        self._sign.forget()
        self._world.place(self._figure(act, self.clock.monotonic()))

    def step_off(self) -> None:
        """Nobody is before the camera any more."""
        self._world.clear()

    async def invited(self) -> bool:
        """Wait for the sign to invite somebody."""
        return await self._sign.now_or_within(lambda sign: sign.invites, INVITE_WAIT)

    async def answer(self) -> Sign | None:
        """What the sign answers."""
        return await self._sign.until(lambda sign: sign.admits or sign.refuses, ANSWER_WAIT)

    async def admitted(self, act: Act) -> bool:
        """Step up and look until the sign admits; a second look after a first refusal."""
        await self.invited()
        self.step_up(act)
        for _ in range(2):
            answer = await self.answer()
            if answer is not None and answer.admits:
                await asyncio.sleep(REACTION)
                return True
        return False

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, at most `seconds`; whether it is."""
        end = self.clock.monotonic() + seconds
        while not condition() and self.clock.monotonic() < end:  # noqa: ASYNC110 - mechanics announce nothing
            await asyncio.sleep(LOOK)
        return condition()
