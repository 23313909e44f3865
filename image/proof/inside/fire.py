"""Check of fire: the shipped runner frees both ways on the gate's thread, with no event loop and no disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from controller.lane.machine import Lane
from controller.lane.model import LaneSettings
from controller.runner import Runner
from hw.clock import SystemClock
from hw.ports import Side
from image.proof.claims import spread
from image.proof.inside.check import Check, need
from image.proof.inside.gate import gate, pins

if TYPE_CHECKING:
    from controller.record.entry import Entry, Stored

ALARMS: Final = 25
FIRE, UNLOCKS = 16, (17, 27)
PATIENCE: Final = 10.0


class _NoDisk:
    """A journal that is never asked: what frees the ways does not wait for one."""

    async def append(self, entry: Entry, *, timeout: float) -> Stored:  # noqa: ASYNC109 - the port's
        raise AssertionError(entry, timeout)


def _freed() -> str:
    wires, tried = pins(), gate()
    runner = Runner(
        Lane(LaneSettings()),
        tried,
        entry_side=Side.A,
        journal=_NoDisk(),
        append_timeout=1.0,
        degraded_without_disk=False,
        latching=True,
        clock=SystemClock(),
        clock_state=lambda: "none",
        on_reassess=lambda _: None,
    )
    wires.pull(FIRE, high=True)
    tried.open(runner.on_edge)
    taken: list[float] = []
    wires.watch()
    try:
        for number in range(ALARMS):
            began = time.monotonic()
            wires.pull(FIRE, high=False)
            while not all(wires.level(line) for line in UNLOCKS):
                need(time.monotonic() - began < PATIENCE, f"alarm {number + 1}: a way is shut {PATIENCE:g} s after it")
                time.sleep(0.005)
            time.sleep(0.05)
            rises = [s.at for s in wires.settings(*UNLOCKS) if s.level and s.at > began]
            taken.append(max(rises) - began)
            wires.pull(FIRE, high=True)
            time.sleep(0.1)
            need(all(wires.level(line) for line in UNLOCKS), "the end of the alarm shut a way")
            for side in Side:
                tried.relock(side)
    finally:
        tried.close()
    return f"both ways free, with 30 ms of debounce, after {spread(taken)}"


CHECKS: Final = (
    Check(
        "Fire edge → both ways free",
        "Runner.on_edge and the gate driver, without event loop and disk; the kernel's log of both lines",
        _freed,
        120,
    ),
)
