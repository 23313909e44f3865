"""What an MLX90640 gets wrong: imperfections at the data sheet's figures, as they act before the converter.

Nothing here touches a temperature that was calculated: an imperfection is a flux beside the scene's, an amplifier or
lens that deviates from what the EEPROM says, or a mark in the EEPROM. What a driver makes of it is its own affair.

Figures are those of the data sheet rev 12 (MLX90640, Melexis, 3 December 2019) for Ta 0..50 °C, To 0..100 °C: 12.1.1
with figures 17 and 18 (accuracy), 12.1.2 (self-heating), 12.2.2 (thermal behaviour), 9 and Table 10, note 3 (false
pixels). They are limits for a settled, isothermal sensor with an object that fills its view. Not modelled because no
figure was found: noise with a spectrum (1/f), gradients over the package from draughts and nearby heat, dirt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from hw.sim.mlx90640_slave import COLUMNS, PIXELS, ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

ZERO_CELSIUS: Final = 273.15
SKIN: Final = 35.0
"""Object temperature, °C, at which an error of the flux is worth the kelvin that are asked for; it is worth 1 % less
for each 1 K that the object is warmer."""
DAY: Final = 86_400.0
SELF_HEATING: Final = 8.0
"""K by which a settled die is warmer than what surrounds the sensor (12.1.2, note)."""
STABILISATION: Final = 240.0
"""Seconds after power-on from which the accuracy is promised (12.2.2)."""
WARM_UP_CONSTANTS: Final = 4.0
"""Time constants within STABILISATION: 2 % of the error is left then. Our reading; the data sheet gives no curve."""
ZONES: Final = {110: (0.5, 1.0, 2.0), 55: (1.0, 2.0, 2.0)}
"""Largest deviation of a pixel from the frame's mean error, K, in the middle, around it and in the corners (figures 17
and 18: BAA has three zones, BAB two)."""
DEFECTS: Final = 4
"""Most deviating pixels of a sensor that is sold (Table 10, note 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imperfections:
    """How one chip deviates from its calibration. The default is a chip without fault.

    Attributes:
        bias: error of the mean over the frame, K.
        pattern: float64[24, 32], error of each pixel beside that, K; None: none.
        gain: share by which the signal is too large, so that a reading errs by about gain · (To - Ta).
        warm_up: error at power-on, K, that decays with `warm_up_constant`.
        warm_up_constant: seconds.
        self_heating: K by which the die at power-on is cooler than it settles at, decaying as `warm_up` does.
        drift: standard deviation of the random walk of the bias, K per square root of a day.
        age: days of that walk that lie behind the chip when it is made.
        checkerboard: error of subpage 1 less that of subpage 0, K, half to each side.
        dead: pixels (row · 32 + column) that the EEPROM marks as failed.
        outliers: pixels that the EEPROM marks as out of specification; they read `hot_by` too much.
        stuck: unmarked pixels that see no signal and read about the die's temperature.
        hot: unmarked pixels that read `hot_by` too much.
        hot_by: K.
        seed: of the random walk.
    """

    bias: float = 0.0
    pattern: NDArray[np.float64] | None = field(default=None, compare=False)
    gain: float = 0.0
    warm_up: float = 0.0
    warm_up_constant: float = STABILISATION / WARM_UP_CONSTANTS
    self_heating: float = 0.0
    drift: float = 0.0
    age: float = 0.0
    checkerboard: float = 0.0
    dead: tuple[int, ...] = ()
    outliers: tuple[int, ...] = ()
    stuck: tuple[int, ...] = ()
    hot: tuple[int, ...] = ()
    hot_by: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for a pixel or a pattern that is not on the array, or a time that runs backwards."""
        for name in ("dead", "outliers", "stuck", "hot"):
            if any(not 0 <= pixel < PIXELS for pixel in getattr(self, name)):
                raise ValueError(f"{name}: a pixel index lies in 0..{PIXELS - 1}")
        if self.pattern is not None and self.pattern.shape != (ROWS, COLUMNS):
            raise ValueError(f"a pattern is float64[{ROWS}, {COLUMNS}], not {list(self.pattern.shape)}")
        if not self.gain > -1:
            raise ValueError(f"a gain error of {self.gain} leaves no signal")
        if not self.warm_up_constant > 0 or self.drift < 0 or self.age < 0:
            raise ValueError("warm_up_constant is positive; drift and age are not negative")

    @classmethod
    def datasheet(cls, seed: int, *, fov: int = 55) -> Imperfections:
        """One chip of those that the data sheet allows, drawn evenly between its limits.

        | figure | limit | source |
        |---|---|---|
        | `bias` | ±1 K | frame accuracy, figure 17 |
        | `pattern` | ±1 K, ±2 K outside (BAB); ±0.5, ±1, ±2 K (BAA) | non-uniformity by zone, figures 17, 18 |
        | `gain` | ±2 % of To - Ta | the same (stated for BAA; taken for BAB too) |
        | `self_heating` | 8 K | 12.1.2, note |
        | `warm_up` | -2 to +2 K, gone in 4 min | 12.2.2 names the time; the size is our choice |
        | `drift` | 0.05 K per root day | our reading of ±3 K "long term (years)" (12.1.1, note 2) as 2 σ in 900 days |
        | `age` | 0 to 365 days | our choice |
        | `checkerboard` | ±0.2 K | seen (melexis/mlx90640-library, issue 51); the size is our choice |
        | marked pixels | 0 to 4 | Table 10, note 3 |
        | unmarked pixels | one in five chips has a hot one | our choice (melexis/mlx90640-library, issue 18) |

        Args:
            seed: which chip.
            fov: 55 (BAB) or 110 (BAA) degrees. Raises ValueError for another one.
        """
        if fov not in ZONES:
            raise ValueError(f"an MLX90640 sees 55 or 110 degrees, not {fov}")
        rng = np.random.default_rng((0xF1A5, seed))
        faulty = [int(pixel) for pixel in rng.choice(PIXELS, DEFECTS + 1, replace=False)]
        marked = int(rng.integers(0, DEFECTS + 1))
        failed = int(rng.integers(0, marked + 1))
        return cls(
            bias=float(rng.uniform(-1, 1)),
            pattern=_pattern(rng, ZONES[fov]),
            gain=float(rng.uniform(-0.02, 0.02)),
            warm_up=float(rng.uniform(-2, 2)),
            self_heating=SELF_HEATING,
            drift=0.05,
            age=float(rng.uniform(0, 365)),
            checkerboard=float(rng.uniform(-0.2, 0.2)),
            dead=tuple(faulty[:failed]),
            outliers=tuple(faulty[failed:marked]),
            hot=tuple(faulty[DEFECTS:]) if rng.random() < 0.2 else (),
            seed=seed,
        )


class Flaws:
    """Imperfections at work in one chip that is made at monotonic `born`, seconds."""

    def __init__(self, imperfections: Imperfections, born: float) -> None:
        self.imperfections = imperfections
        self._born = born
        pattern = imperfections.pattern
        self._fixed = np.zeros(PIXELS) if pattern is None else np.array(pattern, dtype=np.float64).reshape(-1)
        self._fixed[list(imperfections.hot) + list(imperfections.outliers)] += imperfections.hot_by
        self._stuck = list(imperfections.stuck)
        self._walk = np.zeros(1)

    def mark(self, eeprom: NDArray[np.uint16]) -> None:
        """Mark failed and deviating pixels in uint16[832], in place, as the factory does."""
        eeprom[64 + np.array(self.imperfections.outliers, dtype=np.int64)] |= 1
        eeprom[64 + np.array(self.imperfections.dead, dtype=np.int64)] = 0

    def cooler(self, since_power_on: float) -> float:
        """K by which the die still is below where it settles."""
        return self.imperfections.self_heating * self._left(since_power_on)

    def error(self, at: float, since_power_on: float, subpage: int) -> NDArray[np.float64]:
        """Error of each pixel's reading of skin, measured in `subpage` at monotonic `at`, apart from that of the gain.

        Returns float64[768], K.
        """
        flaws = self.imperfections
        common = flaws.bias + flaws.warm_up * self._left(since_power_on) + self.walked(at)
        return np.asarray(self._fixed + common + flaws.checkerboard * (subpage - 0.5))

    def walked(self, at: float) -> float:
        """Where the random walk of the bias is at monotonic `at`, K; it changes evenly within a day."""
        days = self.imperfections.age + max(0.0, at - self._born) / DAY
        last = math.floor(days) + 1
        if last >= self._walk.size:
            steps = np.random.default_rng((0xDA1, self.imperfections.seed)).standard_normal(2 * last)
            self._walk = np.concatenate([[0.0], np.cumsum(steps)])
        return float(self.imperfections.drift * np.interp(days, [last - 1, last], self._walk[last - 1 : last + 1]))

    def flux(
        self, arriving: NDArray[np.float64], at: float, since_power_on: float, subpage: int
    ) -> NDArray[np.float64]:
        """What the pixels see instead of `arriving`, both float64[768] in K⁴: with stray flux and the gain's error."""
        kelvin = self.error(at, since_power_on, subpage)
        seen = (1.0 + self.imperfections.gain) * arriving + 4.0 * (SKIN + ZERO_CELSIUS) ** 3 * kelvin
        seen[self._stuck] = 0.0
        return seen

    def _left(self, since_power_on: float) -> float:
        return math.exp(-max(0.0, since_power_on) / self.imperfections.warm_up_constant)


def _pattern(rng: np.random.Generator, zones: tuple[float, float, float]) -> NDArray[np.float64]:
    """Error of each pixel beside the frame's, K, float64[24, 32]: smooth, larger toward the corners, mean 0."""
    row, column = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    limit = np.interp(np.hypot(row, column) / math.sqrt(2), [0.35, 0.7, 1.0], zones)
    # A tilt and a bowl are what an uneven package leaves; single pixels deviate by their share of the limit.
    tilt, lean, bowl = rng.uniform(-1, 1, 3)
    smooth = (tilt * column + lean * row + bowl * (column**2 + row**2 - 1)) / 3
    error = np.clip(smooth + 0.15 * rng.standard_normal((ROWS, COLUMNS)), -1, 1) * limit
    return np.asarray(error - error.mean())
