"""When an event happened, as well as anybody can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from controller.link.messages import EventMessage

AHEAD = 86_400.0
"""Seconds by which a gate's clock may be ahead of the hub's before it is not believed."""


class Happened(NamedTuple):
    """A moment, and whether the gate's clock told it; else it is that of the event's arrival."""

    time: float
    """Unix seconds."""
    dated: bool


def happened(event: EventMessage, received: float) -> Happened:
    """The gate's time where its clock was synchronised and what it says can be; else `received`."""
    dated = event.clock == "synchronised" and 0 < event.time < received + AHEAD
    return Happened(event.time if dated else received, dated)
