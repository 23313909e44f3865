"""Where the constants of the thermal kernel's fourth root come from, and how exact the root is.

The kernel (`_fastcore/src/mlx90640_root.h`) needs no root for x^(1/4): a seed z of about x^(-1/4) from bits of x,
t = x·z⁴, which then lies near 1, and x·z³·P(t) with a polynomial P of t^(-3/4). P is the best one of its degree in the
relative error (Remez' exchange) over the range that the seed leaves t in. The seed's error repeats from x to 16·x, so
four octaves of float32, 2^25 numbers, are all there are. `python -m benchmarks.fourth_root` prints the constants, and
the largest error over every one of them, computed in float32 in the kernel's order of operations.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Singles = NDArray[np.float32]
    Doubles = NDArray[np.float64]

MAGIC = 0x4F587A00
"""The bits of the seed at the bits 0. It puts t between 0.875 and 1.126, so that the last root's t - 1 is small."""

ROOTS = {"fair": (4, 0.0), "exact": (6, 1.0)}
"""Name of a root: the degree of its polynomial, and the number that is taken from t first."""

EXCHANGES = 12


def seed(x: Singles) -> Singles:
    """About x^(-1/4)."""
    z: Singles = (np.int32(MAGIC) - (x.view(np.int32) >> 2)).view(np.float32)
    return z


def four_octaves(step: int = 1, chunk: int = 1 << 20) -> Iterator[Singles]:
    """Every float32 (or every step-th) from 1 up to 16, in pieces."""
    first, last = (int(np.float32(x).view(np.int32)) for x in (1, 16))
    for start in range(first, last, chunk * step):
        yield np.arange(start, min(start + chunk * step, last), step, dtype=np.int32).view(np.float32)


def seed_range(step: int = 1) -> tuple[float, float]:
    """The smallest and the largest t, over every step-th float32."""
    extremes = [x.astype(np.float64) * seed(x).astype(np.float64) ** 4 for x in four_octaves(step)]
    return min(float(t.min()) for t in extremes), max(float(t.max()) for t in extremes)


def best_polynomial(low: float, high: float, degree: int, origin: float) -> tuple[Doubles, float]:
    """Coefficients of P(t - origin), constant first, and the relative error they leave."""
    grid = np.linspace(low, high, 200_001)
    places = (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * np.arange(degree + 2) / (degree + 1))
    worst = 0.0
    coefficients: Doubles = np.zeros(degree + 1)
    for _ in range(EXCHANGES):
        # Powers of t - 1 keep the system well conditioned; the origin is moved afterwards.
        powers = np.vander(places - 1, degree + 1, increasing=True) * places[:, None] ** 0.75
        system = np.column_stack([powers, (-1.0) ** np.arange(degree + 2)])
        coefficients = np.linalg.solve(system, np.ones(degree + 2))[:-1].astype(np.float64)
        error = np.polynomial.polynomial.polyval(grid - 1, coefficients) * grid**0.75 - 1
        worst = float(np.abs(error).max())
        bounds = [0, *(np.flatnonzero(np.diff(np.sign(error))) + 1), grid.size]
        places = np.array([grid[a + np.abs(error[a:b]).argmax()] for a, b in itertools.pairwise(bounds)])
    moved = np.polynomial.Polynomial(coefficients)(np.polynomial.Polynomial([origin - 1, 1.0]))
    return moved.coef.astype(np.float64), worst


def fourth_root(x: Singles, coefficients: Sequence[np.float32], origin: float) -> Singles:
    """The kernel's root, operation by operation in float32."""
    z = seed(x)
    w = (x * z) * (z * z)
    t = w * z
    if origin:
        t = t - np.float32(origin)
    square = t * t
    even, odd = coefficients[::2], coefficients[1::2]
    pairs: list[Any] = [t * high + low for low, high in zip(even, odd, strict=False)]
    pairs += even[len(odd) :]
    p = pairs.pop()
    while len(pairs) > 1:
        p = pairs.pop() + square * p
    p = (t * odd[0] + square * p) + even[0] if origin else pairs.pop() + square * p
    root: Singles = w * p
    return root


def largest_error(coefficients: Sequence[np.float32], origin: float, step: int = 1) -> float:
    """Relative, over every step-th float32."""
    worst = 0.0
    for x in four_octaves(step):
        exact = np.sqrt(np.sqrt(x.astype(np.float64)))
        worst = max(worst, float(np.abs(fourth_root(x, coefficients, origin) / exact - 1).max()))
    return worst


def main() -> None:
    """Print the constants and their errors."""
    low, high = seed_range()
    print(f"seed: t from {low:.6f} to {high:.6f}")
    for name, (degree, origin) in ROOTS.items():
        exact, best = best_polynomial(low, high, degree, origin)
        coefficients = list(exact.astype(np.float32))
        reached = largest_error(coefficients, origin)
        print(f"{name}: degree {degree}, {best:.2g} as a polynomial, {reached:.3g} in float32")
        print("  " + ", ".join(f"{each:.9g}f" for each in coefficients))


if __name__ == "__main__":
    main()
