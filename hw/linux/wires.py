"""Two data wires on GPIO lines, with the kernel's timestamps of their edges."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from hw.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable


class GpioWires:
    """`hw.bus.Wires` through a gpiozero pin factory.

    Args:
        factory: the gate's, for both are on one chip.
        lines: BCM numbers of D0 and D1.
    """

    def __init__(self, factory: Any, lines: tuple[int, int]) -> None:
        self.name = f"GPIO {lines[0]} and {lines[1]}"
        self._factory = factory
        self._lines = lines
        self._pins: list[Any] = []
        self._callbacks: list[Callable[[float, int], None]] = []
        """gpiozero holds them weakly."""

    def open(self, on_fall: Callable[[int, float], None]) -> None:
        """Make both lines inputs with a pull-up, and report their falling edges."""
        try:
            for wire, line in enumerate(self._lines):
                self._factory.reserve_pins(self, line)
                pin = self._factory.pin(line)
                self._pins.append(pin)
                pin.input_with_pull("up")
                pin.bounce = None
                pin.edges = "falling"
                callback = partial(_report, on_fall, wire)
                self._callbacks.append(callback)
                pin.when_changed = callback
        except Exception as error:  # gpiozero's and lgpio's kinds have no common base
            self.close()
            raise DeviceError(f"[reader] {self.name} can't be had: {error}") from error

    def close(self) -> None:
        """Let both lines go."""
        for pin in self._pins:
            with contextlib.suppress(Exception):
                pin.when_changed = None
                pin.close()
        self._pins, self._callbacks = [], []
        self._factory.release_all(self)


def _report(on_fall: Callable[[int, float], None], wire: int, ticks: float, state: int) -> None:
    del state
    on_fall(wire, ticks)
