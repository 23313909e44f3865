"""Restarting the machine through logind, which asks polkit whether this user may and ends every service in order."""

from __future__ import annotations

import asyncio
from typing import Final

from hw.errors import DeviceError

CALL: Final = (
    "--system",
    "--timeout=3",
    "call",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
)
"""busctl's words for a question to logind (org.freedesktop.login1(5))."""
PERMITTED: Final = 's "yes"'
"""The answer to CanReboot where nobody has to type a password; others are `no`, `challenge` and `na`."""


class LogindReboot:
    """`hw.ports.MachineReboot`; `busctl` is systemd's own tool."""

    def __init__(self, busctl: str = "busctl") -> None:
        self._busctl = busctl

    async def refusal(self) -> str | None:
        """See `hw.ports.MachineReboot`."""
        try:
            answer = await self._ask("CanReboot")
        except DeviceError as error:
            return str(error)
        if answer == PERMITTED:
            return None
        return f"polkit lets this user not restart the machine (logind says {answer}); docs/commands.md has the rule"

    async def reboot(self) -> None:
        """See `hw.ports.MachineReboot`."""
        await self._ask("Reboot", "b", "false")

    async def _ask(self, *words: str) -> str:
        try:
            asked = await asyncio.create_subprocess_exec(
                self._busctl, *CALL, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise DeviceError(f"{self._busctl} cannot be run: {error.strerror}") from error
        said, complaint = await asked.communicate()
        if asked.returncode != 0:
            raise DeviceError(f"logind: {complaint.decode(errors='replace').strip() or 'no answer'}")
        return said.decode(errors="replace").strip()
