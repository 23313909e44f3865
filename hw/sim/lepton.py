"""A simulated Lepton 2.5 or 3.5: it is fed a scene in °C, obeys commands on I2C and sends video on SPI.

Engineering data sheets of the Lepton and Lepton 3: power-on (0.95 s to the first command), flat-field correction (every
three minutes, said two seconds ahead, shutter closed for about half a second while the picture stands still), and
telemetry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.sim.lepton_cci import CciSlave
from hw.sim.lepton_optics import KELVIN, FluxSettings, flux, noise, temperatures, to_words
from hw.sim.lepton_video import SENT, TIMES, VospiSender

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hw.clock import Clock

BOOT: Final = 0.95
"""Seconds from power or reset to the first command."""
FFC_PERIOD: Final = 180.0
FFC_NOTICE: Final = 2.0
SHUTTER: Final = 0.6
"""Seconds that the shutter is closed."""
WARM: Final = 8.0
"""K by which a settled housing is warmer than its surroundings (our choice; seen 5 to 10)."""
PAYLOAD: Final = 80
NETD: Final = {80: 0.05, 160: 0.05}
"""K by columns (data sheets)."""
FOV: Final = {80: (51.0, 39.4), 160: (57.0, 44.3)}
"""Degrees by columns: the horizontal one is the data sheet's, the vertical one follows from square pixels."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a module is."""

    part: str
    rows: int
    columns: int
    segments: int
    telemetry: int
    """Packets of telemetry in a frame."""
    radiometric: bool = True


LEPTON_20: Final = Kind("500-0659-01", 60, 80, 1, 3, radiometric=False)
LEPTON_25: Final = Kind("500-0763-01", 60, 80, 1, 3)
LEPTON_30: Final = Kind("500-0726-01", 120, 160, 4, 4, radiometric=False)
LEPTON_35: Final = Kind("500-0771-01", 120, 160, 4, 4)


