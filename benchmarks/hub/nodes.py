"""Three nodes of a broker, each in a network namespace of its own, that can be killed and cut off. Needs root.

Gates and hub live in a fourth namespace, where the bridge between all of them is. Nothing leaves the namespaces: they
have no way out. Every listener asks for a client certificate, and gives each gate the rights of its own name alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.hub import services
from benchmarks.hub.services import MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.hub.services import Process
    from controller.link.messages import Protocol

NODES = 3
SUBNET = "10.213.0"
MQTT = 8883
FORMING = 400.0
"""Seconds in which a cluster must have formed, or a node come back, on a busy machine."""
PAGE = "clusters.md"
"""In docs: what the brokers' configurations are taken from."""


def address(number: int) -> str:
    """Of a node."""
    return f"{SUBNET}.{10 + number}"


class Hall:
    """Network namespaces on a bridge, and a way to run programs in them."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise MissingError("network namespaces need root and iproute2")
        self._prefix = f"tg{os.getpid()}"
        self.hall = f"{self._prefix}-hall"
        self._made: list[str] = []
        self._started: list[Process] = []

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
            for pid in self.pids(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        self._made.clear()
        for process in self._started:
            process.wait()

    def pids(self, name: str) -> list[int]:
        """Of the processes in a namespace."""
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def node(self, number: int) -> str:
        """The namespace of a node."""
        return f"{self._prefix}-{number}"

    def start(self, name: str, command: Sequence[object], log: Path) -> Process:
        """Start a process in a namespace."""
        self._started.append(services.start(["ip", "netns", "exec", name, *command], log))
        return self._started[-1]

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


class Cluster:
    """Three nodes of a broker. Subclasses know its program.

    Args:
        hall: where they live.
        folder: for all they write; `school.pem` and each node's `node-N.crt` and `.key` are in it.
        gates: who may connect, beside `hub`.
        subscribe_qos: what gates and hub ask for.
    """

    name = ""
    protocol: Protocol = "3.1.1"

    def __init__(self, hall: Hall, folder: Path, gates: Sequence[str], *, subscribe_qos: Literal[0, 1] = 0) -> None:
        self.hall = hall
        self.folder = folder
        self.gates = gates
        self.subscribe_qos: Literal[0, 1] = subscribe_qos
        self._running: dict[int, Process] = {}

    def start(self, number: int) -> None:
        """Start a node; it joins the others by itself."""
        log = self.folder / f"node-{number}.log"
        self._running[number] = self.hall.start(self.hall.node(number), self.command(number), log)

    def kill(self, number: int) -> None:
        """End all of a node's processes by SIGKILL."""
        for pid in self.hall.pids(self.hall.node(number)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._running[number].wait()

    def wait(self, *numbers: int) -> float:
        """Seconds until these nodes take connections. Raises `TimeoutError`."""
        began = time.monotonic()
        for number in numbers:
            while not self._answers(number):
                if time.monotonic() > began + FORMING:
                    raise TimeoutError(f"{self.name}: node {number} takes no connections within {FORMING:g} s")
                time.sleep(0.5)
        return time.monotonic() - began

    def command(self, number: int) -> list[str]:
        """What starts a node in the foreground."""
        raise NotImplementedError

    def _answers(self, number: int) -> bool:
        probe = f"import socket; socket.create_connection(('{address(number)}', {MQTT}), 1)"
        command = ["ip", "netns", "exec", self.hall.hall, sys.executable, "-S", "-c", probe]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class RabbitMQ(Cluster):
    """RabbitMQ with its MQTT plugin, as docs/clusters.md has it; a node that sees no majority pauses."""

    name = "RabbitMQ"

    def __init__(self, hall: Hall, folder: Path, gates: Sequence[str], *, subscribe_qos: Literal[0, 1] = 0) -> None:
        super().__init__(hall, folder, gates, subscribe_qos=subscribe_qos)
        self._program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        if not self._program.exists():
            raise MissingError("RabbitMQ is not installed (apt install rabbitmq-server)")
        cookie = folder / ".erlang.cookie"
        cookie.write_text("thermogate")
        cookie.chmod(0o400)
        (folder / "plugins").write_text("[rabbitmq_mqtt].")
        (folder / "definitions.json").write_text(json.dumps(self._definitions()))

    def _definitions(self) -> dict[str, object]:
        """The page's, with each gate's entries made from those of its gate `north`."""
        page = json.loads(services.fenced("json definitions", PAGE))
        for kind in ("users", "permissions", "topic_permissions"):
            (one,) = (entry for entry in page[kind] if "north" in json.dumps(entry))
            page[kind].remove(one)
            page[kind] += [json.loads(json.dumps(one).replace("north", gate)) for gate in self.gates]
        return dict(page)

    def command(self, number: int) -> list[str]:
        """With everything it writes in the folder."""
        base = self.folder / f"rabbit-{number}"
        base.mkdir(exist_ok=True)
        text = services.fenced("ini rabbitmq", PAGE)
        for node in range(1, NODES + 1):
            text = text.replace(f"rabbit@broker{node}.school.example", f"rabbit@{address(node)}")
        for written, file in (
            ("school-ca.pem", "school.pem"),
            ("broker.crt", f"node-{number}.crt"),
            ("broker.key", f"node-{number}.key"),
            ("definitions.json", "definitions.json"),
        ):
            text = text.replace(f"/etc/rabbitmq/{written}", str(self.folder / file))
        config = self.folder / f"rabbit-{number}.conf"
        config.write_text(text)
        return [
            "env",
            f"HOME={self.folder}",
            "RABBITMQ_USE_LONGNAME=true",
            f"RABBITMQ_NODENAME=rabbit@{address(number)}",
            f"RABBITMQ_MNESIA_BASE={base}",
            f"RABBITMQ_LOG_BASE={base}",
            f"RABBITMQ_CONFIG_FILE={config}",
            f"RABBITMQ_ENABLED_PLUGINS_FILE={self.folder / 'plugins'}",
            "RABBITMQ_CONF_ENV_FILE=/dev/null",
            str(self._program),
        ]


class Nats(Cluster):
    """NATS with JetStream, which keeps MQTT's QoS 1 in replicated streams, as docs/clusters.md has it."""

    name = "NATS"

    def __init__(self, hall: Hall, folder: Path, gates: Sequence[str], *, subscribe_qos: Literal[0, 1] = 0) -> None:
        super().__init__(hall, folder, gates, subscribe_qos=subscribe_qos)
        program = shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            raise MissingError("NATS is not installed (apt install nats-server)")
        self._program = program

    def command(self, number: int) -> list[str]:
        """With its streams in the folder."""
        text = services.fenced("conf nats", PAGE)
        begin, end = text.index("    # A gate:\n"), text.index("    # Here follow the other gates.\n")
        one = text[begin:end]
        text = text[:begin] + "".join(one.replace("north", gate) for gate in self.gates) + text[end:]
        text = text.replace('"0.0.0.0:', f'"{address(number)}:')
        text = text.replace("server_name: broker1", f"server_name: broker{number}")
        if self.subscribe_qos:  # each has a subject of its own, by which the server delivers
            text = text.replace("subscribe: [", 'subscribe: ["$MQTT.sub.>", ')
        for node in range(1, NODES + 1):
            text = text.replace(f"broker{node}.school.example", address(node))
        for written, file in (
            ("/etc/nats/school-ca.pem", "school.pem"),
            ("/etc/nats/broker.crt", f"node-{number}.crt"),
            ("/etc/nats/broker.key", f"node-{number}.key"),
            ("/var/lib/nats", f"nats-{number}"),
        ):
            text = text.replace(written, str(self.folder / file))
        config = self.folder / f"nats-{number}.conf"
        config.write_text(text)
        return [self._program, "-c", str(config)]
