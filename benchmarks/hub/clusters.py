"""Clusters of brokers that lose machines: `python -m benchmarks.hub.clusters`. Needs root, for network namespaces.

Three nodes, each in a network namespace of its own on a bridge in another one, where gates, hub and their clients live.
24 gates (journal and link of the board's program) report to the node they are told while nodes are killed and cut off,
one after the other. In the end every event that a journal committed must be in the database once, as it was written.
Nothing leaves the namespaces: they have no way out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.hub import services
from benchmarks.hub.audit import Audit, audit
from benchmarks.hub.fleet import FleetPlan
from benchmarks.hub.services import CAMPUS, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.hub.services import Process
    from controller.link.messages import Protocol

NODES = 3
GATES = 24
RATE = 24.0
"""Events of all gates per second."""
SUBNET = "10.213.0"
MQTT = 1883
FORMING = 150.0
"""Seconds in which a cluster must have formed."""
DRAIN_SECONDS = 150.0
STEADY, AWAY, BETWEEN = 5.0, 8.0, 5.0
"""Seconds before the first fault, of a node's absence, and between two faults."""


class Hall:
    """Network namespaces on a bridge, and a way to run programs in them."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise MissingError("network namespaces need root and iproute2")
        self._prefix = f"tg{os.getpid()}"
        self.hall = f"{self._prefix}-hall"
        self._made: list[str] = []

    def build(self) -> None:
        """Make them."""
        self._add(self.hall)
        self._ip("-n", self.hall, "link", "add", "bridge", "type", "bridge")
        self._ip("-n", self.hall, "addr", "add", f"{SUBNET}.1/24", "dev", "bridge")
        self._ip("-n", self.hall, "link", "set", "bridge", "up")
        for number in range(1, NODES + 1):
            name = self.node(number)
            self._add(name)
            peer = ("peer", "name", "eth0", "netns", name)
            self._ip("-n", self.hall, "link", "add", f"port{number}", "type", "veth", *peer)
            self._ip("-n", self.hall, "link", "set", f"port{number}", "master", "bridge", "up")
            self._ip("-n", name, "addr", "add", f"{address(number)}/24", "dev", "eth0")
            self._ip("-n", name, "link", "set", "eth0", "up")

    def remove(self) -> None:
        """End what still runs in them, and remove them."""
        for name in reversed(self._made):
            found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
            for pid in found.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        self._made.clear()

    def node(self, number: int) -> str:
        """The namespace of a node."""
        return f"{self._prefix}-{number}"

    def link(self, number: int, *, up: bool) -> None:
        """Plug a node in, or pull its cable."""
        self._ip("-n", self.hall, "link", "set", f"port{number}", "up" if up else "down")

    def _add(self, name: str) -> None:
        self._ip("netns", "add", name)
        self._made.append(name)
        self._ip("-n", name, "link", "set", "lo", "up")

    def _ip(self, *words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise MissingError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def address(number: int) -> str:
    """Of a node."""
    return f"{SUBNET}.{10 + number}"


class Cluster:
    """Three nodes of a broker. Subclasses know its program."""

    name = ""
    protocols: tuple[Protocol, ...] = ()
    """Of MQTT, that it speaks."""

    def __init__(self, hall: Hall, folder: Path) -> None:
        self.hall = hall
        self.folder = folder
        self._running: dict[int, Process] = {}

    def start(self, number: int) -> None:
        """Start a node; it joins the others by itself."""
        command = ["ip", "netns", "exec", self.hall.node(number), *self.command(number)]
        self._running[number] = services.start(command, self.folder / f"node-{number}.log")

    def kill(self, number: int) -> None:
        """End all of a node's processes by SIGKILL."""
        pids = subprocess.run(
            ["ip", "netns", "pids", self.hall.node(number)], capture_output=True, text=True, check=True
        )
        for pid in pids.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self._running[number].wait()

    def wait(self) -> None:
        """Return when every node takes connections. Raises `TimeoutError`."""
        deadline = time.monotonic() + FORMING
        for number in range(1, NODES + 1):
            while not self._answers(number):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.name}: node {number} takes no connections within {FORMING:g} s")
                time.sleep(0.5)

    def command(self, number: int) -> list[str]:
        """What starts a node in the foreground."""
        raise NotImplementedError

    def _answers(self, number: int) -> bool:
        probe = f"import socket; socket.create_connection(('{address(number)}', {MQTT}), 1)"
        command = ["ip", "netns", "exec", self.hall.hall, sys.executable, "-S", "-c", probe]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class RabbitMQ(Cluster):
    """RabbitMQ with its MQTT plugin; a node that sees no majority pauses."""

    name = "RabbitMQ"
    protocols = ("3.1.1",)

    def __init__(self, hall: Hall, folder: Path) -> None:
        super().__init__(hall, folder)
        self._program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        if not self._program.exists():
            raise MissingError("RabbitMQ is not installed (apt install rabbitmq-server)")
        cookie = folder / ".erlang.cookie"
        cookie.write_text("thermogate")
        cookie.chmod(0o400)
        (folder / "plugins").write_text("[rabbitmq_mqtt].")
        nodes = "".join(
            f"cluster_formation.classic_config.nodes.{number} = rabbit@{address(number)}\n"
            for number in range(1, NODES + 1)
        )
        (folder / "rabbitmq.conf").write_text(
            "cluster_formation.peer_discovery_backend = classic_config\n" + nodes + "cluster_name = school\n"
            "cluster_partition_handling = pause_minority\nnet_ticktime = 5\n"
            f"mqtt.listeners.tcp.default = {MQTT}\nmqtt.allow_anonymous = true\nloopback_users = none\n"
        )

    def command(self, number: int) -> list[str]:
        """With everything it writes in the folder."""
        base = self.folder / f"rabbit-{number}"
        base.mkdir(exist_ok=True)
        return [
            "env",
            f"HOME={self.folder}",
            "RABBITMQ_USE_LONGNAME=true",
            f"RABBITMQ_NODENAME=rabbit@{address(number)}",
            f"RABBITMQ_MNESIA_BASE={base}",
            f"RABBITMQ_LOG_BASE={base}",
            f"RABBITMQ_CONFIG_FILE={self.folder / 'rabbitmq.conf'}",
            f"RABBITMQ_ENABLED_PLUGINS_FILE={self.folder / 'plugins'}",
            "RABBITMQ_CONF_ENV_FILE=/dev/null",
            str(self._program),
        ]


