"""Check of the board's hardware watchdog, the last of all: the machine is not there any more when it is shown.

What resets it is a PCI card that QEMU knows (i6300esb), through the kernel's own driver and /dev/watchdog, as a board's
is. The reset is seen from outside, as the emulator's own event.
"""

from __future__ import annotations

import os
import time
from typing import Final

from image.proof.inside.check import Check, need
from image.proof.inside.pins import load

CLAIM: Final = "A board that hangs is reset"
EVENT: Final = "WATCHDOG"
"""The emulator's event (QMP)."""
HEARTBEAT: Final = 4
"""Seconds after which a watchdog that is not fed resets."""
PATIENCE: Final = 60.0


def _unfed() -> str:
    load("i6300esb", f"heartbeat={HEARTBEAT}")
    os.open("/dev/watchdog", os.O_WRONLY)
    time.sleep(PATIENCE)
    need(False, f"the machine runs {PATIENCE:.0f} s after its watchdog was last fed")
    return ""


CHECKS: Final = (
    Check(CLAIM, "/dev/watchdog (i6300esb) opened and not fed; the reset is the emulator's event", _unfed, 90),
)
