"""Gate, hub and broker are killed with -9 at the worst moments; every journaled event arrives, once, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.service

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
KILLED = -signal.SIGKILL
PATIENCE = 120
"""Seconds a process may take to do what it should, on a busy machine."""


Process = subprocess.Popen[bytes]


class Processes:
    """Starts gates and hubs, and leaves none behind."""

    def __init__(self, folder: Path, port: int) -> None:
        self._journal = folder / "journal.sqlite3"
        self._database = folder / "hub.sqlite3"
        self._port = port
        self._started: list[Process] = []

    def gate(self, count: int, point: str = "never", number: int = 0) -> Process:
        """A gate that appends `count` events and exits when the campus has all it ever journaled."""
        return self._start(str(HERE / "gate_process.py"), self._journal, self._port, count, point, number)

    def fragile_hub(self, number: int) -> Process:
        """An intake that dies between COMMIT and acknowledgement, after `number` messages."""
        return self._start(str(HERE / "hub_process.py"), self._database, self._port, number)

    def hub(self) -> Process:
        """The hub by its command line."""
        where = f"127.0.0.1:{self._port}"
        return self._start("-m", "campus", "ingest", "--broker", where, "--campus", "school", "--db", self._database)

    def kill_all(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()

    def _start(self, *arguments: object) -> Process:
        command = [sys.executable, *map(str, arguments)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._started.append(process)
        return process


@pytest.fixture
def start(broker: Any, tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path, broker.port)
    yield processes
    processes.kill_all()


def stop(hub: Process) -> None:
    """As a service manager does."""
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(PATIENCE) == 0


@pytest.mark.parametrize("point", ["journaled", "published"])
def test_the_gate_is_killed(start: Processes, compare: Callable[[], int], point: str) -> None:
    """Between the journaled grant and its publication, and between publication and acknowledgement."""
    hub = start.hub()
    for number in (1, 7, 60, 61, 150):
        assert start.gate(200, point, number).wait(PATIENCE) == KILLED
    assert start.gate(40).wait(PATIENCE) == 0
    stop(hub)
    assert compare() > 40 + 150  # `published` counts repeats of what earlier gates left


def test_the_hub_is_killed_between_commit_and_acknowledgement(start: Processes, compare: Callable[[], int]) -> None:
    gate = start.gate(400)
    for number in (1, 5, 80, 81):
        assert start.fragile_hub(number).wait(PATIENCE) == KILLED
    hub = start.hub()
    assert gate.wait(PATIENCE) == 0
    stop(hub)
    assert compare() == 400


def test_everything_is_killed(broker: Any, start: Processes, compare: Callable[[], int]) -> None:
    for number in (3, 30, 90):
        gate = start.gate(300)
        assert start.fragile_hub(number).wait(PATIENCE) == KILLED
        broker.stop()
        gate.kill()
        gate.wait(PATIENCE)
        broker.start()
    hub = start.hub()
    assert start.gate(10).wait(PATIENCE) == 0
    stop(hub)
    # How many there are isn't known: what a gate sends again counts towards the number a fragile hub dies at.
    assert compare() > 10 + 3
