"""A simulated MLX90640: it is fed a scene in °C and answers on the bus as the chip does.

Data sheet rev 12: 10.4 (refresh), 10.7.1 (registers), 12.2.1 (first data after power-on), 12.3 (noise).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.sim.mlx90640_calibration import decode, lens
from hw.sim.mlx90640_eeprom import synthetic_eeprom
from hw.sim.mlx90640_flaws import Flaws, Imperfections
from hw.sim.mlx90640_model import RawModel, Surroundings, arriving_flux
from hw.sim.mlx90640_slave import (
    DATA_HOLD,
    NEW_DATA,
    OVERWRITE,
    PIXELS,
    SUBPAGE_MODE,
    SUBPAGE_REPEAT,
    Mlx90640Slave,
    is_chess,
    owned_pixels,
    refresh_period,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hw.clock import Clock

POWER_ON: Final = 0.04
"""Seconds from power-on to the start of the first measurement (12.2.1)."""
NETD_1HZ: Final = {110: 0.14, 55: 0.25}
"""Average NETD at 1 Hz in K by field of view in degrees (Table 14: BAA, BAB)."""


class SimulatedMlx90640(Mlx90640Slave):
    """A chip that looks at `scene`.

    The noise of the raw words is the same for every pixel, as that of its amplifier; so, as the data sheet shows, the
    less sensitive pixels in the corners and cold objects are noisier in kelvin, and the mean NETD over all pixels at
    To = Ta = 25 °C is the data sheet's for the refresh rate.

    Args:
        scene: object temperature in °C, float[24, 32], that each pixel sees at a monotonic time. Called on the thread
            that reads the bus, when a measurement has ended.
        clock: the same as the bus'.
        seed: of the calibration and the noise.
        ambient: temperature Ta in °C that the die settles at, or a function of the monotonic time.
        supply: volts, or a function of the monotonic time.
        netd: mean NETD at 1 Hz in K; None: the data sheet's for the lens; 0: no noise (words stay rounded to integers).
        emissivity: of the scene, (0, 1].
        reflected: temperature Tr in °C that the scene reflects; None: Ta - 8.
        fov: 55 (BAB) or 110 (BAA) degrees of the synthetic calibration.
        address: 7-bit I2C address.
        eeprom: uint16[832] of a known chip, instead of a synthetic calibration.
        imperfections: how the chip deviates from its calibration; None: not at all.

    Raises:
        ValueError: the EEPROM is not usable, or a parameter is out of range.
    """

    def __init__(
        self,
        scene: Callable[[float], NDArray[np.floating]],
        clock: Clock,
        *,
        seed: int,
        ambient: float | Callable[[float], float] = 25.0,
        supply: float | Callable[[float], float] = 3.3,
        netd: float | None = None,
        emissivity: float = 0.98,
        reflected: float | None = None,
        fov: int = 55,
        address: int = 0x33,
        eeprom: NDArray[np.uint16] | None = None,
        imperfections: Imperfections | None = None,
    ) -> None:
        if not 0 < emissivity <= 1:
            raise ValueError(f"emissivity {emissivity} is not in (0, 1]")
        words = synthetic_eeprom(seed, fov=fov, address=address) if eeprom is None else eeprom
        super().__init__(words, seed=seed)
        self._flaws = Flaws(imperfections or Imperfections(), clock.monotonic())
        self._flaws.mark(self.eeprom)
        self._scene = scene
        self._clock = clock
        self._ambient = ambient
        self._supply = supply
        self._emissivity = emissivity
        self._reflected = reflected
        self._model = RawModel(decode(self.eeprom))
        self._netd = NETD_1HZ[lens(self.eeprom)] if netd is None else netd
        self._random = np.random.default_rng(seed)
        self._subpage = 0
        self._active = self._control
        self._next = math.inf
        self.measurements = 0
        self._start(clock.monotonic())

    def power(self, *, on: bool) -> None:
        """Switch the supply. At power-on RAM is empty and the control register comes from EEPROM 0x240C."""
        with self._lock:
            if on and not self._powered:
                self._start(self._clock.monotonic())
            elif not on:
                self._next = math.inf
            self._powered = on

    def freeze(self) -> None:
        """Stop measuring while still answering on the bus, until the next power cycle."""
        with self._lock:
            self._next = math.inf

    def _start(self, at: float) -> None:
        self._since = at
        self._ram[:] = 0
        self._status = 0
        self._control = int(self.eeprom[0x0C])
        self._subpage = 0
        self._active = self._control
        self._next = at + POWER_ON + refresh_period(self._control)

    def _due(self) -> float:
        return self._next

    def _advance(self, to: float) -> None:
        if self._next <= to and self._active != self._control:
            self._measure(self._next)
        # After a long silence only the newest two measurements can still be in RAM.
        period = refresh_period(self._active)
        if math.isfinite(self._next) and to - self._next > 4 * period:
            skipped = 2 * (int((to - self._next) / period - 2) // 2)
            self._next += skipped * period
        super()._advance(to)

    def _measure(self, at: float) -> None:
        held = self._control & DATA_HOLD and not self._status & OVERWRITE
        subpage = self._measured_subpage()
        if not held:
            self._transfer(subpage, at)
            self._status = (self._status & OVERWRITE) | NEW_DATA | subpage
        self.measurements += 1
        self._subpage = 1 - subpage
        # What was written to the control register holds from the next measurement on (12.2.1, note).
        self._active = self._control
        self._next = at + refresh_period(self._active)

    def _measured_subpage(self) -> int:
        """Table 6: which subpage is measured now."""
        if not self._active & SUBPAGE_MODE:
            return 0
        if self._active & SUBPAGE_REPEAT:
            return (self._active >> 4) & 1
        return self._subpage

    def _transfer(self, subpage: int, at: float) -> None:
        settled = self._ambient(at) if callable(self._ambient) else self._ambient
        ambient = settled - self._flaws.cooler(at - self._since)
        surroundings = Surroundings(
            ambient=ambient,
            supply=self._supply(at) if callable(self._supply) else self._supply,
            reflected=settled - 8.0 if self._reflected is None else self._reflected,
            emissivity=self._emissivity,
        )
        scene = np.asarray(self._scene(at), dtype=np.float64).reshape(-1)
        if scene.shape != (PIXELS,) or not np.isfinite(scene).all():
            raise ValueError("a scene is finite float[24, 32] in °C")
        noise = self._netd * math.sqrt(1.0 / refresh_period(self._active))
        arriving = self._flaws.flux(arriving_flux(scene, surroundings), at, at - self._since, subpage)
        raw = self._model.pixels(scene, arriving, surroundings, self._active, subpage)
        raw += self._model.noise(noise, self._active) * self._random.standard_normal(PIXELS)
        owned = owned_pixels(subpage, chess=is_chess(self._active))
        words = np.clip(np.rint(raw), -32768, 32767).astype(np.int16).view(np.uint16)
        self._ram[:PIXELS][owned] = words[owned]
        self._ram[PIXELS:] = self._model.auxiliary(surroundings, self._active, subpage, self._ram[PIXELS:])
