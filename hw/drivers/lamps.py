"""What each lamp signal looks and sounds like: patterns as data, and their level at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw.ports import Lamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw.clock import Clock
    from hw.drivers.relay import OutputLine


@dataclass(frozen=True, slots=True)
class Pattern:
    """On for `on` s, off for `off` s, `times` times (infinity: for as long as the lamp is shown), beginning with on."""

    on: float
    off: float
    times: float = math.inf

    def at(self, elapsed: float) -> tuple[bool, float]:
        """Level `elapsed` s after the beginning, and seconds until it changes (infinity: never)."""
        if math.isinf(self.on):
            return True, math.inf
        period = self.on + self.off
        if not period or elapsed >= self.times * period:
            return False, math.inf
        within = elapsed % period
        return (True, self.on - within) if within < self.on else (False, period - within)


@dataclass(frozen=True, slots=True)
class Display:
    """Patterns of the three things that a passer-by sees and hears."""

    go: Pattern
    stop: Pattern
    buzzer: Pattern


DARK: Final = Pattern(0.0, 0.0)
STEADY: Final = Pattern(math.inf, 0.0)
SLOW: Final = Pattern(0.5, 0.5)
FAST: Final = Pattern(0.17, 0.17)

# No more than three flashes a second: faster ones can hurt photosensitive people (WCAG 2.2, 2.3.1).
DISPLAYS: Final[dict[Lamp, Display]] = {
    Lamp.IDLE: Display(DARK, DARK, DARK),
    Lamp.LOOK: Display(SLOW, DARK, DARK),
    Lamp.GO: Display(STEADY, DARK, Pattern(0.1, 0.0, 1)),
    Lamp.STOP: Display(DARK, STEADY, Pattern(0.15, 0.1, 3)),
    Lamp.WAIT: Display(DARK, SLOW, DARK),
    Lamp.ALARM: Display(DARK, FAST, FAST),
}

LINES: Final = {"go": "lamp_go", "stop": "lamp_stop", "buzzer": "buzzer"}
"""Field of `Display` -> output of the gate's settings."""

SHORTEST_STEP: Final = 0.001
"""Seconds: the indicator never asks to be called again sooner, or rounding could keep its thread awake."""


class Indicator:
    """Plays the pattern of one `Lamp` on the lines that are wired."""

    def __init__(self, outputs: Mapping[str, OutputLine], clock: Clock) -> None:
        self._clock = clock
        self._lines = {name: outputs[key] for name, key in LINES.items() if key in outputs}
        self._levels = dict.fromkeys(self._lines, False)
        self._shown = (DISPLAYS[Lamp.IDLE], 0.0)

    def show(self, lamp: Lamp) -> None:
        """Begin the pattern of `lamp` now."""
        self._shown = (DISPLAYS[lamp], self._clock.monotonic())

    def service(self, now: float) -> float:
        """Bring the lines to what they should be at `now`; returns when to be called again."""
        display, began = self._shown
        remaining = math.inf
        for name, line in self._lines.items():
            level, lasting = getattr(display, name).at(max(0.0, now - began))
            if level != self._levels[name]:
                line.on() if level else line.off()
                self._levels[name] = level
            remaining = min(remaining, lasting)
        return now + max(SHORTEST_STEP, remaining)
