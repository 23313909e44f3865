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
    """A rhythm that begins with on: `flashes` times on for `on` s and off for `off` s, then dark for `pause` s."""

    on: float
    off: float
    flashes: int = 1
    pause: float = 0.0
    once: bool = False
    """False: for as long as the lamp is shown."""

    def at(self, elapsed: float) -> tuple[bool, float]:
        """Level `elapsed` s after the beginning, and seconds until it changes (infinity: never)."""
        if math.isinf(self.on):
            return True, math.inf
        flash = self.on + self.off
        lit = self.flashes * flash
        if not flash or (self.once and elapsed >= lit):
            return False, math.inf
        within = elapsed % (lit + self.pause)
        if within >= lit:
            return False, lit + self.pause - within
        step = within % flash
        return (True, self.on - step) if step < self.on else (False, flash - step)


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
GLINT: Final = Pattern(0.2, 1.3)
PAIRS: Final = Pattern(0.15, 0.15, flashes=2, pause=0.6)
ONE_BEEP: Final = Pattern(0.1, 0.0, once=True)
TWO_BEEPS: Final = Pattern(0.15, 0.15, flashes=2, once=True)

# Every signal has a rhythm of its own, whichever of the lamps plays it: one man in twelve does not tell red from green
# (WCAG 2.2, 1.4.1), and where both colours sit in one housing there is not even a place to tell them by. Only a steady
# light means pass. No more than three flashes a second: faster ones can hurt photosensitive people (2.3.1).
DISPLAYS: Final[dict[Lamp, Display]] = {
    Lamp.IDLE: Display(DARK, DARK, DARK),
    Lamp.LOOK: Display(SLOW, DARK, DARK),
    Lamp.GO: Display(STEADY, DARK, ONE_BEEP),
    Lamp.STOP: Display(DARK, PAIRS, TWO_BEEPS),
    Lamp.WAIT: Display(DARK, GLINT, DARK),
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
        self._shown = (Lamp.IDLE, 0.0, False)
        self._muted = False

    def show(self, lamp: Lamp, *, silent: bool = False) -> None:
        """Begin the pattern of `lamp` now; `silent`: without the buzzer, alarms included."""
        self._shown = (lamp, self._clock.monotonic(), silent)

    def mute(self, *, on: bool) -> None:
        """Keep the buzzer silent, alarms excepted, or end that."""
        self._muted = on

    def service(self, now: float) -> float:
        """Bring the lines to what they should be at `now`; returns when to be called again.

        Raises the last error of a line that can't be driven, after all had their turn: no lamp leaves a buzzer on.
        """
        lamp, began, silent = self._shown
        display, quiet = DISPLAYS[lamp], silent or (self._muted and lamp is not Lamp.ALARM)
        remaining = math.inf
        failure: Exception | None = None
        for name, line in self._lines.items():
            pattern: Pattern = DARK if quiet and name == "buzzer" else getattr(display, name)
            level, lasting = pattern.at(max(0.0, now - began))
            remaining = min(remaining, lasting)
            if level != self._levels[name]:
                try:
                    line.on() if level else line.off()
                except Exception as error:  # noqa: BLE001 - whatever a line does, the next one gets its turn
                    failure = error
                else:
                    self._levels[name] = level
        if failure is not None:
            raise failure
        return now + max(SHORTEST_STEP, remaining)
