"""A Lepton's reset line on gpiozero's pins: low for its pulse, and nobody's before and after."""

from __future__ import annotations

from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from hw.errors import DeviceError
from hw.linux.reset import GpioResetLine


class Recorder:
    """A clock whose sleep looks at the pin."""

    def __init__(self, pin: Any) -> None:
        self.pin = pin
        self.seen: list[tuple[str, int, float]] = []

    def sleep(self, seconds: float) -> None:
        self.seen.append((self.pin.function, self.pin.state, seconds))


@pytest.fixture
def factory() -> Any:
    made = MockFactory()
    yield made
    made.close()


def test_a_pulse_is_low_and_leaves_an_input(factory: Any) -> None:
    pin = factory.pin(25)
    clock: Any = Recorder(pin)
    GpioResetLine(factory, 25, clock).pulse(0.01)
    assert clock.seen == [("output", 0, 0.01)]
    assert (pin.function, pin.pull) == ("input", "floating")


def test_a_line_that_cannot_be_had_is_named() -> None:
    class Taken:
        def pin(self, line: int) -> Any:
            raise RuntimeError(f"{line} busy")

    clock: Any = Recorder(None)
    with pytest.raises(DeviceError, match=r"\[thermal\] reset: GPIO line 25: 25 busy"):
        GpioResetLine(Taken(), 25, clock).pulse(0.01)
