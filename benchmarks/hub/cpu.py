"""CPU seconds of processes, as Linux counts them."""

from __future__ import annotations

import os
from pathlib import Path

TICK = float(os.sysconf("SC_CLK_TCK"))


def of_process(pid: int) -> float:
    """User and system seconds of a process, with the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICK


def of_family(pid: int) -> float:
    """The same of a process and all its children: PostgreSQL is one process a connection, and some more."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return of_process(pid) + sum(of_process(int(child)) for child in children)
