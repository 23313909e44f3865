"""A reset line on the board's GPIO header: driven low for a moment, and an input for the rest of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hw.errors import DeviceError

if TYPE_CHECKING:
    from hw.clock import Clock


class GpioResetLine:
    """`hw.bus.ResetLine` on a gpiozero pin. The module's own pull-up holds the line high.

    Args:
        pins: a gpiozero pin factory, the gate's.
        line: BCM number.
        clock: the pulse is timed on it.
    """

    def __init__(self, pins: Any, line: int, clock: Clock) -> None:
        self.name = f"GPIO line {line}"
        self._pins = pins
        self._line = line
        self._clock = clock

    def pulse(self, seconds: float) -> None:
        """Hold it low for `seconds`. Raises `DeviceError` naming the line."""
        try:
            pin = self._pins.pin(self._line)
            try:
                pin.output_with_state(0)
                self._clock.sleep(seconds)
            finally:
                pin.input_with_pull("floating")
                pin.close()
        except DeviceError:
            raise
        except Exception as error:
            raise DeviceError(f"[thermal] reset: {self.name}: {error}") from error
