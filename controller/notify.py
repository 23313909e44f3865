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
