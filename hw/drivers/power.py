"""The switch of a device's supply on a GPIO line: what frees a chip that only a power cycle frees.

The switch (a high-side switch or a P-channel transistor) has a resistor that keeps it **on** while nobody drives the
line, so a board without the program, or with one that died, leaves the device its supply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gpiozero import DigitalOutputDevice
from gpiozero.exc import GPIOPinInUse, PinInvalidPin

from hw.errors import DeviceError

if TYPE_CHECKING:
    from hw.clock import Clock

OFF_SECONDS: Final = 2.0
"""The supply's capacitors are empty by then: 10 µF behind 10 kΩ need 0.5 s."""
SETTLE_SECONDS: Final = 0.3
"""From supply to the first answer; an MLX90640 takes 40 ms and two subpages at the factory's rate come later."""


class PowerSwitch:
    """`hw.ports.Supply` on one line.

    Args:
        factory: a gpiozero pin factory, as the gate's.
        line: BCM number.
        clock: whose time the cut takes.
        place: the key of gate.toml, for errors.
        active_low: a low level switches the supply on.
    """

    def __init__(self, factory: Any, line: int, clock: Clock, *, place: str, active_low: bool = False) -> None:
        self._factory = factory
        self._line = line
        self._clock = clock
        self._place = place
        self._active_low = active_low
        self._pin: Any = None

    def open(self) -> None:
        """Claim the line with the supply on, in one step: a device that works is not reset."""
        try:
            self._pin = DigitalOutputDevice(
                self._line, active_high=not self._active_low, initial_value=True, pin_factory=self._factory
            )
        except PinInvalidPin as error:
            raise DeviceError(f"{self._place}: GPIO line {self._line} is not on this board's header") from error
        except GPIOPinInUse as error:
            raise DeviceError(f"{self._place}: GPIO line {self._line} is in use by this program already") from error
        except Exception as error:
            raise DeviceError(
                f"{self._place}: GPIO line {self._line} can't be claimed: {error}; `gpioinfo` shows who holds it"
            ) from error

    def cycle(self) -> None:
        """Off for `OFF_SECONDS`, on, and `SETTLE_SECONDS` of patience. Raises `DeviceError` when the line fails."""
        pin = self._pin
        if pin is None:
            raise DeviceError(f"{self._place}: the line is not claimed")
        try:
            try:
                pin.off()
                self._clock.sleep(OFF_SECONDS)
            finally:
                pin.on()
        except Exception as error:
            raise DeviceError(f"{self._place}: GPIO line {self._line} can't be driven: {error}") from error
        self._clock.sleep(SETTLE_SECONDS)

    def close(self) -> None:
        """On, and let go."""
        pin, self._pin = self._pin, None
        if pin is not None:
            try:
                pin.on()
            finally:
                pin.close()
