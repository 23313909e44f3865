"""Event loop, driver threads and turnstile together in virtual time: a small controller lets people through."""

from __future__ import annotations

import asyncio

from hw.drivers.gate import GpioGate
from hw.ports import Edge, Side, Signal
from hw.settings import GateSettings
from hw.sim.arm import Opening
from hw.sim.clock import VirtualClock
from hw.sim.loop import run
from hw.sim.turnstile import ArmPassage, RelayMove, SimulatedTurnstile


async def let_through(people: int, clock: VirtualClock, seed: int) -> tuple[list[RelayMove | ArmPassage], list[Edge]]:
    """Grant and pass `people` times; returns the turnstile's log and what the driver reported."""
    settings = GateSettings(ready=12)
    turnstile = SimulatedTurnstile(settings, clock, seed=seed)
    gate = GpioGate(settings, turnstile.pin_factory, clock)
    loop = asyncio.get_running_loop()
    home: asyncio.Queue[Edge] = asyncio.Queue()
    edges: list[Edge] = []

    def on_edge(edge: Edge) -> None:
        edges.append(edge)
        if edge.signal is Signal.READY and edge.active:
            loop.call_soon_threadsafe(home.put_nowait, edge)

    await asyncio.to_thread(gate.open, on_edge)
    for i in range(people):
        gate.unlock(Side.A, 0.3)
        await asyncio.sleep(0.4 + 0.01 * (i % 7))
        assert await asyncio.to_thread(turnstile.push, Side.A)
        assert not turnstile.push(Side.A), "somebody is in the arm"
        async with asyncio.timeout(5):
            await home.get()
        assert not turnstile.push(Side.A), "the grant is used up"
    await asyncio.to_thread(gate.close)
    await asyncio.to_thread(turnstile.close)
    return turnstile.moves, edges


def test_a_hundred_grants_are_a_hundred_passages() -> None:
    clock = VirtualClock(patience=5)
    moves, edges = run(let_through(100, clock, seed=3), clock)
    passages = [move for move in moves if isinstance(move, ArmPassage)]
    assert [move.opened_by for move in passages] == [Opening.PULSE] * 100
    assert sum(isinstance(move, RelayMove) for move in moves) == 200
    assert [edge.active for edge in edges if edge.signal is Signal.PASS_A] == [True, False] * 100
    seen = [edge.timestamp for edge in edges if edge.signal is Signal.PASS_A and edge.active]
    assert seen == [move.timestamp for move in passages], "an edge carries the time of the contact itself"


def test_the_same_seed_gives_the_same_log() -> None:
    runs = []
    for _ in range(3):
        clock = VirtualClock(patience=5)
        runs.append(run(let_through(20, clock, seed=9), clock))
    assert runs[0] == runs[1] == runs[2]
