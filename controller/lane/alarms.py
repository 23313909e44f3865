"""Alarms: what calls for the guard, until somebody has said that they know of it and what it is about is over.

The sign and the buzzer play an alarm for `alarm_show`; on this list it stays for longer. An acknowledged alarm makes no
sound, also when it is raised again, for as long as what it is about stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.lane.effects import RecordKind
from controller.lane.model import FaultKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.lane.core import Core, Scalar
    from controller.lane.events import Acknowledge

CONDITIONS: Mapping[str, frozenset[FaultKind]] = {
    "intrusion": frozenset({FaultKind.DOOR_FORCED}),
    "tailgate": frozenset({FaultKind.DOOR_FORCED}),
    "door_held_open": frozenset({FaultKind.DOOR_HELD_OPEN}),
    "rex_stuck": frozenset({FaultKind.REX_STUCK}),
    "lock_not_secure": frozenset({FaultKind.LOCK_NOT_SECURE}),
    "arm_occupied": frozenset({FaultKind.LOOP, FaultKind.PHOTOCELL}),
    "arm_moved": frozenset({FaultKind.ARM_MOVED}),
    "arm_stuck": frozenset({FaultKind.ARM_STUCK}),
}
"""Faults for as long as which an alarm stands. Others are of one moment, or of an open housing."""


def acknowledge(core: Core, event: Acknowledge) -> None:
    """Silence every alarm that nobody has acknowledged yet; what they are about goes on being shown and told."""
    fresh = sorted(reason for reason, known in core.alarms.items() if not known)
    told: dict[str, Scalar] = {"command": "acknowledge", "actor": event.actor, "accepted": bool(fresh)}
    if not fresh:
        core.record(RecordKind.COMMAND, told | {"refused": "nothing_to_acknowledge"})
        return
    core.alarms.update(dict.fromkeys(fresh, True))
    core.silence()
    core.record(RecordKind.COMMAND, told | {"alarms": " ".join(fresh)})


def end(core: Core) -> None:
    """Take alarms off the list that are acknowledged and over."""
    for reason in [reason for reason, known in core.alarms.items() if known and not _stands(core, reason)]:
        del core.alarms[reason]


def _stands(core: Core, reason: str) -> bool:
    if reason == "tamper":
        return core.facts.tampered
    return not CONDITIONS.get(reason, frozenset()).isdisjoint(core.facts.faults)
