"""What gates said of themselves, read from where it is stored.

An older hub may have taken what this one would not: of such a gate nothing is known until it speaks again, and nothing
else suffers from it.
"""

from __future__ import annotations

from controller.errors import MessageError
from controller.link.documents import Reported, read_reported
from controller.link.messages import State, decode

SILENT = Reported(boot_id="", key="")


def state_of(gate: str, stored: bytes | None) -> State | None:
    """A gate's `state`; None: it has not said, or what cannot be read."""
    try:
        return None if stored is None else decode(f"{gate}: state", stored, State)
    except MessageError:
        return None


def report_of(gate: str, stored: bytes | None) -> Reported:
    """A gate's `cfg/reported`; empty: it has not said, or what cannot be read."""
    try:
        return SILENT if stored is None else read_reported(gate, stored)
    except MessageError:
        return SILENT
