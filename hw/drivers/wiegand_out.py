"""Wiegand out: a card's number as pulses on two wires, to a controller that takes this gate for a reader.

A panel cannot complain. So each pulse is measured as it leaves, and a card whose pulses were not for sure the
standard's (SIA AC-01: 20 to 100 us wide, 0.2 to 20 ms apart) counts as not sent: it is cut off at its first pulse that
is too long, which leaves it short for the panel to drop, and sent once more.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hw.drivers.wiegand import encode
from hw.errors import DeviceError, PulseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw.bus import Pulse, PulseTrain
    from hw.clock import Clock
    from hw.sender_settings import WiegandOutSettings

NARROWEST: Final = 20e-6
WIDEST: Final = 100e-6
"""Seconds of a pulse (SIA AC-01)."""
CLOSEST: Final = 0.0002
"""Seconds from a pulse's end to the next one's start."""
FARTHEST: Final = 0.020
"""Seconds from start to start."""
ATTEMPTS: Final = 2
_NUMBER: Final = re.compile(r"(?:(\d{1,10})-)?(\d{1,20})")

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class SenderCounters:
    """What was sent since `open`."""

    cards: int = 0
    spoiled: int = 0
    """Attempts whose pulses were not the standard's."""
    failed: int = 0
    """Cards that were not sent in two attempts."""


class WiegandSender:
    """`hw.ports.CredentialSender` on a pulse train."""

    def __init__(self, settings: WiegandOutSettings, train: PulseTrain, clock: Clock) -> None:
        self._settings = settings
        self._train = train
        self._clock = clock
        self._quiet_from = 0.0
        self.counters = SenderCounters()

    def open(self) -> str:
        """Claim the wires, at rest. Raises `DeviceError` kinds."""
        return f"wiegand out on {self._train.name}, {self._settings.form.bits} bits, {self._train.open()}"

    def close(self) -> None:
        """Let the wires go."""
        self._train.close()

    def send(self, number: str) -> None:
        """Send a card; raises as `CredentialSender` says."""
        bits = bytes(self.bits_of(number))
        fault = ""
        for _ in range(ATTEMPTS):
            fault = self._attempt(bits)
            if not fault:
                self.counters.cards += 1
                return
            self.counters.spoiled += 1
            _log.warning("[wiegand_out] a card was spoiled: %s", fault)
        self.counters.failed += 1
        raise PulseError(f"[wiegand_out] {self._train.name}: {fault}; {self._train.remedy}")

    def bits_of(self, number: str) -> Sequence[int]:
        """The bits of a number. Raises ValueError without repeating it."""
        found = _NUMBER.fullmatch(number)
        if found is None:
            raise ValueError("a number to be sent is digits, or FACILITY-NUMBER")
        form, facility = self._settings.form, found[1] or self._settings.facility
        if form.facility is not None and facility is None:
            raise ValueError("the number has no facility; [wiegand_out] facility gives one to all")
        if form.facility is None and facility is not None:
            raise ValueError("the number has a facility, and the format of [wiegand_out] none")
        try:
            return encode(form, int(found[2]), int(facility or 0))
        except ValueError:
            raise ValueError(f"the number does not fit into the {form.bits} bits of [wiegand_out]") from None

    def _attempt(self, bits: bytes) -> str:
        """Send the bits when the last card is over; what was wrong with what came out, if anything."""
        self._clock.sleep(self._quiet_from - self._clock.monotonic())
        wanted = self._settings
        try:
            pulses = self._train.play(bits, wanted.pulse, wanted.spacing, WIDEST)
        except DeviceError:
            self.counters.failed += 1
            raise
        finally:
            self._quiet_from = self._clock.monotonic() + wanted.pause
        return judge(bits, pulses)


def judge(bits: bytes, pulses: Sequence[Pulse]) -> str:
    """What is wrong with pulses that were to carry `bits`; empty where nothing is.

    What can't be shown to be within the standard counts as outside.
    """
    for place, pulse in enumerate(pulses):
        if pulse.widest > WIDEST or pulse.narrowest < NARROWEST:
            seen = f"{1e6 * max(pulse.narrowest, 0.0):.0f} to {1e6 * pulse.widest:.0f} us"
            return f"pulse {place + 1} was {seen} wide, not 20 to 100 us"
    for place, (last, following) in enumerate(pairwise(pulses), start=2):
        close, far = following.fell_after - last.fell_before - last.widest, following.fell_before - last.fell_after
        if close < CLOSEST or far > FARTHEST:
            seen = f"{1e3 * max(close, 0.0):.2f} to {1e3 * far:.2f} ms"
            return f"pulse {place} came {seen} after the last, not 0.2 to 20 ms"
    if bytes(pulse.wire for pulse in pulses) != bits:
        on = [sum(pulse.wire == wire for pulse in pulses) for wire in (0, 1)]
        silent = [f"D{wire}" for wire in (0, 1) if not on[wire] and wire in bits]
        if silent:
            return f"nothing came out on {' and '.join(silent)}: a cut wire, or a line that something else holds"
        return f"{len(pulses)} pulses came out for {len(bits)} bits, or on the wrong wires"
    return ""
