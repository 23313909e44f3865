"""A simulated AMG8833 (Grid-EYE): it is fed a scene in °C and answers on the bus as the chip does.

"Grid-EYE characteristics" and data sheet, Panasonic: register map, 10 or 1 frames a second, pixels of 12 bits in two's
complement (0.25 °C), thermistor of 12 bits in sign and magnitude (0.0625 °C), twice the moving average behind a lock.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hw.clock import Clock

ROWS: Final = 8
COLUMNS: Final = 8
FOV: Final = (60.0, 60.0)
NETD: Final = {10: 0.16, 1: 0.05}
"""K by frames a second (data sheet, typical)."""
KELVIN: Final = 273.15
SETTABLE: Final = frozenset({0x00, 0x02, 0x03, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D})
UNLOCKED: Final = [0x50, 0x45, 0x57]


class SimulatedAmg8833:
    """A chip that looks at `scene`, as an `hw.sim.i2c.I2cSlave`.

    Args:
        scene: object temperature in °C, float[8, 8], that each pixel sees at a monotonic time. Called on the thread
            that reads the bus.
        clock: the same as the bus'.
        seed: of the noise.
        ambient: temperature in °C of the die, or a function of the monotonic time.
        netd: noise of a pixel at 10 frames a second, K; None: the data sheet's; 0: none.
        emissivity: of the scene.
        reflected: temperature in °C that the scene reflects; None: `ambient`'s at power-on.
        skew: share by which its oscillator is fast.
    """

    def __init__(
        self,
        scene: Callable[[float], NDArray[np.floating]],
        clock: Clock,
        *,
        seed: int,
        ambient: float | Callable[[float], float] = 25.0,
        netd: float | None = None,
        emissivity: float = 0.98,
        reflected: float | None = None,
        skew: float = 0.0,
    ) -> None:
        self._scene = scene
        self._clock = clock
        self._ambient = ambient
        self._netd = netd
        self._emissivity = emissivity
        here = ambient(clock.monotonic()) if callable(ambient) else ambient
        self._reflected = here if reflected is None else reflected
        self._skew = skew
        self._random = np.random.default_rng((0xA36, seed))
        self._lock = threading.Lock()
        self._powered = True
        self.frames = 0
        """Measurements since it was made."""
        self._begin(clock.monotonic())

    @property
    def powered(self) -> bool:
        """Whether the chip has supply voltage."""
        return self._powered

    def power(self, *, on: bool) -> None:
        """Switch the supply."""
        with self._lock:
            if on and not self._powered:
                self._begin(self._clock.monotonic())
            self._powered = on

    def _begin(self, at: float) -> None:
        self._registers = bytearray(256)
        self._unlocking: list[int] = []
        self._pointer = 0
        self._next = at + self._period()

    def _period(self) -> float:
        return (1.0 if self._registers[0x02] & 1 else 0.1) / (1.0 + self._skew)

    def write(self, data: bytes, at: float) -> None:
        """Set the register pointer and store the bytes that follow."""
        with self._lock:
            self._advance(at)
            if not data:
                return
            self._pointer = data[0]
            for value in data[1:]:
                self._store(self._pointer, value, at)
                self._pointer = (self._pointer + 1) & 0xFF

    def read(self, count: int, start: float, seconds_per_byte: float) -> bytes:
        """Send bytes from the pointer on; those after a measurement's end are already the new ones."""
        with self._lock:
            sent = bytearray()
            for index in range(count):
                self._advance(start + index * seconds_per_byte)
                sent.append(self._registers[self._pointer])
                self._pointer = (self._pointer + 1) & 0xFF
            return bytes(sent)

    def _store(self, register: int, value: int, at: float) -> None:
        if register == 0x01:
            if value == 0x3F:
                self._begin(at)
        elif register == 0x1F:
            self._unlocking = [*self._unlocking, value][-3:] if value else []
        elif register == 0x07:
            if self._unlocking == UNLOCKED:
                self._registers[0x07] = value & 0x20
        elif register in SETTABLE:
            before = self._period()
            self._registers[register] = value
            if self._period() != before:
                self._next = at + self._period()

    def _advance(self, to: float) -> None:
        if self._next > to:
            return
        # Only the newest measurement is to be seen.
        missed = math.floor((to - self._next) / self._period())
        self._next += missed * self._period()
        self.frames += missed + 1
        self._measure(self._next)
        self._next += self._period()

    def _measure(self, at: float) -> None:
        if self._registers[0x00]:
            return
        scene = np.asarray(self._scene(at), dtype=np.float64)
        if scene.shape != (ROWS, COLUMNS) or not np.isfinite(scene).all():
            raise ValueError(f"a scene is finite float[{ROWS}, {COLUMNS}] in °C")
        exitance = self._emissivity * (scene + KELVIN) ** 4 + (1 - self._emissivity) * (self._reflected + KELVIN) ** 4
        black = np.sqrt(np.sqrt(exitance)) - KELVIN
        rate = 1 if self._registers[0x02] & 1 else 10
        noise = NETD[rate] if self._netd is None else self._netd
        steps = np.rint((black + noise * self._random.standard_normal(scene.shape)) * 4).astype(np.int64)
        self._registers[0x80:0x100] = (np.clip(steps, -2048, 2047) % 4096).astype("<u2").tobytes()
        die = self._ambient(at) if callable(self._ambient) else self._ambient
        size = min(2047, round(abs(die) * 16))
        self._registers[0x0E], self._registers[0x0F] = size & 0xFF, size >> 8 | (8 if die < 0 and size else 0)
