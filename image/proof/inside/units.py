"""All checks of the units under systemd, by group, in the order in which they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from image.proof.inside import unit_gate, unit_hub, unit_reboot

if TYPE_CHECKING:
    from image.proof.inside.check import Check

GROUPS: Final[dict[str, tuple[Check, ...]]] = {
    "unit": unit_gate.CHECKS,
    "hub-unit": unit_hub.CHECKS,
    "reboot": unit_reboot.CHECKS,
}