class Nats(Cluster):
    """NATS with JetStream, which keeps MQTT's QoS 1 in replicated streams."""

    name = "NATS"
    protocols = ("3.1.1",)

    def __init__(self, hall: Hall, folder: Path) -> None:
        super().__init__(hall, folder)
        program = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            raise MissingError("NATS is not installed (apt install nats-server)")
        self._program = program

    def command(self, number: int) -> list[str]:
        """With its streams in the folder."""
        routes = ", ".join(f"nats://{address(other)}:6222" for other in range(1, NODES + 1))
        config = self.folder / f"nats-{number}.conf"
        config.write_text(
            f'server_name: node{number}\nlisten: "{address(number)}:4222"\n'
            f'jetstream {{ store_dir: "{self.folder / f"nats-{number}"}" }}\n'
            f'cluster {{ name: school, listen: "{address(number)}:6222", routes: [{routes}] }}\n'
            f'mqtt {{ listen: "{address(number)}:{MQTT}" }}\n'
        )
        return [self._program, "-c", str(config)]


@dataclass
class Trial:
    """What was done to a cluster, and what was found."""

    cluster: str
    faults: list[str] = field(default_factory=list)
    formed: float = 0.0
    """Seconds until the cluster took connections."""
    drained: float = 0.0
    """Seconds from the last fault's end until every gate had its acknowledgements."""
    found: Audit = field(default_factory=Audit)


