"""Which video nodes this machine has, and who holds one: for errors that say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

DEV: Final = Path("/dev")
SYSFS: Final = Path("/sys/class/video4linux")
PROC: Final = Path("/proc")


def list_nodes(dev: Path = DEV, sysfs: Path = SYSFS) -> str:
    """The video nodes that are there, each with its name and its lasting path, as text; `none` without any."""
    lasting = {link.resolve(): link for link in sorted((dev / "v4l" / "by-id").glob("*"))}
    told = []
    for node in sorted(dev.glob("video[0-9]*"), key=lambda node: int(node.name[5:])):
        name = _first_line(sysfs / node.name / "name")
        notes = [note for note in (name, str(lasting.get(node.resolve(), ""))) if note]
        told.append(f"{node} ({', '.join(notes)})" if notes else str(node))
    return ", ".join(told) or "none"


def holders(node: str, proc: Path = PROC) -> str:
    """The programs that have a node open, as far as this user may see: `motion (pid 812)`; empty where none shows."""
    wanted = os.path.realpath(node)
    return ", ".join(
        f"{_first_line(process / 'comm') or 'a program'} (pid {process.name})"
        for process in sorted(proc.glob("[0-9]*"), key=lambda process: int(process.name))
        if any(_target(link) == wanted for link in _entries(process / "fd"))
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # another user's, or ended meanwhile
        return []


def _target(link: Path) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - the text itself, of links to things that are no files as well
    except OSError:
        return ""


def _first_line(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
