"""The director's hands in the simulated world: figures on the mark, the arm, the sensor's cable."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from controller.drill.cards import FACILITY, number_of
from controller.drill.diary import Arm
from controller.drill.scenario import WARMED_UP, Kind
from hw.executor import ClockExecutor
from hw.ports import Side
from hw.sim.figures import Card, Person
from hw.sim.reader import SimulatedWires
from hw.sim.turnstile import PushResult

if TYPE_CHECKING:
    from controller.drill.scenario import Visit
    from hw.board import Simulation
    from hw.clock import Clock

KEYS: Final = "0123456789*#"
KEY_PAUSE: Final = 0.15
"""Seconds from key to key."""
_FELT: Final = {
    PushResult.ROTATES: Arm.GIVES_WAY,
    PushResult.BLOCKED: Arm.LOCKED,
    PushResult.OCCUPIED: Arm.OCCUPIED,
}


def figure_of(visit: Visit, *, arrival: float, warm_minutes: float | None, bare: bool = True) -> Person | Card:
    """What stands on the mark from `arrival` on (monotonic seconds) in a visit; not `bare`: with glasses on.

    Glasses are taken off before a thermal camera; who forgot is told by the sign.
    """
    if visit.kind is Kind.PHOTOGRAPH and visit.companion is not None:
        holder = Person(identity=visit.companion, core=visit.core, moment=visit.number, glasses=False)
        return Card(
            identity=visit.identity,
            held_by=holder,
            moment=visit.number,
            distance=visit.distance,
            x=visit.offset,
            arrival=arrival,
        )
    return Person(
        identity=visit.identity,
        core=visit.core,
        scatter=visit.scatter,
        minutes_indoors=warm_minutes,
        moment=visit.number,
        distance=visit.distance,
        x=visit.offset,
        arrival=arrival,
        glasses=not bare,
    )


def indoors(visit: Visit) -> float | None:
    """Minutes indoors with which a visitor is as warm as they will be."""
    return WARMED_UP if visit.kind is Kind.FROM_COLD else None


class SimulatedStage:
    """Moves what `hw.board.simulated_board` made. Satisfies `controller.drill.director.Stage`."""

    def __init__(self, simulation: Simulation, clock: Clock, *, entry: Side) -> None:
        self._simulation = simulation
        self._clock = clock
        self._entry = entry
        self._exit = Side.B if entry is Side.A else Side.A
        self._wings = ClockExecutor(clock, 1, "wings")

    async def prepare(self, visit: Visit) -> None:
        """Draw somebody before their turn, off the loop; the world keeps what it has drawn."""
        if visit.kind is not Kind.LEAVER:
            await asyncio.get_running_loop().run_in_executor(self._wings, self._draw, visit)

    def _draw(self, visit: Visit) -> None:
        for bare in (True, False) if visit.kind is Kind.GLASSES else (True,):
            figure = figure_of(visit, arrival=math.inf, warm_minutes=None, bare=bare)
            self._simulation.world.place(figure)
            self._simulation.world.remove(figure)

    def step_up(self, visit: Visit, *, warm_minutes: float | None, bare: bool) -> None:
        """Put this visit's person (or photograph) on the mark."""
        figure = figure_of(visit, arrival=self._clock.monotonic(), warm_minutes=warm_minutes, bare=bare)
        self._simulation.world.place(figure)

    def step_off(self) -> None:
        """Clear the mark."""
        self._simulation.world.clear()

    def present(self, visit: Visit) -> None:
        """Hold this visit's card to the reader."""
        if isinstance(self._simulation.reader, SimulatedWires):
            self._simulation.reader.hold(FACILITY, number_of(visit))

    async def key_in(self, text: str) -> None:
        """Key something in on the reader."""
        for key in text:
            if isinstance(self._simulation.reader, SimulatedWires):
                self._simulation.reader.send([int(bit) for bit in f"{KEYS.index(key):04b}"])
            await asyncio.sleep(KEY_PAUSE)

    def push(self, *, outward: bool) -> Arm:
        """Lean on the arm."""
        return _FELT[self._simulation.turnstile.push(self._exit if outward else self._entry)]

    def follow(self) -> Arm:
        """Squeeze in behind somebody who is passing."""
        return _FELT[self._simulation.turnstile.follow(self._entry)]

    def unplug_sensor(self, *, on: bool) -> None:
        """Take the thermal sensor off its bus, or put it back."""
        self._simulation.thermal.unplug(on=on)