def run(kind: type[Cluster], *, steady: float = STEADY, away: float = AWAY, between: float = BETWEEN) -> Trial:
    """Form a cluster, hurt it, compare. Raises `MissingError` where something is not installed or not allowed."""
    trial = Trial(kind.name)
    with tempfile.TemporaryDirectory(prefix="thermogate-cluster-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        hall = Hall()
        cluster = kind(hall, folder)
        database = services.PostgreSQL()
        stack.callback(database.remove)
        stack.callback(hall.remove)
        hall.build()
        database.start()
        started = time.monotonic()
        for number in range(1, NODES + 1):
            cluster.start(number)
        cluster.wait()
        trial.formed = time.monotonic() - started
        _start_hub(hall, folder, database.address, cluster.protocols[0])
        lasting = steady + 3 * (away + between)
        gates = _start_gates(hall, folder, cluster.protocols[0], lasting)
        time.sleep(steady)
        for fault in _faults(cluster, away):
            trial.faults.append(fault)
            time.sleep(between)
        ended = time.monotonic()
        while gates.poll() is None:
            if time.monotonic() - ended > DRAIN_SECONDS:
                _tell(folder)
                raise TimeoutError(f"{kind.name}: gates still wait for acknowledgements after {DRAIN_SECONDS:g} s")
            time.sleep(0.2)
        trial.drained = time.monotonic() - ended
        if gates.returncode:
            _tell(folder)
            raise RuntimeError(f"{kind.name}: the gates ended with {gates.returncode}")
        trial.found = asyncio.run(audit(folder, services.gate_names(GATES), database.address))
    return trial


def _faults(cluster: Cluster, away: float) -> Iterator[str]:
    """One fault after the other, each healed; what it was."""
    cluster.kill(2)
    time.sleep(away)
    cluster.start(2)
    yield f"node 2 killed, started after {away:g} s"
    cluster.hall.link(3, up=False)
    time.sleep(away)
    cluster.hall.link(3, up=True)
    yield f"node 3 cut off for {away:g} s"
    cluster.kill(1)
    time.sleep(away)
    cluster.start(1)
    yield f"node 1, which the hub is on, killed, started after {away:g} s"


def _start_hub(hall: Hall, folder: Path, database: str, protocol: Protocol) -> None:
    config = folder / "hub.toml"
    config.write_text(
        f'campus = "{CAMPUS}"\ndatabase = "{database}"\n[http]\nport = 0\n'
        f'[broker]\nhost = "{address(1)}"\nport = {MQTT}\nprotocol = "{protocol}"\n'
    )
    command = ["ip", "netns", "exec", hall.hall, sys.executable, "-m", "campus", "serve", "--config", config]
    services.start(command, folder / "hub.log")


def _start_gates(hall: Hall, folder: Path, protocol: Protocol, seconds: float) -> Process:
    names = services.gate_names(GATES)
    plan = FleetPlan(
        folder=str(folder),
        gates=names,
        hosts=[address(index % NODES + 1) for index in range(GATES)],
        port=MQTT,
        rate=RATE / GATES,
        seed=1,
        seconds=seconds,
        tls=False,
        protocol=protocol,
    )
    file = folder / "fleet.json"
    file.write_bytes(msgspec.json.encode(plan))
    command = ["ip", "netns", "exec", hall.hall, sys.executable, "-m", "benchmarks.hub.fleet", file]
    return services.start(command, folder / "fleet.log")


def _tell(folder: Path) -> None:
    for log in sorted(folder.glob("*.log")):
        print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-12:], sep="\n", file=sys.stderr)


def show(trial: Trial) -> None:
    """Print what happened."""
    found = trial.found
    print(f"{trial.cluster}: {NODES} nodes, formed in {trial.formed:.0f} s; {GATES} gates, {RATE:g} events/s")
    for fault in trial.faults:
        print(f"  {fault}")
    print(f"  journaled {found.journaled}, stored {found.stored}, conflicts {found.conflicts}, holes {found.holes}")
    print(f"  all acknowledged {trial.drained:.1f} s after the last fault")
    for trouble in found.troubles:
        print(f"  WRONG: {trouble}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the clusters; 0 when nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub.clusters", description="Hurt clusters of brokers.")
    kinds = {"rabbitmq": RabbitMQ, "nats": Nats}
    parser.add_argument("--cluster", choices=kinds, default="rabbitmq", help="default: %(default)s")
    kind = kinds[parser.parse_args(arguments).cluster]
    try:
        trial = run(kind)
    except TimeoutError as error:
        print(error)
        return 1
    show(trial)
    return 1 if trial.found.troubles else 0


if __name__ == "__main__":
    raise SystemExit(main())
