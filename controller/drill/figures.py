"""Statistics of a rehearsal: rates, quantiles and counts, each with the interval that its sample size allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Z_95 = 1.959964
"""Two-sided 95 % point of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `n`, with a Wilson score interval (95 %)."""

    hits: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The observed share; None of nobody."""
        return self.hits / self.n if self.n else None


def rate(hits: int, n: int, z: float = Z_95) -> Rate:
    """Wilson score interval (Wilson 1927, JASA 22, 209) of a binomial share: stays in 0..1 and holds for small n."""
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    if n == 0:
        return Rate(0, 0, 0.0, 1.0)
    share, spread = hits / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # At the ends the exact bound is 0 or 1; rounding must not put it a hair beside.
    return Rate(hits, n, 0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


@dataclass(frozen=True, slots=True)
class Quantile:
    """A sample quantile with the distribution-free 95 % interval of order statistics.

    `low` or `high` is None where the sample is too small to bound the quantile on that side.
    """

    p: float
    n: int
    value: float
    low: float | None
    high: float | None


def quantile(values: Iterable[float], p: float, confidence: float = 0.95) -> Quantile | None:
    """The `p` quantile of `values`, by nearest rank (Hyndman-Fan type 1); None of no values.

    The bounds are order statistics; their ranks come from the binomial distribution, equal tails (David and Nagaraja,
    Order Statistics, section 7.1), so no shape is assumed.
    """
    ordered = sorted(values)
    n = len(ordered)
    if not 0 < p < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {p}")
    if n == 0:
        return None
    tail = (1 - confidence) / 2
    # An observed value, so that it never lies outside its own bounds, which are observed values too.
    value = ordered[math.ceil(p * n) - 1]
    cumulative = list(accumulate(_binomial(n, p)))
    # P(X(r) > quantile) = P(at most r - 1 values below it).
    low_rank = sum(1 for c in cumulative if c <= tail)
    high_rank = 1 + sum(1 for c in cumulative if c < 1 - tail)
    low = ordered[low_rank - 1] if low_rank >= 1 else None
    high = ordered[high_rank - 1] if high_rank <= n else None
    return Quantile(p, n, value, low, high)


def _binomial(n: int, p: float) -> list[float]:
    return [math.exp(_log_choose(n, k) + k * math.log(p) + (n - k) * math.log1p(-p)) for k in range(n + 1)]


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def poisson_binomial(chances: Sequence[float]) -> list[float]:
    """Distribution of the number of successes of independent trials with unequal `chances`: float[n + 1], exact."""
    spread = [1.0]
    for chance in chances:
        if not 0 <= chance <= 1:
            raise ValueError(f"{chance} is no probability")
        spread = [
            (spread[k] if k < len(spread) else 0.0) * (1 - chance) + (spread[k - 1] * chance if k else 0.0)
            for k in range(len(spread) + 1)
        ]
    return spread


@dataclass(frozen=True, slots=True)
class CountInterval:
    """Counts from `low` to `high` hold at least the asked share of a distribution; `mean` is its mean."""

    low: int
    high: int
    mean: float

    def __contains__(self, count: int) -> bool:
        return self.low <= count <= self.high


def count_interval(chances: Sequence[float], confidence: float) -> CountInterval:
    """Equal-tailed interval of a Poisson-binomial count: each tail beyond it is at most (1 - confidence) / 2."""
    tail = (1 - confidence) / 2
    spread = poisson_binomial(chances)
    low = next(k for k, c in enumerate(accumulate(spread)) if c > tail)
    high = len(chances) - next(k for k, c in enumerate(accumulate(reversed(spread))) if c > tail)
    return CountInterval(low, high, sum(chances))


def upper_bound(chances: Sequence[float], confidence: float) -> int:
    """The least count that a Poisson-binomial variable exceeds with probability of at most 1 - `confidence`."""
    return next(k for k, c in enumerate(accumulate(poisson_binomial(chances))) if c >= confidence - 1e-12)
