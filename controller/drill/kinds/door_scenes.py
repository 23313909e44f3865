"""Scenes at a dormitory's door, as people play them: they read the sign, pull, wedge, force, press and leave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from controller.drill.kinds.cast import DoorScene
from controller.drill.kinds.stagehand import ACTOR
from controller.lane import events as ev
from hw.ports import Side, Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from controller.drill.kinds.cast import Act, Scene
    from controller.drill.kinds.stagehand import Stagehand
    from hw.sim.door import SimulatedDoor

IN, OUT = Side.A, Side.B
HANDLE: Final = 0.5
"""Seconds from a hand on the handle to a leaf that is off its frame."""
NEXT: Final = 2.5
"""Seconds to the next scene: who opens the door sooner follows the last one in."""
WEDGED: Final = 9.5
STUCK: Final = 7.0
"""Seconds, somewhat longer than the rehearsal's settings allow (`rehearsal.SETTINGS`)."""
SHUT_AGAIN: Final = 6.0
"""Seconds in which a door that was let go is shut and its lock has settled."""


class DoorScenes:
    """Plays scenes; `felt` tells what a person could not do, or could, against what they should."""

    def __init__(self, hands: Stagehand, door: SimulatedDoor) -> None:
        self._hands = hands
        self._door = door
        self._play: dict[Scene, Callable[[Act], Awaitable[str]]] = {
            DoorScene.RESIDENT: self._come,
            DoorScene.STRANGER: self._come_unknown,
            DoorScene.LEAVER: self._leave,
            DoorScene.HELD_OPEN: self._hold_open,
            DoorScene.FORCED: self._force,
            DoorScene.FIRE: self._flee,
            DoorScene.LOCKDOWN: self._lock_down,
            DoorScene.WALK_AWAY: self._walk_away,
            DoorScene.REBOUND: self._slam,
            DoorScene.REX_STUCK: self._stick,
            DoorScene.LOCK_WEAK: self._weaken,
        }

    async def play(self, act: Act) -> str:
        """Play one scene; returns what went wrong for the people in it, empty where nothing did."""
        try:
            return await self._play[act.scene](act)
        finally:
            self._hands.step_off()
            await asyncio.sleep(HANDLE)
            await self._hands.until(lambda: not self._door.open, SHUT_AGAIN)
            await asyncio.sleep(NEXT)

    async def _come(self, act: Act) -> str:
        if not await self._hands.admitted(act):
            return "a resident was not admitted"
        self._hands.step_off()
        return "" if self._door.pull(IN) else "admitted, and the door was locked"

    async def _come_unknown(self, act: Act) -> str:
        if await self._hands.admitted(act):
            return "a stranger was admitted"
        return "a stranger found the door open" if self._door.pull(IN) else ""

    async def _leave(self, act: Act) -> str:
        del act
        return await self._go_out()

    async def _go_out(self) -> str:
        """By the handle at a strike, by the button at a magnet."""
        if self._door.pull(OUT):
            return ""
        self._door.press_rex()
        await asyncio.sleep(0.5)
        return "" if self._door.pull(OUT) else "the way out was locked"

    async def _hold_open(self, act: Act) -> str:
        self._door.wedge(True)
        told = await self._come(act)
        await asyncio.sleep(WEDGED)
        self._door.wedge(False)
        return told

    async def _force(self, act: Act) -> str:
        del act
        self._door.force()
        return ""

    async def _flee(self, act: Act) -> str:
        del act
        self._door.press_fire(True)
        await asyncio.sleep(0.5)
        free = self._door.released and self._door.pull(OUT)
        await self._hands.until(lambda: not self._door.open, SHUT_AGAIN)
        self._door.press_fire(False)
        await asyncio.sleep(2.0)
        self._hands.post(ev.ResetEmergency(now=self._hands.clock.monotonic(), actor=ACTOR))
        await asyncio.sleep(1.0)
        return "" if free else "the door was not free in a fire"

    async def _lock_down(self, act: Act) -> str:
        post, now = self._hands.post, self._hands.clock.monotonic
        post(ev.Lockdown(now=now(), active=True, actor=ACTOR))
        await asyncio.sleep(0.5)
        self._hands.step_up(act)
        await asyncio.sleep(6.0)
        let_in = self._door.pull(IN)
        self._hands.step_off()
        hindered = await self._go_out()
        await self._hands.until(lambda: not self._door.open, SHUT_AGAIN)
        await asyncio.sleep(1.0)
        post(ev.Lockdown(now=now(), active=False, actor=ACTOR))
        return "let in during a lockdown" if let_in else hindered

    async def _walk_away(self, act: Act) -> str:
        if not await self._hands.admitted(act):
            return "a resident was not admitted"
        self._hands.step_off()
        await self._hands.until(lambda: not self._door.released, 10.0)
        await asyncio.sleep(1.0)
        return "the lock stayed released" if self._door.released else ""

    async def _slam(self, act: Act) -> str:
        self._door.slams = True
        try:
            told = await self._come(act)
            await self._hands.until(lambda: not self._door.open, SHUT_AGAIN)
            await asyncio.sleep(1.0)
        finally:
            self._door.slams = False
        return told

    async def _stick(self, act: Act) -> str:
        del act
        self._door.stick(Signal.REX, level=True)
        await asyncio.sleep(STUCK)
        free = self._door.pull(OUT) if self._door.released else True
        self._door.stick(Signal.REX, None)
        await asyncio.sleep(6.0)
        return "" if free else "the way out was locked"

    async def _weaken(self, act: Act) -> str:
        told = await self._come(act)
        self._door.weaken(True)
        await self._hands.until(lambda: not self._door.open, SHUT_AGAIN)
        await asyncio.sleep(5.0)
        # Somebody pulls at it until the bolt is home, and mends it.
        self._door.weaken(False)
        return told
