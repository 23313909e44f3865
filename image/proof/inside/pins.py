"""A GPIO chip of the kernel's gpio-sim: levels that the kernel has, pulls that make real edges, and the kernel's log.

The log is that of its tracepoints `gpio_value` and `gpio_direction`: each time that any program sets a line, with the
kernel's own time. It sees a level of a microsecond, which no polling would.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONFIG: Final = Path("/sys/kernel/config/gpio-sim/board")
TRACING: Final = Path("/sys/kernel/tracing")
LINES: Final = 28
EVENT: Final = re.compile(r"\s([0-9]+\.[0-9]+): gpio_(value|direction): ([0-9]+)\s+(set|in|out)\s*\(?(-?[0-9]+)\)?$")


@dataclass(frozen=True, slots=True)
class Setting:
    """The kernel set a line."""

    at: float
    """Its monotonic seconds, the same as `time.monotonic`."""
    line: int
    level: bool


class Pins:
    """The chip /dev/gpiochipN with 28 lines, made when asked for and gone with the machine."""

    def __init__(self) -> None:
        bank = CONFIG / "bank0"
        if not bank.exists():
            bank.mkdir(parents=True)
            (bank / "num_lines").write_text(str(LINES))
            (bank / "label").write_text("pinctrl-simulated")
            (CONFIG / "live").write_text("1")
        name = (bank / "chip_name").read_text().strip()
        folder = Path("/sys/devices/platform") / (CONFIG / "dev_name").read_text().strip() / name
        self.chip = int(name.removeprefix("gpiochip"))
        self._levels = [os.open(folder / f"sim_gpio{line}" / "value", os.O_RDONLY) for line in range(LINES)]
        self._pulls = [os.open(folder / f"sim_gpio{line}" / "pull", os.O_WRONLY) for line in range(LINES)]
        self._base = _base()

    def level(self, line: int) -> bool:
        """The line as the kernel has it."""
        return os.pread(self._levels[line], 4, 0).strip() == b"1"

    def pull(self, line: int, *, high: bool) -> None:
        """Pull a line; where the program watches it as an input this is an edge."""
        os.pwrite(self._pulls[line], b"pull-up" if high else b"pull-down", 0)

    def rest(self, *, high: tuple[int, ...] = ()) -> None:
        """All lines low but those named."""
        for line in range(LINES):
            self.pull(line, high=line in high)

    def watch(self) -> None:
        """Begin a new log."""
        (TRACING / "tracing_on").write_text("0")
        (TRACING / "trace_clock").write_text("mono")
        (TRACING / "trace").write_text("")
        (TRACING / "events/gpio/gpio_value/filter").write_text("get == 0")
        (TRACING / "events/gpio/enable").write_text("1")
        (TRACING / "tracing_on").write_text("1")

    def settings(self, *lines: int) -> list[Setting]:
        """What the log has of these lines since `watch`."""
        text = (TRACING / "trace").read_text()
        return [found for found in parse_trace(text, self._base) if found.line in lines]


def parse_trace(text: str, base: int) -> list[Setting]:
    """The settings in a trace of the kernel's; `base` is the number of the chip's first line in it."""
    found: list[Setting] = []
    for line in text.splitlines():
        match = EVENT.search(line)
        if match is not None and match[2] == "value" and match[4] == "set":
            found.append(Setting(float(match[1]), int(match[3]) - base, match[5] != "0"))
    return found


def load(module: str, *parameters: str) -> None:
    """Load a module of the RAM disk with all that it needs. Raises CalledProcessError for one that cannot be loaded."""
    needs = dict(line.split(" ", 1) for line in Path("/modules/needs").read_text().splitlines())
    *others, last = needs[module].split()
    for name in others:
        subprocess.run(["insmod", f"/modules/{name}"], stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["insmod", f"/modules/{last}", *parameters], check=True)


def _base() -> int:
    for chip in Path("/sys/class/gpio").glob("gpiochip*"):
        if (chip / "label").read_text().strip() == "pinctrl-simulated":
            return int((chip / "base").read_text())
    raise FileNotFoundError("the kernel has no chip pinctrl-simulated")
