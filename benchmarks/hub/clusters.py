"""Clusters of brokers that lose machines: `python -m benchmarks.hub.clusters`. Needs root, for network namespaces.

24 gates (journal and link of the board's program) and a hub report by way of three nodes, with TLS and a certificate
each. Every node is hurt once, killed or cut off, in an order and at moments that the seed draws. In the end every event
that a journal committed must be in the database once, as it was written.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from benchmarks.hub import services
from benchmarks.hub.audit import Audit, audit
from benchmarks.hub.authority import Authority
from benchmarks.hub.fleet import FleetPlan
from benchmarks.hub.nodes import MQTT, NODES, Cluster, Hall, Nats, RabbitMQ, address
from benchmarks.hub.services import CAMPUS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.hub.services import Process

GATES = 24
RATE = 24.0
"""Events of all gates per second."""
HOURS = 1.0
"""For which gates append at most; they are told to end when the last fault is over."""
DRAIN_SECONDS = 150.0
KEEPALIVE = 5
"""Seconds; as docs/clusters.md advises."""
SETTLE = (3.0, 8.0)
"""Bounds of the random seconds before the first fault, and between a node's return and the next fault."""
AWAY = (6.0, 14.0)
"""Bounds of the random seconds of a node's absence."""
BEFORE = 2.0
"""Seconds before a fault in which an event may have been journaled that the fault delays."""


@dataclass
class Fault:
    """One node, hurt once."""

    node: int
    kind: Literal["killed", "cut off"]
    away: float
    """Seconds."""
    began: float = 0.0
    """Unix seconds."""
    healed: float = 0.0
    """When the node took connections again."""
    hub_was_there: bool = False
    stuck: bool = False
    """It did not come back by itself, and was killed and started again."""
    waits: list[float] = field(default_factory=list)
    """Of each gate that was at the node: the longest time of an event from journal to acknowledgement, seconds."""
    other_waits: list[float] = field(default_factory=list)
    """Of the other gates."""


@dataclass
class Trial:
    """What was done to a cluster, and what was found."""

    cluster: str
    seed: int
    told: str
    subscribe_qos: Literal[0, 1]
    faults: list[Fault] = field(default_factory=list)
    formed: float = 0.0
    """Seconds until the cluster took connections."""
    drained: float = 0.0
    """Seconds from the last node's return until every gate had its acknowledgements."""
    found: Audit = field(default_factory=Audit)


