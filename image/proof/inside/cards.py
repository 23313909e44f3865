"""A card reader on the kernel's pins: pulls D0 and D1 as a Wiegand reader does, and knows when it was not in time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from hw.drivers.wiegand import encode
from hw.settings import WIEGAND_FORMATS

if TYPE_CHECKING:
    from image.proof.inside.pins import Pins

WIDTH: Final = 50e-6
"""Seconds that a wire is low for a bit (SIA AC-01: 20 to 100 us)."""
PERIOD: Final = 2e-3
"""Seconds from bit to bit (0.2 to 20 ms)."""
LONGEST: Final = 20e-3


class Reader:
    """Presents cards.

    Args:
        pins: the chip whose lines are the wires; both rest high from now on.
        d0: line of D0.
        d1: line of D1.
    """

    def __init__(self, pins: Pins, d0: int, d1: int) -> None:
        self._pins = pins
        self._wires = (d0, d1)
        self.widths: list[float] = []
        """Seconds that each bit's wire was low."""
        for wire in self._wires:
            pins.pull(wire, high=True)

    def present(self, facility: int, number: int) -> bool:
        """Send a 26-bit card; False where a bit came later than the standard allows, because nobody ran this program.

        The bits are the driver's own encoding: HID's published layout is tested elsewhere, this tests the wires.
        """
        # A card reader waits for no program of the machine that it is wired to.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(30))
        try:
            return self._send(facility, number)
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def _send(self, facility: int, number: int) -> bool:
        in_time = True
        due = last = time.monotonic()
        for bit in encode(WIEGAND_FORMATS["w26"], number, facility):
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)
            self._pins.pull(self._wires[bit], high=False)
            low = time.monotonic()
            while time.monotonic() - low < WIDTH:
                pass
            self._pins.pull(self._wires[bit], high=True)
            ended = time.monotonic()
            self.widths.append(ended - low)
            in_time = in_time and ended - last < LONGEST
            last, due = ended, low + PERIOD
        return in_time
