"""What this machine tells of itself: device nodes and who may use them, supply, watchdogs, cameras, disk.

It only looks, and everything is below `root`, so a folder can stand in for the machine.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNDER_VOLTAGE: Final = 1 << 0
CAPPED: Final = 1 << 1
THROTTLED: Final = 1 << 2
SOFT_LIMIT: Final = 1 << 3
SINCE_BOOT: Final = 16
"""Bits of the firmware's `get_throttled`; shifted by this, whether it ever was since the start (Raspberry Pi docs)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A device node."""

    there: bool
    permitted: bool
    """Whether this user may read and write it."""
    group: str
    """Who may; empty where it is not there."""


@dataclass(frozen=True, slots=True)
class WatchdogDevice:
    """A hardware watchdog."""

    name: str
    identity: str
    active: bool | None
    """Whether somebody feeds it; None: the kernel does not say."""


class LinuxMachine:
    """This machine, or what lies below `root`.

    Args:
        root: `/`.
        user: who asks; None: whoever runs the program.
    """

    def __init__(self, root: Path = Path("/"), user: str | None = None) -> None:
        self._root = root
        self.user = user or _user()

    @property
    def config_txt(self) -> str:
        """Where the firmware's settings are, by its own path."""
        old = Path("/boot/config.txt")
        return (
            str(old)
            if self._below(old).is_file() and not self._below("/boot/firmware/config.txt").is_file()
            else ("/boot/firmware/config.txt")
        )

    def node(self, path: str) -> Node:
        """A device node by its path."""
        found = self._below(path)
        try:
            group = found.stat().st_gid
        except OSError:
            return Node(there=False, permitted=False, group="")
        return Node(there=True, permitted=os.access(found, os.R_OK | os.W_OK), group=_group(group))

    def nodes(self, pattern: str) -> list[str]:
        """Device nodes by a pattern such as `i2c-*`, as paths."""
        return [f"/dev/{path.name}" for path in sorted(self._below("/dev").glob(pattern))]

    def cameras(self) -> dict[str, str]:
        """The name of each V4L2 node, by its path."""
        found = {}
        for folder in sorted(self._below("/sys/class/video4linux").glob("video*")):
            with contextlib.suppress(OSError):
                found[f"/dev/{folder.name}"] = (folder / "name").read_text(encoding="utf-8", errors="replace").strip()
        return found

    def throttled(self) -> int | None:
        """The firmware's `get_throttled` bits, or the supply's alarm alone where that is all; None: no word."""
        for path in sorted(self._below("/sys/devices/platform").glob("soc*/*firmware*/get_throttled")):
            with contextlib.suppress(OSError, ValueError):
                return int(path.read_text(encoding="ascii").strip(), 16)
        for path in sorted(self._below("/sys/class/hwmon").glob("hwmon*/name")):
            with contextlib.suppress(OSError, ValueError):
                if path.read_text(encoding="ascii").strip() == "rpi_volt":
                    alarm = (path.parent / "in0_lcrit_alarm").read_text(encoding="ascii").strip()
                    return UNDER_VOLTAGE if int(alarm) else 0
        return None

    def watchdogs(self) -> list[WatchdogDevice]:
        """Hardware watchdogs that the kernel has a driver for."""
        found = []
        for folder in sorted(self._below("/sys/class/watchdog").glob("watchdog*")):
            state = _text(folder / "state")
            found.append(
                WatchdogDevice(folder.name, _text(folder / "identity"), None if not state else state == "active")
            )
        return found

    def free(self, folder: Path) -> int:
        """Bytes free for this user where `folder` is, or will be."""
        place = folder
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free

    def _below(self, path: str | Path) -> Path:
        return self._root / str(path).lstrip("/")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
