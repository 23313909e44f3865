"""A sound card that nobody hears: it takes as long as the sound is, and writes down what was played."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw.errors import DeviceMissing

if TYPE_CHECKING:
    from hw.clock import Clock


@dataclass
class SimulatedSound:
    """One sound on the simulated card."""

    clock: Clock
    sound: bytes
    begun: float
    seconds: float
    stopped: float | None = None
    """When it was cut short; None: it was not."""

    def ended(self) -> bool:
        """Whether its time has passed."""
        return self.clock.monotonic() >= self.begun + self.seconds

    def stop(self) -> None:
        """Cut it short."""
        if not self.ended():
            self.stopped = self.clock.monotonic()


class SimulatedSoundCard:
    """`hw.bus.SoundPlayer` in a clock's time."""

    name = "simulated sound card"

    def __init__(self, clock: Clock) -> None:
        self.played: list[SimulatedSound] = []
        self.unplugged = False
        self.stuck = False
        """Sounds never end."""
        self._clock = clock

    def start(self, sound: bytes) -> SimulatedSound:
        """Begin a WAV file. Raises `DeviceMissing` while the card is unplugged."""
        if self.unplugged:
            raise DeviceMissing("no such sound device")
        with wave.open(io.BytesIO(sound)) as file:
            seconds = file.getnframes() / file.getframerate()
        begun = SimulatedSound(self._clock, sound, self._clock.monotonic(), float("inf") if self.stuck else seconds)
        self.played.append(begun)
        return begun