class SimulatedLepton:
    """A module that looks at `scene`. `cci` goes onto a simulated I2C bus, `video` onto a simulated SPI bus.

    Args:
        scene: object temperature in °C, float[rows, columns], that each pixel sees at a monotonic time. Called on the
            thread that reads the video.
        clock: the same as the buses'.
        seed: of the noise and of the pattern that drifts.
        kind: which module.
        ambient: temperature around the module in °C.
        netd: noise of a pixel, K; 0: none (words stay rounded).
        emissivity: of the scene.
        reflected: temperature in °C that the scene reflects; None: `ambient`.
        ffc_period: seconds between two corrections; infinity for none after the one at power-on.
        drift: K a minute by which the picture as a whole drifts away between two corrections, which take it back.
        unevenness: K (1 sigma) by which pixels differ after a correction, another pattern after each.
    """

    def __init__(
        self,
        scene: Callable[[float], NDArray[np.floating]],
        clock: Clock,
        *,
        seed: int,
        kind: Kind = LEPTON_35,
        ambient: float = 25.0,
        netd: float = 0.05,
        emissivity: float = 0.98,
        reflected: float | None = None,
        ffc_period: float = FFC_PERIOD,
        drift: float = 0.0,
        unevenness: float = 0.0,
    ) -> None:
        self.kind = kind
        self.radiometric = kind.radiometric
        self._scene = scene
        self._clock = clock
        self._seed = seed
        self._ambient = ambient
        self._netd = netd
        self._emissivity = emissivity
        self._reflected = ambient if reflected is None else reflected
        self._ffc_period = ffc_period
        self._drift = drift
        self._unevenness = unevenness
        self._powered = True
        self._commanded: list[float] = []
        self._shown: tuple[int, NDArray[np.uint16]] | None = None
        self.resets = 0
        self.cci = CciSlave(self, clock.monotonic)
        self.video = VospiSender(self, segments=kind.segments, start=math.inf)
        self._begin(clock.monotonic())

    def power(self, *, on: bool) -> None:
        """Switch the supply."""
        if on and not self._powered:
            self._begin(self._clock.monotonic())
        elif not on:
            self.video.restart(math.inf)
        self._powered = on

    def pulse(self, seconds: float) -> None:
        """RESET_L is held low: satisfies `hw.bus.ResetLine`."""
        self._clock.sleep(seconds)
        self.reset(self._clock.monotonic())

    name = "RESET_L"

    def reset(self, at: float) -> None:
        """Start anew: off the bus while it boots, settings as delivered."""
        self.resets += 1
        self._begin(at)

    def _begin(self, at: float) -> None:
        self._on_since = at
        self._commanded = []
        self._shown = None
        self.cci.clear()
        self.video.restart(at + BOOT)

    def answers(self, at: float) -> bool:
        """Whether it is on the bus."""
        return self._powered and at >= self._on_since + BOOT - 0.05

    def booted(self, at: float) -> bool:
        """Whether commands may come."""
        return self._powered and at >= self._on_since + BOOT

    def correct(self, at: float) -> None:
        """Run a flat-field correction now."""
        self._commanded.append(at)

    def _corrections(self, at: float) -> tuple[float, float]:
        """When the last correction began and when the next one will, monotonic seconds."""
        first = self._on_since + BOOT + 0.2
        passed = [time for time in self._commanded if time <= at]
        if at < first:
            return max(passed, default=-math.inf), first
        if not math.isfinite(self._ffc_period):
            return max([first, *passed]), math.inf
        last = first + math.floor((at - first) / self._ffc_period) * self._ffc_period
        return max([last, *passed]), last + self._ffc_period

    def told(self, at: float) -> dict[int, tuple[int, ...]]:
        """Attributes that can only be read."""
        text = self.kind.part.encode().ljust(32, b"\0")
        part = tuple(int.from_bytes(text[start : start + 2], "little") for start in range(0, 32, 2))
        uptime = round(1000 * (at - self._on_since))
        housing = round(100 * (self._ambient + WARM + KELVIN))
        return {
            0x0208: (0x1234, self._seed & 0xFFFF, 0x0001, 0x0000),
            0x020C: (uptime & 0xFFFF, uptime >> 16),
            0x0210: (housing,),
            0x0214: (housing + 150,),
            0x481C: part,
        }

    def words(self, number: int) -> NDArray[np.uint16]:
        """uint16[packets, 80] of the number-th frame: picture, then telemetry where that is on."""
        at = self._on_since + BOOT + number * TIMES / SENT
        last, following = self._corrections(at)
        closed = at < last + SHUTTER
        if closed and self._shown is not None:
            picture = self._shown[1]
        else:
            picture = self._picture(number, at, last + SHUTTER if math.isfinite(last) else self._on_since)
            self._shown = number, picture
        payload = picture.reshape(-1, PAYLOAD)
        state = 2 if closed else 1 if following - at <= FFC_NOTICE else 3 if math.isfinite(last) else 0
        if not self.cci.attributes[0x0218][0]:
            return payload
        rows = self._telemetry(number, at, state)
        return np.concatenate([payload, rows] if self.cci.attributes[0x021C][0] else [rows, payload])

    def _picture(self, number: int, at: float, corrected: float) -> NDArray[np.uint16]:
        shape = self.kind.rows, self.kind.columns
        scene = np.asarray(self._scene(at), dtype=np.float64)
        if scene.shape != shape or not np.isfinite(scene).all():
            raise ValueError(f"a scene is finite float[{shape[0]}, {shape[1]}] in °C")
        off: NDArray[np.float64] | float = self._drift * max(0.0, at - corrected) / 60.0
        if self._unevenness:
            pattern = np.random.default_rng((self._seed, 0xFFC, round(corrected * 1000) & 0xFFFFFFFF))
            off = off + self._unevenness * pattern.standard_normal(shape)
        arrived = flux(scene, self._emissivity, self._reflected) + noise(1.0) * off
        arrived += noise(self._netd) * np.random.default_rng((self._seed, number)).standard_normal(shape)
        attributes = self.cci.attributes
        if attributes[0x0100][0]:
            low, high = float(arrived.min()), float(arrived.max())
            return to_words(255 * (arrived - low) / max(high - low, 1e-9))
        if not (self.radiometric and attributes[0x4E10][0] and attributes[0x4EC0][0]):
            return to_words(arrived, 0x3FFF)
        kelvin = temperatures(arrived, FluxSettings(*attributes[0x4EBC][:2]))
        return to_words(kelvin * (100 if attributes[0x4EC4][0] else 10))

    def _telemetry(self, number: int, at: float, ffc: int) -> NDArray[np.uint16]:
        """uint16[telemetry packets, 80]: rows A, B and C."""
        rows = np.zeros((self.kind.telemetry, PAYLOAD), dtype=np.uint16)
        attributes = self.cci.attributes
        uptime = round(1000 * (at - self._on_since))
        status = ffc << 4 | attributes[0x0100][0] << 12
        housing = round(100 * (self._ambient + WARM + KELVIN))
        rows[0, 0] = 0x000E
        rows[0, [1, 2]] = uptime & 0xFFFF, uptime >> 16
        rows[0, [3, 4]] = status & 0xFFFF, status >> 16
        rows[0, [20, 21]] = number & 0xFFFF, number >> 16
        rows[0, 24], rows[0, 26] = housing + 150, housing
        rows[1, 19:27] = attributes[0x4EBC]
        tlinear = self.radiometric and attributes[0x4E10][0] and attributes[0x4EC0][0]
        rows[2, 48], rows[2, 49] = tlinear, attributes[0x4EC4][0]
        return rows
