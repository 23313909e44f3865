"""How exactly this machine's pulses leave: Wiegand cards sent on two lines, idle and while every core computes.

`python -m benchmarks.wiegand_out --chip 0 --d0 20 --d1 21` sends through the shipped driver and judges as it does. A
width is what the clock said around the two writes: it was at least `narrowest` and at most `widest`. Wire nothing that
moves a lock to the lines.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import platform
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.gpio_trace import GpioTrace
from hw.drivers.wiegand_out import NARROWEST, WIDEST, judge
from hw.linux.pulses import GpioPulses, SerialPulses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.gpio_trace import Change
    from hw.bus import Pulse, PulseTrain

LOG_STEP = 1.5e-6
"""Seconds by which the kernel's log may round a moment."""
PERCENTILES = (0, 50, 99, 99.9, 100)


@dataclass
class Seen:
    """What came out of many cards."""

    narrowest: list[float] = field(default_factory=list)
    widest: list[float] = field(default_factory=list)
    spacing: list[float] = field(default_factory=list)
    cards: int = 0
    spoiled: int = 0
    outside: int = 0
    """Pulses that may have been outside of 20 to 100 us."""
    logged: list[float] = field(default_factory=list)
    """Widths by the kernel's own log."""
    true: int = 0
    """Pulses whose fall and width by that log lie where the driver said that they do."""

    def add(self, bits: bytes, pulses: list[Pulse]) -> None:
        """Count a card."""
        self.cards += 1
        self.spoiled += bool(judge(bits, pulses))
        self.narrowest += [pulse.narrowest for pulse in pulses]
        self.widest += [pulse.widest for pulse in pulses]
        self.spacing += [after.fell_after - before.fell_after for before, after in pairwise(pulses)]
        self.outside += sum(pulse.widest > WIDEST or pulse.narrowest < NARROWEST for pulse in pulses)

    def compare(self, pulses: list[Pulse], changes: list[Change], lines: tuple[int, int]) -> None:
        """Hold a card against the kernel's log, which is exact to a microsecond."""
        falls, rises = ([one for one in changes if one.high is high] for high in (False, True))
        for pulse, fall, rise in zip(pulses, falls, rises, strict=False):
            width = rise.at - fall.at
            self.logged.append(width)
            right = fall.line == rise.line == lines[pulse.wire]
            told = pulse.fell_after - LOG_STEP <= fall.at <= pulse.fell_before + LOG_STEP
            self.true += right and told and pulse.narrowest - 2 * LOG_STEP <= width <= pulse.widest + 2 * LOG_STEP


def measure(
    train: PulseTrain, cards: int, width: float, spacing: float, log: tuple[GpioTrace, tuple[int, int]] | None = None
) -> Seen:
    """Send cards of random bits, one after the other; with the kernel's log of the lines, compare with that."""
    dice = np.random.default_rng(1)
    seen = Seen()
    for _ in range(cards):
        bits = dice.integers(0, 2, 26, dtype=np.uint8).tobytes()
        if log is not None:
            log[0].begin()
        pulses = train.play(bits, width, spacing, WIDEST)
        seen.add(bits, pulses)
        if log is not None:
            seen.compare(pulses, log[0].changes(log[1]), log[1])
    return seen


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """Processes that compute all the time."""
    started = [multiprocessing.get_context("spawn").Process(target=_compute, daemon=True) for _ in range(processes)]
    for one in started:
        one.start()
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.join()


def _compute() -> None:
    matrix = np.ones((300, 300))
    while True:
        matrix = matrix @ matrix % 7.0


def report(name: str, seen: Seen) -> None:
    """Print what was seen as rows of a table."""
    for what, values, unit in (
        ("narrowest", seen.narrowest, 1e6),
        ("widest", seen.widest, 1e6),
        ("spacing", seen.spacing, 1e3),
    ):
        found = np.percentile(values, PERCENTILES) * unit
        print(
            f"| {name} | {what}, {'us' if unit == 1e6 else 'ms'} | " + " | ".join(f"{one:.2f}" for one in found) + " |"
        )
    pulses = len(seen.widest)
    if seen.logged:
        middle = 1e6 * float(np.median(seen.logged))
        print(
            f"{name}: by the kernel's log {seen.true} of {pulses} are as the driver says, median {middle:.0f} us wide"
        )
    print(f"{name}: {seen.outside} of {pulses} pulses outside, {seen.spoiled} of {seen.cards} cards spoiled")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", type=int, default=0, help="N of /dev/gpiochipN")
    parser.add_argument("--d0", type=int, default=20)
    parser.add_argument("--d1", type=int, default=21)
    parser.add_argument("--sense", type=int, nargs=2, metavar=("S0", "S1"), help="inputs wired to both lines")
    parser.add_argument("--ports", nargs=2, metavar=("P0", "P1"), help="two serial ports in place of the lines")
    parser.add_argument("--cards", type=int, default=200)
    parser.add_argument("--pulse", type=float, default=50e-6, help="seconds")
    parser.add_argument("--spacing", type=float, default=0.002, help="seconds")
    parser.add_argument("--priority", type=int, default=50, help="SCHED_FIFO; 0: none")
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1, help="processes that compute meanwhile")
    parser.add_argument("--trace", action="store_true", help="compare with the kernel's log of the lines (root)")
    wanted = parser.parse_args()
    train: PulseTrain
    if wanted.ports:
        train = SerialPulses(tuple(wanted.ports), priority=wanted.priority)
    else:
        sense = tuple(wanted.sense) if wanted.sense else None
        train = GpioPulses(
            f"/dev/gpiochip{wanted.chip}",
            (wanted.d0, wanted.d1),
            sense=sense,
            inverted=False,
            priority=wanted.priority,
        )
    print(f"{train.name} on {platform.machine()}, Linux {platform.release()}: {train.open()}")
    print("| load | measure | " + " | ".join(f"p{one:g}" for one in PERCENTILES) + " |")
    print("|---" * (2 + len(PERCENTILES)) + "|")
    try:
        log = (GpioTrace(f"/dev/gpiochip{wanted.chip}"), (wanted.d0, wanted.d1)) if wanted.trace else None
        report("idle", measure(train, wanted.cards, wanted.pulse, wanted.spacing, log))
        with load(wanted.load):
            report(f"{wanted.load} busy", measure(train, wanted.cards, wanted.pulse, wanted.spacing, log))
    finally:
        train.close()


if __name__ == "__main__":
    main()