def run(kind: type[Cluster], seed: int, *, alone: bool = False, subscribe_qos: Literal[0, 1] = 0) -> Trial:
    """Form a cluster, hurt it, compare. Raises `MissingError` where something is not installed or not allowed.

    `alone`: each gate, and the hub, is told one broker; otherwise all of them, beginning with that one.
    """
    rng = random.Random(seed)
    trial = Trial(kind.name, seed, "one broker" if alone else "all brokers", subscribe_qos)
    names = services.gate_names(GATES)
    with tempfile.TemporaryDirectory(prefix="thermogate-cluster-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        hall = Hall()
        _issue(folder, names)
        cluster = kind(hall, folder, names, subscribe_qos=subscribe_qos)
        database = services.PostgreSQL()
        stack.callback(database.remove)
        stack.callback(hall.remove)
        hall.build()
        database.start()
        try:
            for number in range(1, NODES + 1):
                cluster.start(number)
            trial.formed = cluster.wait(*range(1, NODES + 1))
            _start_hub(cluster, database.address, _brokers(rng.randrange(NODES), alone=alone))
            gates = _start_gates(cluster, seed, alone=alone)
            _wait_for_events(folder, names, gates)
            for fault in _faults(cluster, rng):
                trial.faults.append(fault)
            (folder / "enough").touch()
            trial.drained = _wait_for_end(gates)
        except (TimeoutError, RuntimeError):
            _tell(folder)
            raise
        trial.found = asyncio.run(audit(folder, names, database.address))
        for fault in trial.faults:
            measure(fault, folder, names)
    return trial


def _issue(folder: Path, gates: Sequence[str]) -> None:
    authority = Authority(folder, "school")
    for number in range(1, NODES + 1):
        authority.issue(f"node-{number}", address(number))
    for name in ("hub", *gates):
        authority.issue(name)


def _faults(cluster: Cluster, rng: random.Random) -> Iterator[Fault]:
    """Every node once, one after the other, each healed."""
    kinds: list[Literal["killed", "cut off"]] = ["killed", "killed", "cut off"]
    nodes = list(range(1, NODES + 1))
    rng.shuffle(kinds)
    rng.shuffle(nodes)
    for node, kind in zip(nodes, kinds, strict=True):
        time.sleep(rng.uniform(*SETTLE))
        fault = Fault(node, kind, rng.uniform(*AWAY))
        fault.hub_was_there = _place_of_hub(cluster.folder) == f"{address(node)}:{MQTT}"
        fault.began = time.time()
        if kind == "killed":
            cluster.kill(node)
            time.sleep(fault.away)
            cluster.start(node)
        else:
            cluster.hall.link(node, up=False)
            time.sleep(fault.away)
            cluster.hall.link(node, up=True)
        try:
            cluster.wait(node)
        except TimeoutError:
            fault.stuck = True
            cluster.kill(node)
            cluster.start(node)
            cluster.wait(node)
        fault.healed = time.time()
        yield fault


def _brokers(first: int, *, alone: bool) -> tuple[str, ...]:
    """All nodes' addresses, beginning with that one; `alone`: that one."""
    found = [address((first + index) % NODES + 1) for index in range(NODES)]
    return tuple(found[:1] if alone else found)


def _start_hub(cluster: Cluster, database: str, brokers: Sequence[str]) -> None:
    folder = cluster.folder
    config = folder / "hub.toml"
    config.write_text(
        f'campus = "{CAMPUS}"\ndatabase = "{database}"\n[http]\nport = 0\n'
        f'[broker]\nhost = {json.dumps(brokers)}\nport = {MQTT}\nprotocol = "{cluster.protocol}"\n'
        f"subscribe_qos = {cluster.subscribe_qos}\nkeepalive = {KEEPALIVE}\n"
        f'ca = "{folder / "school.pem"}"\ncert = "{folder / "hub.crt"}"\nkey = "{folder / "hub.key"}"\n'
    )
    command = [sys.executable, "-m", "campus", "serve", "--config", config]
    cluster.hall.start(cluster.hall.hall, command, folder / "hub.log")


def _start_gates(cluster: Cluster, seed: int, *, alone: bool) -> Process:
    plan = FleetPlan(
        folder=str(cluster.folder),
        gates=list(cluster.gates),
        hosts=[_brokers(index % NODES, alone=alone) for index in range(GATES)],
        port=MQTT,
        rate=RATE / GATES,
        seed=seed,
        seconds=HOURS * 3600,
        protocol=cluster.protocol,
        subscribe_qos=cluster.subscribe_qos,
        keepalive=KEEPALIVE,
        timed=True,
    )
    file = cluster.folder / "fleet.json"
    file.write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-m", "benchmarks.hub.fleet", file]
    return cluster.hall.start(cluster.hall.hall, command, cluster.folder / "fleet.log")


def _wait_for_events(folder: Path, gates: Sequence[str], process: Process) -> None:
    """Return when each gate had an acknowledgement. Raises `TimeoutError`."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while not all(_times(folder, gate, "acknowledged") for gate in gates):
        if time.monotonic() > deadline or process.poll() is not None:
            raise TimeoutError(f"not every gate was acknowledged anything within {DRAIN_SECONDS:g} s")
        time.sleep(0.5)


def _wait_for_end(process: Process) -> float:
    """Seconds until the gates have ended by themselves. Raises `TimeoutError` or `RuntimeError`."""
    began = time.monotonic()
    while process.poll() is None:
        if time.monotonic() - began > DRAIN_SECONDS:
            raise TimeoutError(f"gates still wait for acknowledgements after {DRAIN_SECONDS:g} s")
        time.sleep(0.2)
    if process.returncode:
        raise RuntimeError(f"the gates ended with {process.returncode}")
    return time.monotonic() - began


def _place_of_hub(folder: Path) -> str:
    """The broker that the hub listened at last."""
    lines = (folder / "hub.log").read_text(errors="replace").splitlines()
    places = [json.loads(line)["broker"] for line in lines if '"event": "listening"' in line]
    return str(places[-1]) if places else ""


def _times(folder: Path, gate: str, *kinds: str) -> list[tuple[str, str, float]]:
    """What a gate has noted of these kinds: kind, sequence number or broker, Unix seconds."""
    path = folder / f"{gate}.times"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    split = (line.split() for line in lines)
    return [(kind, which, float(when)) for kind, which, when in split if kind in kinds]


def measure(fault: Fault, folder: Path, gates: Sequence[str]) -> None:
    """Note how long events of each gate waited for their acknowledgement because of a fault."""
    for gate in gates:
        journaled = [
            (int(seq), when)
            for _, seq, when in _times(folder, gate, "journaled")
            if fault.began - BEFORE < when < fault.healed
        ]
        marks = [(int(seq), when) for _, seq, when in _times(folder, gate, "acknowledged")]
        waits = [min(said for mark, said in marks if mark >= seq) - when for seq, when in journaled]
        moves = [(kind, broker) for kind, broker, when in _times(folder, gate, "up", "down") if when < fault.began]
        was_there = bool(moves) and moves[-1] == ("up", f"{address(fault.node)}:{MQTT}")
        if waits:
            (fault.waits if was_there else fault.other_waits).append(max(waits))


def _tell(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-12:], sep="\n", file=sys.stderr)


def show(trial: Trial) -> None:
    """Print what happened."""
    found = trial.found
    print(
        f"{trial.cluster}, seed {trial.seed}: {NODES} nodes, TLS, formed in {trial.formed:.0f} s; "
        f"{trial.told} told, subscriptions of QoS {trial.subscribe_qos}"
    )
    for fault in trial.faults:
        hub = ", the hub was there" if fault.hub_was_there else ""
        gone = fault.healed - fault.began
        stuck = ", after a restart, as it did not come back by itself" if fault.stuck else ""
        print(f"  node {fault.node} {fault.kind} for {fault.away:.1f} s, back after {gone:.1f} s{stuck}{hub}")
        for whose, waits in (("its gates'", fault.waits), ("the others'", fault.other_waits)):
            if waits:
                print(f"    {whose} longest waits: {span(waits)}, n = {len(waits)}")
    print(f"  journaled {found.journaled}, stored {found.stored}, conflicts {found.conflicts}, holes {found.holes}")
    print(f"  all acknowledged {trial.drained:.1f} s after the last node's return")
    for trouble in found.troubles:
        print(f"  WRONG: {trouble}")


def span(waits: Sequence[float]) -> str:
    """Median, and least and most."""
    return f"{statistics.median(waits):.1f} s ({min(waits):.1f} to {max(waits):.1f})"


def summarise(trials: Sequence[Trial]) -> None:
    """Print what several trials say together."""
    faults = [fault for trial in trials for fault in trial.faults]
    stored = sum(trial.found.stored for trial in trials)
    wrong = sum(bool(trial.found.troubles) for trial in trials)
    print(f"{len(trials)} runs, {len(faults)} faults: {stored} events stored; {wrong} runs with anything wrong")
    for kind in ("killed", "cut off"):
        for hub in (False, True):
            some = [fault for fault in faults if fault.kind == kind and fault.hub_was_there == hub]
            waits = [wait for fault in some for wait in fault.waits]
            if waits:
                where = "with the hub" if hub else "without the hub"
                print(f"  node {kind} {where}, n = {len(some)}: longest waits of its gates {span(waits)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the clusters; 0 when nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub.clusters", description="Hurt clusters of brokers.")
    kinds = {"rabbitmq": RabbitMQ, "nats": Nats}
    parser.add_argument("--cluster", choices=kinds, default="rabbitmq", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further one's is one more")
    parser.add_argument("--runs", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--alone", action="store_true", help="tell each gate one broker, which it has to wait for")
    parser.add_argument("--subscribe-qos", type=int, choices=(0, 1), default=0, help="default: %(default)s")
    options = parser.parse_args(arguments)
    # Told to end, it ends what it started and removes its namespaces, whatever whoever started it ignores.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    trials, failed = [], 0
    for seed in range(options.seed, options.seed + options.runs):
        try:
            trial = run(kinds[options.cluster], seed, alone=options.alone, subscribe_qos=options.subscribe_qos)
        except (TimeoutError, RuntimeError) as error:
            print(f"{options.cluster}, seed {seed}: {error}", flush=True)
            failed += 1
            continue
        show(trial)
        sys.stdout.flush()
        trials.append(trial)
    if len(trials) > 1:
        summarise(trials)
    return 1 if failed or any(trial.found.troubles for trial in trials) else 0


if __name__ == "__main__":
    raise SystemExit(main())
