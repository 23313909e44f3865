"""The kernel's own log of when lines were set: its tracepoint `gpio_value`, for root on a kernel that has tracefs."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final, NamedTuple

TRACING: Final = Path("/sys/kernel/tracing")
_SET: Final = re.compile(r"\s(\d+\.\d+): gpio_value: (\d+) set (\d)")


class Change(NamedTuple):
    """A line changed its level."""

    at: float
    """Monotonic seconds, to the microsecond."""
    line: int
    high: bool


class GpioTrace:
    """Logs the lines of a chip.

    Args:
        chip: e.g. `/dev/gpiochip0`. The kernel's log has numbers of its own for lines, from a base that sysfs tells.
    """

    def __init__(self, chip: str) -> None:
        with importlib.import_module("gpiod").Chip(chip) as opened:
            label = opened.get_info().label
        known = Path("/sys/class/gpio").glob("gpiochip*")
        bases = [int((one / "base").read_text()) for one in known if (one / "label").read_text().strip() == label]
        if len(bases) != 1 or not TRACING.joinpath("trace").exists():
            raise SystemExit(f"{chip}: this kernel tells no base of it in /sys/class/gpio, or has no {TRACING}")
        self._base = bases[0]

    def begin(self) -> None:
        """Begin a new log."""
        for name, value in (("tracing_on", "0"), ("trace_clock", "mono"), ("trace", ""), ("tracing_on", "1")):
            (TRACING / name).write_text(value)
        (TRACING / "events/gpio/gpio_value/enable").write_text("1")

    def changes(self, lines: tuple[int, int]) -> list[Change]:
        """Changes of these lines since then; both were high."""
        levels = dict.fromkeys(lines, True)
        found: list[Change] = []
        for match in _SET.finditer((TRACING / "trace").read_text()):
            at, line, high = float(match[1]), int(match[2]) - self._base, match[3] != "0"
            if line in levels and levels[line] is not high:
                levels[line] = high
                found.append(Change(at, line, high))
        return found
