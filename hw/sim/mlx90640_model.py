"""From degrees to raw words: the inverse of the data sheet's section 11.2, for the simulated chip.

A pixel's signal is what reaches it less what it radiates itself: eps * To^4 + (1 - eps) * Tr^4 - Ta^4 in K^4, times a
sensitivity that depends on die and object temperature. The package is taken as isothermal: the compensation pixel
sees no signal of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.sim.mlx90640_slave import COLUMNS, PIXELS, is_chess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw.sim.mlx90640_calibration import Calibration

ZERO_CELSIUS: Final = 273.15
VBE: Final = 19_900
"""Typical Vbe word; real chips were seen at 19,400 to 20,100."""
REFERENCE: Final = 25.0
"""To and Ta in °C at which the data sheet states the noise (12.3)."""
VBE_AT, CP_AT, GAIN_AT, PTAT_AT, VDD_AT = 0x00, 0x08, 0x0A, 0x20, 0x2A
"""Auxiliary words from RAM 0x0700 on (figure 14); the compensation pixel of subpage 1 stands 0x20 further."""
LEGAL_7FFF: Final = (0x02, 0x04, 0x06, 0x13, 0x17, 0x21, 0x23)
"""Reserved words in which healthy chips show 0x7FFF."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What besides the scene decides the words."""

    ambient: float
    """Die temperature Ta, °C."""
    supply: float
    """Volts."""
    reflected: float
    """Tr, °C."""
    emissivity: float


class RawModel:
    """The chip's analog chain, with the calibration that its EEPROM promises."""

    def __init__(self, calibration: Calibration) -> None:
        self._cal = calibration
        row, column = np.divmod(np.arange(PIXELS), COLUMNS)
        parity = row % 2
        # 11.1.3.1: the pattern numbers IL and Conversion of each pixel.
        conversion = np.array([0, -1, 0, 1])[column % 4] * (1 - 2 * parity)
        _, c2, c3 = calibration.interleave
        self._pattern_shift = c3 * (2 * parity - 1) - c2 * conversion

    def pixels(
        self,
        scene: NDArray[np.float64],
        arriving: NDArray[np.float64],
        around: Surroundings,
        control: int,
        subpage: int,
    ) -> NDArray[np.float64]:
        """Raw pixel words before rounding, float64[768].

        `scene` is float64[768] in °C, `arriving` what of it reaches the pixels (`arriving_flux`, and a chip's flaws).
        """
        cal = self._cal
        warm = around.ambient - 25.0
        sensitivity = (cal.alpha - cal.tgc * cal.cp_alpha[subpage]) * (1.0 + cal.ks_ta * warm)
        signal = sensitivity * self._object_factor(scene) * arriving
        resting = cal.offset * (1.0 + cal.kta * warm) * (1.0 + cal.kv * (around.supply - 3.3))
        if is_chess(control) != cal.chess_calibrated:
            resting = resting - self._pattern_shift
        return np.asarray(np.where(cal.dead, 0.0, (signal + resting) / self._gain(around.ambient, control)))

    def noise(self, netd: float, control: int) -> float:
        """Sigma of the raw words that makes the mean NETD over all pixels `netd` K, rounding included."""
        if netd <= 0:
            return 0.0
        cal = self._cal
        slope = (
            (cal.alpha - cal.tgc * np.mean(cal.cp_alpha))
            * self._object_factor(np.full(PIXELS, REFERENCE))
            * 4.0
            * (REFERENCE + ZERO_CELSIUS) ** 3
        )
        usable = ~cal.dead & (slope > 0)
        sigma = netd / float(np.mean(1.0 / slope[usable])) / self._gain(REFERENCE, control)
        return math.sqrt(max(0.0, sigma**2 - 1.0 / 12.0))

    def auxiliary(
        self, around: Surroundings, control: int, subpage: int, present: NDArray[np.uint16]
    ) -> NDArray[np.uint16]:
        """The 64 words from 0x0700 on; the other subpage's compensation pixel stays as it is in `present`."""
        cal = self._cal
        volts = around.supply - 3.3
        vdd = round((volts * cal.kv_vdd + cal.vdd_25) * self._resolution_ratio(control))
        art = (cal.ptat_25 + (around.ambient - 25.0) * cal.kt_ptat) * (1.0 + cal.kv_ptat * volts)
        ptat = round(art * VBE / (2.0**18 - art * cal.alpha_ptat))
        # The PTAT word alone resolves 0.1 K; Vbe is set so that both together say Ta to 0.01 K.
        vbe = round(ptat * (2.0**18 / art - cal.alpha_ptat))
        offset = cal.cp_offset[subpage]
        if subpage and is_chess(control) != cal.chess_calibrated:
            offset += cal.interleave[0]
        warm = around.ambient - 25.0
        resting = offset * (1.0 + cal.cp_kta * warm) * (1.0 + cal.cp_kv * volts)
        words = present.copy()
        words[list(LEGAL_7FFF)] = 0x7FFF
        for index, value in (
            (VBE_AT, vbe),
            (GAIN_AT, self._gain_word(around.ambient, control)),
            (PTAT_AT, ptat),
            (VDD_AT, vdd),
            (CP_AT + 0x20 * subpage, round(resting / self._gain(around.ambient, control))),
        ):
            words[index] = min(32767, max(-32768, value)) & 0xFFFF
        return words

    def _resolution_ratio(self, control: int) -> float:
        """How the ADC resolution set scales words against the one calibrated at (11.2.2.1)."""
        return float(2.0 ** (((control >> 10) & 3) - self._cal.resolution))

    def _gain_word(self, ambient: float, control: int) -> int:
        # A healthy chip's gain word is within a few percent of the EEPROM's and drifts with temperature; recordings
        # at 16 bit show it scaled with the resolution, so the pixel words are as well and the quotient is not.
        drift = 0.987 + 2e-4 * (ambient - 25.0)
        return max(1, round(self._cal.gain * drift * self._resolution_ratio(control)))

    def _gain(self, ambient: float, control: int) -> float:
        return self._cal.gain / self._gain_word(ambient, control)

    def _object_factor(self, scene: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sensitivity at object temperature `scene` °C against that at 0 °C (11.2.2.9.1.2)."""
        (k1, k2, k3, k4), (c1, c2, c3, c4) = self._cal.ks_to, self._cal.corners
        at_third = 1.0 + k2 * (c3 - c2)
        at_fourth = at_third * (1.0 + k3 * (c4 - c3))
        return np.select(
            [scene < c2, scene < c3, scene < c4],
            [
                (1.0 + k1 * (scene - c1)) / (1.0 + k1 * (c2 - c1)),
                1.0 + k2 * (scene - c2),
                at_third * (1.0 + k3 * (scene - c3)),
            ],
            at_fourth * (1.0 + k4 * (scene - c4)),
        )


def arriving_flux(scene: NDArray[np.float64], around: Surroundings) -> NDArray[np.float64]:
    """What reaches a pixel less what it radiates itself, K⁴, for an object temperature in °C; of equal shape."""
    return np.asarray(
        around.emissivity * _fourth(scene)
        + (1.0 - around.emissivity) * _fourth(around.reflected)
        - _fourth(around.ambient)
    )


def _fourth(celsius: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray((np.asarray(celsius) + ZERO_CELSIUS) ** 4)
