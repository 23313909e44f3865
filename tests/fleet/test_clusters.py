"""The namespaces that clusters live in, and the access lists of docs/clusters.md, in real clusters of three nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks.hub.authority import Authority
from benchmarks.hub.clusters import Fault, measure
from benchmarks.hub.nodes import MQTT, NODES, Cluster, Hall, Nats, RabbitMQ, address
from benchmarks.hub.services import ROOT, MissingError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.service


def test_nodes_are_joined_cut_off_and_removed() -> None:
    try:
        hall = Hall()
        hall.build()
    except MissingError as error:
        pytest.skip(str(error))
    try:
        assert all(reaches(hall, number) for number in range(1, NODES + 1))
        hall.link(3, up=False)
        assert reaches(hall, 2)
        assert not reaches(hall, 3)
        hall.link(3, up=True)
        assert reaches(hall, 3)
    finally:
        hall.remove()
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert hall.hall not in left


def reaches(hall: Hall, number: int) -> bool:
    """Whether a connection is refused there, which only a machine that is reached can do."""
    probe = f"import socket; socket.create_connection(('{address(number)}', 9), 3)"
    command = ["ip", "netns", "exec", hall.hall, "python3", "-S", "-c", probe]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "ConnectionRefusedError" in done.stderr


@pytest.mark.parametrize("kind", [Nats, RabbitMQ])
def test_a_gate_may_do_at_a_cluster_what_its_name_allows(kind: type[Cluster], tmp_path: Path) -> None:
    if kind is RabbitMQ and not os.environ.get("THERMOGATE_CLUSTERS"):
        pytest.skip("three nodes of RabbitMQ take minutes: `make clusters` sets THERMOGATE_CLUSTERS and tries it")
    gates = ["gate-000", "gate-001"]
    authority = Authority(tmp_path, "school")
    for name in ("hub", *gates):
        authority.issue(name)
    for number in range(1, NODES + 1):
        authority.issue(f"node-{number}", address(number))
    try:
        hall = Hall()
        cluster = kind(hall, tmp_path, gates)
        hall.build()
    except MissingError as error:
        pytest.skip(str(error))
    try:
        for number in range(1, NODES + 1):
            cluster.start(number)
        cluster.wait(*range(1, NODES + 1))
        command = ["ip", "netns", "exec", hall.hall, sys.executable, "-m", "tests.fleet.cluster_rights"]
        command += [str(tmp_path), address(1), str(MQTT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        heard = json.loads(done.stdout)
    finally:
        hall.remove()
    assert heard == {
        "hub": ["gate/v1/school/gate-000/state", "gate/v1/school/gate-000/evt"],
        "north": ["gate/v1/school/gate-000/ack"],
    }


def test_waits_are_counted_from_journal_to_acknowledgement(tmp_path: Path) -> None:
    place = f"{address(2)}:{MQTT}"
    (tmp_path / "there.times").write_text(
        f"up {place} 90.0\njournaled 1 97.0\njournaled 2 99.0\njournaled 3 103.0\nacknowledged 1 97.1\n"
        f"down {place} 100.5\nacknowledged 3 106.0\njournaled 4 120.0\nacknowledged 4 190.0\n"
    )
    (tmp_path / "left.times").write_text(
        f"up {place} 80.0\ndown {place} 85.0\njournaled 1 101.0\nacknowledged 1 101.5\n"
    )
    (tmp_path / "silent.times").write_text("")
    fault = Fault(2, "killed", 8.0, began=100.0, healed=110.0)
    measure(fault, tmp_path, ["there", "left", "silent"])
    assert (fault.waits, fault.other_waits) == ([7.0], [0.5])
