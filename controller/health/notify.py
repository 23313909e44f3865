"""Speaks to the service manager (sd_notify(3)): started, still alive, stopping, and what is going on.

Twenty lines on a datagram socket, as the small packages for it are unmaintained and systemd's own wants its headers.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

STATUS_LENGTH: Final = 500
MISCONFIGURED: Final = 78
"""Exit status of a program whose configuration is wrong (EX_CONFIG of sysexits.h): the units do not start it again."""


class Notifier:
    """Tells the service manager; silent where there is none. Never raises and never blocks.

    Args:
        address: a path, or `@name` for an abstract socket; None: nobody listens.
        watchdog: seconds within which it wants to hear `alive`; None: it does not watch.
    """

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self.watchdog = watchdog if address else None
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._status = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, pid: int | None = None) -> Notifier:
        """As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say; what is meant for another process is not ours."""
        found = os.environ if environment is None else environment
        address = found.get("NOTIFY_SOCKET")
        if not address or address[0] not in "/@":
            return cls()
        mine = found.get("WATCHDOG_PID", "") in ("", str(os.getpid() if pid is None else pid))
        micros = found.get("WATCHDOG_USEC", "")
        return cls(address, int(micros) / 1e6 if mine and micros.isdigit() and int(micros) > 0 else None)

    @property
    def listened(self) -> bool:
        """Whether there is a service manager."""
        return self._address is not None

    def starting(self, what: str, seconds: float) -> None:
        """Begin a stage of the start that may take so long: a gallery of many people, a slow disk."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}", self._told(f"starting: {what}"))

    def ready(self, status: str) -> None:
        """The start is over."""
        self._send("READY=1", self._told(status))

    def status(self, status: str) -> None:
        """What is going on, in a line for `systemctl status`; told once for each change."""
        if status != self._status:
            self._send(self._told(status))

    def alive(self) -> None:
        """Everything is well: feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1", self._told("stopping"))

    def _told(self, status: str) -> str:
        self._status = status
        return f"STATUS={' '.join(status.split())[:STATUS_LENGTH]}"

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        # A manager that is gone, or whose queue is full, is no reason to stop or wait for.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.setblocking(False)
            out.sendto("\n".join(lines).encode(), self._address)


def together(notifier: Notifier, members: int) -> list[Notifier]:
    """One for each lane of a board: the manager hears `ready` and `alive` only when every lane has said so."""
    if members == 1:
        return [notifier]
    quorum = _Quorum(notifier, members)
    return [_Member(quorum, number) for number in range(members)]


class _Quorum:
    """What the lanes of one board have said."""

    def __init__(self, notifier: Notifier, members: int) -> None:
        self.notifier = notifier
        self.statuses = ["starting"] * members
        self._ready: set[int] = set()
        self._alive: set[int] = set()
        self._members = members

    def ready(self, number: int) -> None:
        self._ready.add(number)
        if len(self._ready) == self._members:
            self.notifier.ready(self.line)

    def alive(self, number: int) -> None:
        self._alive.add(number)
        if len(self._alive) == self._members:
            self._alive.clear()
            self.notifier.alive()

    @property
    def line(self) -> str:
        """Every lane's status in one line."""
        return " | ".join(self.statuses)


class _Member(Notifier):
    """One lane's voice."""

    def __init__(self, quorum: _Quorum, number: int) -> None:
        super().__init__()
        self.watchdog = quorum.notifier.watchdog
        self._quorum = quorum
        self._number = number

    def starting(self, what: str, seconds: float) -> None:
        """As a lane's own; the longest wait is the last one asked for."""
        self._quorum.notifier.starting(what, seconds)

    def ready(self, status: str) -> None:
        """Told when all are."""
        self._quorum.statuses[self._number] = status
        self._quorum.ready(self._number)

    def status(self, status: str) -> None:
        """Told beside the others'."""
        self._quorum.statuses[self._number] = status
        self._quorum.notifier.status(self._quorum.line)

    def alive(self) -> None:
        """Told when all are."""
        self._quorum.alive(self._number)

    def stopping(self) -> None:
        """One lane that ends takes the other along."""
        self._quorum.notifier.stopping()
