"""Many lean gates as one process: `python -m benchmarks.hub.load PLAN.json`; its last line is what it measured."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.hub.lean import LeanGate, prepare, tls
from benchmarks.hub.services import CAMPUS

CONNECTING = 20
"""Gates that shake hands with the broker at once."""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a process of lean gates sends."""

    folder: str
    gates: list[str]
    port: int
    count: int
    """Events of each gate."""
    window: int
    rate: float = 0.0
    """Events of all its gates together, per second, at random moments; 0: as fast as they are taken."""
    seed: int = 1


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    seconds: float
    """From the first event to the last acknowledgement."""
    cpu: float
    """CPU seconds of this process in that time."""
    latencies: list[float]
    """Seconds from event to acknowledgement, of every event."""
    resent: int


async def drive(plan: LoadPlan) -> Load:
    """Connect every gate, then send."""
    prepared = {name: prepare(name, plan.count, CAMPUS) for name in plan.gates}
    gates: list[LeanGate] = []
    loop = asyncio.get_running_loop()
    for start in range(0, len(plan.gates), CONNECTING):
        names = plan.gates[start : start + CONNECTING]
        made = [LeanGate(name, prepared[name], plan.window, CAMPUS) for name in names]
        for gate, name in zip(made, names, strict=True):
            context = tls(Path(plan.folder), name)
            await loop.create_connection(partial(_same, gate), "127.0.0.1", plan.port, ssl=context)
        await asyncio.gather(*(gate.ready.wait() for gate in made))
        gates += made
    # Everything that lives now lives to the end.
    gc.freeze()
    keeping = asyncio.ensure_future(_keep(gates))
    print("ready", flush=True)
    started, used = time.perf_counter(), time.process_time()
    if plan.rate:
        rng = random.Random(plan.seed)
        turns = gates * plan.count
        rng.shuffle(turns)
        due = time.perf_counter()
        for gate in turns:
            due += rng.expovariate(plan.rate)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            gate.offer(1)
    else:
        for gate in gates:
            gate.offer(plan.count)
    await asyncio.gather(*(gate.done.wait() for gate in gates))
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    keeping.cancel()
    latencies = [latency for gate in gates for latency in gate.latencies]
    return Load(seconds=seconds, cpu=cpu, latencies=latencies, resent=sum(gate.resent for gate in gates))


def _same(gate: LeanGate) -> LeanGate:
    """As a factory of protocols."""
    return gate


async def _keep(gates: list[LeanGate]) -> None:
    """Start over where an acknowledgement was lost, and keep connections alive."""
    for second in range(10**9):
        await asyncio.sleep(1)
        for gate in gates:
            gate.check()
            if second % 20 == 0:
                gate.ping()


if __name__ == "__main__":
    found = asyncio.run(drive(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=LoadPlan)))
    print(msgspec.json.encode(found).decode(), flush=True)
