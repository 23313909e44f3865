"""The service manager's side of the socket: what it is told, and that a program that hangs falls silent."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from controller.health.notify import STATUS_LENGTH, Notifier, together

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
WATCHDOG = 4.0
"""Seconds, of real time: a process of its own has no other."""
PATIENCE = 60.0


class Manager:
    """What systemd does for a unit of Type=notify: listens, and aborts who does not feed its watchdog."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.process: subprocess.Popen[str] | None = None

    def start(self, folder: Path) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE.parents[1]),
            "NOTIFY_SOCKET": self.address,
            "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "supervised_gate.py"), str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def hear(self, patience: float = PATIENCE) -> list[str]:
        """The lines of one message. Raises TimeoutError when none came."""
        self.socket.settimeout(patience)
        return self.socket.recv(4096).decode().splitlines()

    def until(self, line: str) -> list[str]:
        """Hear until this line comes; returns that message's."""
        while line not in (lines := self.hear()):
            pass
        return lines

    def wait_for_silence(self) -> None:
        """Hear on until nothing has fed the watchdog for its time."""
        fed = time.monotonic()
        while (left := fed + WATCHDOG - time.monotonic()) > 0:
            try:
                if "WATCHDOG=1" in self.hear(left):
                    fed = time.monotonic()
            except TimeoutError:
                return

    def close(self) -> None:
        self.socket.close()
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify") if request.param == "path" else f"@thermogate-{secrets.token_hex(8)}"
    listening = Manager(path)
    yield listening
    listening.close()


def test_what_is_told(manager: Manager) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "5000000"})
    assert (notifier.listened, notifier.watchdog) == (True, 5.0)
    notifier.starting("the gallery", 30.0)
    assert manager.hear() == ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=starting: the gallery"]
    notifier.ready("locked")
    assert manager.hear() == ["READY=1", "STATUS=locked"]
    notifier.status("locked")
    notifier.alive()
    assert manager.hear() == ["WATCHDOG=1"], "the same status is told once"
    notifier.status("fault\nREADY=1 " + "x" * 1000)
    (line,) = manager.hear()
    assert line.startswith("STATUS=fault READY=1 x")
    assert len(line) == len("STATUS=") + STATUS_LENGTH
    notifier.stopping()
    assert manager.hear() == ["STOPPING=1", "STATUS=stopping"]


def test_a_manager_that_is_gone_or_does_not_read_holds_nobody_up(manager: Manager) -> None:
    notifier = Notifier(manager.address)
    for _ in range(10_000):  # more than the kernel queues
        notifier.alive()
    manager.socket.close()
    notifier.alive()
    notifier.ready("locked")


@pytest.mark.parametrize(
    ("environment", "listened", "watchdog"),
    [
        ({}, False, None),
        ({"NOTIFY_SOCKET": ""}, False, None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, False, None),
        ({"WATCHDOG_USEC": "5000000"}, False, None),
        ({"NOTIFY_SOCKET": "/run/n"}, True, None),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "0"}, True, None),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, True, None),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "7"}, True, 5.0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "8"}, True, None),
    ],
)
def test_the_environment_is_read_with_care(
    environment: dict[str, str],
    listened: bool,  # noqa: FBT001 - pytest passes by name
    watchdog: float | None,
) -> None:
    notifier = Notifier.from_environment(environment, pid=7)
    assert (notifier.listened, notifier.watchdog) == (listened, watchdog)
    notifier.alive()


@pytest.mark.parametrize("manager", ["path"], indirect=True)
@pytest.mark.parametrize(("order", "where"), [(signal.SIGUSR1, "never_returns"), (signal.SIGUSR2, "detect")])
def test_a_program_that_hangs_is_aborted_with_its_stack_and_started_again(
    manager: Manager, tmp_path: Path, order: signal.Signals, where: str
) -> None:
    process = manager.start(tmp_path)
    ready = manager.until("READY=1")
    assert "STATUS=locked; thermal ok; camera ok; journal ok; 1 events for the campus" in ready
    for _ in range(3):
        manager.until("WATCHDOG=1")
    process.send_signal(order)
    manager.wait_for_silence()
    process.send_signal(signal.SIGABRT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in said
    assert f"in {where}" in said
    process = manager.start(tmp_path)
    manager.until("READY=1")
    process.send_signal(signal.SIGTERM)
    manager.until("STOPPING=1")
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert said.endswith("ended\n")


def test_two_lanes_are_alive_only_together(manager: Manager) -> None:
    one, two = together(Notifier(manager.address, 5.0), 2)
    assert (one.watchdog, two.watchdog) == (5.0, 5.0)
    one.ready("locked")
    two.ready("fault")
    assert manager.hear() == ["READY=1", "STATUS=locked | fault"]
    one.alive()
    one.alive()
    two.alive()
    assert manager.hear() == ["WATCHDOG=1"]
    one.alive()
    two.status("locked")
    assert manager.hear() == ["STATUS=locked | locked"], "one lane that hangs starves the watchdog of both"
    two.alive()
    assert manager.hear() == ["WATCHDOG=1"]
    two.stopping()
    assert manager.hear()[0] == "STOPPING=1"


def test_a_lane_alone_speaks_for_itself() -> None:
    notifier = Notifier()
    assert together(notifier, 1) == [notifier]
