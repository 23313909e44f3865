"""All checks of the emulated PC, by group, in the order in which they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from image.proof.inside import fire, gate, lane, panel, reader, sensors, watchdog, wiring

if TYPE_CHECKING:
    from image.proof.inside.check import Check

GROUPS: Final[dict[str, tuple[Check, ...]]] = {
    "missing": lane.CHECKS[:1],
    "gate": gate.CHECKS,
    "wiring": wiring.CHECKS,
    "fire": fire.CHECKS,
    "reader": reader.CHECKS,
    "panel": panel.CHECKS,
    "sensors": sensors.CHECKS,
    "lane": lane.CHECKS[1:],
    "watchdog": watchdog.CHECKS,
}
