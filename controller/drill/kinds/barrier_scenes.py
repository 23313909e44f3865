"""Scenes at a vehicle barrier: cars come, stop, follow and leave, somebody walks under the arm, things break."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from controller.drill.kinds.cast import BarrierScene
from controller.drill.kinds.stagehand import ACTOR
from controller.lane import events as ev
from hw.ports import Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.drill.kinds.cast import Act, Scene
    from controller.drill.kinds.stagehand import Stagehand
    from hw.sim.barrier import SimulatedBarrier, Vehicle

ROLLS_UP: Final = 5.0
"""Seconds until a car stands before the arm."""
THROUGH: Final = 20.0
"""Seconds in which a car whose way is free is gone."""
FOLLOWS_AT: Final = 5.8
"""Metres to the car before: the loop, 2.6 m long, is clear for 1.3 s between the two."""
UNUSED: Final = 10.0
"""Seconds until a grant that nobody drives in by has run out, somewhat longer than the rehearsal's settings say."""
SETTLES: Final = 12.0
"""Seconds in which an arm that nothing keeps up is down."""


class BarrierScenes:
    """Plays scenes; what went wrong for those in them is returned."""

    def __init__(self, hands: Stagehand, barrier: SimulatedBarrier) -> None:
        self._hands = hands
        self._barrier = barrier
        self._play: dict[Scene, Callable[[Act], Awaitable[str]]] = {
            BarrierScene.DRIVER: self._come,
            BarrierScene.STRANGER: self._come_unknown,
            BarrierScene.LEAVER: self._leave,
            BarrierScene.TAILGATE: self._be_followed,
            BarrierScene.STOPS_UNDER: self._stop_under,
            BarrierScene.WALKER: self._walk_under,
            BarrierScene.FIRE: self._flee,
            BarrierScene.LOCKDOWN: self._lock_down,
            BarrierScene.ON_FOOT: self._come_on_foot,
            BarrierScene.WALK_AWAY: self._drive_away,
            BarrierScene.DETECTOR: self._lose_detector,
            BarrierScene.LIFTED: self._lift_by_hand,
            BarrierScene.STUCK: self._jam,
            BarrierScene.POWER: self._lose_power,
        }

    async def play(self, act: Act) -> str:
        """Play one scene; returns what went wrong for the people in it, empty where nothing did."""
        try:
            told = await self._play[act.scene](act)
        finally:
            self._hands.step_off()
            for vehicle in list(self._barrier.vehicles):
                self._barrier.leave(vehicle)
        down = await self._hands.until(lambda: self._barrier.angle == 0.0, SETTLES)
        await asyncio.sleep(1.0)
        return told or ("" if down else "the arm stayed up")

    # Ways to come

    async def _arrive(self, *, inward: bool = True) -> Vehicle:
        vehicle = self._barrier.arrive(inward=inward)
        await asyncio.sleep(ROLLS_UP)
        return vehicle

    async def _let_in(self, act: Act) -> tuple[Vehicle, str]:
        vehicle = await self._arrive()
        if not await self._hands.admitted(act):
            return vehicle, "a driver was not admitted"
        if not await self._hands.until(lambda: self._barrier.is_up, 8.0):
            return vehicle, "admitted, and the arm stayed down"
        self._hands.step_off()
        return vehicle, ""

    async def _drive_through(self, vehicle: Vehicle) -> str:
        self._barrier.drive(vehicle)
        through = await self._hands.until(lambda: vehicle.nose > 2.0 + vehicle.length, THROUGH)
        return "" if through else "the car did not get through"

    async def _come(self, act: Act) -> str:
        vehicle, told = await self._let_in(act)
        return told or await self._drive_through(vehicle)

    async def _come_unknown(self, act: Act) -> str:
        await self._arrive()
        if await self._hands.admitted(act):
            return "a stranger was admitted"
        return "the arm opened for a stranger" if self._barrier.angle > 0 else ""

    async def _leave(self, act: Act) -> str:
        del act
        return await self._drive_out()

    async def _drive_out(self) -> str:
        vehicle = await self._arrive(inward=False)
        if not await self._hands.until(lambda: self._barrier.is_up, 8.0):
            return "the arm stayed down for a car that wanted to leave"
        return await self._drive_through(vehicle)

    async def _be_followed(self, act: Act) -> str:
        vehicle, told = await self._let_in(act)
        if told:
            return told
        follower = self._barrier.arrive(behind=vehicle, gap=FOLLOWS_AT)
        await asyncio.sleep(3.0)
        # The close is tried between the two, and the second one does not look.
        self._barrier.drive(follower, heeds=False)
        told = await self._drive_through(vehicle)
        through = await self._hands.until(lambda: follower.nose > 2.0 + follower.length, THROUGH)
        return told or ("" if through else "the second car did not get through")

    async def _stop_under(self, act: Act) -> str:
        vehicle, told = await self._let_in(act)
        if told:
            return told
        self._barrier.drive(vehicle, 1.5)
        await asyncio.sleep(12.0)
        stayed = self._barrier.is_up
        return (await self._drive_through(vehicle)) or ("" if stayed else "the arm came down on a car")

    async def _walk_under(self, act: Act) -> str:
        vehicle, told = await self._let_in(act)
        told = told or await self._drive_through(vehicle)
        await self._hands.until(lambda: self._barrier.active("close"), 5.0)
        await asyncio.sleep(0.6)
        self._barrier.walk_under(2.0)
        return told

    async def _drive_away(self, act: Act) -> str:
        vehicle, told = await self._let_in(act)
        self._barrier.leave(vehicle)
        await asyncio.sleep(UNUSED)
        return told

    async def _come_on_foot(self, act: Act) -> str:
        return "somebody on foot was admitted" if await self._hands.admitted(act) else ""

    # Orders and fire

    async def _flee(self, act: Act) -> str:
        del act
        self._barrier.press_fire(True)
        up = await self._hands.until(lambda: self._barrier.is_up, 5.0)
        vehicle = await self._arrive(inward=False)
        told = await self._drive_through(vehicle)
        self._barrier.leave(vehicle)
        await asyncio.sleep(5.0)
        stayed = self._barrier.is_up
        self._barrier.press_fire(False)
        await asyncio.sleep(1.0)
        self._hands.post(ev.ResetEmergency(now=self._hands.clock.monotonic(), actor=ACTOR))
        return told or ("" if up and stayed else "the arm was not up in a fire")

    async def _lock_down(self, act: Act) -> str:
        post, now = self._hands.post, self._hands.clock.monotonic
        post(ev.Lockdown(now=now(), active=True, actor=ACTOR))
        vehicle = await self._arrive()
        self._hands.step_up(act)
        await asyncio.sleep(6.0)
        let_in = self._barrier.angle > 0
        self._hands.step_off()
        self._barrier.leave(vehicle)
        told = await self._drive_out()
        post(ev.Lockdown(now=now(), active=False, actor=ACTOR))
        return "let in during a lockdown" if let_in else told

    # What breaks

    async def _lose_detector(self, act: Act) -> str:
        vehicle, told = await self._let_in(act)
        told = told or await self._drive_through(vehicle)
        self._barrier.break_detector(Signal.LOOP_FAULT, True)
        await asyncio.sleep(8.0)
        stayed = self._barrier.is_up
        self._barrier.break_detector(Signal.LOOP_FAULT, False)
        return told or ("" if stayed else "the arm came down without its loop")

    async def _lift_by_hand(self, act: Act) -> str:
        del act
        self._barrier.push_arm(40.0)
        await asyncio.sleep(3.0)
        self._barrier.push_arm(0.0)
        await asyncio.sleep(1.0)
        return ""

    async def _jam(self, act: Act) -> str:
        self._barrier.jammed = True
        await self._arrive()
        admitted = await self._hands.admitted(act)
        self._hands.step_off()
        # Until the arm is stuck and the grant has run out.
        await asyncio.sleep(UNUSED)
        # The motor has been running all the time.
        self._barrier.jammed = False
        await asyncio.sleep(2.0)
        return "" if admitted else "a driver was not admitted"

    async def _lose_power(self, act: Act) -> str:
        del act
        self._barrier.cut_power(True)
        await asyncio.sleep(3.0)
        self._barrier.cut_power(False)
        await asyncio.sleep(1.0)
        return ""
