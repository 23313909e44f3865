"""The switch of a device's supply: never off but when it is told to, and never left off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hw.drivers.power import OFF_SECONDS, SETTLE_SECONDS, PowerSwitch
from hw.errors import DeviceError
from hw.sim.clock import ManualClock
from hw.sim.lines import WiredFactory

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = 12


class Wire:
    """Writes down the levels of the line, with times; None: nobody drives it."""

    def __init__(self, clock: ManualClock) -> None:
        self.levels: list[tuple[float, bool | None]] = []
        self.factory = WiredFactory(lambda _, level: self.levels.append((clock.monotonic(), level)))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def wire(clock: ManualClock) -> Iterator[Wire]:
    wire = Wire(clock)
    yield wire
    wire.factory.close()


@pytest.mark.parametrize("active_low", [False, True])
def test_it_is_on_from_the_first_moment_off_for_the_cut_and_on_again(
    clock: ManualClock,
    wire: Wire,
    active_low: bool,  # noqa: FBT001 - pytest passes by name
) -> None:
    on = not active_low
    switch = PowerSwitch(wire.factory, LINE, clock, place="[thermal] power", active_low=active_low)
    switch.open()
    switch.cycle()
    assert wire.levels == [(0.0, on), (0.0, not on), (OFF_SECONDS, on)]
    assert clock.monotonic() == pytest.approx(OFF_SECONDS + SETTLE_SECONDS)
    switch.close()
    switch.close()
    assert wire.levels[3:] == [(clock.monotonic(), None)], "let go, which leaves it to its resistor"


def test_a_line_that_is_taken_is_named(clock: ManualClock, wire: Wire) -> None:
    first = PowerSwitch(wire.factory, LINE, clock, place="[thermal] power")
    first.open()
    with pytest.raises(DeviceError, match=r"\[thermal\] power: GPIO line 12 is in use"):
        PowerSwitch(wire.factory, LINE, clock, place="[thermal] power").open()
    with pytest.raises(DeviceError, match=r"GPIO line 60 is not on this board's header"):
        PowerSwitch(wire.factory, 60, clock, place="[thermal] power").open()
    first.close()


def test_a_line_that_was_not_claimed_is_not_switched(clock: ManualClock, wire: Wire) -> None:
    with pytest.raises(DeviceError, match="is not claimed"):
        PowerSwitch(wire.factory, LINE, clock, place="[thermal] power").cycle()
    assert wire.levels == []
