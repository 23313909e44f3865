"""Figures of `sensor_truth` and `sensor_faces` with their 95 % intervals, and rows of Markdown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from controller.perception.operating import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Two decimals."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


NOTHING: Final = Figure(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Errors of one kind over the trials, K."""

    bias: Figure
    spread: Figure
    """Standard deviation."""
    worst: Figure
    """95th percentile of the absolute error."""


def accuracy(errors: NDArray[np.float64]) -> Accuracy:
    """Bias, spread and 95th percentile of |error| of float64[n] in K, NaN left out, with bootstrapped intervals."""
    known = errors[np.isfinite(errors)]
    if known.size < 2:
        return Accuracy(NOTHING, NOTHING, NOTHING)
    picks = np.random.default_rng(1).integers(0, known.size, (RESAMPLES, known.size))
    again = known[picks]

    def figure(measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Figure:
        low, high = np.quantile(measure(again), (0.025, 0.975))
        return Figure(float(measure(known[None])[0]), float(low), float(high))

    return Accuracy(
        bias=figure(lambda x: x.mean(axis=1)),
        spread=figure(lambda x: x.std(axis=1, ddof=1)),
        worst=figure(lambda x: np.quantile(np.abs(x), 0.95, axis=1)),
    )


def repeated(errors: NDArray[np.float64]) -> Figure:
    """Pooled standard deviation of repeated readings, float64[people, repeats] in K; resampled by people."""
    variance = np.full(len(errors), np.nan)
    whole = np.isfinite(errors).all(axis=1)
    variance[whole] = errors[whole].var(axis=1, ddof=1)
    known = variance[np.isfinite(variance)]
    if known.size < 2:
        return NOTHING
    picks = np.random.default_rng(2).integers(0, known.size, (RESAMPLES, known.size))
    low, high = np.quantile(np.sqrt(known[picks].mean(axis=1)), (0.025, 0.975))
    return Figure(float(np.sqrt(known.mean())), float(low), float(high))


def share(hits: float, trials: int) -> str:
    """Percent with Wilson's interval."""
    if not trials:
        return "-"
    low, high = wilson(hits, trials)
    return f"{100 * hits / trials:.0f} ({100 * low:.0f} to {100 * high:.0f})"


def head(*names: str) -> Iterable[str]:
    """A table's first two lines."""
    return row(*names), "|" + "---|" * len(names)


def row(*cells: str) -> str:
    """A line of a table."""
    return "| " + " | ".join("-" if "nan" in cell else cell for cell in cells) + " |"
