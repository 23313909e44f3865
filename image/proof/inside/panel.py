"""Check of the pulses that tell another controller of a grant: Wiegand cards on two lines, by the kernel's log."""

from __future__ import annotations

from typing import Final

from benchmarks.gpio_trace import GpioTrace
from benchmarks.wiegand_out import measure
from hw.linux.pulses import GpioPulses
from image.proof.claims import spread
from image.proof.inside.check import Check, need
from image.proof.inside.gate import pins

CARDS: Final = 20
LINES: Final = (22, 23)
WIDTH, SPACING = 50e-6, 2e-3
"""Seconds that are asked for."""


def _sent() -> str:
    chip = f"/dev/gpiochip{pins().chip}"
    train = GpioPulses(chip, LINES, sense=None, inverted=False, priority=50)
    how = train.open()
    try:
        seen = measure(train, CARDS, WIDTH, SPACING, (GpioTrace(chip), LINES))
    finally:
        train.close()
    pulses = len(seen.widest)
    need(pulses == 26 * CARDS, f"{pulses} pulses of {26 * CARDS}")
    need(seen.true == pulses, f"{seen.true} of {pulses} pulses are where the driver says, by the kernel's log")
    need(not seen.outside, f"{seen.outside} of {pulses} pulses outside of 20 to 100 µs, {seen.spoiled} cards spoiled")
    return f"{CARDS} cards, {how}; all {pulses} pulses as the driver says: low for {spread(seen.logged)}"


CHECKS: Final = (
    Check("Wiegand card → kernel's lines", "the shipped pulses; their times by the kernel's log", _sent, 120),
)
