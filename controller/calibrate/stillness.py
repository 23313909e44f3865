"""Thermal frames of a scene that stands still, averaged into one map whose noise is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.calibrate.refusal import CalibrationError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from controller.perception.types import HeatFrame

    Statistic = Callable[..., NDArray[np.float64]]

LEAST_SAMPLES: Final = 4
"""Independent samples of a pixel from which its noise can be told."""
GLITCH_FLOOR, GLITCH_SIGMAS = 1.0, 5.0
"""A sample is a glitch when it is so many kelvin plus so many noises from its pixel's median."""
NORMAL_MAD: Final = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""
SENSOR_RANGE: Final = (-40.0, 300.0)
"""What an MLX90640 can report, °C."""


@dataclass(frozen=True, slots=True, eq=False)
class StillMap:
    """What the frames agree on."""

    mean: NDArray[np.float64]
    """float64[rows, columns], °C; where the sensor has no usable pixel, the mean of its neighbours."""
    dead: NDArray[np.bool_]
    """bool[rows, columns]: pixels that gave nothing and were filled."""
    noise: float
    """Standard deviation of one sample of one pixel, K (median over the map)."""
    samples: float
    """Independent samples of a pixel (median): a chess-pattern frame renews half of them."""
    frames: int
    ambient: float
    """Die temperature Ta, °C (median)."""
    readings: NDArray[np.float64]
    """float64[frames, rows, columns], °C; NaN where a frame renewed nothing, or a glitch."""
    times: NDArray[np.float64]
    """float64[frames], monotonic seconds."""

    @property
    def left(self) -> float:
        """Standard uncertainty of one pixel's mean by noise, K."""
        return self.noise / float(np.sqrt(max(self.samples, 1.0)))

    @property
    def room(self) -> float:
        """The room behind everything, °C: the coolest fifth, where walls are."""
        return float(np.quantile(self.mean, 0.2))


def still(frames: Sequence[HeatFrame]) -> StillMap:
    """Average frames during which nothing moved.

    Raises `CalibrationError` (SENSOR) when they hold too few samples, or too few usable pixels.
    """
    if not frames:
        raise CalibrationError(Refusal.SENSOR, "the thermal sensor gave no frame")
    stack = np.stack([np.asarray(frame.temperatures, dtype=np.float64) for frame in frames])
    with np.errstate(invalid="ignore"):
        stack[(stack < SENSOR_RANGE[0]) | (stack > SENSOR_RANGE[1])] = np.nan
    fresh = stack.copy()
    # A pixel that was not measured anew holds its old value to the last bit; with noise, a new one differs.
    fresh[1:][stack[1:] == stack[:-1]] = np.nan
    fresh[~np.isfinite(stack)] = np.nan
    count = np.isfinite(fresh).sum(axis=0)
    dead = count < LEAST_SAMPLES
    if dead.mean() > 0.2:
        samples = float(np.median(count))
        raise CalibrationError(
            Refusal.SENSOR,
            f"{len(frames)} thermal frames hold {samples:g} samples of a pixel, {dead.sum()} of {dead.size} pixels "
            f"fewer than {LEAST_SAMPLES}: look for longer, or see to the sensor",
        )
    noise = _noise(fresh[:, ~dead])
    middle = _over_time(np.nanmedian, fresh, dead)
    with np.errstate(invalid="ignore"):
        fresh[np.abs(fresh - middle) > GLITCH_FLOOR + GLITCH_SIGMAS * noise] = np.nan
    return StillMap(
        mean=_filled(_over_time(np.nanmean, fresh, dead), dead),
        dead=dead,
        noise=noise,
        samples=float(np.median(np.isfinite(fresh).sum(axis=0)[~dead])),
        frames=len(frames),
        ambient=float(np.median([frame.ambient for frame in frames])),
        readings=fresh,
        times=np.array([frame.timestamp for frame in frames]),
    )


def _over_time(what: Statistic, fresh: NDArray[np.float64], dead: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A statistic of every pixel's samples; NaN where the pixel is dead (whose samples NumPy would warn of)."""
    picture = np.full(dead.shape, np.nan)
    picture[~dead] = what(fresh[:, ~dead], axis=0)
    return picture


def _noise(samples: NDArray[np.float64]) -> float:
    """Robust standard deviation of a sample, from [frames, pixels], by differences in time: drift is none."""
    steps = [np.diff(series[np.isfinite(series)]) for series in samples.T]
    return float(NORMAL_MAD * np.median(np.abs(np.concatenate(steps))) / np.sqrt(2))


def _filled(picture: NDArray[np.float64], dead: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Dead pixels take the mean of their neighbours that are alive, from the outside of a hole inwards."""
    out = picture.copy()
    missing = dead.copy()
    while missing.any():
        padded = np.pad(np.where(missing, 0.0, out), 1)
        there = np.pad((~missing).astype(np.float64), 1)
        rows, columns = picture.shape
        around = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
        total = sum(padded[i : i + rows, j : j + columns] for i, j in around)
        count = np.asarray(sum(there[i : i + rows, j : j + columns] for i, j in around))
        reach = missing & (count > 0)
        out[reach] = (np.asarray(total)[reach]) / count[reach]
        missing &= ~reach
    return out
