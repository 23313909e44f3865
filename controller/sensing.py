"""From the inputs of a door or a barrier to what the lane hears: a level, or that its detector cannot be relied on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from controller.lane.sensed import Reading, Sensed, Sensor
from hw.ports import Signal

if TYPE_CHECKING:
    from hw.ports import Edge

FAULT_OF: Final = {Signal.LOOP_FAULT: Sensor.LOOP_ARM, Signal.PHOTOCELL_FAULT: Sensor.PHOTOCELL}
"""Inputs by which a detector says that it is broken, and whose readings that spoils."""


class Sensing:
    """Keeps what each input said last, so that a level counts again once its detector works again."""

    def __init__(self) -> None:
        self._levels: dict[Sensor, Reading] = {}
        self._broken: set[Sensor] = set()

    def event(self, edge: Edge) -> Sensed:
        """What the lane is told of an input that changed. Raises ValueError for one that no sensor stands for."""
        sensor = FAULT_OF.get(edge.signal)
        if sensor is None:
            sensor = Sensor(edge.signal.value)
            self._levels[sensor] = Reading.ON if edge.active else Reading.OFF
        elif edge.active:
            self._broken.add(sensor)
        else:
            self._broken.discard(sensor)
        # A level that was never told is none: it must not read as clear.
        reading = Reading.LOST if sensor in self._broken else self._levels.get(sensor, Reading.LOST)
        return Sensed(now=edge.timestamp, sensor=sensor, reading=reading)
